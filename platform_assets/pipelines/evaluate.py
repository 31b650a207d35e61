"""Evaluate the model as of a day: judged by every declared gate, against the champion on rows that neither learned from.

Belongs here: from tables and artifacts to what the gates look at, and keeping the verdict with the model. Does not belong here: gates and
metrics (`evaluation/`), promotion (`promote.py`).
"""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from platform_assets.declaration import EVENT_DAY, UseCase
from platform_assets.declaration.expressions import columns_of
from platform_assets.evaluation.gates.judging import judge
from platform_assets.evaluation.gates.verdict import Verdict
from platform_assets.evaluation.judged_model import (
    JudgedModel,
    SameRows,
    against_champion,
    against_same_day,
    alone,
    of_other_classes,
)
from platform_assets.evaluation.recipe import joined_learner, recipe_of
from platform_assets.lake.catalog import Catalog
from platform_assets.registry.base import CHAMPION, VERDICT_TAG, ModelRegistry, RegisteredVersion
from platform_assets.registry.training_run import (
    MODEL_DIGEST_TAG,
    VERDICT_FILE,
    ModelRun,
    registered_run,
    trained_as_of,
)
from platform_assets.tasks.plain import plain
from platform_assets.tasks.registry import metrics_of, task_of
from platform_assets.training.artifact import read_manifest
from platform_assets.training.compare import measure, scored
from platform_assets.training.dataset import read_dataset, row_keys
from platform_assets.training.folds import Fold, last_labelled_day
from platform_assets.training.learners import TrainingError
from platform_assets.training.predictor import ImputationError

EVIDENCE_FORMAT = 2
"""Of the verdict file; docs/guide/gates.md says what is in it."""
PREDICTION_PREFIX = "prediction__"
"""Of the columns of the latest fold that hold a candidate's predictions."""
_ROW = "row_of_fold"
"""What recorded predictions are joined by."""


@dataclass(frozen=True)
class EvaluatedModel:
    """The verdict on a model.

    Attributes:
        version: what was judged.
        verdict: all gates.
        rows_compared: rows that model and champion were compared on.
        metrics: every declared metric of the model on these rows; None where it could not be computed.
        plot: PNG of these rows.
    """

    version: RegisteredVersion
    verdict: Verdict
    rows_compared: int
    metrics: Mapping[str, float | None]
    plot: bytes


def evaluate(catalog: Catalog, registry: ModelRegistry, as_of: date, today: date) -> EvaluatedModel:
    """Judge the model as of a day, and keep the verdict where promotion reads it.

    Args:
        catalog: the tables.
        registry: of the environment whose champion is the opponent.
        as_of: the day that the model was trained as of.
        today: decides which bypasses hold.

    Raises:
        NotTrained: there is no model as of the day.
        ArtifactError: the registered model's files were damaged or replaced.
        RegistryUnreachable: the registry does not answer.
    """
    use_case = catalog.use_case
    version = trained_as_of(registry, use_case, as_of.isoformat())
    run = registered_run(registry, version)
    champion = registry.by_alias(use_case.name, CHAMPION)
    if champion is not None and champion.version == version.version:
        champion = None  # judged again: it cannot be its own opponent
    frame = catalog.training_sets.read(as_of, as_of)
    model = judged_model_of(use_case, frame, run, version, columns_of_slices(catalog, frame))
    same_rows = compare_on_same_rows(model, version, champion, registry)
    verdict = judge(model, same_rows, today, has_champion=champion is not None)
    evidence = evidence_of(use_case, verdict, version, champion, same_rows, today)
    log_evidence(registry, version, evidence)
    return EvaluatedModel(
        version, verdict, len(same_rows.rows), evidence["same_rows"]["model"], plot_same_rows(use_case, same_rows)
    )


def columns_of_slices(catalog: Catalog, frame: pl.DataFrame) -> pl.DataFrame | None:
    """Event columns that slices need beyond those of the training set; None when there are none."""
    wanted = columns_to_divide_by(catalog.use_case)
    if not wanted or frame.is_empty():
        return None
    first, last = frame[EVENT_DAY].min(), frame[EVENT_DAY].max()
    assert isinstance(first, date)
    assert isinstance(last, date)
    return catalog.events.read(first, last, [*catalog.use_case.event_source.primary_key, *wanted])


def columns_to_divide_by(use_case: UseCase) -> list[str]:
    """Columns of the event table that a slice needs and the training set does not carry."""
    wanted = {name for item in use_case.gates.slices for name in columns_of(item.expression)}
    kept = {*use_case.event_source.primary_key, use_case.event_time, *use_case.feature_names}
    kept |= {use_case.training.group} if use_case.training.group is not None else set()
    return sorted(wanted - kept)


