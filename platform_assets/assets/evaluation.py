"""Evaluation: the challenger judged by every declared gate.

Belongs here: the evaluation asset with its blocking gates. Does not belong here: metrics and verdicts (`evaluation/`), promotion
(`champion.py`).
"""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import polars as pl

from platform_assets.assets.common import asset_key, picture, policy
from platform_assets.assets.conditions import after_upstream
from platform_assets.assets.model import read_dataset, training_set_table
from platform_assets.assets.model_folder import ModelRun, registered_run
from platform_assets.assets.partitions import as_of_days
from platform_assets.evaluation.metrics import make_metrics
from platform_assets.evaluation.plots import plot_binary, plot_regression
from platform_assets.evaluation.verdict import (
    GateResult,
    Verdict,
    beats_baselines,
    has_enough_data,
    is_calibrated,
    keeps_floors,
    no_worse_than_champion,
    with_bypasses,
)
from platform_assets.lake.layout import MODEL
from platform_assets.registry.models import CHAMPION as CHAMPION_ALIAS
from platform_assets.registry.models import ModelRegistry, RegisteredVersion
from platform_assets.resources.lake import LakeResource
from platform_assets.resources.models import ModelsResource
from platform_assets.spec import EVENT_DAY, UseCase
from platform_assets.spec.tables import EVALUATION
from platform_assets.training.compare import measure, scored

VERDICT_FILE = "evaluation.json"
MODEL_COLUMN, CHAMPION_COLUMN = "model__prediction", "champion__prediction"


class EvaluationError(RuntimeError):
    """A model cannot be judged; the message says what is missing and what to do next."""


@dataclass(frozen=True, eq=False)
class OnSameRows:
    """Model and champion on the same rows of the latest fold, each with predictions for rows it did not learn from.

    Attributes:
        y: float64 [n].
        model: float64 [n], out-of-fold predictions.
        champion: float64 [n], or None when there is no champion or it cannot be asked.
        metrics: of model and champion, by name.
        problem: why the champion cannot be asked; empty when it can.
    """

    y: np.ndarray[Any, np.dtype[np.float64]]
    model: np.ndarray[Any, np.dtype[np.float64]]
    champion: np.ndarray[Any, np.dtype[np.float64]] | None
    metrics: Mapping[str, Mapping[str, float]]
    problem: str = ""


def gate_names(use_case: UseCase) -> list[str]:
    """The gates that the use case declares, in the order in which they are judged."""
    names = ["training_data", "beats_baselines", "no_worse_than_champion"]
    names += [f"floor_{floor.metric}" for floor in use_case.gates.floors]
    if use_case.gates.max_calibration_error is not None:
        names.append("calibration")
    return names


def compare_on_same_rows(
    use_case: UseCase,
    frame: pl.DataFrame,
    run: ModelRun,
    version: RegisteredVersion,
    champion: RegisteredVersion | None,
    registry: ModelRegistry,
) -> OnSameRows:
    """The model's out-of-fold predictions of the latest fold next to the champion's predictions of the same rows."""
    key = use_case.event_source.primary_key[0]
    joined = frame.join(_out_of_fold(run, key, version, MODEL_COLUMN), on=key, how="inner")
    problem = ""
    if champion is not None:
        other = registered_run(registry, champion)
        if champion.tags["as_of"] == version.tags["as_of"]:
            joined = joined.join(_out_of_fold(other, key, champion, CHAMPION_COLUMN), on=key, how="inner")
        else:
            joined, problem = _scored_by_champion(joined, champion, other)
    joined = joined.sort(use_case.event_time, key)
    dataset, metrics = read_dataset(use_case, joined), make_metrics(use_case.training.metrics)
    columns = {"model": MODEL_COLUMN, **({"champion": CHAMPION_COLUMN} if CHAMPION_COLUMN in joined.columns else {})}
    predictions = {name: joined[column].to_numpy() for name, column in columns.items()}
    found = {name: measure(scored(dataset, values), metrics)[0] for name, values in predictions.items()}
    return OnSameRows(dataset.y, predictions["model"], predictions.get("champion"), found, problem)


def _out_of_fold(run: ModelRun, key: str, version: RegisteredVersion, column: str) -> pl.DataFrame:
    """Predictions for the latest fold by the version's learner: a champion as of the same day was fitted on this fold."""
    prediction = pl.col(f"prediction__{version.tags['learner']}")
    return run.latest_fold().select(pl.col("key").alias(key), prediction.alias(column))


def _scored_by_champion(rows: pl.DataFrame, champion: RegisteredVersion, run: ModelRun) -> tuple[pl.DataFrame, str]:
    """Later rows than the champion was fitted on (others would flatter it) with its predictions; or why it cannot be asked."""
    fresh = rows.filter(pl.col(EVENT_DAY) > date.fromisoformat(champion.tags["trained_on_last_day"]))
    predictor = run.predictor()
    absent = [name for name in predictor.features if name not in rows.columns]
    if absent:
        return rows, (
            f"it needs features that the use case no longer has ({', '.join(absent)}); "
            "declare a bypass of this gate for the first model without them"
        )
    X = fresh.select(pl.col(name).cast(pl.Float64).fill_null(np.nan) for name in predictor.features).to_numpy()
    return fresh.with_columns(pl.Series(CHAMPION_COLUMN, predictor.predict(np.ascontiguousarray(X)))), ""


