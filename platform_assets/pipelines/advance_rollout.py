"""Taking a rollout on, or back, by a verdict; and by a person.

Belongs here: one look at a rollout that waits, what follows from it, and what the ledger and the champion's alias are told. Does not belong
here: the evidence (`rollout_evidence.py`), going from stage to stage (`deployment/rollout/machine.py`), or asking again and again
(`orchestration/rollout_sensor.py`).

The sensor, the command and a run may look at once: each decision names the revision of the rollout that it is about, and the target takes
one of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from platform_assets.declaration import UseCase
from platform_assets.deployment.errors import NoRollout, RolloutChanged
from platform_assets.deployment.rollout.events import Abort, Advance, HoldRollout, RaiseShare, RolloutDecision
from platform_assets.deployment.rollout.stages import Due, StageKind, due
from platform_assets.deployment.rollout.state import Phase
from platform_assets.deployment.rollout.view import RolloutView
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.experiments.sequential.evidence import Outcome
from platform_assets.lake.catalog import Catalog
from platform_assets.pipelines.rollout_history import judged_since, read_history
from platform_assets.pipelines.rollout_record import RolloutBooks, settle_ended, taken_outcome
from platform_assets.registry.base import CHAMPION
from platform_assets.registry.errors import RegistryError
from platform_assets.registry.model_store import ModelStore

if TYPE_CHECKING:
    from platform_assets.experiments.analysis.verdict import ExperimentVerdict
    from platform_assets.pipelines.rollout_evidence import RolloutEvidence

VERDICT, EXPERIMENT = "verdict", "experiment"
"""Who decides where no person does: the guards, or an experiment's own measure."""


class StepOutcome(StrEnum):
    """What a look at a rollout came to."""

    NOTHING = "nothing is rolled out"
    UNDER_WAY = "another command is at it"
    WAITING = "waits"
    HELD = "held"
    CLOCK_BEHIND = "clock behind"
    ALIAS_MOVED = "alias moved by hand"
    CHANGED = "changed meanwhile"
    DECIDING = "about to decide"
    ADVANCED = "advanced"
    RAISED = "raised"
    PROMOTED = "promoted"
    ABORTED = "aborted"
    FINISHED = "finished"


_BY_HAND: Mapping[type[RolloutDecision], StepOutcome] = {
    Advance: StepOutcome.ADVANCED,
    RaiseShare: StepOutcome.RAISED,
    Abort: StepOutcome.ABORTED,
    HoldRollout: StepOutcome.HELD,
}


@dataclass(frozen=True)
class RolloutLook:
    """What one look shows, before anything is decided.

    Attributes:
        view: the rollout and its arms; None when nothing is rolled out.
        evidence: of an observed stage; None while nothing can be compared.
        clock: what the clock says of the stage; None where it does not wait.
        champion: version that the alias points at; None when the registry does not answer or has none.
        experiment: what the experiment's own measure says of a split; None where none runs, or nothing can be said.
        experiment_problem: why nothing can be said; empty where something can.
        registry_problem: why the registry does not answer; empty when it does.
    """

    view: RolloutView | None
    evidence: RolloutEvidence | None = None
    clock: Due | None = None
    champion: str | None = None
    registry_problem: str = ""
    experiment: ExperimentVerdict | None = None
    experiment_problem: str = ""


@dataclass(frozen=True)
class RolloutStep:
    """What was done, and why.

    Attributes:
        outcome: of the look.
        sentence: in words, with what comes next.
        look: what it was decided from.
    """

    outcome: StepOutcome
    sentence: str
    look: RolloutLook


@dataclass(frozen=True)
class Intent:
    """What follows from a look: a decision, or none, and why."""

    outcome: StepOutcome
    sentence: str
    decision: RolloutDecision | None = None


def look_at(use_case: UseCase, models: ModelStore, serving: ServingHome, at: datetime | None = None) -> RolloutLook:
    """Look at a rollout without changing anything.

    Raises:
        StateUnreadable: what the target remembers is damaged.
    """
    from platform_assets.pipelines.rollout_evidence import gather_evidence

    at = at or datetime.now(UTC)
    target = serving.target()
    view = target.rollout(use_case.name)
    if view is None:
        return RolloutLook(None)
    champion, problem = None, ""
    try:
        version = models.registry().by_alias(use_case.name, CHAMPION)
        champion = None if version is None else version.version
    except RegistryError as error:
        problem = str(error)
    if not view.rollout.waiting:
        return RolloutLook(view, champion=champion, registry_problem=problem)
    evidence = None
    if view.rollout.phase is not Phase.KEEPING:
        since = judged_since(read_history(serving.rollout_history(use_case.name)), view)
        counters = target.counters(use_case.name)
        evidence = gather_evidence(
            use_case,
            serving.log_folder(use_case.name),
            view,
            counters,
            since,
            at,
            serving.rollout_pieces(use_case.name),
        )
    clock = due(view.rollout.stage, view.rollout.since, at)
    experiment, unknown = _experiment(use_case, models, view)
    return RolloutLook(view, evidence, clock, champion, problem, experiment, unknown)


