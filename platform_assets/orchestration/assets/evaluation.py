"""Evaluation: the challenger judged by every declared gate.

Belongs here: the evaluation asset with its blocking gates, from artifacts and tables to what the gates look at. Does not belong here:
metrics and gates (`evaluation/`), promotion (`assets/champion.py`).
"""

import json
import tempfile
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from platform_assets.declaration import EVENT_DAY, UseCase
from platform_assets.declaration.names import EVALUATION
from platform_assets.evaluation.gates.judging import judge
from platform_assets.evaluation.gates.registry import gate_names
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
from platform_assets.lake.lake import Lake
from platform_assets.lake.layout import MODEL
from platform_assets.orchestration.conditions import after_upstream
from platform_assets.orchestration.metadata import asset_key, kubernetes_tags, picture, policy
from platform_assets.orchestration.partitions import as_of_days
from platform_assets.pipelines.tables import clean_rows
from platform_assets.registry.base import CHAMPION as CHAMPION_ALIAS
from platform_assets.registry.base import VERDICT_TAG, ModelRegistry, RegisteredVersion
from platform_assets.registry.model_store import ModelStore
from platform_assets.registry.training_run import (
    MODEL_DIGEST_TAG,
    VERDICT_FILE,
    ModelRun,
    registered_run,
    trained_as_of,
)
from platform_assets.tasks.gate_result import GateResult
from platform_assets.tasks.plain import plain
from platform_assets.tasks.registry import metrics_of, task_of
from platform_assets.training.artifact import read_manifest
from platform_assets.training.compare import measure, scored
from platform_assets.training.dataset import read_dataset
from platform_assets.training.folds import Fold, last_labelled_day
from platform_assets.training.learners import TrainingError
from platform_assets.training.predictor import ImputationError

EVIDENCE_FORMAT = 2
"""Of the verdict file; docs/guide/gates.md says what is in it."""


def columns_to_divide_by(use_case: UseCase) -> list[str]:
    """Columns of the event table that a slice needs and the training set does not carry."""
    wanted = {name for item in use_case.gates.slices for name in pl.sql_expr(item.expression).meta.root_names()}
    kept = {*use_case.event_source.primary_key, use_case.event_time, *use_case.feature_names}
    kept |= {use_case.training.group} if use_case.training.group is not None else set()
    return sorted(wanted - kept)


