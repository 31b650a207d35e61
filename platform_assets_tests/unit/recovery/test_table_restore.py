"""One table goes back: to a version or a time, from a backup where its files are gone, and goes on rightly from there."""

import shutil
from pathlib import Path

import pytest
from deltalake import DeltaTable

from platform_assets.lake.errors import LakeVersionMissing
from platform_assets.lake.maintenance import maintain
from platform_assets.lake.verification import verify_table
from platform_assets.recovery.errors import BackupDamaged, RecoveryError, RestoreRefused
from platform_assets.recovery.manifest import Manifest
from platform_assets.recovery.table_restore import RestoreDecision, RestoredTable, restore_table
from platform_assets.recovery.trees import FileTree

from .conftest import World

SALES = "shop/clean/sales"
WHY = RestoreDecision("operations", "a wrong load")


def restore(world: World, version: int | None, *backups: Manifest) -> RestoredTable:
    held = [(manifest, world.chunks) for manifest in backups]
    return restore_table(
        FileTree(world.lake.root), SALES, lambda table: table.version() if version is None else version, held, WHY
    )


def test_an_earlier_version_becomes_the_newest(world: World) -> None:
    assert world.ids() == [0, 1, 7, 20, 21]
    restored = restore(world, 3)
    assert (restored.version, restored.restored_version, restored.rows) == (5, 3, 6)
    assert world.ids() == [0, 1, 10, 11, 20, 21]
    newest = world.table().history(1)[0]
    assert newest.metadata == {"restored_version": "3", "who": "operations", "why": "a wrong load"}
    assert restore(world, 4).version == 6
    assert world.ids() == [0, 1, 7, 20, 21]
    table = world.table()
    assert table.known is not None
    assert verify_table(table.uri, table.known, None).wrong is None


def test_what_was_taken_back_is_written_again(world: World) -> None:
    """A load that is tried again under its name is no second one, unless the table went back to before it."""
    world.write_day(6, [60], key="load 6")
    world.write_day(6, [60], key="load 6")
    assert world.table().version() == 5
    restore(world, 4)
    assert 60 not in world.ids()
    assert world.table().committed(["load 6"]) == frozenset()
    world.write_day(6, [60], key="load 6")
    assert 60 in world.ids()
    assert world.table().version() == 7
    world.write_day(6, [60], key="load 6")
    assert world.table().version() == 7
    assert world.table().committed(["load 6"]) == {"load 6"}


def test_files_that_upkeep_removed_come_from_a_backup(world: World) -> None:
    manifest = world.back_up()
    maintain(world.table().uri, None, cluster_by=[], keep_versions=[], keep_days=0, dry_run=False)
    with pytest.raises(RecoveryError, match="version 3 of table shop/clean/sales needs 1 files that are gone"):
        restore(world, 3)
    restored = restore(world, 3, manifest)
    assert restored.files_fetched == 1
    assert world.ids() == [0, 1, 10, 11, 20, 21]


def test_a_table_that_is_gone_or_damaged_comes_from_a_backup(world: World) -> None:
    manifest, folder = world.back_up(), Path(world.table().uri)
    shutil.rmtree(folder)
    with pytest.raises(RestoreRefused, match=r"is gone.*No backup has this table"):
        restore(world, None)
    assert restore(world, None, manifest).rows == 5
    assert world.ids() == [0, 1, 7, 20, 21]
    newest = sorted((folder / "_delta_log").glob("*.json"))[-1]
    newest.write_bytes(b"")
    restored = restore(world, 3, manifest)
    assert world.ids() == [0, 1, 10, 11, 20, 21]
    assert restored.set_aside is not None
    assert (restored.set_aside / "_delta_log" / newest.name).exists()


def test_a_data_file_with_a_flipped_byte_is_put_back(world: World) -> None:
    manifest = world.back_up()
    path = Path(DeltaTable(world.table().uri).file_uris()[0])
    right = path.read_bytes()
    path.write_bytes(right[:-10] + b"!" + right[-9:])
    restored = restore(world, None, manifest)
    assert restored.files_fetched == 1
    assert path.read_bytes() == right


def test_a_damaged_backup_moves_nothing(world: World) -> None:
    manifest, folder = world.back_up(), Path(world.table().uri)
    newest = sorted((folder / "_delta_log").glob("*.json"))[-1]
    newest.write_bytes(b"")
    chunk = next(file.chunks[0] for file in manifest.of("lake") if file.path.startswith(f"{SALES}/event_day"))
    Path(world.target.uri, "objects", chunk[:2], chunk).unlink()
    with pytest.raises(BackupDamaged, match="is gone"):
        restore(world, None, manifest)
    assert newest.exists()


def test_a_version_that_never_was(world: World) -> None:
    with pytest.raises(LakeVersionMissing, match=r"has no version 9: its versions are 0 .. 4"):
        restore(world, 9)
