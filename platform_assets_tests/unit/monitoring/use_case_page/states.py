"""States of a use case, made up: one where everything is fine, to which a test does one thing.

Belongs here: the healthy state. Does not belong here: what is found in a changed one.
"""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from platform_assets.monitoring.use_case_page.state import (
    Link,
    ModelState,
    SeriesPoint,
    ServiceState,
    SourceNewest,
    StateSeries,
    UseCaseState,
    WindowState,
)
from platform_assets.monitoring.use_case_page.state_of_operations import (
    CheckVerdict,
    DaemonState,
    SensorState,
    StateOfOperations,
)

NOW = datetime(2018, 9, 20, 8, tzinfo=UTC)
DAY = date(2018, 9, 19)


def healthy(**changes: Any) -> UseCaseState:
    values: dict[str, Any] = {
        "use_case": "parking",
        "description": "Whether a place will be free.",
        "owner": "team:parking",
        "environment": "production",
        "now": NOW,
        "made_at": NOW,
        "stale_after_seconds": 2400,
        "freshness_warn_hours": 30.0,
        "freshness_fail_hours": 48.0,
        "train_every_days": 7,
        "automation": True,
        "newest_event": NOW - timedelta(hours=9),
        "lag_seconds": 9 * 3600.0,
        "sources": (SourceNewest(name="stays", newest_day=DAY, rows=12_345, refused_rows=0),),
        "champion": ModelState(
            version="3", since=NOW, as_of=DAY, learner="xgboost", by="promoted", evidence=("27 of 27 gates passed",)
        ),
        "service": service(),
        "windows": (window("drift", "ok"), window("quality", "ok")),
        "operations": operations(),
        "alerts": (),
        "series": (quality_series(), *latency_series()),
        "links": (Link(title="Dagster", address="http://127.0.0.1:3000"),),
    }
    return UseCaseState(**{**values, **changes})


def service(**changes: Any) -> ServiceState:
    values: dict[str, Any] = {
        "address": "http://127.0.0.1:8700/v1/parking",
        "version": "v3-0123456789ab",
        "model_version": "3",
        "weights_percent": {"v3-0123456789ab": 100},
        "ready": 2,
        "processes": 2,
        "requests": 1_234_567,
        "errors": 0,
        "p50_ms": 3.2,
        "p99_ms": 18.4,
    }
    return ServiceState(**{**values, **changes})


def window(monitor: str, status: str, **changes: Any) -> WindowState:
    values: dict[str, Any] = {"since": DAY - timedelta(days=2), "explanation": f"{monitor} is {status}."}
    return WindowState(monitor=monitor, day=DAY, status=status, passed=status == "ok", **{**values, **changes})


def check(outcome: Any, asset: str = "clean/stays", name: str = "quality", **changes: Any) -> CheckVerdict:
    return CheckVerdict(asset=asset, name=name, outcome=outcome, at=NOW, **changes)


def operations(**changes: Any) -> StateOfOperations:
    values: dict[str, Any] = {
        "checks": (check("passed"), check("passed", "monitoring/drift", "no_drift")),
        "sensors": (SensorState(name="retrain", kind="sensor", running=True, last_tick=NOW - timedelta(seconds=40)),),
        "daemons": (DaemonState(name="SENSOR", healthy=True, heartbeat=NOW),),
        "due_next": NOW + timedelta(hours=16),
    }
    return StateOfOperations(**{**values, **changes})


def quality_series(days: int = 60) -> StateSeries:
    points = tuple(
        SeriesPoint(day=DAY - timedelta(days=days - one), value=0.8 - one / 500, low=0.7 - one / 500, high=0.86)
        for one in range(days)
    )
    return StateSeries(
        name="quality",
        title="True average precision",
        unit="",
        points=points,
        bound=0.7,
        chart="Quality",
        interval_percent=90,
    )


def latency_series(days: int = 60) -> tuple[StateSeries, ...]:
    return tuple(
        StateSeries(
            name=name,
            title=title,
            unit="milliseconds",
            chart="Latency",
            points=tuple(
                SeriesPoint(day=DAY - timedelta(days=days - one), value=value + one % 5) for one in range(days)
            ),
        )
        for name, title, value in (("p50", "Median", 3.0), ("p99", "99th percentile", 18.0))
    )
