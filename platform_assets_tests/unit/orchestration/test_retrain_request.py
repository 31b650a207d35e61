"""The retrain sensor asks once for each cause, remembers it, and only for a day that a model can be trained as of."""

import json
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from dagster._core.utils import make_new_run_id

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


def tick(
    use_case: UseCase, lake: Lake, instance: dg.DagsterInstance, cursor: str | None
) -> tuple[dg.SensorResult, dg.RunRequest | None]:
    """The sensor with an instance that remembers runs."""
    (sensor,) = [found for found in build_automation(use_case).sensors if found.name.endswith("__retrain")]
    result = sensor(dg.build_sensor_context(instance=instance, cursor=cursor), lake=lake)
    assert isinstance(result, dg.SensorResult)
    [request] = result.run_requests or [None]
    return result, request


def ended(instance: dg.DagsterInstance, use_case: UseCase, request: dg.RunRequest, status: dg.DagsterRunStatus) -> None:
    """The run that a request led to."""
    tags = {**request.tags, "dagster/partition": str(request.partition_key)}
    run = dg.DagsterRun(job_name=f"{use_case.name}__train", run_id=make_new_run_id(), tags=tags, status=status)
    instance.add_run(run)


def drifting(use_case: UseCase, lake: Lake, days: int) -> None:
    watch(use_case, lake, "drift", [["drift:amount"]] * days, MONDAY + timedelta(days=days - 10))


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED])
def test_a_request_whose_training_failed_is_asked_again_after_the_cooldown_and_told(
    use_case: UseCase, lake: Lake, status: dg.DagsterRunStatus
) -> None:
    cooldown = use_case.monitoring.retrain.cooldown_days
    with dg.DagsterInstance.ephemeral() as instance:
        drifting(use_case, lake, 10)
        first, request = tick(use_case, lake, instance, None)
        assert request is not None
        ended(instance, use_case, request, status)
        drifting(use_case, lake, 10 + cooldown - 1)
        waiting, none = tick(use_case, lake, instance, first.cursor)
        assert none is None
        assert "failed" in str(waiting.skip_reason)
        drifting(use_case, lake, 10 + cooldown)
        second, again = tick(use_case, lake, instance, waiting.cursor)
        assert again is not None, "the drift goes on, and no model answers it"
        assert again.run_key != request.run_key, "Dagster starts no second run under the same key"
        assert again.tags[CAUSE_TAG] == request.tags[CAUSE_TAG]
        ended(instance, use_case, again, dg.DagsterRunStatus.SUCCESS)
        drifting(use_case, lake, 10 + 4 * cooldown)
        _, third = tick(use_case, lake, instance, second.cursor)
        assert third is None, "this time there is a model"


def test_weeks_of_one_drift_whose_trainings_fail_ask_each_cooldown(use_case: UseCase, lake: Lake) -> None:
    cooldown, asked, cursor = use_case.monitoring.retrain.cooldown_days, [], None
    with dg.DagsterInstance.ephemeral() as instance:
        for days in range(10, 10 + 4 * cooldown):
            drifting(use_case, lake, days)
            result, request = tick(use_case, lake, instance, cursor)
            cursor = result.cursor
            if request is not None:
                asked.append(str(request.partition_key))
                ended(instance, use_case, request, dg.DagsterRunStatus.FAILURE)
    assert len(asked) == len(set(asked)) == 4


def test_a_run_that_was_executed_again_counts_instead_of_the_one_that_failed(use_case: UseCase, lake: Lake) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        drifting(use_case, lake, 10)
        first, request = tick(use_case, lake, instance, None)
        assert request is not None
        ended(instance, use_case, request, dg.DagsterRunStatus.FAILURE)
        ended(instance, use_case, request, dg.DagsterRunStatus.SUCCESS)
        drifting(use_case, lake, 10 + 3 * use_case.monitoring.retrain.cooldown_days)
        assert tick(use_case, lake, instance, first.cursor)[1] is None
