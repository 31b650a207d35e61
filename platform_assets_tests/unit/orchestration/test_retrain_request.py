"""The retrain decision is stored as of a day, and the sensor carries it out: once, again after a failure, and not for ever."""

from collections.abc import Iterator, Sequence
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
from platform_assets.orchestration.retrain_requests import CAUSE_TAG, read_requests
from platform_assets.pipelines.retrain import StoredDecision, decide_retrain
from platform_assets.registry.base import CHAMPION
from platform_assets.testing.declare import declare
from platform_assets.testing.fake_registry import FakeRegistry

MONDAY = date(2024, 3, 4)
ONE_DAY = timedelta(days=1)
DELAY = 7
ENOUGH = 9
"""Windows of a drift after which three of its days have their labels."""


@pytest.fixture(scope="module")
def use_case() -> UseCase:
    events = {"payment": "int64", "at": "datetime", "amount": "float64"}
    return declare(events=events, label="is_bad", label_delay_days=DELAY)


@pytest.fixture
def catalog(use_case: UseCase, tmp_path: Path) -> Catalog:
    return Catalog(use_case, Lake(root=str(tmp_path)))


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def registry(use_case: UseCase) -> FakeRegistry:
    return FakeRegistry()


def watch(
    catalog: Catalog, name: str, causes: Sequence[Sequence[str]], last: date = MONDAY, version: str = "1"
) -> None:
    """Verdicts of the windows that end on consecutive days up to `last`."""
    days = [last - timedelta(days=len(causes) - 1 - i) for i in range(len(causes))]
    rows = pl.DataFrame(
        {
            "status": ["drift" if found else "ok" for found in causes],
            "passed": [not found for found in causes],
            "causes": [list(found) for found in causes],
            "model_version": [version] * len(causes),
            "result": ["{}"] * len(causes),
            "event_day": days,
        },
        schema=VERDICT_SCHEMA,
    )
    catalog.verdicts(name).write_partitions(rows, days[0], days[-1])


def drifting(catalog: Catalog, days: int) -> date:
    """So many windows of one drift, the first of them on a fixed day; the day as of which the last is known."""
    last = MONDAY + timedelta(days=days - 1)
    watch(catalog, "drift", [["drift:amount"]] * days, last)
    return last + ONE_DAY


def decide(catalog: Catalog, registry: FakeRegistry, instance: dg.DagsterInstance, as_of: date) -> StoredDecision:
    return decide_retrain(catalog, registry, as_of, read_requests(instance, catalog.use_case))


def tick(catalog: Catalog, instance: dg.DagsterInstance) -> tuple[dg.SensorResult, dg.RunRequest | None]:
    """The sensor, without the cursor of the tick before."""
    (sensor,) = [found for found in build_automation(catalog.use_case).sensors if found.name.endswith("__retrain")]
    result = sensor(dg.build_sensor_context(instance=instance), lake=catalog.lake)
    assert isinstance(result, dg.SensorResult)
    [request] = result.run_requests or [None]
    return result, request


def started(
    instance: dg.DagsterInstance,
    use_case: UseCase,
    request: dg.RunRequest,
    status: dg.DagsterRunStatus = dg.DagsterRunStatus.SUCCESS,
) -> None:
    """The run that a request led to."""
    tags = {**request.tags, "dagster/partition": str(request.partition_key)}
    run = dg.DagsterRun(job_name=f"{use_case.name}__train", run_id=make_new_run_id(), tags=tags, status=status)
    instance.add_run(run)


def test_a_lasting_drift_asks_for_a_model_once_days_of_it_have_labels(
    catalog: Catalog, registry: FakeRegistry, instance: dg.DagsterInstance
) -> None:
    asked = []
    for days in range(1, ENOUGH + 3):
        decided = decide(catalog, registry, instance, drifting(catalog, days))
        _, request = tick(catalog, instance)
        if request is not None:
            asked.append(days)
            assert request.partition_key == decided.as_of.isoformat()
            assert request.tags[CAUSE_TAG] == f"drift:amount@{MONDAY + ONE_DAY}"
            started(instance, catalog.use_case, request)
    assert asked == [ENOUGH + 1], "once, when the labels of three of its days are known"


def test_a_sensor_without_memory_asks_nothing_twice_while_the_run_waits(
    catalog: Catalog, registry: FakeRegistry, instance: dg.DagsterInstance
) -> None:
    as_of = drifting(catalog, ENOUGH + 1)
    assert decide(catalog, registry, instance, as_of).decision.kind == "train"
    _, request = tick(catalog, instance)
    assert request is not None
    started(instance, catalog.use_case, request, dg.DagsterRunStatus.STARTED)
    result, again = tick(catalog, instance)
    assert again is None
    assert "already requested" in str(result.skip_reason)
    decided = decide(catalog, registry, instance, drifting(catalog, ENOUGH + 2))
    assert decided.decision.kind == "wait"
    assert "already requested" in decided.decision.reason


