"""The sensor: it reads Dagster's memory, asks for what is due with names and tags, sleeps while nothing happens, and never asks twice."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from platform_assets.declaration.clock import SimulatedClock
from platform_assets.declaration.days import DayRange
from platform_assets.orchestration.due_runs import ASKED_AT, ATTEMPT, DAYS, DUE, JOB, PART, TITLE
from platform_assets.orchestration.due_sensor import due_sensor
from platform_assets.orchestration.jobs import build_jobs
from platform_assets.pipelines.due import due
from platform_assets.pipelines.jobs import LABELS, LOAD, ONLINE, TRAIN, job_tables
from platform_assets.pipelines.turns import one_run_at_a_time
from platform_assets_tests.unit.pipelines.due_now.due_world import DELAY, FIRST, payments

START = FIRST + timedelta(days=30)
USE_CASE = payments()
SENSOR = due_sensor(USE_CASE, build_jobs(USE_CASE))


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


class Ticks:
    """The sensor's ticks under a clock that a test moves."""

    def __init__(self, instance: dg.DagsterInstance, home: Path) -> None:
        self.instance, self.home, self.clock = instance, home, SimulatedClock(home / "clock")
        self.cursor: str | None = None
        self.told = ""

    def at(self, moment: datetime) -> list[dg.RunRequest]:
        """A tick at a moment."""
        self.clock.move(moment)
        resources = {"clock": self.clock, "home": self.home}
        with dg.build_sensor_context(instance=self.instance, cursor=self.cursor, resources=resources) as context:
            result = SENSOR(context)
        assert isinstance(result, dg.SensorResult)
        self.cursor = result.cursor
        self.told = str(result.skip_reason.skip_message) if result.skip_reason else ""
        return list(result.run_requests or [])

    def made(self, job: str, days: DayRange, *, but: tuple[str, ...] = ()) -> None:
        """Report what a run of a job materializes."""
        for layer, table in job_tables(USE_CASE)[job]:
            for day in days.days if table not in but else []:
                key = dg.AssetKey([USE_CASE.name, layer, table])
                event = dg.AssetMaterialization(key, partition=day.isoformat(), metadata={"passed": True})
                self.instance.report_runless_asset_event(event)

    def run(self, request: dg.RunRequest, status: dg.DagsterRunStatus) -> str:
        """A run of a request, as the daemon makes it."""
        run = dg.DagsterRun(job_name=str(request.job_name), status=status, tags=dict(request.tags))
        return self.instance.run_storage.add_run(run).run_id


@pytest.fixture
def ticks(instance: dg.DagsterInstance, tmp_path: Path) -> Ticks:
    """After `platform-assets run` up to `START`."""
    ticks = Ticks(instance, tmp_path)
    wanted = {
        LABELS: DayRange(FIRST, START - timedelta(days=DELAY)),
        LOAD: DayRange(FIRST, START - timedelta(days=1)),
        ONLINE: DayRange(START - timedelta(days=1), START - timedelta(days=1)),
        TRAIN: DayRange(START, START),
    }
    for one in due(USE_CASE, {}, START, wanted):
        assert one.days is not None
        ticks.made(one.job, one.days)
    return ticks


def noon(offset: int) -> datetime:
    day = START + timedelta(days=offset)
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


def test_a_day_off_is_asked_for_as_ranges_with_names(ticks: Ticks) -> None:
    [labels, *others] = ticks.at(noon(2))
    first, last = START + timedelta(days=1 - DELAY), START + timedelta(days=2 - DELAY)
    assert labels.job_name == "small__labels"
    assert labels.tags == {
        DUE: "small",
        JOB: "labels",
        DAYS: f"{first}/{last}",
        ATTEMPT: "1",
        "platform_assets/cause": "0",
        ASKED_AT: noon(2).isoformat(),
        TITLE: f"small labels {first} .. {last}",
        "dagster/asset_partition_range_start": str(first),
        "dagster/asset_partition_range_end": str(last),
    }
    assert labels.run_key == f"labels {first} .. {last} since 0 attempt 1 on {noon(2):%Y-%m-%d}"
    assert LOAD not in [request.tags[JOB] for request in others], "its labels are on their way"


