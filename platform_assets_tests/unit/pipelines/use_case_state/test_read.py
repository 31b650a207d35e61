"""A state as it is read: from a lake that was written by hand, with the number of reads counted."""

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from platform_assets.declaration import EVENT_DAY, UseCase
from platform_assets.declaration.clock import SimulatedClock
from platform_assets.declaration.names import BUSINESS_MEASURES, DRIFT, ESTIMATE, QUALITY
from platform_assets.deployment.release import TargetStatus
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake
from platform_assets.lake.schemas import VERDICT_SCHEMA
from platform_assets.lake.table import LakeTable
from platform_assets.monitoring.use_case_page.state import UseCaseState
from platform_assets.pipelines.use_case_state.read import Around, StateSources, read_use_case_state
from platform_assets.pipelines.use_case_state.series import MOST_DAYS
from platform_assets.registry.ledger import Entry
from platform_assets.registry.model_store import ModelStore
from platform_assets.testing.declare import declare

FIRST = date(2018, 4, 1)
MEASURE = {"name": "minutes_saved", "expression": "minutes", "unit": "minutes", "direction": "increase", "bound": 10}
QUIET = TargetStatus(running=True, address="http://127.0.0.1:1", resident_bytes={}, use_cases={})


@pytest.fixture
def parking() -> UseCase:
    return declare(
        events={"stay_id": "int64", "stay_time": "datetime", "driver_id": "int64", "minutes": "float64"},
        label="is_late",
        label_delay_days=7,
        monitoring={"quality_metric": "auc_roc", "measures": [MEASURE]},
        history={"first_day": str(FIRST)},
        features=[
            {"name": "context", "rows": [{"name": "minutes", "expression": "minutes", "description": "How long."}]}
        ],
    )


@pytest.fixture
def read_from(tmp_path: Path) -> StateSources:
    lake, clock = Lake(str(tmp_path / "lake")), SimulatedClock(tmp_path / "clock")
    clock.move(datetime(2018, 4, 1, tzinfo=UTC))
    serving = ServingHome(str(tmp_path / "home"), 18_700)
    return StateSources(lake, ModelStore("unused", lake), serving, clock, automation=True)


def lived(use_case: UseCase, read_from: StateSources, days: int) -> UseCaseState:
    """The state after so many days with events, predictions and verdicts."""
    catalog, last = Catalog(use_case, read_from.lake), FIRST + timedelta(days=days - 1)
    every = [FIRST + timedelta(days=one) for one in range(days)]
    events = catalog.events.stored
    columns = {name: pl.Series([None] * days, dtype=dtype) for name, dtype in events.schema.items()}
    times = [datetime(day.year, day.month, day.day, 20, tzinfo=UTC) for day in every]
    zoned = pl.Series(times, dtype=pl.Datetime("us", "UTC"))
    columns |= {EVENT_DAY: pl.Series(every), use_case.event_time: zoned.cast(events.schema[use_case.event_time])}
    events.write_partitions(pl.DataFrame(columns), FIRST, last)
    log = catalog.predictions
    columns = {name: pl.Series([None] * days, dtype=dtype) for name, dtype in log.schema.items()}
    columns |= {
        EVENT_DAY: pl.Series(every),
        "latency_ms": pl.Series(np.full(days, 2.5)),
        "request_id": pl.Series(map(str, every)),
    }
    log.write_partitions(pl.DataFrame(columns), FIRST, last)
    for name, result in results(use_case).items():
        rows = [
            {
                "status": "ok",
                "passed": True,
                "causes": [],
                "model_version": "1",
                "result": json.dumps(result),
                EVENT_DAY: day,
            }
            for day in every
        ]
        catalog.verdicts(name).write_partitions(pl.DataFrame(rows, schema=VERDICT_SCHEMA), FIRST, last)
    read_from.clock.move(datetime(last.year, last.month, last.day, 23, tzinfo=UTC))  # type: ignore[attr-defined]
    return read_use_case_state(use_case, read_from, Around(status=QUIET))


def results(use_case: UseCase) -> dict[str, Any]:
    metric = use_case.monitoring.quality_metric
    column = {
        "column": "minutes",
        "status": "ok",
        "explanation": "",
        "ks": 0.05,
        "ks_limit": 0.1,
        "psi": 0.01,
        "psi_limit": 0.1,
    }
    quality = {
        "metrics": {metric: 0.8},
        "intervals": {metric: {"low": 0.7, "high": 0.9}},
        "bounds": {metric: 0.6},
        "explanation": "kept",
    }
    estimate = {"estimates": {metric: {"value": 0.79, "low": 0.7, "high": 0.88}}, "explanation": "kept"}
    measure = {"name": "minutes_saved", "value": 20.0, "low": 15.0, "high": 25.0, "status": "ok", "explanation": "kept"}
    return {
        BUSINESS_MEASURES: {"measures": [measure]},
        DRIFT: {"columns": [column], "passed": True, "rows_current": 700, "status": "ok"},
        QUALITY: quality,
        ESTIMATE: estimate,
    }


