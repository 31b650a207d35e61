"""A table that lost a version, or a file of it, is noticed before it is read or written; `lake verify` names the file."""

import shutil
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from platform_assets.lake.errors import LakeDamaged
from platform_assets.lake.folders import StoredFolder
from platform_assets.lake.known_versions import newest
from platform_assets.lake.lake import Lake
from platform_assets.lake.maintenance import maintain
from platform_assets.lake.table import LakeTable
from platform_assets.lake.verification import known_tables, verify_table

FIRST = date(2024, 1, 1)
SCHEMA: dict[str, pl.DataType] = {"id": pl.Int64(), "event_day": pl.Date()}


def rows(day: date, count: int = 10) -> pl.DataFrame:
    return pl.DataFrame({"id": range(count), "event_day": [day] * count}, schema=SCHEMA)


def a_table(root: Path, days: int) -> LakeTable:
    """A table whose every day was written by itself."""
    table = Lake(str(root)).table("shop", "clean", "sales", SCHEMA)
    for number in range(days):
        day = FIRST + timedelta(days=number)
        table.write_partitions(rows(day, 10 + number), day, day)
    return table


def verified(table: LakeTable) -> str | None:
    assert table.known is not None
    return verify_table(table.uri, table.known, None).wrong


def log(table: LakeTable) -> Path:
    return Path(table.uri) / "_delta_log"


def entries(table: LakeTable) -> list[Path]:
    return sorted(log(table).glob("*[0-9].json"))


def newest_entry_removed(table: LakeTable) -> None:
    entries(table)[-1].unlink()


def newest_entry_emptied(table: LakeTable) -> None:
    entries(table)[-1].write_bytes(b"")


