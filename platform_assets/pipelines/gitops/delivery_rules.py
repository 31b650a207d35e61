"""Who disagrees, and what mends it: the ledger decides, and the others follow.

Belongs here: the rules, as one pure function over what the four say. Does not belong here: asking them, or carrying out what mends
(`reconcile.py`).

No clock decides who is newer: a release file names the newest move of the ledger that its writer knew of. A merged promotion that was made
on top of the newest move is newer than the ledger; one that was made on an older one is overtaken.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from platform_assets.deployment.gitops.release_file import ReleaseFile, WrittenHold, in_utc
from platform_assets.pipelines.gitops.delivery_state import DeliveryState, TargetSide
from platform_assets.registry.holds import DeliveryHold, hold_key


class Party(StrEnum):
    """Who says what serves."""

    LEDGER = "ledger"
    ALIAS = "alias"
    GIT = "git"
    TARGET = "target"


class Mend(StrEnum):
    """What is done about a disagreement; docs/operations/gitops.md has this table."""

    FINISH_MOVE = "The alias moved as it was intended: the ledger gets the entry that is lacking."
    FINISH_ROLLBACK = "A rollback was begun: it is carried out."
    RETURN_ALIAS = "The alias goes back to the ledger's champion."
    ADOPT_HOLD = "A hold that a person wrote into git is taken into the ledger."
    APPLY_MERGE = "A merged promotion that was made on the ledger's newest move is checked, promoted and deployed."
    RESTORE_HELD = "While a hold is in force git gets the ledger's release back."
    RESTORE_OVERTAKEN = "A promotion that was made on an older move gets the ledger's release back."
    RECORD_IN_GIT = "Git gets the ledger's decision: release, newest move, hold."
    DEPLOY = "The champion's service is deployed, in the stages that are declared."
    RECORD_DEPLOYMENT = "The ledger gets the deployment that the target has and the ledger lacks."
    WAIT = "A rollout is under way: nothing is done until it is over."
    PERSON = "No rule decides it: a person does."


BY_ITSELF = frozenset(Mend) - {Mend.WAIT, Mend.PERSON}
"""What a reconciler does without asking."""


@dataclass(frozen=True)
class Disagreement:
    """One party that says something else than it should.

    Attributes:
        party: which.
        sentence: what it says, and what it should.
        mend: what is done about it.
    """

    party: Party
    sentence: str
    mend: Mend

    def __str__(self) -> str:
        return f"{self.party}: {self.sentence}"


def disagreements(state: DeliveryState) -> tuple[Disagreement, ...]:
    """Who disagrees, in the order in which it is mended; empty when all four say the same. Pure.

    What is not decided yet comes first and alone: the others cannot be judged before it is.
    """
    undecided = _undecided(state)
    if undecided is not None:
        return (undecided,)
    return tuple(_of_git(state)) + tuple(_of_target(state))


def _undecided(state: DeliveryState) -> Disagreement | None:
    """What a process left half done, and an alias that somebody moved."""
    ledger, alias = state.ledger, state.alias
    if ledger.intended is not None and alias == ledger.intended != ledger.champion:
        return Disagreement(Party.LEDGER, f"lacks the move to version {alias}", Mend.FINISH_MOVE)
    if ledger.begun is not None:
        words = f"a rollback to version {ledger.begun.version} by {ledger.begun.by or 'nobody named'} is not over"
        return Disagreement(Party.LEDGER, words, Mend.FINISH_ROLLBACK)
    if alias == ledger.champion:
        return None
    if ledger.champion is None:
        words = (
            f"points at version {alias}, which the ledger never saw promoted; platform-assets models promote "
            f"{state.use_case}@{alias} writes it down"
        )
        return Disagreement(Party.ALIAS, words, Mend.PERSON)
    words = f"points at {_version(alias)} instead of version {ledger.champion}, the ledger's champion"
    return Disagreement(Party.ALIAS, words, Mend.RETURN_ALIAS)


def _of_git(state: DeliveryState) -> Iterator[Disagreement]:
    ledger, git = state.ledger, state.git
    if git.problem:
        yield Disagreement(Party.GIT, git.problem, Mend.PERSON)
    elif git.file is None:
        if ledger.champion is not None:
            yield Disagreement(Party.GIT, f"has no release; version {ledger.champion} is champion", Mend.RECORD_IN_GIT)
    elif _is_placed_by_hand(state, git.file.hold):
        assert git.file.hold is not None
        yield Disagreement(Party.GIT, f"holds by {git.file.hold.by}: {git.file.hold.why}", Mend.ADOPT_HOLD)
    elif not says_the_same(state, git.file):
        yield _other_release(state, git.file)
    elif git.file.ledger_entry != ledger.entry or git.file.hold != hold_in_file(ledger.hold):
        yield Disagreement(Party.GIT, _lacking(state, git.file), Mend.RECORD_IN_GIT)


def _is_placed_by_hand(state: DeliveryState, hold: WrittenHold | None) -> bool:
    """Whether a hold in git is a person's own that the ledger has never seen."""
    if hold is None or hold.entry is not None:
        return False
    key = hold_key(state.use_case, state.environment, hold.by, hold.why, hold.since.isoformat())
    return key not in state.ledger.placed_holds


