"""Dagster's memory as plain values, read from an instance on which things went well and badly."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.remote_origin import RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, InstigatorType, TickData, TickStatus
from dagster._core.workspace.load import location_origin_from_module_name
from dagster._daemon.types import DaemonHeartbeat

from platform_assets.monitoring.operations import CheckState, RunFact, RunState, unmended_failures
from platform_assets.orchestration.checks import day_check
from platform_assets.orchestration.operations_facts import (
    failure_reason,
    read_checks,
    read_daemons,
    read_runs,
    read_sensors,
)

DAYS = dg.DailyPartitionsDefinition("2018-05-01", end_date="2018-05-05")
LONG_AGO = datetime(2018, 1, 1, tzinfo=UTC)
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def definitions(
    *, bad_day: str = "", fails: bool = False, severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR
) -> dg.Definitions:
    key = dg.AssetKey(["shop", "clean", "orders"])
    spec = day_check("quality", key, DAYS, description="", blocking=True)

    @dg.asset(key=key, partitions_def=DAYS, check_specs=[spec])
    def orders(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        yield dg.MaterializeResult()
        if fails:
            raise dg.Failure("the disk is full")
        passed = context.partition_key != bad_day
        yield dg.AssetCheckResult(check_name="quality", passed=passed, severity=severity, metadata={"rows": 7})

    @dg.sensor(name="shop__retrain", job_name="shop__load", default_status=dg.DefaultSensorStatus.RUNNING)
    def retrain() -> dg.SkipReason:
        return dg.SkipReason("nothing drifted")

    job = dg.define_asset_job("shop__load", selection=[key], partitions_def=DAYS)
    return dg.Definitions(assets=[orders], jobs=[job], sensors=[retrain])


def run(instance: dg.DagsterInstance, defs: dg.Definitions, day: str) -> str:
    job = defs.resolve_job_def("shop__load")
    return job.execute_in_process(
        instance=instance,
        partition_key=day,
        raise_on_error=False,
        run_config=QUIET,
        tags={"platform_assets/attempt": "2"},
    ).run_id


def test_a_check_is_red_as_long_as_a_day_of_data_is(instance: dg.DagsterInstance) -> None:
    bad = definitions(bad_day="2018-05-01")
    run(instance, bad, "2018-05-01")
    run(instance, bad, "2018-05-02")
    (check,) = read_checks(bad, instance)
    assert (check.state, check.day, check.is_red, check.evidence) == (
        CheckState.FAILED,
        "2018-05-01",
        True,
        (("rows", "7"),),
    )
    run(instance, definitions(), "2018-05-01")
    (check,) = read_checks(bad, instance)
    assert (check.use_case, check.asset, check.name, check.state) == (
        "shop",
        "clean/orders",
        "quality",
        CheckState.PASSED,
    )


def test_a_check_that_did_not_run_is_red_and_one_without_anything_to_check_is_not(instance: dg.DagsterInstance) -> None:
    broken = definitions(fails=True)
    assert [check.state for check in read_checks(broken, instance)] == [CheckState.NOTHING_TO_CHECK]
    run(instance, broken, "2018-05-01")
    (check,) = read_checks(broken, instance)
    assert (check.state, check.is_red) == (CheckState.DID_NOT_RUN, True)


def test_a_warning_is_no_red_check(instance: dg.DagsterInstance) -> None:
    warns = definitions(bad_day="2018-05-01", severity=dg.AssetCheckSeverity.WARN)
    run(instance, warns, "2018-05-01")
    (check,) = read_checks(warns, instance)
    assert (check.state, check.is_red) == (CheckState.WARNED, False)


def test_a_failed_run_counts_until_a_later_one_mends_it(instance: dg.DagsterInstance) -> None:
    now = datetime.now(UTC)
    failed = run(instance, definitions(fails=True), "2018-05-01")
    run(instance, definitions(), "2018-05-02")
    (fact,) = unmended_failures(read_runs(instance, LONG_AGO), now)
    assert (fact.run_id, fact.use_case, fact.job, fact.days, fact.attempt) == (failed, "shop", "load", "2018-05-01", 2)
    assert failure_reason(instance, failed) == "the disk is full"
    run(instance, definitions(), "2018-05-01")
    assert not unmended_failures(read_runs(instance, LONG_AGO), now)


def fact(state: RunState, hours_ago: float) -> RunFact:
    moment = datetime(2026, 1, 2, tzinfo=UTC) - timedelta(hours=hours_ago)
    return RunFact("id", "shop", "load", "2018-05-01", 1, state, moment, moment, moment, "shop load")


@pytest.mark.parametrize(
    ("runs", "unmended"),
    [
        ([(RunState.FAILED, 1)], 1),
        ([(RunState.FAILED, 25)], 0),
        ([(RunState.FAILED, 2), (RunState.IN_PROGRESS, 1)], 1),
        ([(RunState.FAILED, 2), (RunState.CANCELED, 1)], 1),
        ([(RunState.SUCCEEDED, 2), (RunState.FAILED, 1)], 1),
        ([(RunState.FAILED, 2), (RunState.SUCCEEDED, 1)], 0),
        ([(RunState.FAILED, 3), (RunState.FAILED, 1)], 1),
    ],
)
def test_what_mends_a_failure(runs: list[tuple[RunState, float]], unmended: int) -> None:
    found = unmended_failures([fact(*run) for run in runs], datetime(2026, 1, 2, tzinfo=UTC))
    assert len(found) == unmended


def test_switch_and_newest_tick_of_a_sensor_are_those_of_the_instance(tmp_path: Path) -> None:
    defs = definitions()
    location = location_origin_from_module_name("shop", None, working_directory=None, location_name="shop")
    origin = RemoteRepositoryOrigin(location, "__repository__").get_instigator_origin("shop__retrain")
    selector = origin.get_selector().get_id()
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        (sensor,) = read_sensors(defs, instance)
        assert (sensor.name, sensor.use_case, sensor.running, sensor.last_tick_at) == (
            "shop__retrain",
            "shop",
            True,
            None,
        )
        instance.add_instigator_state(InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.STOPPED))
        tick = TickData(
            origin.get_id(),
            "shop__retrain",
            InstigatorType.SENSOR,
            TickStatus.SKIPPED,
            1e9,
            selector_id=selector,
            skip_reason="quiet",
        )
        instance.create_tick(tick)
        (sensor,) = read_sensors(defs, instance)
        assert (sensor.running, sensor.last_tick_state, sensor.reason) == (False, "skipped", "quiet")
        assert sensor.last_tick_at == datetime.fromtimestamp(1e9, UTC)
        daemons = {daemon.name: daemon for daemon in read_daemons(instance)}
        assert (daemons["SENSOR"].required, daemons["SENSOR"].heartbeat_at) == (True, None)
        instance.add_daemon_heartbeat(DaemonHeartbeat(1e9, "SENSOR", "id"))
        daemons = {daemon.name: daemon for daemon in read_daemons(instance)}
        assert daemons["SENSOR"].heartbeat_at == datetime.fromtimestamp(1e9, UTC)