def judge(
    use_case: UseCase, run: ModelRun, version: RegisteredVersion, champion: RegisteredVersion | None, rows: OnSameRows
) -> Verdict:
    """Every declared gate, bypasses applied."""
    gates, by = use_case.gates, use_case.training.select_by
    candidates = run.comparison["candidates"]
    means = candidates[version.tags["learner"]]["mean"]
    baselines = {name: result["mean"][by] for name, result in candidates.items() if result["baseline"]}
    trained_on = run.predictor().trained_on
    positives = round(trained_on.rows * trained_on.label_mean) if use_case.is_binary else None
    other = rows.metrics.get("champion", {}).get(by)
    results: list[GateResult] = [
        has_enough_data(trained_on.rows, positives, gates),
        beats_baselines(by, means.get(by), baselines, gates.baseline_margin),
        no_worse_than_champion(
            by,
            rows.metrics["model"].get(by),
            other,
            gates.champion_tolerance,
            rows=len(rows.y),
            has_champion=champion is not None,
            problem=rows.problem,
        ),
        *keeps_floors(means, gates.floors),
        *is_calibrated(means.get("calibration_error"), gates.max_calibration_error),
    ]
    return with_bypasses(results, gates.bypasses, datetime.now(UTC).date())


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
        code_version="1",
        check_specs=[
            dg.AssetCheckSpec(name, asset=key, blocking=True, description=f"Gate {name.replace('_', ' ')}.")
            for name in names
        ],
        **policy(use_case, MODEL),
    )
    def evaluation(
        context: dg.AssetExecutionContext, lake: LakeResource, models: ModelsResource
    ) -> dg.MaterializeResult:
        as_of = date.fromisoformat(context.partition_key)
        registry = models.registry()
        version = require_version(use_case, registry, context.partition_key)
        run = registered_run(registry, version)
        champion = registry.by_alias(use_case.name, CHAMPION_ALIAS)
        if champion is not None and champion.version == version.version:
            champion = None  # judged again: it cannot be its own opponent
        frame = training_set_table(use_case, lake).read(as_of, as_of)
        rows = compare_on_same_rows(use_case, frame, run, version, champion, registry)
        verdict = judge(use_case, run, version, champion, rows)
        evidence = {
            **verdict.to_dict(),
            "model_version": version.version,
            "champion": champion.version if champion else None,
            "same_rows": {"rows": len(rows.y), **rows.metrics},
        }
        log_evidence(registry, version, evidence)
        return dg.MaterializeResult(
            metadata={
                "model_version": version.version,
                "passed": verdict.passed,
                "reason": verdict.reason,
                "rows_compared": len(rows.y),
                "plot": picture(draw(use_case, rows)),
                **{f"latest_fold_{name}": value for name, value in rows.metrics["model"].items()},
            },
            check_results=[check_result(gate) for gate in verdict.gates],
        )

    return evaluation


def check_result(gate: GateResult) -> dg.AssetCheckResult:
    """A gate as a check result, with its evidence on success too."""
    metadata: dict[str, Any] = {"explanation": gate.explanation}
    metadata |= {
        name: value for name, value in (("measured", gate.measured), ("bound", gate.bound)) if value is not None
    }
    if gate.bypass:
        metadata["bypass"] = gate.bypass
    return dg.AssetCheckResult(check_name=gate.name, passed=gate.passed, metadata=metadata)


def draw(use_case: UseCase, rows: OnSameRows) -> bytes:
    """The picture of the latest fold."""
    if not use_case.is_binary or use_case.serving.decision is None:
        return plot_regression(rows.y, rows.model)
    predictions = {"challenger": rows.model, **({"champion": rows.champion} if rows.champion is not None else {})}
    return plot_binary(rows.y, predictions, use_case.serving.decision.threshold)


def require_version(use_case: UseCase, registry: ModelRegistry, as_of: str) -> RegisteredVersion:
    """The model as of a day.

    Raises:
        EvaluationError: when none was trained.
    """
    version = registry.by_as_of(use_case.name, as_of)
    if version is None:
        raise EvaluationError(
            f"{use_case.name}: no model was trained as of {as_of}; materialize {use_case.name}/{MODEL}/{use_case.model_name}"
        )
    return version


def log_evidence(registry: ModelRegistry, version: RegisteredVersion, evidence: Mapping[str, Any]) -> None:
    """Keep the evidence next to the model's other artifacts, where promotion reads it."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / VERDICT_FILE
        path.write_text(json.dumps(evidence, indent=2, sort_keys=True))
        registry.client.log_artifact(version.run_id, str(path))
