"""What a backup holds comes back as it was, whatever happened meanwhile, and nothing else does."""

import os
import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from deltalake import DeltaTable

from platform_assets.lake.errors import LakeDamaged
from platform_assets.lake.folders import StoredFolder
from platform_assets.lake.lake import Lake
from platform_assets.lake.verification import verify_table
from platform_assets.recovery.errors import BackupDamaged, BackupInconsistent, RecoveryError, RestoreRefused
from platform_assets.recovery.lake_files import snapshot
from platform_assets.recovery.manifest import FOLLOW
from platform_assets.recovery.sealing import Sealing, parse_key
from platform_assets.recovery.taking import LAKE, Agreement
from platform_assets.recovery.trees import FileTree
from platform_assets.recovery.verification import refuse_damaged_backup, verify_backup
from platform_assets.testing.servers import s3

from .conftest import LEFT_OUT, World, fill


def chunk_files(world: World) -> list[Path]:
    return sorted(path for path in Path(world.target.uri, "objects").rglob("*") if path.is_file())


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_everything_comes_back_in_an_empty_home(world: World, tmp_path: Path) -> None:
    manifest = world.back_up(lambda: Agreement({"shop": "1"}))
    assert not (world.home / ".backup").exists()
    there = tmp_path / "elsewhere" / "home"
    world.restore(manifest, there)
    restored = world.at(there)
    assert restored.ids() == world.ids() == [0, 1, 7, 20, 21]
    assert sorted(restored.table().read(version=3)["id"]) == [0, 1, 10, 11, 20, 21]
    assert restored.ledger().moves("shop")["model_version"].to_list() == ["1"]
    for path in ("bentos/shop/bento.yaml", "prediction_log/shop/a.jsonl", "mlflow/artifacts/1/run/model/model.json"):
        assert (there / path).read_bytes() == (world.home / path).read_bytes()
    assert not [path for path in LEFT_OUT if (there / path).exists()]
    assert sorted(path.name for path in there.iterdir()) == ["bentos", "lake", "mlflow", "prediction_log", "reports"]


def test_a_restored_table_is_known_and_goes_on(world: World, tmp_path: Path) -> None:
    manifest = world.back_up()
    world.restore(manifest, tmp_path / "home2")
    restored = world.at(tmp_path / "home2")
    table = restored.table()
    assert table.known is not None
    assert verify_table(table.uri, table.known, None).wrong is None
    restored.write_day(5, [50])
    assert restored.ids()[-1] == 50
    sorted(Path(table.uri, "_delta_log").glob("*.json"))[-1].unlink()
    with pytest.raises(LakeDamaged, match="version 5 with"):
        restored.table().read()


def test_addresses_of_artifacts_move_with_the_home(world: World, tmp_path: Path) -> None:
    manifest = world.back_up()
    restored = world.restore(manifest, tmp_path / "home2")
    assert restored.moved_addresses == 1
    with closing(sqlite3.connect(tmp_path / "home2/mlflow/mlflow.db")) as registry:
        [row] = registry.execute("SELECT artifact_uri, note FROM runs").fetchall()
    assert row == (f"{tmp_path}/home2/mlflow/artifacts/1/run", "mlflow")


def test_the_second_backup_copies_what_changed(world: World) -> None:
    first = world.back_up()
    same = world.back_up(previous=first)
    assert same.new_bytes == 0
    assert same.files == first.files
    assert same.tables == first.tables
    world.write_day(8, [80])
    with (world.home / "prediction_log/shop/a.jsonl").open("a") as segment:
        segment.write('{"request_id": "3"}\n')
    third = world.back_up(previous=same)
    changed = {file.path for file in third.files} - {file.path for file in same.files}
    assert any("event_day=2024-01-09" in path for path in changed)
    assert third.tables["shop/clean/sales"].version == first.tables["shop/clean/sales"].version + 1
    assert 0 < third.new_bytes < first.new_bytes / 2
    assert third.of("log")[0].size > same.of("log")[0].size


def test_a_pass_that_found_nothing_new_writes_nothing(world: World) -> None:
    first = world.back_up()
    again = world.back_up(previous=first, kind=FOLLOW)
    assert again.name == first.name
    assert len(world.manifests.backups()) == 1


def test_what_is_committed_while_files_are_copied_is_in_the_next_backup(world: World) -> None:
    lake = FileTree(world.lake.root)
    version = world.table().version()
    assert version is not None
    world.write_day(9, [90])
    listed = {file.path: file for file in lake.files()}
    taken = snapshot(lake, listed, "shop/clean/sales", version, (), -1)
    assert not [file.path for file in taken.files if "2024-01-10" in file.path or f"{version + 1:020d}" in file.path]
    assert (taken.table.version, taken.table.rows) == (version, 5)


def test_a_file_that_the_version_needs_is_missed(world: World) -> None:
    [name] = DeltaTable(world.table("sales", "raw").uri).file_uris()
    Path(name).unlink()
    with pytest.raises(BackupInconsistent, match="shop/raw/sales needs 1 files that are gone"):
        world.back_up()
    assert world.manifests.backups() == []


def test_a_champion_that_moves_meanwhile_is_copied_again(world: World) -> None:
    moves = iter(["2"])

    def moving() -> Agreement:
        for version in moves:
            world.promote(version)
        return Agreement({"shop": "2"})

    manifest = world.back_up(moving)
    assert manifest.tables["shop/model/ledger"].rows == 2
    counter = iter(range(3, 100))
    with pytest.raises(BackupInconsistent, match="a champion moved each of the 5 times"):
        world.back_up(lambda: (world.promote(str(next(counter))), Agreement())[1])


