"""What a benchmark may touch of an installation: copies only."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from benchmarks.common.deployed import NotCopied, copied_settings, first_of_each_day
from platform_assets.declaration import load_use_case
from serving.settings import ServingSettings

DECLARATION = Path(__file__).parents[2] / "platform_assets" / "defs" / "card_fraud"


def write(path: Path, value: int) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE IF NOT EXISTS t (value INTEGER)")
        connection.execute("INSERT INTO t VALUES (?)", [value])


def values(path: Path) -> list[int]:
    with closing(sqlite3.connect(path)) as connection:
        return [row[0] for row in connection.execute("SELECT value FROM t")]


def deployed(home: Path, **changed: object) -> ServingSettings:
    feast = {
        "project": "card_fraud",
        "registry": f"sqlite:///{home / 'registry.db'}",
        "online_store": {"type": "sqlite", "path": str(home / "online.db")},
        "home": str(home),
    }
    return ServingSettings(feast=feast | changed, log_folder=home / "log")


def test_what_is_written_to_the_copy_does_not_reach_the_deployed_store(tmp_path: Path) -> None:
    home, scratch = tmp_path / "home", tmp_path / "scratch"
    home.mkdir()
    write(home / "registry.db", 1)
    write(home / "online.db", 2)
    copied = copied_settings(deployed(home), scratch)
    online = Path(copied.feast["online_store"]["path"])
    assert values(online) == [2]
    write(online, 3)
    assert values(home / "online.db") == [2]
    assert str(home) not in copied.model_dump_json(), "neither store, registry nor log is the deployed one"


def test_a_store_that_cannot_be_copied_is_refused(tmp_path: Path) -> None:
    settings = deployed(tmp_path, online_store={"type": "redis", "connection_string": "localhost:6379"})
    with pytest.raises(NotCopied, match="redis"):
        copied_settings(settings, tmp_path / "scratch")


def test_a_store_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotCopied, match=r"online\.db does not exist: run `make run` first"):
        copied_settings(deployed(tmp_path), tmp_path / "scratch")


def test_every_customer_comes_once_a_day() -> None:
    use_case = load_use_case(DECLARATION)
    times = [
        datetime(2018, 9, 25, 8, tzinfo=UTC),
        datetime(2018, 9, 25, 9, tzinfo=UTC),
        datetime(2018, 9, 26, 8, tzinfo=UTC),
    ]
    events = pl.DataFrame(
        {
            "transaction_id": [1, 2, 3, 4],
            "customer_id": [7, 8, 7, 7],
            "transaction_time": [times[0], times[0], times[1], times[2]],
        },
    )
    assert first_of_each_day(events, use_case)["transaction_id"].to_list() == [1, 2, 4]
