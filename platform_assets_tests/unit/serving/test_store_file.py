"""A store in a file: one that was deleted or replaced does not answer, though whoever has it open could go on reading."""

import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from platform_assets.features.online.feast_connection import FeastSettings, file_problem
from platform_assets_tests.serving.parking import use_case
from serving.online import OnFile, StoreUnavailable, without_store


def make_store(path: Path, rows: int = 2000) -> None:
    with closing(sqlite3.connect(path)) as store, store:
        store.execute("PRAGMA journal_mode=WAL")
        store.execute("CREATE TABLE states (entity TEXT, events TEXT)")
        store.executemany("INSERT INTO states VALUES (?, ?)", [(str(n), "x" * 50) for n in range(rows)])


def settings(folder: Path) -> FeastSettings:
    store = {"type": "sqlite", "path": str(folder / "online.db")}
    return FeastSettings(project="parking", registry="sqlite://", online_store=store, home=str(folder))


def test_a_deleted_file_does_not_answer_and_a_replaced_one_ends_the_process_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[Any] = []
    monkeypatch.setattr(os, "kill", lambda *arguments: ended.append(arguments))
    path = tmp_path / "online.db"
    make_store(path)
    held = path.open()  # as a connection holds it: its inode is nobody else's
    features = OnFile(without_store(use_case(), {}), path)
    event = {"lot": 7}
    assert features.vector(event).unknown_entities == ("lot",)
    assert features.without_history(event).unknown_entities == ("lot",)
    features.record(event)
    path.unlink()
    for asked in (features.vector, features.record):
        with pytest.raises(
            StoreUnavailable, match="was deleted while it was open; `platform-assets run` fills it again"
        ):
            asked(event)
    assert ended == []
    make_store(path)
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="was replaced"):
            features.vector(event)
    held.close()
    assert ended == [(os.getpid(), signal.SIGTERM)]


def test_what_is_wrong_with_a_file_is_seen_from_outside(tmp_path: Path) -> None:
    path = tmp_path / "online.db"
    assert "does not exist" in str(file_problem(settings(tmp_path)))
    make_store(path)
    assert file_problem(settings(tmp_path)) is None
    whole = path.read_bytes()
    for damaged, words in (
        (whole[:4096] + b"\xff" * (len(whole) - 4096), "damaged"),
        (whole[: len(whole) // 2], "online.db"),
        (b"no database at all" * 500, "cannot be read"),
        (b"", "empty"),
    ):
        path.write_bytes(damaged)
        assert words in str(file_problem(settings(tmp_path)))


def test_other_stores_have_no_file_to_look_at() -> None:
    redis = FeastSettings(project="p", registry="sqlite://", online_store={"type": "redis"}, home="/")
    assert file_problem(redis) is None