def test_a_load_follows_once_labels_are_there_and_a_part_names_its_assets(ticks: Ticks) -> None:
    ticks.made(LABELS, DayRange(START + timedelta(days=1 - DELAY), START + timedelta(days=1 - DELAY)))
    [load] = [request for request in ticks.at(noon(1)) if request.tags[JOB] == LOAD]
    assert load.partition_key == str(START)
    assert load.asset_selection is None
    ticks.made(LOAD, DayRange(START, START), but=("activity", "as_delivered"))
    [load] = [request for request in ticks.at(noon(1)) if request.tags[JOB] == LOAD]
    assert load.tags[PART] == "compute"
    assert load.asset_selection is not None
    assert {key.path[1] for key in load.asset_selection} == {"features"}
    assert str(load.run_key).startswith(f"load compute {START} since ")


def test_what_is_queued_or_in_progress_is_not_asked_for_again(ticks: Ticks) -> None:
    requests = ticks.at(noon(1))
    ids = {request.tags[JOB]: ticks.run(request, dg.DagsterRunStatus.STARTED) for request in requests}
    assert ticks.at(noon(1)) == []
    assert "labels" in ticks.told
    assert "queued or in progress" in ticks.told
    for job, run_id in ids.items():
        if job == LABELS:  # ended by a person, or its process is gone
            event = dg.DagsterEvent(dg.DagsterEventType.PIPELINE_CANCELED.value, job_name="small__labels")
            ticks.instance.report_dagster_event(event, run_id)
    assert [request for request in ticks.at(noon(1)) if request.tags[JOB] == LABELS] == []
    assert "attempt 1 of 5 today failed; again from" in ticks.told
    [again] = [request for request in ticks.at(noon(1) + timedelta(minutes=6)) if request.tags[JOB] == LABELS]
    assert again.tags[ATTEMPT] == "2"
    assert f"attempt 2 on {noon(1):%Y-%m-%d}" in str(again.run_key)


def test_a_run_that_a_person_started_counts_as_in_progress(ticks: Ticks) -> None:
    by_hand = dg.DagsterRun(job_name="small__labels", status=dg.DagsterRunStatus.STARTED)
    ticks.instance.run_storage.add_run(by_hand)
    assert LABELS not in [request.tags[JOB] for request in ticks.at(noon(1))]
    some = frozenset({dg.AssetKey(["small", "monitoring", "drift"]), dg.AssetKey(["other", "clean", "events"])})
    ticks.instance.run_storage.add_run(
        dg.DagsterRun(job_name="__ASSET_JOB", status=dg.DagsterRunStatus.STARTED, asset_selection=some)
    )
    ticks.at(noon(6))
    assert "watch" not in [request.tags[JOB] for request in ticks.at(noon(6))]


def test_two_ticks_at_once_ask_under_the_same_keys(ticks: Ticks) -> None:
    one = [request.run_key for request in ticks.at(noon(2))]
    ticks.cursor = None
    assert [request.run_key for request in ticks.at(noon(2))] == one
    assert len(set(one)) == len(one)


def test_it_waits_while_a_run_of_the_command_line_works_on_the_home(ticks: Ticks) -> None:
    with one_run_at_a_time(ticks.home):
        assert ticks.at(noon(2)) == []
        assert "`platform-assets run` works on" in ticks.told
    assert ticks.at(noon(2))


def test_while_nothing_happens_a_tick_reads_one_line_for_each_table(
    ticks: Ticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    early = noon(0) - timedelta(hours=12)
    assert [request.tags[JOB] for request in ticks.at(early)] == []
    assert ticks.told == "nothing is due"

    def read(*_: object) -> None:
        raise AssertionError("it looked at the days")

    with monkeypatch.context() as patch:
        patch.setattr("platform_assets.orchestration.due_sensor.read_remembered", read)
        assert ticks.at(early + timedelta(seconds=30)) == []
        with pytest.raises(AssertionError, match="looked at the days"):
            ticks.at(early + timedelta(minutes=3))
    ticks.at(early + timedelta(minutes=3))
    ticks.made("watch", DayRange(START, START))
    assert json.loads(str(ticks.cursor))["seen"]
    with monkeypatch.context() as patch:
        patch.setattr("platform_assets.orchestration.due_sensor.read_remembered", read)
        with pytest.raises(AssertionError, match="looked at the days"):
            ticks.at(early + timedelta(minutes=3))


def test_a_new_home_is_told_what_to_do_first(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    ticks = Ticks(instance, tmp_path)
    assert ticks.at(noon(0)) == []
    assert "nothing was loaded yet: `platform-assets run small` begins" in ticks.told