def subject_of(
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
    key = use_case.event_source.primary_key[0]
    prefix = "prediction__"
    recorded = run.latest_fold()
    names = [name.removeprefix(prefix) for name in recorded.columns if name.startswith(prefix)]
    predictions = recorded.select(pl.col("key").alias(key), *(pl.col(f"{prefix}{name}") for name in names))
    joined = frame.join(predictions, on=key, how="inner")
    if events is not None:
        joined = joined.join(events, on=key, how="left")
    joined = joined.sort(use_case.event_time, key)
    predictor = run.predictor()
    learner = version.tags["learner"]
    made_of_others = joined_learner(use_case.training, use_case.feature_names, learner, found_settings(run.comparison))
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


def found_settings(comparison: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
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
    subject: JudgedModel, version: RegisteredVersion, champion: RegisteredVersion | None, registry: ModelRegistry
) -> SameRows:
    """The model and the champion on rows that neither learned from."""
    if champion is None:
        return alone(subject)
    other = registered_run(registry, champion)
    classes = tuple(read_manifest(other.predictor_folder).get("classes", ()))
    if classes != subject.use_case.classes:
        return of_other_classes(subject, classes)
    if champion.tags["as_of"] == version.tags["as_of"]:
        prediction = pl.col(f"prediction__{champion.tags['learner']}").alias("champion")
        return against_same_day(subject, other.latest_fold().select("key", prediction))
    try:
        return against_champion(subject, other.predictor())
    except (TrainingError, ImputationError) as error:
        problem = f"the challenger's recipe cannot be fitted on the champion's training days: {error}"
        return SameRows(subject.judged, subject.prediction, problem=problem)


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


def evaluation_asset(*, use_case: UseCase) -> dg.AssetsDefinition:
    """The verdict on the model as of a day; each gate is a blocking check, and a gate without a result is red."""
    key = asset_key(use_case, MODEL, EVALUATION)
    names = gate_names(use_case)

    @dg.asset(
        key=key,
        deps=[asset_key(use_case, MODEL, use_case.model_name)],
        description="The challenger against baselines, champion and declared bounds, on predictions it did not learn from.",
        kinds={"scikitlearn"},
        partitions_def=as_of_days(use_case),
        automation_condition=after_upstream(),
        code_version="2",
        op_tags=kubernetes_tags(use_case.training.compute),  # gates fit the winner again
        check_specs=[
            dg.AssetCheckSpec(name, asset=key, blocking=True, description=f"Gate {name.replace('_', ' ')}.")
            for name in names
        ],
        **policy(use_case, MODEL),
    )
    def evaluation(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], models: dg.ResourceParam[ModelStore]
    ) -> dg.MaterializeResult:
        as_of = date.fromisoformat(context.partition_key)
        registry = models.registry()
        version = trained_as_of(registry, use_case, context.partition_key)
        run = registered_run(registry, version)
        champion = registry.by_alias(use_case.name, CHAMPION_ALIAS)
        if champion is not None and champion.version == version.version:
            champion = None  # judged again: it cannot be its own opponent
        frame = Catalog(use_case, lake).training_sets.read(as_of, as_of)
        subject = subject_of(use_case, frame, run, version, events_to_divide_by(use_case, lake, frame))
        same_rows = compare_on_same_rows(subject, version, champion, registry)
        today = datetime.now(UTC).date()
        verdict = judge(subject, same_rows, today, has_champion=champion is not None)
        evidence = evidence_of(use_case, verdict, version, champion, same_rows, today)
        log_evidence(registry, version, evidence)
        return dg.MaterializeResult(
            metadata={
                "model_version": version.version,
                "passed": verdict.passed,
                "reason": verdict.reason,
                "gates": dg.MetadataValue.md(gates_table(verdict)),
                "rows_compared": len(same_rows.rows),
                "plot": picture(draw(use_case, same_rows)),
                **{f"same_rows_{name}": value for name, value in evidence["same_rows"]["model"].items()},
            },
            check_results=[check_result(gate) for gate in verdict.gates],
        )

    return evaluation


def events_to_divide_by(use_case: UseCase, lake: Lake, frame: pl.DataFrame) -> pl.DataFrame | None:
    """Event columns that slices need beyond those of the training set; None when there are none."""
    wanted = columns_to_divide_by(use_case)
    if not wanted or frame.is_empty():
        return None
    days = frame[EVENT_DAY]
    first, last = days.min(), days.max()
    assert isinstance(first, date)
    assert isinstance(last, date)
    key = use_case.event_source.primary_key[0]
    return clean_rows(lake, use_case, use_case.event_source, first, last, [key, *wanted])


def gates_table(verdict: Verdict) -> str:
    """Every gate with what it found, as a Markdown table."""
    words = {True: "passed", False: "**failed**"}
    lines = ["| gate | verdict | found |", "|---|---|---|"]
    for gate in verdict.gates:
        word = "bypassed" if gate.bypass else words[gate.passed]
        lines.append(f"| {gate.name} | {word} | {gate.explanation.replace('|', '/')} |")
    return "\n".join(lines)


def check_result(gate: GateResult) -> dg.AssetCheckResult:
    """A gate as a check result, with its evidence on success too."""
    metadata: dict[str, Any] = {"explanation": gate.explanation}
    metadata |= {
        name: value for name, value in (("measured", gate.measured), ("bound", gate.bound)) if value is not None
    }
    if gate.bypass:
        metadata["bypass"] = gate.bypass
    if gate.details:
        metadata["details"] = dg.MetadataValue.json(plain(gate.details))
    return dg.AssetCheckResult(check_name=gate.name, passed=gate.passed, metadata=metadata)


def draw(use_case: UseCase, rows: SameRows) -> bytes:
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
