"""`platform-assets backup` and `restore` as somebody types them: what they print, their exit codes, and what they refuse."""

import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from platform_assets.cli.main import app
from platform_assets.declaration.loader import declared_use_cases
from platform_assets.installation import Installation
from platform_assets.lake.catalog import Catalog
from platform_assets.pipelines.back_up import back_up
from platform_assets.settings import Settings

NAME = "card_fraud"
PARITY = f"{NAME}/monitoring/parity"
Command = Callable[..., tuple[int, str]]


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    for name in [name for name in os.environ if name.startswith("PLATFORM_ASSETS_")]:
        monkeypatch.delenv(name)
    settings = {
        "PLATFORM_ASSETS_HOME": str(tmp_path / "home"),
        "PLATFORM_ASSETS_BACKUP": json.dumps({"to": str(tmp_path / "target"), "keep": {"last": 1, "daily": 0}}),
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    return settings


@pytest.fixture
def catalog(environment: dict[str, str]) -> Catalog:
    installation = Installation(Settings.from_environment(environment))
    installation.settings.prepare()
    catalog = installation.catalog(declared_use_cases(NAME)[0].use_case)
    for number in range(3):
        write(catalog, number)
    return catalog


def write(catalog: Catalog, number: int) -> None:
    table = catalog.parity
    day = catalog.use_case.history.first_day + timedelta(days=number)
    row = dict.fromkeys(table.schema) | {"status": "ok", "event_day": day}
    table.write_partitions(pl.DataFrame([row], schema=table.schema), day, day)


def platform(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result.exit_code, " ".join(result.output.split())


def test_a_backup_is_made_listed_verified_and_put_back(catalog: Catalog, tmp_path: Path) -> None:
    code, text = platform("backup", "create")
    assert code == 0
    assert "1 tables; champions none" in text
    code, text = platform("backup", "list")
    assert (code, "full" in text) == (0, True)
    code, text = platform("backup", "verify")
    assert (code, "as written" in text) == (0, True)
    code, text = platform("restore", "home")
    assert code == 1
    assert "is not empty (lake)" in text
    assert "--set-aside" in text
    write(catalog, 5)
    code, text = platform("restore", "home", "--set-aside", "--no-services")
    assert code == 0, text
    assert "before-restore-" in text
    assert catalog.parity.read().height == 3
    shutil.rmtree(tmp_path / "home")
    assert platform("restore", "home")[0] == 0
    assert catalog.parity.read().height == 3


def test_a_flipped_byte_is_named_and_refused(catalog: Catalog, tmp_path: Path) -> None:
    platform("backup", "create")
    for path in sorted((tmp_path / "target/objects").rglob("*")):
        if path.is_file() and path.read_bytes().startswith(b"PAR1"):
            path.write_bytes(path.read_bytes()[:-20] + b"!" + path.read_bytes()[-19:])
            break
    code, text = platform("backup", "verify", "--all")
    assert code == 1
    assert f"not what was written: lake/{PARITY}/event_day=" in text
    shutil.rmtree(tmp_path / "home")
    code, text = platform("restore", "home")
    assert code == 1
    assert f"error: lake/{PARITY}/event_day=" in text
    assert "its digest is another" in text
    assert not (tmp_path / "home/lake").exists()


def test_a_table_goes_back(catalog: Catalog) -> None:
    code, text = platform("restore", "table", PARITY, "--version", "1", "--why", "a wrong load")
    assert code == 0, text
    assert "is at version 4 as it was at version 1, 1 rows" in text
    code, text = platform("restore", "table", PARITY, "--at", "2001-01-01T00:00:00Z", "--why", "too early")
    assert (code, "has no version as of 2001-01-01" in text) == (1, True)
    for arguments, message in {
        ("card_fraud/clean/nothing",): "there is no table card_fraud/clean/nothing",
        ("nothing",): "is named USE_CASE/LAYER/TABLE",
        (PARITY, "--at", "yesterday"): "'yesterday' is no time",
        (f"{NAME}/model/ledger",): "only goes back with everything else",
    }.items():
        code, text = platform("restore", "table", *arguments, "--why", "a test")
        assert (code, message in text) == (1, True), text


def test_what_is_not_kept_is_named_and_then_removed(catalog: Catalog) -> None:
    platform("backup", "create")
    write(catalog, 1)
    platform("backup", "create")
    code, text = platform("backup", "prune")
    assert (code, "1 backups stay, 1 would go" in text) == (0, True)
    assert "1 are gone" in platform("backup", "prune", "--yes")[1]
    assert platform("backup", "verify", "--all")[0] == 0


def test_following_copies_what_changes(catalog: Catalog, tmp_path: Path, environment: dict[str, str]) -> None:
    def change_and_end() -> None:
        time.sleep(1.0)
        write(catalog, 7)
        time.sleep(1.0)
        os.kill(os.getpid(), signal.SIGINT)

    changing = threading.Thread(target=change_and_end)
    changing.start()
    code, text = platform("backup", "follow", "--every", "0.2")
    changing.join()
    assert code == 0, text
    assert len(list((tmp_path / "target/backups").iterdir())) == 1
    shutil.rmtree(tmp_path / "home")
    assert platform("restore", "home")[0] == 0
    assert catalog.parity.read().height == 4


def test_without_a_target_the_setting_is_named(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PLATFORM_ASSETS_BACKUP")
    code, text = platform("backup", "create")
    assert code == 1
    assert "no target of backups is set: PLATFORM_ASSETS_BACKUP names one" in text
    monkeypatch.setenv("PLATFORM_ASSETS_BACKUP", json.dumps({"to": os.environ["PLATFORM_ASSETS_HOME"] + "/backups"}))
    assert "which lies in the home" in platform("backup", "create")[1]
    monkeypatch.setenv("PLATFORM_ASSETS_BACKUP", '{"to": "/x", "encryption_key_variable": "NOT_SET"}')
    assert "NOT_SET does not hold a key for backups" in platform("backup", "create")[1]


def test_nothing_that_was_acknowledged_is_lost(
    catalog: Catalog, tmp_path: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was committed after the last backup comes from the copies of commits; who asks for a time gets that time."""
    copies = {**environment, "PLATFORM_ASSETS_LAKE_COPY": str(tmp_path / "commits")}
    monkeypatch.setenv("PLATFORM_ASSETS_LAKE_COPY", copies["PLATFORM_ASSETS_LAKE_COPY"])
    installation = Installation(Settings.from_environment(copies))
    copied = installation.catalog(catalog.use_case)
    write(copied, 4)
    manifest = back_up(installation)
    assert not list((tmp_path / "commits").rglob("*.parquet")), "a full backup holds what was copied before"
    for number in (5, 6):
        write(copied, number)
        assert len(list((tmp_path / "commits").rglob("*.parquet"))) == number - 4
    shutil.rmtree(tmp_path / "home")
    code, text = platform("restore", "home")
    assert code == 0, text
    assert "2 commits of 1 tables that the backup lacks came from their copies" in text
    assert copied.parity.read().height == 6
    write(copied, 7)
    shutil.rmtree(tmp_path / "home")
    assert platform("restore", "home")[0] == 0
    assert copied.parity.read().height == 7
    shutil.rmtree(tmp_path / "home")
    assert platform("restore", "home", "--backup", manifest.name)[0] == 0
    assert copied.parity.read().height == 4