def _experiment(use_case: UseCase, models: ModelStore, view: RolloutView) -> tuple[ExperimentVerdict | None, str]:
    """What the running experiment's measure says, from the stored log and the labels that arrived; and why it says nothing.

    Whatever is wrong with the experiment, the guards go on watching: a version that fails is still stopped.
    """
    running = view.rollout.stage.assignment
    if running is None:
        return None, ""
    from platform_assets.experiments.design import DesignError
    from platform_assets.pipelines.analyse_experiment import ExperimentNotRun, analyse_experiment
    from platform_assets.pipelines.running_experiments import ExperimentChanged

    catalog, ledger = Catalog(use_case, models.lake), models.ledger(use_case.name)
    try:
        return analyse_experiment(catalog, ledger, running.experiment).analysis.verdict, ""
    except ExperimentNotRun:
        return None, "no outcome is known yet"
    except (DesignError, ExperimentChanged) as error:
        return None, str(error)


def advance_rollout(
    use_case: UseCase, models: ModelStore, serving: ServingHome, run_id: str, at: datetime | None = None
) -> RolloutStep:
    """Look at a rollout once, and do what its verdict and its clock say.

    Args:
        use_case: whose rollout.
        models: for the ledger and the champion's alias.
        serving: the target and the folders.
        run_id: of who looks, for the ledger.
        at: the time; None for the present.

    Raises:
        DeploymentError: the target did not take the decision; what it says serves.
    """
    at = at or datetime.now(UTC)
    books = RolloutBooks(use_case, models, serving, run_id)
    look = look_at(use_case, models, serving, at)
    settled = books.settle_interrupted(look.view)
    if look.view is None:
        ended = settled or settle_ended(books, at)
        return RolloutStep(StepOutcome.NOTHING, ended or "nothing is rolled out", look)
    return _carry_out(books, look, intended(look, at), at)


def decide(
    use_case: UseCase, models: ModelStore, serving: ServingHome, run_id: str, decision: RolloutDecision
) -> RolloutStep:
    """Do what a person, or an experiment, decided about a rollout as it is now.

    Args:
        use_case: whose rollout.
        models: for the ledger and the champion's alias.
        serving: the target and the folders.
        run_id: of who decides, for the ledger.
        decision: Advance, RaiseShare, Abort or HoldRollout.

    Raises:
        NoRollout: nothing is rolled out.
        DeploymentError: the target did not take it.
    """
    at = datetime.now(UTC)
    look = look_at(use_case, models, serving, at)
    books = RolloutBooks(use_case, models, serving, run_id)
    books.settle_interrupted(look.view)
    if look.view is None:
        raise NoRollout(f"nothing of {use_case.name} is being rolled out; `platform-assets status` says what serves")
    return _carry_out(books, look, Intent(_BY_HAND[type(decision)], decision.reason, decision), at)


def intended(look: RolloutLook, at: datetime) -> Intent:
    """What follows from a look. Pure.

    Worse is acted on at once, whatever else is the matter: a hold keeps a version from going on, and no worse one in service. Forward it
    goes only while nothing stands against it.
    """
    view, stamp = look.view, _stamp(at)
    assert view is not None, "there is something to decide about"
    rollout = view.rollout
    if not rollout.waiting:
        return Intent(StepOutcome.UNDER_WAY, f"the rollout is {rollout.phase}: another command is at it")
    verdict = None if look.evidence is None else look.evidence.verdict
    if verdict is not None and verdict.outcome is Outcome.WORSE:
        return Intent(StepOutcome.ABORTED, verdict.sentence, Abort(verdict.sentence, VERDICT, stamp))
    if rollout.held:
        return Intent(
            StepOutcome.HELD,
            f"held by {rollout.decided_by}: {rollout.decided_why}; `rollout promote` or `rollout abort` ends that",
        )
    moved = _moved_alias(look)
    if moved:
        return Intent(StepOutcome.ALIAS_MOVED, moved, HoldRollout(moved, VERDICT, stamp))
    if look.registry_problem:
        return Intent(StepOutcome.WAITING, f"the registry does not answer, so nothing goes on: {look.registry_problem}")
    if look.clock is Due.CLOCK_BEHIND:
        return Intent(
            StepOutcome.CLOCK_BEHIND,
            f"the stage began at {rollout.since}, which lies ahead of this machine's clock: no time is counted until it is reached",
        )
    return _by_clock(look, stamp)


