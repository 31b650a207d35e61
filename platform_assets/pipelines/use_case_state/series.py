"""Figures over time: drift, quality and its estimate from their stored verdicts; requests and latency from what was predicted.

Belongs here: stored results as series of at most `MOST_DAYS` days. Does not belong here: computing a verdict (`pipelines/watch.py`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl

from platform_assets.declaration.names import BUSINESS_MEASURES, DRIFT, ESTIMATE, QUALITY
from platform_assets.declaration.prediction_log import FEATURE_PREFIX
from platform_assets.declaration.sections.sources import EVENT_DAY
from platform_assets.lake.catalog import Catalog
from platform_assets.monitoring.cost.price_sheet import PriceSheet, PriceSheetUnusable
from platform_assets.monitoring.drift import PASSING
from platform_assets.monitoring.use_case_page.state import NotComputed, SeriesPoint, StateSeries, WindowState
from platform_assets.pipelines.show_cost import cost_of_days
from platform_assets.tasks.registry import metric_of

MOST_DAYS = 60
"""Two months are drawn; the tables have all."""
SEVERAL = 3
"""So many drifted columns are named."""

Rows = Sequence[Mapping[str, Any]]
Monitored = tuple[tuple[WindowState, ...], list[StateSeries], list[NotComputed]]


def monitored(catalog: Catalog) -> Monitored:
    """Newest verdict and series of each monitor, and what was never computed."""
    windows: list[WindowState] = []
    series: list[StateSeries] = []
    absent: list[NotComputed] = []
    for monitor, name, of, title in (
        ("drift", DRIFT, _drift_series, "Drift"),
        ("quality", QUALITY, _quality_series, "True quality"),
        ("estimate", ESTIMATE, _estimate_series, "Estimated quality"),
        ("measures", BUSINESS_MEASURES, _measure_series, "Business measures"),
    ):
        if name == BUSINESS_MEASURES and not catalog.use_case.monitoring.measures:
            absent.append(NotComputed(what=title, why="`monitoring.measures` declares none"))
            continue
        rows = _newest(catalog, name)
        if not rows:
            absent.append(NotComputed(what=title, why="not computed: no window was judged yet"))
            continue
        windows.append(_window(monitor, rows))
        series += of(catalog, rows)
    return tuple(windows), series, absent


def _newest(catalog: Catalog, name: str) -> Rows:
    table = catalog.verdicts(name)
    days = table.partitions() if table.exists() else []
    if not days:
        return []
    first = days[-1] - timedelta(days=MOST_DAYS - 1)
    rows = table.read(first, days[-1], columns=[EVENT_DAY, "status", "passed", "model_version", "result"])
    return [{**row, "result": json.loads(row["result"])} for row in rows.sort(EVENT_DAY).iter_rows(named=True)]


def _window(monitor: str, rows: Rows) -> WindowState:
    last, since = rows[-1], rows[-1][EVENT_DAY]
    for row in reversed(rows):
        if row["status"] != last["status"]:
            break
        since = row[EVENT_DAY]
    return WindowState(
        monitor=monitor,
        day=last[EVENT_DAY],
        status=last["status"],
        passed=last["passed"],
        since=since,
        explanation=_explanation(last["result"]),
        model_version=last["model_version"] or "",
    )


def _explanation(result: Mapping[str, Any]) -> str:
    if "measures" in result:
        measures = result["measures"]
        bad = [one["explanation"] for one in measures if one["status"] != "ok"]
        return " ".join(bad or [one["explanation"] for one in measures])
    if "columns" not in result:
        return str(result.get("explanation", ""))
    bad = [one for one in result["columns"] if one["status"] not in PASSING]
    names = [str(one["column"]).removeprefix(FEATURE_PREFIX) for one in bad if one["status"] == result["status"]] or [
        str(one["column"]).removeprefix(FEATURE_PREFIX) for one in bad
    ]
    if result.get("passed") or not names:
        return f"{len(result['columns'])} columns of {result['rows_current']:,} requests stay within their limits."
    more = f" and {len(names) - SEVERAL} more" if len(names) > SEVERAL else ""
    return (
        f"{len(names)} of {len(result['columns'])} columns: {', '.join(names[:SEVERAL])}{more}. {bad[0]['explanation']}"
    )


def _drift_series(catalog: Catalog, rows: Rows) -> list[StateSeries]:
    points = [SeriesPoint(day=row[EVENT_DAY], value=_farthest(row["result"])) for row in rows]
    return [
        StateSeries(
            name="drift",
            title="Farthest column, as a share of its limit",
            unit="",
            points=tuple(points),
            bound=1.0,
            bound_is_lower=False,
            chart="Drift",
        )
    ]


def _farthest(result: Mapping[str, Any]) -> float | None:
    """How far the column that moved most is from its reference, as a share of what it may move."""
    shares = [
        one[statistic] / one[f"{statistic}_limit"]
        for one in result["columns"]
        for statistic in ("ks", "psi")
        if one.get(statistic) is not None and one.get(f"{statistic}_limit")
    ]
    return max(shares, default=None)


def _quality_series(catalog: Catalog, rows: Rows) -> list[StateSeries]:
    followed = catalog.use_case.monitoring.quality_metric
    points, bound = [], None
    for row in rows:
        result = row["result"]
        interval = result["intervals"].get(followed) or {}
        bound = result["bounds"].get(followed, bound)
        points.append(
            SeriesPoint(
                day=row[EVENT_DAY],
                value=result["metrics"].get(followed),
                low=interval.get("low"),
                high=interval.get("high"),
            )
        )
    return [
        StateSeries(
            name="quality",
            title=f"True {followed.replace('_', ' ')}",
            unit="",
            points=tuple(points),
            bound=bound,
            bound_is_lower=metric_of(catalog.use_case, followed).higher_is_better,
            chart="Quality",
            interval_percent=90,
        )
    ]


def _estimate_series(catalog: Catalog, rows: Rows) -> list[StateSeries]:
    """The estimates of the followed metric; a gap where one was withdrawn or could not be made."""
    followed = catalog.use_case.monitoring.quality_metric
    points = []
    for row in rows:
        one = row["result"]["estimates"].get(followed) or {}
        points.append(SeriesPoint(day=row[EVENT_DAY], **{name: one.get(name) for name in ("value", "low", "high")}))
    return [
        StateSeries(
            name="estimate",
            title=f"Estimated {followed.replace('_', ' ')}",
            unit="",
            points=tuple(points),
            chart="Quality",
            interval_percent=95,
        )
    ]


def _measure_series(catalog: Catalog, rows: Rows) -> list[StateSeries]:
    """A series for each declared measure; windows from before it was declared are a gap."""
    series = []
    for declared in catalog.use_case.monitoring.measures:
        points = []
        for row in rows:
            one: Mapping[str, Any] = next(
                (found for found in row["result"]["measures"] if found["name"] == declared.name), {}
            )
            points.append(SeriesPoint(day=row[EVENT_DAY], **{name: one.get(name) for name in ("value", "low", "high")}))
        title = declared.name.replace("_", " ").capitalize()
        series.append(
            StateSeries(
                name=declared.name,
                title=f"{title} a {declared.per}",
                unit=declared.unit,
                points=tuple(points),
                bound=declared.bound,
                bound_is_lower=declared.direction == "increase",
                chart=title,
                interval_percent=90,
            )
        )
    return series


def answered_series(catalog: Catalog) -> tuple[list[StateSeries], list[NotComputed]]:
    """Predictions of each day, and how long they took; aggregated where they lie, so that no row is held."""
    table = catalog.predictions
    days = table.partitions() if table.exists() else []
    if not days:
        return [], [NotComputed(what="Requests over time", why="no prediction was stored yet")]
    first = days[-1] - timedelta(days=MOST_DAYS - 1)
    realtime = catalog.use_case.is_realtime
    columns = [EVENT_DAY, "latency_ms"] if realtime else [EVENT_DAY]
    figures = [pl.len().alias("rows")]
    if realtime:
        figures += [pl.col("latency_ms").quantile(share, "linear").alias(name) for name, share in _QUANTILES]
    found = table.scan(first, days[-1], columns=columns, ordered=False).group_by(EVENT_DAY).agg(figures)
    by_day = found.sort(EVENT_DAY).collect()
    title = "Requests a day" if realtime else "Predictions a day"
    series = [_series(by_day, "rows", title, "count", "Requests" if realtime else "Predictions")]
    if realtime:
        titles = {"p50": "Median", "p99": "99th percentile"}
        series += [_series(by_day, name, titles[name], "milliseconds", "Latency") for name, _ in _QUANTILES]
    return series, []


_QUANTILES = (("p50", 0.5), ("p99", 0.99))


def cost_series(catalog: Catalog, sheet: str, now: datetime) -> tuple[list[StateSeries], list[NotComputed]]:
    """Money a day of the calendar, of all kinds together.

    Args:
        catalog: the tables.
        sheet: name or file of the price sheet.
        now: by the machine's clock.
    """
    try:
        prices = PriceSheet.named(sheet)
    except PriceSheetUnusable as error:
        return [], [NotComputed(what="Cost", why=str(error))]
    costs = cost_of_days(catalog, prices, now)
    if not costs.kinds:
        return [], [NotComputed(what="Cost", why="no usage is recorded yet")]
    by_day = costs.by_day.group_by(EVENT_DAY).agg(pl.col("money").sum()).sort(EVENT_DAY)
    return [_series(by_day, "money", f"Cost a day, prices of {prices.name}", prices.currency, "Cost")], []


def _series(by_day: pl.DataFrame, column: str, title: str, unit: str, chart: str) -> StateSeries:
    points = tuple(_point(day, value) for day, value in by_day.select(EVENT_DAY, column).iter_rows())
    return StateSeries(name=column, title=title, unit=unit, points=points, chart=chart)


def _point(day: date, value: float | None) -> SeriesPoint:
    return SeriesPoint(day=day, value=None if value is None else float(value))
