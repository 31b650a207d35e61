"""Steps from what was predicted to the verdicts on it.

Belongs here: the verbs of predictions and monitoring as steps. Does not belong here: the verbs (`predict.py`, `watch.py`,
`estimate_quality.py`, `check_parity.py`, ...). Only parity and absent predictions are gates: a red verdict of monitoring is told, and stops
nothing.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from platform_assets.declaration.days import DayRange
from platform_assets.pipelines.audit import anchor_of_day
from platform_assets.pipelines.check_parity import check_parity
from platform_assets.pipelines.estimate_quality import estimate_quality
from platform_assets.pipelines.explain_prediction.samples import explain_samples
from platform_assets.pipelines.measure_business import watch_business
from platform_assets.pipelines.predict import predict
from platform_assets.pipelines.steps.base import StepCheck, StepContext, StepResult, day_of_step, days_of_step
from platform_assets.pipelines.take_in_scores import take_in_scores
from platform_assets.pipelines.watch import store_predictions, watch_drift, watch_quality
from platform_assets.registry.base import ModelRegistry


def store_log(context: StepContext, table: str, days: DayRange | None) -> StepResult:
    """What the service answered, as a table, each request once."""
    folder = Path(context.installation.serving.log_folder(context.use_case.name))
    stored = store_predictions(context.catalog, folder, days_of_step(days))
    bad = [f"{line.place}: {line.reason}" for line in stored.segments.bad_lines[:20]]
    refused = sum(outage.refused for outage in stored.outages)
    without_store = stored.rows["fallback"].count()
    checks = (
        StepCheck("readable", not bad, "; ".join(bad), blocking=False),
        StepCheck("requests_logged", not stored.outages, f"{refused} refused requests", blocking=False),
        StepCheck("store_answered", not without_store, f"{without_store} predictions without store", blocking=False),
    )
    anchored = anchor_of_day(context.catalog, folder)
    facts = {"predictions": stored.rows.height, "delta_version": stored.commit.version, "anchor": anchored}
    return StepResult(facts, checks)


def compare_parity(context: StepContext, table: str, days: DayRange | None) -> StepResult:
    """Every feature value of every prediction against the offline path."""
    checked = check_parity(context.catalog, days_of_step(days))
    found = [f"{day}: {verdict.explanation}" for day, verdict in checked.verdicts.items() if not verdict.passed]
    facts = {"predictions": sum(verdict.predictions for verdict in checked.verdicts.values())}
    return StepResult(facts, (StepCheck("equal", checked.passed, "; ".join(found[:3])),))


def predict_days(context: StepContext, table: str, days: DayRange | None) -> StepResult:
    """One prediction for each event, by the champion; nothing is written where one lacks."""
    predicted = predict(context.catalog, context.installation.models.registry(), days_of_step(days))
    lacking = f"{predicted.without_prediction} of {predicted.events} events of {days} have no prediction"
    whole = StepCheck("complete", predicted.commit is not None, lacking if predicted.without_prediction else "")
    return StepResult(
        {"events": predicted.events, "model_version": predicted.version.version, "mean_prediction": predicted.mean},
        (whole,),
    )


def store_scores(context: StepContext, table: str, days: DayRange | None) -> StepResult:
    """Scores that somebody else's model made, beside events and features."""
    taken = take_in_scores(context.catalog, days_of_step(days))
    odd = [
        f"{day}: {one.without_score} events without a score, {one.without_event} scores without an event"
        for day, one in taken.by_day.items()
        if not one.is_complete
    ]
    return StepResult({"rows": taken.rows}, (StepCheck("scored", not odd, "; ".join(odd[:3]), blocking=False),))


def judge_drift(context: StepContext, table: str, days: DayRange | None) -> StepResult:
    """Drift of every column: the window that ends with the day."""
    folder = context.installation.serving.report_folder(context.use_case.name)
    watched = watch_drift(context.catalog, _registry(context), folder, _day(days))
    failed = {verdict.column: verdict.explanation for verdict in watched.result.failed_columns}
    facts = {"status": watched.result.status, "rows": watched.result.rows_current, "report": str(watched.report)}
    return _judged("no_drift", watched.result, facts, "; ".join(failed.values()))


def judge_estimate(context: StepContext, table: str, days: DayRange | None) -> StepResult:
    """Quality before labels come."""
    result = estimate_quality(context.catalog, _registry(context), _day(days)).result
    return _judged("estimate_kept", result, {"status": result.status, "rows": result.rows}, result.explanation)


def judge_quality(context: StepContext, table: str, days: DayRange | None) -> StepResult:
    """Quality once labels are known."""
    result = watch_quality(context.catalog, _registry(context), _day(days)).result
    facts: dict[str, Any] = {"status": result.status, "rows": result.rows, "labelled_rows": result.labelled_rows}
    facts |= {f"production_{name}": value for name, value in result.metrics.items()}
    return _judged("quality_kept", result, facts, result.explanation)


def judge_business(context: StepContext, table: str, days: DayRange | None) -> StepResult:
    """What answers were worth."""
    result = watch_business(context.catalog, _day(days)).result
    facts = {one.name: one.value for one in result.measures if one.value is not None}
    return _judged("measures_kept", result, facts, " ".join(one.explanation for one in result.measures))


def explain_some(context: StepContext, table: str, days: DayRange | None) -> StepResult:
    """Samples of predictions, computed again and taken apart."""
    parts = context.installation
    samples = explain_samples(context.catalog, parts.serving, parts.models, days_of_step(days))
    wrong = [f"{request}: {verdict}" for found in samples.by_day.values() for request, verdict in found.wrong]
    facts = {"explained": sum(found.explained for found in samples.by_day.values())}
    return StepResult(facts, (StepCheck("proven", not wrong, "; ".join(wrong[:20]), blocking=False),))


def _judged(name: str, result: Any, facts: dict[str, Any], found: str) -> StepResult:
    return StepResult(facts, (StepCheck(name, result.passed, found, blocking=False),))


def _day(days: DayRange | None) -> date:
    return date.fromisoformat(day_of_step(days))


def _registry(context: StepContext) -> ModelRegistry | None:
    """Where its models are; None where scores are delivered."""
    return context.installation.models.registry() if context.use_case.is_trained_here else None
