"""The model asset: candidates compared on the same folds, the best fitted again and registered as challenger.

Belongs here: reading the training set, tracking in MLflow, registering. Does not belong here: fitting (`training/`)
or deciding whether the model may be promoted (`assets/evaluation.py`).
"""

import json
import tempfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from platform_assets.declaration import UseCase, feature_contract_hash
from platform_assets.declaration.names import TRAINING_SET
from platform_assets.evaluation.plots import plot_candidates
from platform_assets.features.offline.training_set import training_set_schema
from platform_assets.installation import code_version
from platform_assets.lake.lake import Lake
from platform_assets.lake.layout import MODEL, TRAINING
from platform_assets.lake.table import LakeTable
from platform_assets.orchestration.conditions import after_upstream
from platform_assets.orchestration.metadata import asset_key, column_schema, kubernetes_tags, picture, policy
from platform_assets.orchestration.partitions import as_of_days
from platform_assets.orchestration.resources.mlflow import Tracker
from platform_assets.pipelines.track_training import track
from platform_assets.registry.model_store import ModelStore
from platform_assets.registry.pins import versions_behind
from platform_assets.registry.training_run import CLASS_ROWS_TAG, MODEL_DIGEST_TAG, write_model_run
from platform_assets.tasks.registry import leaves_out_known_groups, metrics_of
from platform_assets.training.compare import Comparison, refit
from platform_assets.training.dataset import Dataset, from_frame
from platform_assets.training.fit import declared_imputation
from platform_assets.training.folds import refit_days
from platform_assets.training.predictor import Predictor
from platform_assets.training.selection import HERE, Placement, Selection, select_learner


def training_set_table(use_case: UseCase, lake: Lake) -> LakeTable:
    """The lake table with the training sets of all as-of days."""
    return lake.table(use_case.name, TRAINING, TRAINING_SET, training_set_schema(use_case), partition_by="as_of")


def read_dataset(use_case: UseCase, frame: pl.DataFrame) -> Dataset:
    """The training set as arrays."""
    return from_frame(
        frame,
        features=use_case.feature_names,
        label=use_case.label.column,
        group=use_case.training.group,
        key=use_case.event_source.primary_key[0],
        time=use_case.event_time,
        classes=use_case.classes,
    )


def select_model(
    use_case: UseCase,
    dataset: Dataset,
    as_of: date,
    say: Callable[[str], None],
    storage: str | None = None,
    place: Placement = HERE,
) -> Selection:
    """Every declared learner searched and compared on the folds that end as of the day, the best of them chosen."""
    training = use_case.training
    return select_learner(
        training,
        dataset,
        as_of,
        use_case.label_delay_days,
        metrics_of(use_case),
        say,
        exclude_known_groups=leaves_out_known_groups(use_case),
        storage=storage,
        place=place,
    )


def model_asset(*, use_case: UseCase) -> dg.AssetsDefinition:
    """The model as of a day, registered in MLflow under the use case's name, alias `challenger`."""

    @dg.asset(
        key=asset_key(use_case, MODEL, use_case.model_name),
        deps=[asset_key(use_case, TRAINING, TRAINING_SET)],
        description=f"{use_case.description} Candidates compared on the same folds; the best fitted on the latest days.",
        kinds={"mlflow", *_libraries(use_case)},
        metadata=column_schema(
            {name: training_set_schema(use_case)[name] for name in (*use_case.feature_names, use_case.label.column)}, {}
        ),
        partitions_def=as_of_days(use_case),
        automation_condition=after_upstream(),
        code_version="1",
        op_tags=kubernetes_tags(use_case.training.compute),
        **policy(use_case, MODEL),
    )
    def model(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        models: dg.ResourceParam[ModelStore],
        mlflow: dg.ResourceParam[Tracker],
    ) -> dg.MaterializeResult:
        as_of = date.fromisoformat(context.partition_key)
        table = training_set_table(use_case, lake)
        frame = table.read(as_of, as_of)
        dataset = read_dataset(use_case, frame)
        selection = select_model(
            use_case,
            dataset,
            as_of,
            context.log.info,
            models.search_storage(use_case.name),
            models.placement,
        )
        comparison, winner = selection.comparison, selection.winner
        days = refit_days(as_of, use_case.label_delay_days, use_case.training.splits.train_days)
        predictor = refit(dataset, days, winner, use_case.training.seed, declared_imputation(use_case.training))
        class_rows = rows_by_class(predictor)
        tags = {
            "use_case": use_case.name,
            "as_of": as_of.isoformat(),
            "learner": winner.name,
            "feature_contract": feature_contract_hash(use_case),
            "code_version": code_version(),
            "seed": str(use_case.training.seed),
            "trained_on_first_day": days[0].isoformat(),
            "trained_on_last_day": days[1].isoformat(),
            "label_mean": repr(predictor.trained_on.label_mean),
            **({CLASS_ROWS_TAG: json.dumps(class_rows)} if class_rows else {}),
            "data_versions": json.dumps(versions_behind(table, as_of)),
            "dagster_asset": context.asset_key.to_user_string(),
            "dagster_partition": context.partition_key,
        }
        with tempfile.TemporaryDirectory() as scratch, mlflow.asset_run(f"{use_case.name} as of {as_of}", tags) as run:
            digest = write_model_run(Path(scratch), predictor, comparison, frame, use_case, selection)
            tracked = track(run, Path(scratch), use_case, predictor, comparison, winner.name)
            run.log_folder(Path(scratch))
            version = models.registry().register(
                use_case.name, run.run_id, {**tags, **tracked.tags, MODEL_DIGEST_TAG: digest}
            )
        return dg.MaterializeResult(
            metadata={
                "model_version": version.version,
                "winner": winner.name,
                "model_digest": digest,
                "mlflow_run": version.run_id,
                "candidates": dg.MetadataValue.md(candidates_table(comparison)),
                "plot": picture(plot_candidates(comparison, use_case.training.select_by)),
                **comparison.means(winner.name),
                **tracked.metadata,
                **selection_notes(selection),
            },
            data_version=dg.DataVersion(digest.removeprefix("sha256:")[:16]),
        )

    return model


def rows_by_class(predictor: Predictor) -> dict[str, int]:
    """How many training rows each class has; empty where the label is no class of several."""
    return dict(zip(predictor.classes, predictor.trained_on.class_rows, strict=True))


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
        )
    return notes


def _libraries(use_case: UseCase) -> set[str]:
    """Kinds shown on the asset."""
    known = {"xgboost": "xgboost", "torch_mlp": "pytorch", "random_forest": "scikitlearn"}
    return {known[learner.kind] for learner in use_case.training.learners if learner.kind in known}


def candidates_table(comparison: Comparison) -> str:
    """Candidates by metric as a Markdown table, mean and spread over the folds."""
    names = list(comparison.metrics)
    lines = ["| candidate | " + " | ".join(names) + " | seconds |", "|---" * (len(names) + 2) + "|"]
    for result in comparison.results:
        cells = [f"{result.mean(name):.4f} ± {result.std(name):.4f}" for name in names]
        role = " (baseline)" if result.candidate.baseline else ""
        lines.append(f"| {result.candidate.name}{role} | " + " | ".join(cells) + f" | {result.seconds:.1f} |")
    return "\n".join(lines)
