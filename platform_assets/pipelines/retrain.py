"""The retrain decision of a day: from the verdicts that are stored, the model that serves and the requests that were made.

Belongs here: stored verdicts as windows and as figures, and storing the decision. Does not belong here: the rule
(`monitoring/retrain_decision.py`), the verdicts (their own pipelines), or starting the run (`orchestration/sensors.py`).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from typing import Any

import polars as pl

from platform_assets.declaration import EVENT_DAY, UseCase
from platform_assets.declaration.names import DRIFT, ESTIMATE, QUALITY
from platform_assets.declaration.prediction_log import FEATURE_PREFIX
from platform_assets.declaration.sections.serving import RetrainRule
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.commits import Commit
from platform_assets.lake.schemas import RETRAIN_SCHEMA
from platform_assets.monitoring.degradation import Degradation, degradation
from platform_assets.monitoring.drift import BROKEN
from platform_assets.monitoring.retrain_decision import (
    DecisionOfDay,
    OtherSettings,
    RetrainEvidence,
    decide_day,
    replay_settings,
)
from platform_assets.monitoring.retrain_verdict import RequestedRetrain, WindowVerdict
from platform_assets.pipelines.due import known_as_of
from platform_assets.pipelines.jobs import JUDGE, WATCH
from platform_assets.registry.base import CHAMPION, ModelRegistry, RegisteredVersion
from platform_assets.tasks.registry import metric_of

REMEMBERED_DAYS = 120
"""Verdicts of so many days are looked at."""


@dataclass(frozen=True)
class Loss:
    """The share of what the evaluation promised that is lost; negative where the metric is better.

    Attributes:
        ratio: the best guess.
        low: lower end of its interval; None without one.
        high: upper end.
    """

    ratio: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class StoredDecision:
    """A decision with the figures behind it.

    Attributes:
        as_of: the day.
        decision: what is done.
        model: the champion; None before there is one.
        model_age_days: days since the day it was trained as of.
        drift_size: largest statistic of a column as a multiple of its limit; None without a verdict.
        drifted: columns that drifted, the farthest first.
        estimated: loss of the followed metric that is likely before labels come; None where there is no estimate to believe.
        measured: loss of the followed metric, by labels; None where it could not be measured.
        label_coverage_ratio: share of the latest window's predictions whose label is known.
        training_seconds: CPU or wall seconds that the champion's candidates took to train.
        others: what other settings would have said of the last days.
        degradation: what is declared for answers that cannot be trusted and lasts; None where nothing does.
        missing: monitors whose window as of the day was not judged.
        commit: of the table.
        uri: its address.
    """

    as_of: date
    decision: DecisionOfDay
    model: RegisteredVersion | None
    model_age_days: int | None
    drift_size: float | None
    drifted: Sequence[str]
    measured: Loss | None
    estimated: Loss | None
    label_coverage_ratio: float | None
    training_seconds: float | None
    others: Sequence[OtherSettings]
    degradation: Degradation | None
    missing: Sequence[str]
    commit: Commit
    uri: str


@dataclass(frozen=True)
class _Verdicts:
    """The stored verdicts of a monitor, by the day that each was known as of."""

    rows: Mapping[date, Mapping[str, Any]] = field(default_factory=dict)

    def result(self, day: date) -> Mapping[str, Any]:
        """The whole verdict as of a day; empty where none was stored."""
        found: Mapping[str, Any] = json.loads(self.rows[day]["result"]) if day in self.rows else {}
        return found


def decide_retrain(
    catalog: Catalog,
    registry: ModelRegistry,
    as_of: date,
    requested: Sequence[RequestedRetrain],
    store_day: date | None = None,
) -> StoredDecision:
    """Decide as of a day whether a model is asked for, and store the decision with its evidence.

    Args:
        catalog: the tables.
        registry: where the champion is.
        as_of: the day; verdicts that were known later are not looked at.
        requested: requests that were made, with what became of them.
        store_day: newest day whose features the online store holds; None where there is no store.

    Raises:
        RegistryUnreachable: nobody can say which model serves.
    """
    use_case = catalog.use_case
    champion = registry.by_alias(use_case.name, CHAMPION)
    stored = {monitor: _stored(catalog, monitor, as_of) for monitor in (QUALITY, DRIFT)}
    rule = use_case.monitoring.retrain
    evidence = RetrainEvidence(
        as_of,
        windows_of(use_case, stored[QUALITY].rows, stored[DRIFT].rows),
        requested,
        champion.version if champion else None,
        max(1, use_case.label_delay_days),
    )
    decision = decide_day(evidence, rule)
    degraded = degradation(evidence.windows, use_case.monitoring.degrade, as_of, evidence.model_version, store_day)
    drift, quality = stored[DRIFT].result(as_of), stored[QUALITY].result(as_of)
    sizes = drift_sizes(drift)
    trained = date.fromisoformat(champion.tags["as_of"]) if champion and "as_of" in champion.tags else None
    table = catalog.retrain_decisions
    figures: dict[str, Any] = {
        "model_age_days": (as_of - trained).days if trained else None,
        "drift_size": max(sizes.values(), default=None),
        "drifted": [name for name, size in sizes.items() if size > 1],
        "measured": _measured_loss(use_case, quality),
        "estimated": _estimated_loss(
            use_case,
            _stored(catalog, ESTIMATE, as_of).result(as_of),
            _promised(stored[QUALITY], champion.version if champion else None),
        ),
        "label_coverage_ratio": quality.get("coverage_ratio"),
        "training_seconds": _training_seconds(registry, champion),
        "others": replay_settings(evidence, rule),
        "degradation": degraded,
        "missing": [monitor for monitor in stored if as_of not in stored[monitor].rows],
    }
    row = _row(use_case, as_of, decision, champion, trained, figures)
    commit = table.write_partitions(pl.DataFrame([row], schema=RETRAIN_SCHEMA), as_of, as_of)
    return StoredDecision(as_of=as_of, decision=decision, model=champion, commit=commit, uri=table.uri, **figures)


def newest_decision(catalog: Catalog) -> Mapping[str, Any] | None:
    """The row of the latest as-of day that was decided; None before any was."""
    table = catalog.retrain_decisions
    days = [day for day in table.partitions() if isinstance(day, date)] if table.exists() else []
    if not days:
        return None
    return table.read(max(days), max(days)).row(0, named=True)


def windows_of(
    use_case: UseCase, quality: Mapping[date, Mapping[str, Any]], drift: Mapping[date, Mapping[str, Any]]
) -> dict[str, list[WindowVerdict]]:
    """Rows of stored verdicts as windows, each monitor's under the days that they were known as of.

    A column that drifts in the window and not on its newest day is over, and causes nothing. What looks like a fault of the data spoils
    each window that holds its day: drift of such a window causes nothing once the fault is mended, and its quality asks for no model.

    Args:
        use_case: names the delay of labels, and what counts as a fault.
        quality: rows of stored verdicts by the day they were known as of.
        drift: likewise.
    """
    rule, window_days = use_case.monitoring.retrain, use_case.monitoring.window_days
    results = {day: json.loads(row["result"]) for day, row in drift.items()}
    faults = {row[EVENT_DAY]: defects_of(results[day], rule) for day, row in drift.items()}
    windows: dict[str, list[WindowVerdict]] = {QUALITY: [], DRIFT: []}
    for day, row in sorted(drift.items()):
        newest = {_plain(name): figures for name, figures in results[day].get("newest_day", {}).items()}
        is_mended = not faults[row[EVENT_DAY]] and any(faults.get(each) for each in _window(row, window_days))
        goes_on = tuple(
            cause
            for cause in row["causes"]
            if not is_mended and newest.get(cause.removeprefix("drift:"), _MOVED)["has_moved"]
        )
        noticed = tuple(name for name, figures in newest.items() if figures["is_noticed"])
        window = WindowVerdict(day, bool(goes_on), goes_on, row["model_version"], faults[row[EVENT_DAY]], noticed)
        windows[DRIFT].append(window)
    for day, row in sorted(quality.items()):
        causes, days = tuple(row["causes"]), _window(row, window_days) if row["causes"] else []
        found = dict.fromkeys(fault for each in days for fault in faults.get(each, ()))
        result = json.loads(row["result"])
        noticed = (use_case.monitoring.quality_metric,) if result.get("newest_day_lost") else ()
        window = WindowVerdict(day, bool(causes), causes, row["model_version"], tuple(found), noticed)
        windows[QUALITY].append(window)
    return windows


def _window(row: Mapping[str, Any], window_days: int) -> list[date]:
    """The days of a stored verdict's window."""
    return [row[EVENT_DAY] - timedelta(days=back) for back in range(window_days)]