def test_a_database_is_copied_while_others_write(world: World, tmp_path: Path) -> None:
    stop, path = threading.Event(), world.home / "mlflow/mlflow.db"

    def write() -> None:
        with closing(sqlite3.connect(path, timeout=10)) as database:
            while not stop.is_set():
                with database:
                    database.execute("INSERT INTO runs VALUES ('a', 'b', 'c')")
                    database.execute("INSERT INTO runs VALUES ('a', 'b', 'c')")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        manifest = world.back_up()
    finally:
        stop.set()
        writer.join()
    world.restore(manifest, tmp_path / "home2")
    with closing(sqlite3.connect(tmp_path / "home2/mlflow/mlflow.db")) as restored:
        assert restored.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert restored.execute("SELECT count(*) FROM runs").fetchone()[0] % 2 == 1


@pytest.mark.parametrize("key", [None, b"k" * 32], ids=["plain", "encrypted"])
def test_a_flipped_byte_is_refused_by_name(world: World, tmp_path: Path, key: bytes | None) -> None:
    world.sealing = Sealing(key)
    manifest = world.back_up()
    unnamed = []
    for path in chunk_files(world):
        flip(path)
        verified = verify_backup(manifest, world.chunks)
        holders = [file.place for file in manifest.files if path.name in file.chunks]
        unnamed += [place for place in holders if not any(place in wrong for wrong in verified.wrong)]
        assert len(verified.wrong) == len(holders)
        flip(path)
    assert not unnamed
    damaged = next(path for path in chunk_files(world) if path.name in manifest.of("log")[0].chunks)
    flip(damaged)
    with pytest.raises(BackupDamaged, match=r"log/shop/a.jsonl"):
        refuse_damaged_backup(verify_backup(manifest, world.chunks))
    with pytest.raises(BackupDamaged, match=r"log/shop/a.jsonl cannot be restored.*" + damaged.name):
        world.restore(manifest, tmp_path / "home2")
    assert list((tmp_path / "home2").iterdir()) == []
    damaged.unlink()
    with pytest.raises(BackupDamaged, match="is gone"):
        world.restore(manifest, tmp_path / "home2")


def test_a_flipped_byte_of_the_manifest_is_named(world: World) -> None:
    world.back_up()
    [stored] = world.manifests.backups()
    flip(Path(world.target.uri, "backups", stored.file))
    with pytest.raises(BackupDamaged, match=stored.file):
        world.manifests.read(stored)


def test_an_encrypted_backup_shows_nothing_and_needs_its_key(world: World, tmp_path: Path) -> None:
    world.sealing = Sealing(b"k" * 32)
    manifest = world.back_up()
    stored = b"".join(path.read_bytes() for path in Path(world.target.uri).rglob("*") if path.is_file())
    assert not [word for word in (b"request_id", b"PAR1", b"SQLite", b"shop") if word in stored]
    world.restore(manifest, tmp_path / "home2")
    assert world.at(tmp_path / "home2").ids() == world.ids()
    [backup] = world.manifests.backups()
    for other, message in ((Sealing(b"x" * 32), "another key"), (Sealing(), "no key is set")):
        with pytest.raises(BackupDamaged, match=message):
            replace(world, sealing=other).manifests.read(backup)
    with pytest.raises(RecoveryError, match="KEY does not hold a key for backups: it has to be 32 bytes in base64"):
        parse_key("c2hvcnQ=", "KEY")


def test_a_home_that_is_not_empty_is_refused_or_set_aside(world: World) -> None:
    manifest = world.back_up()
    before = sorted(path.name for path in world.home.iterdir() if path.name != "run.lock")
    world.write_day(7, [70])
    with pytest.raises(RestoreRefused, match="is not empty"):
        world.restore(manifest, world.home)
    assert world.ids()[-1] == 70
    restored = world.restore(manifest, world.home, set_aside=True)
    assert world.ids() == [0, 1, 7, 20, 21]
    assert restored.set_aside is not None
    assert world.at(restored.set_aside).ids()[-1] == 70
    assert sorted(path.name for path in restored.set_aside.iterdir()) == before
    again = world.back_up()
    assert not [file.path for file in again.files if "before-restore" in file.path]


def test_modes_of_files_come_back(world: World, tmp_path: Path) -> None:
    (world.home / "bentos/shop/run.sh").write_text("#!/bin/sh\n")
    os.chmod(world.home / "bentos/shop/run.sh", 0o750)
    world.restore(world.back_up(), tmp_path / "home2")
    assert (tmp_path / "home2/bentos/shop/run.sh").stat().st_mode & 0o777 == 0o750


def test_lake_and_backups_in_an_object_store(tmp_path: Path) -> None:
    with s3() as server:
        server.bucket("live")
        server.bucket("copies")
        (tmp_path / "home").mkdir()
        world = fill(
            World(
                tmp_path / "home",
                StoredFolder("s3://copies/platform", server.options),
                remote=Lake("s3://live/lake", server.options),
            )
        )
        manifest = world.back_up()
        assert world.back_up(previous=manifest).new_bytes == 0
        with pytest.raises(RestoreRefused, match="is not empty"):
            world.restore(manifest, world.home)
        world.write_day(6, [60])
        with pytest.raises(RestoreRefused, match=r"s3://live/lake holds \d+ files that are not of backup"):
            world.restore(manifest, tmp_path / "home2")
        restored = replace(world, home=tmp_path / "home2", remote=Lake("s3://live/again", server.options))
        restored.restore(manifest, tmp_path / "home2")
        assert restored.ids() == [0, 1, 7, 20, 21]
        table = restored.table()
        assert table.known is not None
        assert verify_table(table.uri, table.known, server.options).wrong is None
        assert manifest.roots[LAKE] == "s3://live/lake"