def newest_entry_cut(table: LakeTable) -> None:
    content = entries(table)[-1].read_bytes()
    entries(table)[-1].write_bytes(content[: len(content) // 2])


def newest_entry_of_another(table: LakeTable) -> None:
    """The entry is readable, and says something else: its files are left out."""
    lines = entries(table)[-1].read_text().splitlines()
    entries(table)[-1].write_text("\n".join(line for line in lines if '"add"' not in line))


def two_newest_removed(table: LakeTable) -> None:
    for entry in entries(table)[-2:]:
        entry.unlink()


def table_removed(table: LakeTable) -> None:
    shutil.rmtree(table.uri)


def log_removed(table: LakeTable) -> None:
    shutil.rmtree(log(table))


def middle_entry_removed(table: LakeTable) -> None:
    entries(table)[2].unlink()


DAMAGES: list[Callable[[LakeTable], None]] = [
    newest_entry_removed,
    newest_entry_emptied,
    newest_entry_cut,
    newest_entry_of_another,
    two_newest_removed,
    table_removed,
    log_removed,
    middle_entry_removed,
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_log_is_noticed_before_reading_and_writing(
    tmp_path: Path, damage: Callable[[LakeTable], None]
) -> None:
    table = a_table(tmp_path, 5)
    damage(table)
    for use in (
        lambda: table.read(FIRST, FIRST),
        lambda: table.version(),
        lambda: table.write_partitions(rows(FIRST), FIRST, FIRST),
        lambda: table.append(rows(FIRST)),
        lambda: maintain(
            table.uri, None, cluster_by=[], keep_versions=[], keep_days=0, dry_run=False, known=table.known
        ),
    ):
        with pytest.raises(LakeDamaged, match="lake verify"):
            use()
    assert verified(table) is not None
    assert known_tables(str(tmp_path), "shop", None) == ["clean/sales"], "a table that is gone is known still"


def test_an_older_copy_is_noticed_even_after_another_engine_wrote_to_it(tmp_path: Path) -> None:
    table = a_table(tmp_path, 2)
    shutil.copytree(table.uri, tmp_path / "copy")
    for number in (2, 3):
        day = FIRST + timedelta(days=number)
        table.write_partitions(rows(day), day, day)
    shutil.rmtree(table.uri)
    shutil.copytree(tmp_path / "copy", table.uri)
    with pytest.raises(LakeDamaged, match=r"is at version 2, but version 4 with 41 rows was written"):
        table.read()
    by_hand = LakeTable(table.uri, SCHEMA, "event_day")
    for _ in range(3):
        by_hand.append(rows(FIRST))
    assert by_hand.version() == 5
    with pytest.raises(LakeDamaged, match=r"entry 0{19}4\.json .* is not the one that was written"):
        table.read()


@pytest.mark.parametrize("left", [0, 0.5, None])
def test_a_data_file_that_is_gone_or_cut_is_noticed_and_named(tmp_path: Path, left: float | None) -> None:
    table = a_table(tmp_path, 4)
    file = next((Path(table.uri) / f"event_day={FIRST}").glob("*.parquet"))
    content = file.read_bytes()
    if left is None:
        file.unlink()
    else:
        file.write_bytes(content[: int(left * len(content))])
    with pytest.raises(LakeDamaged, match=file.name):
        table.read(FIRST, FIRST)
    other = FIRST + timedelta(days=1)
    assert table.read(other, other).height == 11, "a day that is whole is read"
    assert file.name in str(verified(table))


def test_a_changed_byte_is_for_verify(tmp_path: Path) -> None:
    table = a_table(tmp_path, 4)
    assert verified(table) is None
    file = next((Path(table.uri) / f"event_day={FIRST}").glob("*.parquet"))
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    assert "its digest is another" in str(verified(table))
    assert file.name in str(verified(table))


def test_a_checkpoint_that_is_gone_is_told_with_what_to_do(tmp_path: Path) -> None:
    table = a_table(tmp_path, 22)
    assert verified(table) is None
    [checkpoint] = log(table).glob("*.checkpoint.parquet")
    checkpoint.unlink()
    with pytest.raises(LakeDamaged, match="checkpoint"):
        table.read()
    assert f"{checkpoint.name} is gone or empty" in str(verified(table))
    (log(table) / "_last_checkpoint").unlink()
    assert table.read().height == table.row_count()
    assert verified(table) is None, "every entry is there"


def test_upkeep_and_other_engines_go_on(tmp_path: Path) -> None:
    table = a_table(tmp_path, 3)
    for _ in range(3):
        LakeTable(table.uri, SCHEMA, "event_day").append(rows(FIRST))
    assert table.read(FIRST, FIRST).height == 40, "a version that another engine wrote is a newer one"
    maintain(table.uri, None, cluster_by=["id"], keep_versions=[], keep_days=0, dry_run=False, known=table.known)
    assert table.known is not None
    known = newest(StoredFolder(table.known))
    assert known is not None
    assert (known.version, known.rows) == (table.version(), table.row_count())
    assert verified(table) is None
    table.write_partitions(rows(FIRST), FIRST, FIRST)
    assert table.read(FIRST, FIRST).height == 10


def test_a_table_of_before_there_were_records_reads_and_is_known_from_its_next_write_on(tmp_path: Path) -> None:
    table = a_table(tmp_path, 3)
    assert table.known is not None
    shutil.rmtree(table.known)
    assert table.read().height == 33
    assert verify_table(table.uri, table.known, None).without_digest == 3
    table.write_partitions(rows(FIRST), FIRST, FIRST)
    newest_entry_removed(table)
    with pytest.raises(LakeDamaged):
        table.read()


def test_writers_at_the_same_time_leave_the_newest_version(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    table = a_table(tmp_path, 1)
    days = [FIRST + timedelta(days=number) for number in range(1, 13)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda day: table.write_partitions(rows(day), day, day), days))
    assert table.known is not None
    known = newest(StoredFolder(table.known))
    assert known is not None
    assert known.version == table.version() == 13
    assert StoredFolder(table.known).names("newest") == [f"{13:020d}.json"]
    assert verified(table) is None


def test_a_folder_s_small_files(tmp_path: Path) -> None:
    folder = StoredFolder(str(tmp_path / "a"))
    assert folder.names("b") == []
    folder.write("b/c", b"1")
    assert (folder.names("b"), folder.read("b/c"), folder.size("b/c"), folder.size("b/d")) == (["c"], b"1", 1, None)
    folder.remove("b/c")
    folder.remove("b/c")
    with pytest.raises(FileNotFoundError):
        folder.read("b/c")
