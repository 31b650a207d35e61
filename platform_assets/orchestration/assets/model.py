"""The model asset: candidates compared on the same folds, the best fitted again and registered as challenger.

Belongs here: what Dagster is told of it. Does not belong here: training and registering (`pipelines/train.py`), or deciding whether the
model may be promoted (`assets/evaluation.py`).
"""

from datetime import date
from typing import Any

import dagster as dg

from platform_assets.declaration import UseCase
from platform_assets.declaration.learner_kinds import DECLARED_LEARNERS
from platform_assets.declaration.names import TRAINING_SET
from platform_assets.features.offline.training_set import training_set_schema
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake
from platform_assets.lake.layout import MODEL, TRAINING
from platform_assets.orchestration.conditions import after_upstream
from platform_assets.orchestration.glance import GLANCE, glance_of_names
from platform_assets.orchestration.kubernetes.sizes import step_tags
from platform_assets.orchestration.measured_steps import PARTS_ENTRY
from platform_assets.orchestration.metadata import asset_key, column_schema, picture, policy
from platform_assets.orchestration.partitions import as_of_days
from platform_assets.pipelines.track_training import TrackedModel
from platform_assets.pipelines.train import train
from platform_assets.registry.model_store import ModelStore
from platform_assets.registry.tracking import Tracker
from platform_assets.training.selection import Selection


def model_asset(*, use_case: UseCase) -> dg.AssetsDefinition:
    """The model as of a day, registered in MLflow under the use case's name, alias `challenger`."""

    key = asset_key(use_case, MODEL, use_case.model_name)
    judged = (*use_case.feature_names, use_case.label.column)

    @dg.asset(
        key=key,
        deps=[asset_key(use_case, TRAINING, TRAINING_SET)],
        description=f"{use_case.description} Candidates compared on the same folds; the best fitted on the latest days.",
        kinds={"mlflow", *_libraries(use_case)},
        metadata=column_schema(use_case, key, {name: training_set_schema(use_case)[name] for name in judged}),
        partitions_def=as_of_days(use_case),
        automation_condition=after_upstream(),
        code_version="1",
        op_tags=step_tags(use_case, MODEL, use_case.model_name),
        **policy(use_case, MODEL),
    )
    def model(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        models: dg.ResourceParam[ModelStore],
        mlflow: dg.ResourceParam[Tracker],
    ) -> dg.MaterializeResult:
        origin = {
            "dagster_asset": context.asset_key.to_user_string(),
            "dagster_partition": context.partition_key,
        }
        as_of = date.fromisoformat(context.partition_key)
        trained = train(Catalog(use_case, lake), models, mlflow, as_of, origin, context.log.info)
        winner, select_by = trained.selection.winner.name, use_case.training.select_by
        compared = trained.selection.comparison
        means = {one.candidate.name: one.mean(select_by) for one in compared.results}
        return dg.MaterializeResult(
            metadata={
                "model_version": trained.version.version,
                "winner": winner,
                "model_digest": trained.digest,
                "mlflow_run": trained.version.run_id,
                GLANCE: glance_of_names(means, select_by, marked=winner),
                "candidates": dg.MetadataValue.md(trained.candidates),
                "plot": picture(trained.plot),
                PARTS_ENTRY: dg.MetadataValue.json([part.plain() for part in trained.parts]),
                **compared.means(winner),
                **tracked_notes(trained.tracked),
                **selection_notes(trained.selection),
            },
            data_version=dg.DataVersion(trained.digest.removeprefix("sha256:")[:16]),
        )

    return model


def tracked_notes(tracked: TrackedModel) -> dict[str, Any]:
    """What was tracked of a model, as metadata."""
    notes: dict[str, Any] = {"most_important": tracked.most_important}
    if tracked.page:
        notes["mlflow_run_page"] = dg.MetadataValue.url(tracked.page)
    if tracked.classes:
        notes["classes"] = dg.MetadataValue.md(tracked.classes)
    if tracked.money:
        notes["money"] = tracked.money
    return notes


def selection_notes(selection: Selection) -> dict[str, Any]:
    """What search and final test say, as metadata."""
    notes: dict[str, Any] = {}
    if selection.final_test is not None:
        notes["final_test"] = dg.MetadataValue.md(
            f"{selection.final_test.fold.describe()}: "
            + ", ".join(f"{name} {value:.4f}" for name, value in selection.final_test.metrics.items())
        )
    for name, result in selection.searches.items():
        states = [trial.state for trial in result.trials]
        settings = ", ".join(f"{key} {value}" for key, value in result.best.settings.items())
        notes[f"search_{name}"] = dg.MetadataValue.md(
            f"{len(states)} trials ({states.count('pruned')} pruned, {states.count('failed')} failed, {result.resumed} resumed), "
            f"best {result.best.mean:.4f} with {settings}"
            + (f"; {result.budget_sentence}" if result.budget_sentence else "")
        )
    return notes


def _libraries(use_case: UseCase) -> set[str]:
    """Kinds shown on the asset."""
    return {DECLARED_LEARNERS[learner.kind].library for learner in use_case.training.learners} - {""}
