"""`platform-assets secrets`: what it says, what it hands over, and that it shows nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from platform_assets.cli import app, console
from platform_assets.installation import Installation, lend_object_store
from platform_assets.secret_sources.delivered import deliver
from platform_assets.settings import LENT_VARIABLE, SECRETS_VARIABLE, Settings, source_access

MLFLOW = "postgresql://mlflow:canary-mlflow@db/mlflow"
KEYS = '{"AWS_SECRET_ACCESS_KEY": "canary-key"}'
SECRETS = {"PLATFORM_ASSETS_MLFLOW": MLFLOW, "CARD_DATABASE": "canary-card", "PLATFORM_ASSETS_OBJECT_STORE": KEYS}
CHANGE_AND_READ = """
import os, pathlib, sys
from platform_assets.secret_sources.delivered import deliver
from platform_assets.settings import with_secrets
deliver({"CARD_DATABASE": "newer"}, pathlib.Path(sys.argv[1]))
print(os.environ["CARD_DATABASE"], with_secrets()["CARD_DATABASE"])
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The source is a folder; nothing else is set."""
    for name in list(os.environ):
        if name.startswith("PLATFORM_ASSETS_"):
            monkeypatch.delenv(name)
    place = tmp_path / "source"
    deliver(SECRETS, place)
    monkeypatch.setenv("PLATFORM_ASSETS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv(
        SECRETS_VARIABLE, json.dumps({"kind": "file", "folder": str(place), "services": str(tmp_path / "run")})
    )
    return place


def shown(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["secrets", *arguments])
    assert result.exit_code == code, result.output
    assert "canary" not in result.output
    return result.output


def test_settings_and_sources_take_their_values_from_the_source(folder: Path) -> None:
    settings = Settings.from_environment()
    assert settings.mlflow == MLFLOW
    assert settings.object_store == {"AWS_SECRET_ACCESS_KEY": "canary-key"}
    assert "canary" not in repr(settings)
    assert source_access().variables["CARD_DATABASE"] == "canary-card"


def test_a_variable_that_a_person_set_wins_and_check_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLATFORM_ASSETS_MLFLOW", "http://mine")
    assert Settings.from_environment().mlflow == "http://mine"
    said = shown("check").splitlines()
    (line,) = [line for line in said if "PLATFORM_ASSETS_MLFLOW" in line]
    assert "does not count" in line
    assert any(line.strip() == "CARD_DATABASE" for line in said)


def test_a_lake_follows_a_key_that_changes(folder: Path) -> None:
    lake = Installation.from_environment().lake
    assert dict(lake.object_store) == {"AWS_SECRET_ACCESS_KEY": "canary-key"}
    deliver(SECRETS | {"PLATFORM_ASSETS_OBJECT_STORE": '{"AWS_SECRET_ACCESS_KEY": "canary-new"}'}, folder)
    deadline = time.monotonic() + 10
    while dict(lake.object_store)["AWS_SECRET_ACCESS_KEY"] != "canary-new":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert "canary" not in repr(lake)


def test_what_was_lent_to_libraries_is_lent_again_when_it_changes_and_what_a_person_set_is_not(folder: Path) -> None:
    given = {**os.environ, "PLATFORM_ASSETS_MLFLOW_ARTIFACTS": "s3://b/m", "AWS_ACCESS_KEY_ID": "mine"}
    lend_object_store(Settings.from_environment(given), given)
    assert given["AWS_SECRET_ACCESS_KEY"] == "canary-key"
    keys = '{"AWS_SECRET_ACCESS_KEY": "canary-new", "AWS_ACCESS_KEY_ID": "theirs"}'
    lend_object_store(Settings.from_environment(given | {"PLATFORM_ASSETS_OBJECT_STORE": keys}), given)
    assert (given["AWS_SECRET_ACCESS_KEY"], given["AWS_ACCESS_KEY_ID"]) == ("canary-new", "mine")


def test_a_command_runs_with_the_secrets_and_its_children_take_newer_ones(folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "platform_assets.cli", "secrets", "run", "--"]
    command += [sys.executable, "-c", CHANGE_AND_READ, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["canary-card", "newer"]
    assert "name a command" in shown("run", code=1)
    assert "no-such-program cannot be run" in shown("run", "--", "no-such-program", code=1)


def test_the_folder_of_services_is_written_and_ends_with_the_process(folder: Path, tmp_path: Path) -> None:
    deliver(SECRETS | {"PLATFORM_ASSETS_FEAST_REGISTRY": "sqlite:///canary.db"}, folder)
    time.sleep(1.1)  # what was read a moment ago is kept so long
    assert "PLATFORM_ASSETS_FEAST_REGISTRY written" in shown("keep", "--once")
    assert (tmp_path / "run" / "PLATFORM_ASSETS_FEAST_REGISTRY").read_text() == "sqlite:///canary.db"
    assert "has no NO_SUCH" in shown("keep", str(tmp_path / "other"), "--name", "NO_SUCH", code=1)
    command = [
        sys.executable,
        "-m",
        "platform_assets.cli",
        "secrets",
        "keep",
        str(tmp_path / "mine"),
        "--name",
        "CARD_DATABASE",
    ]
    with subprocess.Popen(command) as process:
        try:
            deadline = time.monotonic() + 30
            while not (tmp_path / "mine" / "CARD_DATABASE").exists():
                assert time.monotonic() < deadline
                time.sleep(0.05)
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
        finally:
            process.kill()


def test_a_planted_secret_is_found(folder: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "log").write_text("nothing")
    assert "0 found" in shown("scan")
    (home / "log").write_text("connecting to postgresql://mlflow:canary-mlflow@db")
    said = shown("scan", code=1)
    assert f"{home / 'log'}: the text of a secret at byte 34" in said
    assert "1 found" in said
    assert "does not exist" in shown("scan", str(tmp_path / "nowhere"), code=1)


def test_a_source_that_is_away_or_not_set_is_a_sentence(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECRETS_VARIABLE, '{"kind": "file", "folder": "/no/such/folder"}')
    assert "/no/such/folder does not exist" in shown("check", code=1)
    monkeypatch.setenv(SECRETS_VARIABLE, '{"kind": "keychain"}')
    assert f"{SECRETS_VARIABLE} names no source" in shown("check", code=1)
    monkeypatch.delenv(SECRETS_VARIABLE)
    assert f"{SECRETS_VARIABLE} is not set" in shown("check", code=1)


def test_what_a_source_gave_is_stars_in_errors_and_its_setting_is_not(folder: Path) -> None:
    Settings.from_environment()
    text = console.without_secrets(f"cannot use canary-card, canary-key or {MLFLOW}; look at {folder}")
    assert text == f"cannot use ***, *** or postgresql://mlflow:***@db/mlflow; look at {folder}"


def test_names_of_what_was_lent_are_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LENT_VARIABLE, "AWS_SECRET_ACCESS_KEY")
    assert console.without_secrets("AWS_SECRET_ACCESS_KEY is missing") == "AWS_SECRET_ACCESS_KEY is missing"