def test_a_use_case_that_never_ran_has_a_state_that_says_so(parking: UseCase, read_from: StateSources) -> None:
    state = read_use_case_state(parking, read_from, Around(status=QUIET))
    assert [one.what for one in state.findings] == ["Nothing was loaded yet"]
    assert (state.newest_event, state.champion, state.windows, state.series) == (None, None, (), ())
    assert {one.what for one in state.not_computed} >= {
        "Drift",
        "True quality",
        "Estimated quality",
        "Cost",
        "Open alerts",
    }


def test_what_was_stored_stands_in_the_state(parking: UseCase, read_from: StateSources) -> None:
    gates = [{"name": "floor", "passed": True}, {"name": "slice", "passed": True, "bypass": {"who": "team"}}]
    origin = {"as_of": "2018-04-08", "learner": "xgboost"}
    evidence = {"reason": "It is better.", "gates": gates, "made_from": origin}
    at = datetime(2018, 4, 8, 2, tzinfo=UTC)
    entry = Entry("move 0", at, parking.name, "promoted", "3", None, None, evidence, "run")
    read_from.models.ledger(parking.name).record(entry)
    state = lived(parking, read_from, 10)
    assert state.newest_event == datetime(2018, 4, 10, 20, tzinfo=UTC)
    assert state.lag_seconds == 3 * 3600
    assert state.clock_is_simulated
    assert state.champion is not None
    assert (state.champion.version, state.champion.since, state.champion.as_of) == ("3", at, date(2018, 4, 8))
    assert state.champion.evidence == ("It is better.", "2 of 2 gates passed, bypassed: slice")
    assert {window.monitor: (window.status, window.since) for window in state.windows} == dict.fromkeys(
        ("drift", "quality", "estimate", "measures"), ("ok", FIRST)
    )
    last = {series.name: series.last for series in state.series}
    values = {name: None if point is None else point.value for name, point in last.items()}
    assert values == {
        "drift": 0.5,
        "quality": 0.8,
        "estimate": 0.79,
        "minutes_saved": 20.0,
        "rows": 1.0,
        "p50": 2.5,
        "p99": 2.5,
    }
    assert (state.sources[0].newest_day, state.sources[0].rows) == (date(2018, 4, 10), 1)


def test_a_rollback_says_who_and_why_and_keeps_what_its_model_is_made_from(
    parking: UseCase, read_from: StateSources
) -> None:
    ledger = read_from.models.ledger(parking.name)
    at = datetime(2018, 4, 8, 2, tzinfo=UTC)
    for number, (action, version, evidence) in enumerate(
        [
            ("promoted", "1", {"made_from": {"as_of": "2018-04-08"}}), ("promoted", "2", {"made_from": {"as_of": "2018-04-15"}}),
            ("rolled_back", "1", {"why": "declines everything", "who": "on call"}),
        ]
    ):  # fmt: skip
        moment = at + timedelta(days=number)
        ledger.record(Entry(f"move {number}", moment, parking.name, action, version, None, None, evidence, "run"))  # type: ignore[arg-type]
    champion = read_use_case_state(parking, read_from, Around(status=QUIET)).champion
    assert champion is not None
    assert (champion.version, champion.by, champion.as_of) == ("1", "rolled_back", date(2018, 4, 8))
    assert champion.evidence == ("declines everything, on call",)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often tables were read, and how many rows."""
    counted: Counter[str] = Counter()

    def counting(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def counted_method(self: LakeTable, *arguments: Any, **options: Any) -> Any:
            counted[name] += 1
            found = method(self, *arguments, **options)
            counted["rows"] += found.height if isinstance(found, pl.DataFrame) else 0
            return found

        return counted_method

    for name in ("read", "scan", "count_by_partition"):
        monkeypatch.setattr(LakeTable, name, counting(name, getattr(LakeTable, name)))
    return counted


def test_reading_is_bounded_however_long_a_use_case_has_run(
    parking: UseCase, read_from: StateSources, reads: Counter[str]
) -> None:
    seen = {}
    for days in (3, 100):
        lived(parking, read_from, days)
        reads.clear()
        state = read_use_case_state(parking, read_from, Around(status=QUIET))
        seen[days] = dict(reads)
        assert max(len(series.points) for series in state.series) == min(days, MOST_DAYS)
    assert {name: seen[3][name] for name in ("read", "scan", "count_by_partition")} == {
        name: seen[100][name] for name in ("read", "scan", "count_by_partition")
    }
    assert seen[100]["read"] + seen[100]["scan"] <= 13
    assert seen[100]["rows"] <= 4 * MOST_DAYS + 10
