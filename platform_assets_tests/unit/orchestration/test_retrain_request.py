"""The retrain sensor asks once for each cause, remembers it, and only for a day that a model can be trained as of."""

import json
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from platform_assets.declaration import UseCase
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake
from platform_assets.lake.schemas import VERDICT_SCHEMA
from platform_assets.orchestration.automation import build_automation
from platform_assets.orchestration.sensors import CAUSE_TAG
from platform_assets.pipelines.retrain import window_history
from platform_assets.testing.declare import declare

MONDAY = date(2024, 3, 4)


@pytest.fixture(scope="module")
def use_case() -> UseCase:
    events = {"payment": "int64", "at": "datetime", "amount": "float64"}
    return declare(events=events, label="is_bad", label_delay_days=7)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(root=str(tmp_path))


def watch(use_case: UseCase, lake: Lake, name: str, causes: Sequence[Sequence[str]], last: date = MONDAY) -> None:
    """Verdicts of the windows that end on consecutive days up to `last`."""
    days = [last - timedelta(days=len(causes) - 1 - i) for i in range(len(causes))]
    rows = pl.DataFrame(
        {
            "status": ["drift" if found else "ok" for found in causes],
            "passed": [not found for found in causes],
            "causes": [list(found) for found in causes],
            "model_version": ["1"] * len(causes),
            "result": ["{}"] * len(causes),
            "event_day": days,
        },
        schema=VERDICT_SCHEMA,
    )
    table = lake.table(use_case.name, "monitoring", name, VERDICT_SCHEMA)
    table.write_partitions(rows, days[0], days[-1])


def ask(use_case: UseCase, lake: Lake, cursor: str | None = None) -> dg.SensorResult:
    (sensor,) = [found for found in build_automation(use_case).sensors if found.name.endswith("__retrain")]
    result = sensor(dg.build_sensor_context(cursor=cursor), lake=lake)
    assert isinstance(result, dg.SensorResult)
    return result


def test_a_lasting_drift_asks_for_a_model_as_of_the_next_midnight(use_case: UseCase, lake: Lake) -> None:
    watch(use_case, lake, "drift", [[], ["drift:amount"], ["drift:amount"]])
    (request,) = ask(use_case, lake).run_requests or []
    assert request.partition_key == (MONDAY + timedelta(days=1)).isoformat()
    assert request.tags[CAUSE_TAG] == request.run_key
    assert str(request.run_key).startswith("drift:amount@")


def test_the_same_cause_is_not_asked_for_again(use_case: UseCase, lake: Lake) -> None:
    watch(use_case, lake, "drift", [[], ["drift:amount"], ["drift:amount"]])
    first = ask(use_case, lake)
    again = ask(use_case, lake, first.cursor)
    assert not again.run_requests
    assert "already requested" in str(again.skip_reason)
    assert again.cursor == first.cursor, "what was asked for is remembered"


def test_one_bad_window_is_not_enough(use_case: UseCase, lake: Lake) -> None:
    watch(use_case, lake, "drift", [[], [], ["drift:amount"]])
    result = ask(use_case, lake)
    assert not result.run_requests
    assert "2 of 3 are needed" in str(result.skip_reason)


def test_quality_of_a_day_is_known_when_its_labels_are(use_case: UseCase, lake: Lake) -> None:
    watch(use_case, lake, "quality", [["quality:auc_roc"]] * 2)
    watch(use_case, lake, "drift", [["drift:amount"]] * 2)
    known = {
        name: [window.day for window in window_history(Catalog(use_case, lake), name)] for name in ("quality", "drift")
    }
    assert known["quality"][-1] == MONDAY + timedelta(days=7)
    assert known["drift"][-1] == MONDAY + timedelta(days=1)
    (request,) = ask(use_case, lake).run_requests or []
    assert str(request.run_key).startswith("quality:auc_roc@")
    assert request.partition_key == (MONDAY + timedelta(days=7)).isoformat()


def test_a_day_that_no_model_can_be_trained_as_of_is_not_asked_for(use_case: UseCase, lake: Lake) -> None:
    """Drift in the first weeks: the folds would reach back before the history."""
    watch(use_case, lake, "drift", [["drift:amount"]] * 3, last=use_case.history.first_day + timedelta(days=5))
    result = ask(use_case, lake)
    assert not result.run_requests
    assert "is not a day a model can be trained as of" in str(result.skip_reason)
    assert not json.loads(result.cursor or "[]"), "it was not asked for, so it is not remembered as asked for"