def judged_model_of(
    use_case: UseCase,
    frame: pl.DataFrame,
    run: ModelRun,
    version: RegisteredVersion,
    events: pl.DataFrame | None = None,
) -> JudgedModel:
    """The model with its rows, the latest fold's in time order.

    Args:
        use_case: the declaration.
        frame: the training set as of the version's day.
        run: the version's artifacts.
        version: what is judged.
        events: event key with the columns of `columns_to_divide_by`, of the latest fold's days; None when there are none.
    """
    keys = list(use_case.event_source.primary_key)
    prefix = PREDICTION_PREFIX
    recorded = run.latest_fold()
    names = [name.removeprefix(prefix) for name in recorded.columns if name.startswith(prefix)]
    predictions = recorded.select(pl.col("key").alias(_ROW), *(pl.col(f"{prefix}{name}") for name in names))
    joined = frame.with_columns(row_keys(frame, keys).alias(_ROW)).join(predictions, on=_ROW, how="inner").drop(_ROW)
    if events is not None:
        joined = joined.join(events, on=keys, how="left")
    joined = joined.sort(use_case.event_time, *keys)
    predictor = run.predictor()
    learner = version.tags["learner"]
    made_of_others = joined_learner(
        use_case.training, use_case.feature_names, learner, searched_settings(run.comparison)
    )
    return JudgedModel(
        use_case=use_case,
        learner=learner,
        predictor=predictor,
        recipe=recipe_of(predictor, made_of_others),
        folder=run.predictor_folder,
        digest=version.tags[MODEL_DIGEST_TAG],
        comparison=run.comparison,
        fold=recorded_fold(run.comparison, use_case),
        last_labelled_day=last_labelled_day(date.fromisoformat(version.tags["as_of"]), use_case.label_delay_days),
        dataset=read_dataset(use_case, frame),
        judged=read_dataset(use_case, joined),
        predictions={name: joined[f"{prefix}{name}"].to_numpy() for name in names},
        columns=joined.drop(f"{prefix}{name}" for name in names),
    )


def searched_settings(comparison: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The settings that searches found, by candidate."""
    return {
        name: trial["settings"]
        for name, search in comparison.get("searches", {}).items()
        for trial in search["trials"]
        if trial["number"] == search["best"]
    }


def recorded_fold(comparison: Mapping[str, Any], use_case: UseCase) -> Fold:
    """The latest fold: test days as recorded, and the training days that the declaration puts before them."""
    latest, splits = comparison["folds"][0], use_case.training.splits
    test_first, test_last = date.fromisoformat(latest["test_first"]), date.fromisoformat(latest["test_last"])
    train_last = test_first - timedelta(days=splits.delay_days + 1)
    return Fold(0, train_last - timedelta(days=splits.train_days - 1), train_last, test_first, test_last)


def compare_on_same_rows(
    model: JudgedModel, version: RegisteredVersion, champion: RegisteredVersion | None, registry: ModelRegistry
) -> SameRows:
    """The model and the champion on rows that neither learned from."""
    if champion is None:
        return alone(model)
    other = registered_run(registry, champion)
    classes = tuple(read_manifest(other.predictor_folder).get("classes", ()))
    if classes != model.use_case.classes:
        return of_other_classes(model, classes)
    if champion.tags["as_of"] == version.tags["as_of"]:
        prediction = pl.col(f"{PREDICTION_PREFIX}{champion.tags['learner']}").alias("champion")
        return against_same_day(model, other.latest_fold().select("key", prediction))
    try:
        return against_champion(model, other.predictor())
    except (TrainingError, ImputationError) as error:
        problem = f"the challenger's recipe cannot be fitted on the champion's training days: {error}"
        return SameRows(model.judged, model.prediction, problem=problem)


def measured_on(use_case: UseCase, same_rows: SameRows) -> dict[str, dict[str, float]]:
    """Every declared metric of model and champion, NaN where it cannot be computed."""
    metrics = metrics_of(use_case)
    predictions = {"model": same_rows.model}
    if same_rows.champion is not None:
        predictions["champion"] = same_rows.champion
    return {name: measure(scored(same_rows.rows, values), metrics)[0] for name, values in predictions.items()}


def evidence_of(
    use_case: UseCase,
    verdict: Verdict,
    version: RegisteredVersion,
    champion: RegisteredVersion | None,
    same_rows: SameRows,
    today: date,
) -> dict[str, Any]:
    """What the verdict rests on, as plain values; docs/guide/gates.md describes it."""
    evidence: dict[str, Any] = plain(
        {
            "format": EVIDENCE_FORMAT,
            **verdict.to_dict(),
            "judged_on": today.isoformat(),
            "model_version": version.version,
            "learner": version.tags["learner"],
            "champion": champion.version if champion else None,
            "same_rows": {"rows": len(same_rows.rows), "how": same_rows.how, **measured_on(use_case, same_rows)},
        }
    )
    return evidence


def plot_same_rows(use_case: UseCase, rows: SameRows) -> bytes:
    """The picture of the rows that model and champion were compared on."""
    predictions = {"challenger": rows.model, **({"champion": rows.champion} if rows.champion is not None else {})}
    return task_of(use_case).plot(use_case, rows.rows.y, predictions)


def log_evidence(registry: ModelRegistry, version: RegisteredVersion, evidence: Mapping[str, Any]) -> None:
    """Keep the evidence next to the model's other artifacts, where promotion reads it, and the verdict with the version."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / VERDICT_FILE
        path.write_text(json.dumps(evidence, indent=2, sort_keys=True, allow_nan=False))
        registry.log_artifact(version, path)
    registry.set_tags(version, {VERDICT_TAG: "passed" if evidence["passed"] else "failed"})
