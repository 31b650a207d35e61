"""The event log with kept connections: nothing is lost or hidden between storages, threads and processes."""

import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster import EventLogEntry
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.event_log.sqlite import sqlite_event_log

from platform_assets.orchestration.event_log import OPEN_ENGINES, KeptConnectionsEventLogStorage


def entry(run_id: str, text: str) -> EventLogEntry:
    return EventLogEntry(error_info=None, level="info", user_message=text, run_id=run_id, timestamp=time.time())


def texts(storage: KeptConnectionsEventLogStorage, run_id: str) -> list[str]:
    return [event.user_message for event in storage.get_logs_for_run(run_id)]


def store_and_break_off(storage: KeptConnectionsEventLogStorage) -> None:
    with storage.run_connection("run") as connection:
        connection.execute(storage.prepare_insert_event(entry("run", "dropped")))
        raise RuntimeError("broken off")


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[KeptConnectionsEventLogStorage]:
    storage = KeptConnectionsEventLogStorage(str(tmp_path))
    yield storage
    storage.dispose()


def test_two_storages_on_one_folder_see_each_others_events(
    storage: KeptConnectionsEventLogStorage, tmp_path: Path
) -> None:
    other = KeptConnectionsEventLogStorage(str(tmp_path))
    for i, writer in enumerate((storage, other, storage, other)):
        writer.store_event(entry("run", str(i)))
    assert texts(storage, "run") == texts(other, "run") == ["0", "1", "2", "3"]
    other.dispose()


WRITER = """
import sys, time
from dagster import EventLogEntry
from platform_assets.orchestration.event_log import KeptConnectionsEventLogStorage
storage = KeptConnectionsEventLogStorage(sys.argv[1])
assert [event.user_message for event in storage.get_logs_for_run("run")] == ["before"]
for i in range(20):
    storage.store_event(EventLogEntry(None, "info", f"there {i}", "run", time.time()))
"""


def test_another_process_writes_to_the_same_run(storage: KeptConnectionsEventLogStorage, tmp_path: Path) -> None:
    storage.store_event(entry("run", "before"))
    done = subprocess.run(
        [sys.executable, "-c", WRITER, str(tmp_path)], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    storage.store_event(entry("run", "after"))
    assert texts(storage, "run") == ["before", *(f"there {i}" for i in range(20)), "after"]


def test_threads_write_at_the_same_time_and_nothing_is_lost(storage: KeptConnectionsEventLogStorage) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: storage.store_event(entry(f"run {i % 3}", str(i))), range(90)))
    found = [int(text) for run in range(3) for text in texts(storage, f"run {run}")]
    assert sorted(found) == list(range(90))


def test_a_block_that_raises_leaves_nothing_behind_and_the_connection_usable(
    storage: KeptConnectionsEventLogStorage,
) -> None:
    storage.store_event(entry("run", "kept"))
    with pytest.raises(RuntimeError, match="broken off"):
        store_and_break_off(storage)
    storage.store_event(entry("run", "next"))
    assert texts(storage, "run") == ["kept", "next"]


def test_more_runs_than_connections_are_all_there(storage: KeptConnectionsEventLogStorage) -> None:
    runs = [f"run {i}" for i in range(OPEN_ENGINES + 4)]
    for run in runs * 2:
        storage.store_event(entry(run, "x"))
    assert all(len(texts(storage, run)) == 2 for run in runs)


def test_a_closed_storage_opens_again(storage: KeptConnectionsEventLogStorage) -> None:
    storage.store_event(entry("run", "before"))
    storage.dispose()
    storage.store_event(entry("run", "after"))
    assert texts(storage, "run") == ["before", "after"]


def test_events_after_a_wipe_are_written_to_disk(storage: KeptConnectionsEventLogStorage, tmp_path: Path) -> None:
    """A kept connection to a file that was removed would take events and show them to nobody else."""
    storage.store_event(entry("run", "before"))
    storage.wipe()
    storage.store_event(entry("run", "after"))
    other = KeptConnectionsEventLogStorage(str(tmp_path))
    assert texts(other, "run") == ["after"]
    other.dispose()


def test_events_stored_together_are_those_stored_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    days = dg.DailyPartitionsDefinition("2024-01-01", end_date="2024-01-13")

    @dg.multi_asset(
        specs=[dg.AssetSpec(name, skippable=True, code_version="1") for name in ("rows", "sums")],
        check_specs=[dg.AssetCheckSpec("good", asset="rows")],
        partitions_def=days,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def load(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        yield dg.MaterializeResult(asset_key="rows", metadata={"count": 7}, data_version=dg.DataVersion("v1"))
        yield dg.AssetCheckResult(asset_key="rows", check_name="good", passed=True)
        yield dg.MaterializeResult(asset_key="sums")

    def remembered(folder: Path, batch_size: int) -> list[Any]:
        monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", str(batch_size))
        folder.mkdir()
        setting = {
            "module": KeptConnectionsEventLogStorage.__module__,
            "class": KeptConnectionsEventLogStorage.__name__,
        }
        text = yaml.safe_dump({"event_log_storage": {**setting, "config": {"base_dir": str(folder / "events")}}})
        (folder / "dagster.yaml").write_text(text)
        with dg.DagsterInstance.from_config(str(folder)) as instance:
            ends = {"start": "2024-01-01", "end": "2024-01-12"}
            tags = {f"dagster/asset_partition_range_{end}": day for end, day in ends.items()}
            done = dg.materialize([load], instance=instance, tags=tags)
            logged = [
                (e.dagster_event_type, e.dagster_event.partition)
                for e in instance.all_logs(done.run_id)
                if e.dagster_event
            ]
            by_asset = []
            for name in ("rows", "sums"):
                key = dg.AssetKey(name)
                latest = instance.get_latest_materialization_event(key)
                assert latest is not None
                by_asset += [
                    sorted(instance.get_materialized_partitions(key)),
                    latest.asset_materialization.partition,
                    dict(latest.asset_materialization.tags),
                    len(instance.fetch_materializations(key, limit=100).records),
                    len(
                        instance.get_event_records(
                            dg.EventRecordsFilter(dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED, key)
                        )
                    ),
                ]
            return [logged, by_asset]

    together, one_by_one = remembered(tmp_path / "together", 5), remembered(tmp_path / "one", 0)
    assert sorted(map(str, together[0])) == sorted(map(str, one_by_one[0]))
    assert together[1] == one_by_one[1]


def test_the_workaround_is_still_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When this fails, Dagster keeps its connections: `orchestration/event_log.py` can go, if it is as fast."""
    made: list[Any] = []
    create = sqlite_event_log.create_engine
    monkeypatch.setattr(
        sqlite_event_log, "create_engine", lambda *args, **kwargs: made.append(args) or create(*args, **kwargs)
    )
    storage = SqliteEventLogStorage(str(tmp_path))
    before = len(made)
    for number in range(5):
        storage.store_event(entry("run", str(number)))
    assert len(made) - before >= 5, "an engine and a connection for each event"
    storage.dispose()