def says_the_same(state: DeliveryState, file: ReleaseFile) -> bool:
    """Whether a file names the ledger's champion and the service that was built for it."""
    if file.model.version != state.ledger.champion:
        return False
    named = None if file.service is None else file.service.digest
    return state.target is None or state.digest is None or named == state.digest


def _other_release(state: DeliveryState, file: ReleaseFile) -> Disagreement:
    ledger = state.ledger
    words = f"names {_version(file.model.version)}, and {_version(ledger.champion)} is champion"
    if file.model.version == ledger.champion:
        return Disagreement(Party.GIT, f"names another service of version {ledger.champion}", Mend.RECORD_IN_GIT)
    if ledger.hold is not None:
        return Disagreement(Party.GIT, f"{words}. {ledger.hold.sentence(state.use_case)}", Mend.RESTORE_HELD)
    if file.ledger_entry != ledger.entry:
        if ledger.champion is None:
            lost = (
                f"{words}: it knows the move {file.ledger_entry}, which the ledger has lost. Restore the ledger first"
            )
            return Disagreement(Party.GIT, lost, Mend.PERSON)
        overtaken = f"{words} since: {_moved_by(state)}. Propose it again to compare it with that one"
        return Disagreement(Party.GIT, overtaken, Mend.RESTORE_OVERTAKEN)
    if state.target is not None and state.target.coming is not None:
        return Disagreement(Party.GIT, f"{words}, while {state.target.coming} is rolled out", Mend.WAIT)
    return Disagreement(Party.GIT, f"{words}: a promotion was merged", Mend.APPLY_MERGE)


def _lacking(state: DeliveryState, file: ReleaseFile) -> str:
    if file.hold != hold_in_file(state.ledger.hold):
        return "lacks the hold" if state.ledger.hold is not None else "has a hold that was lifted"
    return f"does not know the move {state.ledger.entry}"


def _of_target(state: DeliveryState) -> Iterator[Disagreement]:
    target, ledger = state.target, state.ledger
    if target is None or ledger.champion is None:
        return
    if target.problem:
        yield Disagreement(Party.TARGET, target.problem, Mend.PERSON)
    elif target.coming is not None:
        if target.coming != state.release:
            yield Disagreement(Party.TARGET, f"rolls out {target.coming}, and {_champion(state)}", Mend.WAIT)
    elif state.release is None or target.serves != state.release:
        yield _behind(state, target)
    elif ledger.deployed != f"{ledger.champion}/{state.digest}":
        yield Disagreement(Party.LEDGER, f"lacks the deployment of {state.release}", Mend.RECORD_DEPLOYMENT)


def _behind(state: DeliveryState, target: TargetSide) -> Disagreement:
    ledger = state.ledger
    words = f"serves {target.serves or 'nothing'}, and {_champion(state)}"
    name = state.use_case
    hold = ledger.hold
    if hold is not None and hold.action == "rollout_aborted" and hold.version == ledger.champion:
        # The alias could not be brought back: what was stopped is not started again.
        way = f"{words}, whose rollout was stopped. platform-assets models rollback {name} --why ..."
        return Disagreement(Party.TARGET, way, Mend.PERSON)
    if ledger.failed:
        way = f"{words}, which did not start: {ledger.failed}. Go back, or mend it and deploy it by hand"
        return Disagreement(Party.TARGET, way, Mend.PERSON)
    return Disagreement(Party.TARGET, words, Mend.DEPLOY)


def hold_in_file(hold: DeliveryHold | None) -> WrittenHold | None:
    """A hold of the ledger as a release file holds it."""
    if hold is None:
        return None
    since, until = in_utc(hold.since), in_utc(hold.until)
    assert since is not None
    return WrittenHold(by=hold.by, why=hold.why, since=since, until=until, entry=hold.entry)


def _moved_by(state: DeliveryState) -> str:
    if state.ledger.decided is None:
        return "nobody"
    by, why, at = state.ledger.decided
    return f"{by} decided it at {at:%Y-%m-%d %H:%M} UTC ({why or 'no reason given'})"


def _version(version: str | None) -> str:
    return "nothing" if version is None else f"version {version}"


def _champion(state: DeliveryState) -> str:
    return f"version {state.ledger.champion} is champion"