def test_one_bad_window_is_not_enough(catalog: Catalog, registry: FakeRegistry, instance: dg.DagsterInstance) -> None:
    watch(catalog, "drift", [[], [], ["drift:amount"]])
    decide(catalog, registry, instance, MONDAY + ONE_DAY)
    result, request = tick(catalog, instance)
    assert request is None
    assert "2 of 3 are needed" in str(result.skip_reason)


def test_lost_quality_asks_at_once_when_its_labels_are_known(
    catalog: Catalog, registry: FakeRegistry, instance: dg.DagsterInstance
) -> None:
    watch(catalog, "quality", [["quality:auc_roc"]] * 2)
    as_of = MONDAY + timedelta(days=DELAY)
    watch(catalog, "drift", [[]] * 9, as_of - ONE_DAY)
    assert decide(catalog, registry, instance, as_of - ONE_DAY).decision.kind == "wait"
    assert decide(catalog, registry, instance, as_of).decision.cause == f"quality:auc_roc@{as_of - ONE_DAY}"
    _, request = tick(catalog, instance)
    assert request is not None
    assert request.partition_key == as_of.isoformat()


def test_a_failed_training_is_asked_again_later_and_later_and_then_people_are_told(
    catalog: Catalog, registry: FakeRegistry, instance: dg.DagsterInstance
) -> None:
    asked, kinds = [], []
    for days in range(ENOUGH + 1, ENOUGH + 12):
        kinds.append(decide(catalog, registry, instance, drifting(catalog, days)).decision.kind)
        result, request = tick(catalog, instance)
        if request is not None:
            asked.append(days - ENOUGH - 1)
            started(instance, catalog.use_case, request, dg.DagsterRunStatus.FAILURE)
    assert asked == [0, 1, 3], "a day after the first failure, two after the second"
    assert kinds[-1] == "given_up"
    assert "3 trainings that were asked for failed" in str(result.skip_reason)
    assert catalog.retrain_decisions.read().sort("as_of")["failed_requests"].to_list()[-1] == 3


def test_a_run_that_was_executed_again_counts_instead_of_the_one_that_failed(
    catalog: Catalog, registry: FakeRegistry, instance: dg.DagsterInstance
) -> None:
    decide(catalog, registry, instance, drifting(catalog, ENOUGH + 1))
    _, request = tick(catalog, instance)
    assert request is not None
    started(instance, catalog.use_case, request, dg.DagsterRunStatus.FAILURE)
    started(instance, catalog.use_case, request, dg.DagsterRunStatus.SUCCESS)
    decided = decide(catalog, registry, instance, drifting(catalog, ENOUGH + 5))
    assert decided.decision.kind == "wait"
    assert decided.decision.failed == 0


def test_a_new_champion_ends_the_episode_and_what_drifts_from_it_is_another(
    catalog: Catalog, registry: FakeRegistry, instance: dg.DagsterInstance
) -> None:
    as_of = drifting(catalog, ENOUGH + 1)
    for day in (MONDAY - 30 * ONE_DAY, as_of):
        registry.register(catalog.use_case.name, f"run of {day}", {"as_of": day.isoformat()})
    registry.set_alias(catalog.use_case.name, CHAMPION, "1")
    before = decide(catalog, registry, instance, as_of)
    assert before.decision.kind == "train"
    registry.set_alias(catalog.use_case.name, CHAMPION, "2")
    after = decide(catalog, registry, instance, as_of)
    assert after.decision.kind == "nothing"
    assert "no window of version 2" in after.decision.reason
    assert after.model_age_days == 0
    watch(catalog, "drift", [["drift:amount"]] * 2, as_of + ONE_DAY, version="2")
    later = decide(catalog, registry, instance, as_of + 2 * ONE_DAY)
    assert later.decision.cause == f"drift:amount@{as_of + ONE_DAY}", "a new episode, of the new model"


def test_verdicts_that_are_missing_as_of_the_day_decide_nothing_and_are_told(
    catalog: Catalog, registry: FakeRegistry, instance: dg.DagsterInstance
) -> None:
    as_of = drifting(catalog, ENOUGH + 1)
    decided = decide(catalog, registry, instance, as_of + 2 * ONE_DAY)
    assert decided.decision.kind == "nothing"
    assert f"nothing was judged as of {as_of + 2 * ONE_DAY}" in decided.decision.reason
    assert decided.missing == ["quality", "drift"]


def test_what_other_settings_would_have_said_stands_beside_the_decision(
    catalog: Catalog, registry: FakeRegistry, instance: dg.DagsterInstance
) -> None:
    decided = decide(catalog, registry, instance, drifting(catalog, ENOUGH + 3))
    said = {other.name: [day.isoformat() for day in other.asked] for other in decided.others}
    assert said["labelled_days: 0"][0] < said["as declared"][0]
    assert said["violations: 1"] == said["as declared"], "labels decide here"


def test_without_a_decision_nothing_is_asked(catalog: Catalog, instance: dg.DagsterInstance) -> None:
    result, request = tick(catalog, instance)
    assert request is None
    assert "No retrain decision" in str(result.skip_reason)