def _by_clock(look: RolloutLook, stamp: str) -> Intent:
    """What follows where nothing stands against going on."""
    assert look.view is not None
    rollout, evidence = look.view.rollout, look.evidence
    if evidence is None:
        if look.clock is Due.NOT_YET:
            return Intent(StepOutcome.WAITING, "the old version is kept for an instant way back")
        why = f"the old version was kept for {rollout.keep_minutes:g} minutes"
        return Intent(StepOutcome.FINISHED, why, Advance(why, VERDICT, stamp))
    verdict, experiment = evidence.verdict, look.experiment
    if experiment is not None and experiment.is_void:
        return Intent(StepOutcome.HELD, experiment.sentence, HoldRollout(experiment.sentence, EXPERIMENT, stamp))
    if experiment is not None and experiment.loses:
        return Intent(StepOutcome.ABORTED, experiment.sentence, Abort(experiment.sentence, EXPERIMENT, stamp))
    if experiment is not None and experiment.wins and look.clock is not Due.NOT_YET:
        return Intent(StepOutcome.ADVANCED, experiment.sentence, Advance(experiment.sentence, EXPERIMENT, stamp))
    judged_elsewhere = (
        rollout.stage.kind is StageKind.SPLIT
    )  # an experiment's own measure promotes; guards only stop it
    if verdict.outcome is Outcome.BETTER_OR_EQUAL and not judged_elsewhere:
        if look.clock is Due.NOT_YET:
            words = f"{Outcome.BETTER_OR_EQUAL}; the stage lasts at least {rollout.stage.minutes:g} minutes"
            return Intent(StepOutcome.WAITING, words)
        return Intent(StepOutcome.ADVANCED, verdict.sentence, Advance(verdict.sentence, VERDICT, stamp))
    if look.clock is Due.AT_MOST_OVER:
        return _undecided(look.view, verdict.sentence, stamp)
    if judged_elsewhere:
        shown = look.experiment_problem if experiment is None else experiment.sentence
        return Intent(StepOutcome.WAITING, f"guards: {verdict.outcome}; the experiment's own measure decides: {shown}")
    return Intent(StepOutcome.WAITING, f"{Outcome.CANNOT_TELL} yet: needs {evidence.needs}")


def _undecided(view: RolloutView, sentence: str, stamp: str) -> Intent:
    """What is declared for a stage that waited as long as it may."""
    stage = view.rollout.stage
    why = (
        f"undecided after {stage.at_most_minutes:g} minutes, and `undecided: {stage.undecided}` is declared. {sentence}"
    )
    choices = {
        "hold": (StepOutcome.HELD, HoldRollout(why, VERDICT, stamp)),
        "promote": (StepOutcome.ADVANCED, Advance(why, VERDICT, stamp)),
        "abort": (StepOutcome.ABORTED, Abort(why, VERDICT, stamp)),
    }
    outcome, decision = choices[stage.undecided]
    return Intent(outcome, why, decision)


def _moved_alias(look: RolloutLook) -> str:
    """Whether somebody made another version champion while this one is rolled out; in words, empty when not."""
    assert look.view is not None
    coming, before = (model_version_of(arm.version) if arm else None for arm in (look.view.new, look.view.old))
    if look.champion is None or look.champion == coming or coming == before:
        return ""
    return (
        f"the champion's alias points at version {look.champion}, while version {coming} is rolled out: somebody moved it. Nothing goes on "
        "by itself; `platform-assets rollout abort` leaves the alias as it is, `rollout promote` serves what is rolled out all the same"
    )


def model_version_of(version: str) -> str:
    """The registered model's version of a release that a target knows as `v<model version>-<digest>`."""
    return version.rpartition("-")[0].removeprefix("v")


def _carry_out(books: RolloutBooks, look: RolloutLook, intent: Intent, at: datetime) -> RolloutStep:
    """Ask the target for what was decided, and remember what came of it."""
    view = look.view
    assert view is not None
    before, decision = view.rollout, intent.decision
    if decision is None:
        books.looked(view, None, intent.outcome, intent.sentence, look.evidence, at)
        return RolloutStep(intent.outcome, intent.sentence, look)
    about = {"by": decision.by, "meant": intent.outcome}
    books.looked(view, None, StepOutcome.DECIDING, decision.reason, look.evidence, at, **about)
    try:
        after = books.serving.target().advance(books.use_case.name, before.revision, decision)
    except (RolloutChanged, NoRollout) as error:
        books.looked(view, None, StepOutcome.CHANGED, str(error), look.evidence, at)
        return RolloutStep(StepOutcome.CHANGED, str(error), look)
    ended = after.finished or after.phase is Phase.KEEPING
    outcome = StepOutcome(taken_outcome(intent.outcome, before.phase, ended=ended))
    notes = books.decided(view, after, outcome, decision, look.evidence)
    books.looked(view, after, outcome, intent.sentence, look.evidence, at, by=decision.by)
    return RolloutStep(outcome, " ".join([intent.sentence, *notes]), look)


def _stamp(at: datetime) -> str:
    """A time as decisions carry it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds")
