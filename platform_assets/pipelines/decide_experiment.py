"""What an A/B test's verdict does to the rollout that runs it.

Belongs here: from a verdict to a decision about the rollout, by the same way as a person's. Does not belong here: the verdict
(`analyse_experiment.py`), or carrying a decision out (`advance_rollout.py`).
"""

from __future__ import annotations

from datetime import UTC, datetime

from platform_assets.declaration import UseCase
from platform_assets.deployment.rollout.events import Abort, Advance, HoldRollout, RolloutDecision
from platform_assets.deployment.rollout.state import Phase
from platform_assets.deployment.rollout.view import RolloutView
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.experiments.analysis.verdict import ExperimentVerdict
from platform_assets.pipelines.advance_rollout import EXPERIMENT, decide
from platform_assets.pipelines.analyse_experiment import AnalysedExperiment
from platform_assets.registry.model_store import ModelStore


def act_on_experiment(
    use_case: UseCase, analysed: AnalysedExperiment, models: ModelStore, serving: ServingHome, run_id: str
) -> str:
    """Take the rollout on where the new version is better, back where it is worse or not worth it, and hold it where the evidence cannot
    be used; returns what was done, in words.

    Args:
        use_case: whose rollout.
        analysed: the test.
        models: for the ledger and the champion's alias.
        serving: the target.
        run_id: of who decides, for the ledger.

    Raises:
        DeploymentError: the target did not take the decision.
    """
    view, name = serving.target().rollout(use_case.name), analysed.analysis.name
    reason = nothing_to_decide(view, name)
    if reason:
        return reason
    decision = decision_of(analysed.analysis.verdict, name)
    if decision is None:
        return "the test goes on"
    return decide(use_case, models, serving, run_id, decision).sentence


def nothing_to_decide(view: RolloutView | None, name: str) -> str:
    """Why a verdict on that test does nothing; empty where the rollout waits for it."""
    if view is None or view.rollout.phase is not Phase.SPLIT:
        return "no rollout waits for the test: it is only reported"
    running = view.rollout.stage.assignment
    if running is None or running.experiment != name:
        return f"the rollout runs another test than {name}: it is only reported"
    return f"held by {view.rollout.decided_by}: the test is only reported" if view.rollout.held else ""


def decision_of(verdict: ExperimentVerdict, name: str) -> RolloutDecision | None:
    """What a verdict decides; None where the test goes on."""
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    why = f"experiment {name}: {verdict.sentence}"
    if verdict.wins:
        return Advance(why, EXPERIMENT, at)
    if verdict.loses:
        return Abort(why, EXPERIMENT, at)
    if verdict.is_void:
        return HoldRollout(why, EXPERIMENT, at)
    return None
