"""Steps from a training set to a served champion.

Belongs here: the verbs of models as steps. Does not belong here: the verbs (`build_training_set.py`, `train.py`, `evaluate.py`,
`promote.py`, `package.py`, `deploy.py`).
"""

from __future__ import annotations

from datetime import UTC, date, datetime

from platform_assets.declaration.days import DayRange
from platform_assets.deployment.errors import DeploymentError
from platform_assets.pipelines.build_training_set import build_training_set
from platform_assets.pipelines.deploy import deploy, what_serves
from platform_assets.pipelines.evaluate import evaluate
from platform_assets.pipelines.gitops.automation import AwaitedMerge, promote_or_propose
from platform_assets.pipelines.gitops.propose import Proposer
from platform_assets.pipelines.package import PackagingFailed, package, unmerged_version
from platform_assets.pipelines.profile_features import profile_features
from platform_assets.pipelines.promote import PromotedModel, promote_model
from platform_assets.pipelines.steps.base import StepCheck, StepContext, StepRefused, StepResult, day_of_step
from platform_assets.pipelines.steps.tracker import open_tracker
from platform_assets.pipelines.train import train
from platform_assets.pipelines.write_model_card import renew_model_cards, write_model_card
from platform_assets.registry.base import RegisteredVersion
from platform_assets.registry.training_run import trained_as_of
from platform_assets.settings import environment_variables


def make_training_set(context: StepContext, table: str, days: DayRange | None) -> StepResult:
    """The training set as of a day."""
    built = build_training_set(context.catalog, date.fromisoformat(day_of_step(days)))
    whole = built.completeness
    facts = {
        "rows": whole.rows,
        "event_days": f"{built.first_day} .. {built.last_day}",
        "delta_version": built.commit.version,
        "data_versions": dict(built.versions),
    }
    return StepResult(facts, (StepCheck("complete", whole.passed, whole.explanation),))


def judge_features(context: StepContext, table: str, days: DayRange | None) -> StepResult:
    """Profiles of the features of a training set, and whether one of them knows too much; it stops nothing."""
    quality = profile_features(context.catalog, date.fromisoformat(day_of_step(days))).quality
    odd = {found.feature: list(found.findings) for found in quality.questionable}
    leaking = ", ".join(found.feature for found in quality.leaking)
    checks = (
        StepCheck("no_leakage", not quality.leaking, leaking, blocking=False),
        StepCheck("sound", all(found.leaks for found in quality.questionable), ", ".join(odd), blocking=False),
    )
    return StepResult({"rows": quality.rows, "findings": odd}, checks)


def train_model(context: StepContext, table: str, days: DayRange | None) -> StepResult:
    """Candidates compared, the best fitted again and registered."""
    day, use_case = day_of_step(days), context.use_case
    origin = {"step": f"{use_case.name}/model/{table}", "partition": day}
    with open_tracker(context.installation.settings, use_case.name, context.run_id) as tracker:
        trained = train(
            context.catalog, context.installation.models, tracker, date.fromisoformat(day), origin, context.log
        )
    return StepResult(
        {
            "model_version": trained.version.version,
            "winner": trained.selection.winner.name,
            "model_digest": trained.digest,
            "tracked_run": trained.version.run_id,
        }
    )


def evaluate_model(context: StepContext, table: str, days: DayRange | None) -> StepResult:
    """The verdict on the model as of a day, by every declared gate; a model that one stops gets its card here."""
    day, models = day_of_step(days), context.installation.models
    evaluated = evaluate(context.catalog, models.registry(), date.fromisoformat(day), datetime.now(UTC).date())
    facts = {
        "model_version": evaluated.version.version,
        "reason": evaluated.verdict.reason,
        "rows_compared": evaluated.rows_compared,
        **{f"same_rows_{name}": value for name, value in evaluated.metrics.items()},
    }
    if not evaluated.verdict.passed:
        folder = context.installation.serving.report_folder(context.use_case.name)
        facts["card"] = str(write_model_card(context.use_case, models, folder, day).path)
    return StepResult(
        facts, tuple(StepCheck(gate.name, gate.passed, gate.explanation) for gate in evaluated.verdict.gates)
    )


def promote_champion(context: StepContext, table: str, days: DayRange | None) -> StepResult:
    """The alias moves with its evidence, and the ledger remembers."""
    models, use_case = context.installation.models, context.use_case
    registry = models.registry()
    version = trained_as_of(registry, use_case, day_of_step(days))
    promoted = _promoted(context, version)
    if isinstance(promoted, AwaitedMerge):
        return StepResult({"model_version": version.version, "moved": False, "proposed": promoted.branch})
    previous = promoted.move.previous
    folder = context.installation.serving.report_folder(use_case.name)
    renew_model_cards(use_case, models, folder, [version, previous] if promoted.move.moved else [])
    return StepResult(
        {
            "model_version": version.version,
            "replaced": previous.version if previous else "nothing",
            "moved": promoted.move.moved,
            "because": promoted.reason,
            "parity": promoted.parity,
        }
    )


def _promoted(context: StepContext, version: RegisteredVersion) -> PromotedModel | AwaitedMerge:
    parts, use_case = context.installation, context.use_case
    models, gitops = parts.models, parts.settings.gitops
    if gitops is None:
        return promote_model(context.catalog, models.registry(), models.ledger(use_case.name), version, context.run_id)
    proposer = Proposer(
        models,
        parts.feature_store,
        parts.serving,
        parts.releases,
        gitops.requests,
        environment_variables(),
        context.log,
    )
    return promote_or_propose(use_case, version, proposer, context.run_id)


def write_card(context: StepContext, table: str, days: DayRange | None) -> StepResult:
    """The card of the model as of a day."""
    folder = context.installation.serving.report_folder(context.use_case.name)
    card = write_model_card(context.use_case, context.installation.models, folder, day_of_step(days))
    return StepResult({"model_version": card.version.version, "card": str(card.path), "passed": card.passed})


def package_champion(context: StepContext, table: str, days: DayRange | None) -> StepResult:
    """The champion as a Bento that answered known rows; the check `self_test` is red where it did not."""
    parts = context.installation
    try:
        packaged = package(
            context.use_case, parts.models, parts.feature_store, parts.serving, day_of_step(days), context.log
        )
    except PackagingFailed as error:
        return StepResult({}, (StepCheck("self_test", False, str(error)),))
    tested = packaged.self_test
    facts = {
        "bento": packaged.bento.tag,
        "digest": packaged.bento.digest,
        "size_bytes": packaged.bento.size_bytes,
        "model_version": packaged.model_version,
    }
    found = f"{tested.rows} rows, largest difference {tested.max_difference}"
    return StepResult(facts, (StepCheck("self_test", True, found),))


def deploy_champion(context: StepContext, table: str, days: DayRange | None) -> StepResult:
    """The service at its address; where it does not take over, what served before still does."""
    parts, day = context.installation, day_of_step(days)
    waits = unmerged_version(context.use_case, parts.models, day)
    if waits is not None:
        return StepResult({"model_version": waits.version, "rollout": "begins once its release is merged"})
    try:
        deployed = deploy(context.use_case, parts.models, parts.feature_store, parts.serving, day, context.run_id)
    except DeploymentError as error:
        raise StepRefused(f"{error}\n{what_serves(context.use_case, parts.serving)}") from error
    result = deployed.result
    return StepResult(
        {
            "address": f"{result.address}/score",
            "model_version": deployed.model_version,
            "release": result.version,
            "replaced": result.previous_version or "nothing",
            "digest": deployed.digest,
            "rollout": result.waiting or "took over",
        }
    )
