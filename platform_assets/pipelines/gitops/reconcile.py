"""Reconciling: look at all four, mend what a rule mends, look again.

Belongs here: the loop, and which call carries out which rule. Does not belong here: the rules (`delivery_rules.py`), or what a call does
(`delivery.py`).

Each step starts from what is there now and changes one party, so that a process may end between any two of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from platform_assets.deployment.errors import DeploymentError
from platform_assets.deployment.gitops.errors import GitOpsError, ReleaseChanged
from platform_assets.deployment.gitops.release_file import ReleaseFile, WrittenHold
from platform_assets.deployment.gitops.repository import ReleaseRepository
from platform_assets.pipelines.gitops.check_release import ReleaseRefused
from platform_assets.pipelines.gitops.delivery_rules import BY_ITSELF, Disagreement, Mend, disagreements
from platform_assets.pipelines.gitops.delivery_state import BegunRollback, DeliveryState
from platform_assets.registry.errors import PromotionRefused

MOST_STEPS, MOST_RACES = 16, 3


class Delivery(Protocol):
    """The four parties of a use case in an environment, and what can be done to each."""

    @property
    def repository(self) -> ReleaseRepository:
        """Where release files stand."""
        ...

    def settle(self) -> None:
        """Write down what a rollout's decision left half done."""

    def state(self) -> DeliveryState:
        """What all four say now."""
        ...

    def finish_move(self) -> None:
        """Write the entry of a move that was made."""

    def finish_rollback(self, begun: BegunRollback) -> None:
        """Carry out a rollback that was begun."""

    def return_alias(self, version: str) -> None:
        """Point the champion's alias at a version that the ledger says is champion."""

    def adopt_hold(self, hold: WrittenHold, champion: str | None) -> None:
        """Write a hold that a person placed in git into the ledger."""

    def promote(self, file: ReleaseFile, commit: str) -> None:
        """Check a merged release and promote it.

        Raises:
            ReleaseRefused, PromotionRefused: it is not true, or not allowed; the ledger has an entry of it.
        """

    def recorded(self, state: DeliveryState) -> ReleaseFile:
        """The file that says what the ledger says."""
        ...

    def companions(self, state: DeliveryState, file: ReleaseFile) -> Mapping[str, str]:
        """Files beside it, for people."""
        ...

    def deploy(self, version: str) -> None:
        """Deploy the service of a version in the declared stages.

        Raises:
            DeploymentError: it did not take over; the ledger has an entry of it.
        """

    def record_deployment(self, state: DeliveryState) -> None:
        """Write the deployment that the target has into the ledger."""


@dataclass(frozen=True)
class Reconciled:
    """What one pass did.

    Attributes:
        mended: what disagreed and was mended, in order.
        left: what disagrees still; empty when all four say the same.
        problems: what was tried and refused, in words.
        state: as it is now.
    """

    mended: tuple[Disagreement, ...]
    left: tuple[Disagreement, ...]
    problems: tuple[str, ...]
    state: DeliveryState

    @property
    def agrees(self) -> bool:
        """Whether nothing is left that somebody has to see to; what waits for a rollout is seen to by it."""
        return not any(one.mend is not Mend.WAIT for one in self.left) and not self.problems


def reconcile(delivery: Delivery, log: Callable[[str], None] = lambda line: None) -> Reconciled:
    """Bring the four of a use case to one truth.

    Args:
        delivery: the four.
        log: a line for each step.

    Raises:
        GitFailed: the repository does not answer; nothing was changed by that step.
        ReleaseChanged: others write the same file all the time.
        RegistryUnreachable: the registry does not answer.
    """
    delivery.settle()
    mended: list[Disagreement] = []
    problems: list[str] = []
    races = 0
    while True:
        state = delivery.state()
        found = disagreements(state)
        due = next((one for one in found if one.mend in BY_ITSELF and one not in mended), None)
        if due is None or len(mended) >= MOST_STEPS:
            return Reconciled(tuple(mended), found, tuple(problems), state)
        log(f"{due}. {due.mend}")
        mended.append(due)
        try:
            _carry_out(delivery, state, due)
        except ReleaseChanged as error:
            log(str(error))
            mended.pop()
            races += 1
            if races > MOST_RACES:
                raise
        except GitOpsError:
            raise
        except (ReleaseRefused, PromotionRefused, DeploymentError) as error:
            log(str(error))
            problems.append(str(error))
            if due.mend is Mend.APPLY_MERGE and state.ledger.champion is not None:
                _write_back(delivery, state)


def _carry_out(delivery: Delivery, state: DeliveryState, due: Disagreement) -> None:
    ledger, git = state.ledger, state.git
    match due.mend:
        case Mend.FINISH_MOVE:
            delivery.finish_move()
        case Mend.FINISH_ROLLBACK:
            assert ledger.begun is not None
            delivery.finish_rollback(ledger.begun)
        case Mend.RETURN_ALIAS:
            assert ledger.champion is not None
            delivery.return_alias(ledger.champion)
        case Mend.ADOPT_HOLD:
            assert git.file is not None
            assert git.file.hold is not None
            delivery.adopt_hold(git.file.hold, ledger.champion)
        case Mend.APPLY_MERGE:
            assert git.file is not None
            delivery.promote(git.file, git.commit)
        case Mend.RESTORE_HELD | Mend.RESTORE_OVERTAKEN | Mend.RECORD_IN_GIT:
            _write_back(delivery, state)
        case Mend.DEPLOY:
            assert ledger.champion is not None
            delivery.deploy(ledger.champion)
        case Mend.RECORD_DEPLOYMENT:
            delivery.record_deployment(state)
        case _:
            raise AssertionError(f"nothing is done by itself about {due}")


def _write_back(delivery: Delivery, state: DeliveryState) -> None:
    """Let git say what the ledger says."""
    file, before = delivery.recorded(state), state.git.file
    if before is not None and before.model == file.model and before.service == file.service:
        # What people decided and where it was proposed stays as they wrote it.
        file = file.model_copy(update={"code": before.code, "decided": before.decided, "evidence": before.evidence})
        companions: Mapping[str, str] | None = None
    else:
        companions = delivery.companions(state, file)
    delivery.repository.write(file, state.git.text, _message(state, file), companions)


def _message(state: DeliveryState, file: ReleaseFile) -> str:
    """What the commit says to those who read the history."""
    name, where = f"{state.use_case} in {state.environment}", f"version {file.model.version}"
    hold = state.ledger.hold
    if hold is not None:
        title = f"{name}: {where} serves, and is held"
        return f"{title}\n\n{hold.sentence(state.use_case)}\nLedger: {state.ledger.entry}\n"
    decided = file.decided
    return f"{name}: {where} serves\n\n{decided.by}: {decided.why}\nLedger: {state.ledger.entry}\n"