_MOVED: Mapping[str, Any] = {"has_moved": True}
"""Of a column whose newest day nobody looked at."""


def defects_of(drift: Mapping[str, Any], rule: RetrainRule) -> tuple[str, ...]:
    """What of a stored drift verdict looks like a fault of the data, in words.

    Args:
        drift: the stored result.
        rule: how far, and of how much of a day, a column may lie from what the model knows.
    """
    words = [
        f"{_plain(column['column'])} is broken: {column['explanation'].rstrip('.')}"
        for column in drift.get("columns", ())
        if column["status"] in BROKEN
    ]
    for name, figures in drift.get("newest_day", {}).items():
        if name in ("score", "decision"):
            continue
        if figures["ks"] > rule.defect_ks:
            words.append(
                f"{_plain(name)} lies {figures['ks']:.2f} (KS) from what the model knows on the newest day alone"
            )
        for what, key in (("unheard of", "unheard_of_ratio"), ("missing where they were not", "further_missing_ratio")):
            if figures[key] > rule.defect_ratio:
                words.append(f"{figures[key]:.1%} of {_plain(name)}'s values on the newest day are {what}")
    return tuple(words)


def drift_sizes(drift: Mapping[str, Any]) -> dict[str, float]:
    """How far each column lies from what the model knows as a multiple of its limit, the farthest first."""
    sizes: dict[str, float] = {}
    for column in drift.get("columns", ()):
        pairs = [(column.get(name), column.get(f"{name}_limit")) for name in ("ks", "psi")]
        known = [value / limit for value, limit in pairs if value is not None and limit]
        if known and column["status"] in ("ok", "drift"):
            # What a second look explains passes, however large its first statistics were.
            sizes[_plain(column["column"])] = max(known) if column["status"] == "drift" else min(1.0, max(known))
    return dict(sorted(sizes.items(), key=lambda item: -item[1]))


def _plain(column: str) -> str:
    return column.removeprefix(FEATURE_PREFIX)


def _stored(catalog: Catalog, monitor: str, as_of: date) -> _Verdicts:
    job = {DRIFT: WATCH, ESTIMATE: WATCH, QUALITY: JUDGE}[monitor]
    table = catalog.verdicts(monitor)
    if not table.exists():
        return _Verdicts()
    rows = table.read(as_of - timedelta(days=REMEMBERED_DAYS), as_of).sort(EVENT_DAY)
    by_day = {known_as_of(catalog.use_case, job, row[EVENT_DAY]): row for row in rows.iter_rows(named=True)}
    return _Verdicts({day: row for day, row in by_day.items() if day <= as_of})


def _measured_loss(use_case: UseCase, quality: Mapping[str, Any]) -> Loss | None:
    name = use_case.monitoring.quality_metric
    value, promised = quality.get("metrics", {}).get(name), quality.get("reference")
    if value is None or not promised:
        return None
    interval = quality.get("intervals", {}).get(name)
    return _loss(use_case, value, (interval["low"], interval["high"]) if interval else None, promised)


def _estimated_loss(use_case: UseCase, estimate: Mapping[str, Any], promised: float | None) -> Loss | None:
    """The loss that is likely before labels come; None where nothing may be believed, or nobody knows what was promised."""
    found = estimate.get("estimates", {}).get(use_case.monitoring.quality_metric)
    if not found or not promised:
        return None
    return _loss(use_case, found["value"], (found["low"], found["high"]), promised)


def _loss(use_case: UseCase, value: float, interval: tuple[float, float] | None, promised: float) -> Loss:
    sign = 1.0 if metric_of(use_case, use_case.monitoring.quality_metric).higher_is_better else -1.0

    def lost(found: float) -> float:
        return float(sign * (promised - found) / abs(promised))

    if interval is None:
        return Loss(lost(value))
    low, high = sorted(lost(end) for end in interval)
    return Loss(lost(value), low, high)


def _promised(quality: _Verdicts, version: str | None) -> float | None:
    """What the evaluation promised of the champion, as the newest verdict on it says."""
    for day in sorted(quality.rows, reverse=True):
        if version is None or quality.rows[day]["model_version"] == version:
            found = quality.result(day).get("reference")
            return float(found) if found else None
    return None


def _training_seconds(registry: ModelRegistry, champion: RegisteredVersion | None) -> float | None:
    if champion is None:
        return None
    seconds = [value for name, value in registry.metrics(champion).items() if name.endswith(".seconds")]
    return sum(seconds) if seconds else None


def _row(
    use_case: UseCase,
    as_of: date,
    decision: DecisionOfDay,
    champion: RegisteredVersion | None,
    trained: date | None,
    figures: Mapping[str, Any],
) -> dict[str, Any]:
    return {
        "verdict": decision.kind,
        "cause": decision.cause,
        "reason": decision.reason,
        "attempt": decision.attempt,
        "failed_requests": decision.failed,
        "model_version": champion.version if champion else None,
        "model_as_of": trained,
        "model_age_days": figures["model_age_days"],
        "drift_size": figures["drift_size"],
        "drifted_columns": figures["drifted"],
        "metric": use_case.monitoring.quality_metric,
        **_columns("measured", figures["measured"]),
        **_columns("estimated", figures["estimated"]),
        "label_coverage_ratio": figures["label_coverage_ratio"],
        "training_seconds": figures["training_seconds"],
        "other_settings": json.dumps([asdict(one) for one in figures["others"]], default=str),
        "evidence": json.dumps(
            {
                "missing": figures["missing"],
                "degradation": asdict(figures["degradation"]) if figures["degradation"] else None,
            }
        ),
        "as_of": as_of,
    }


def _columns(kind: str, loss: Loss | None) -> dict[str, float | None]:
    values = (loss.ratio, loss.low, loss.high) if loss else (None, None, None)
    return dict(zip((f"{kind}_loss_ratio{end}" for end in ("", "_low", "_high")), values, strict=True))
