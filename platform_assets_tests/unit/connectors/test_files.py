"""Finding and reading files: each row once, on its day, with its place."""

import gzip
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from platform_assets.connectors import (
    DELIVERED_DAY,
    SOURCE_POSITION,
    SchemaMismatch,
    SourceError,
    conform,
    positions,
    read_source,
)
from platform_assets.declaration import Source

DAY = date(2024, 3, 1)
HEADER = "ride_id,started_at,price,remark\n"


def lines(*rows: tuple[int, int], price: str = "1.5") -> str:
    """CSV rows from (id, day number)."""
    return "".join(f"{ride},{DAY + timedelta(days=number)}T08:00:00,{price},\n" for ride, number in rows)


def read(source: Source, folder: Path, first: int = 0, last: int = 0) -> pl.DataFrame:
    return read_source(source, folder, DAY + timedelta(days=first), DAY + timedelta(days=last))


def test_a_file_gives_the_rows_of_the_days_asked_for(make_source: Callable[..., Source], tmp_path: Path) -> None:
    (tmp_path / "rides.csv").write_text(HEADER + lines((1, 0), (2, 1), (3, 2), (4, 0)))
    found = read(make_source(), tmp_path, 0, 1)
    assert found.with_columns(positions(found)).select("ride_id", SOURCE_POSITION, DELIVERED_DAY).rows() == [
        ("1", "rides.csv:2", DAY),
        ("2", "rides.csv:3", DAY + timedelta(days=1)),
        ("4", "rides.csv:5", DAY),
    ]


@pytest.mark.parametrize("path", ["in", "in/*.csv*", "in/**/*.csv*"], ids=["folder", "glob", "deep glob"])
def test_several_files_in_order_of_their_names(make_source: Callable[..., Source], tmp_path: Path, path: str) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "b.csv").write_text(HEADER + lines((3, 0)))
    (tmp_path / "in" / "a.csv.gz").write_bytes(gzip.compress((HEADER + lines((1, 0), (2, 0))).encode()))
    found = read(make_source(path=path), tmp_path)
    assert found["ride_id"].to_list() == ["1", "2", "3"]
    assert positions(found).to_list() == ["a.csv.gz:2", "a.csv.gz:3", "b.csv:2"]


def test_a_folder_is_searched_deeply_for_its_format_without_hidden_files(
    make_source: Callable[..., Source], tmp_path: Path
) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    for name in ("deep/a.csv", ".hidden.csv", "_temporary.csv", "notes.txt"):
        (tmp_path / "in" / name).write_text(HEADER + lines((1, 0)))
    assert positions(read(make_source(path="in"), tmp_path)).to_list() == ["deep/a.csv:2"]


@pytest.mark.parametrize("path", ["{event_day}.csv", "{event_day}/rides.csv", "{event_day}", "{event_day}/*.csv"])
def test_a_file_for_each_day(make_source: Callable[..., Source], tmp_path: Path, path: str) -> None:
    source = make_source(path=f"in/{path}")
    for number in (0, 2):
        day = str(DAY + timedelta(days=number))
        name = path.replace("{event_day}", day).replace("*", "rides")
        target = tmp_path / "in" / (name if name.endswith(".csv") else f"{name}/rides.csv")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(HEADER + lines((number, number), (10 + number, number - 1)))
    found = read(source, tmp_path, 0, 3)
    days = [DAY, DAY, DAY + timedelta(days=2), DAY + timedelta(days=2)]
    assert found[DELIVERED_DAY].to_list() == days, "a late row stays with the day of its file"
    assert found["ride_id"].to_list() == ["0", "10", "2", "12"]
    assert positions(found).n_unique() == 4
    assert all(str(day) in place for day, place in zip(days, positions(found), strict=True))
    with pytest.raises(SourceError, match="2024-03-02"):
        read(source, tmp_path, 1, 1)


def test_a_row_without_a_time_is_delivered_once_with_the_row_before_it(
    make_source: Callable[..., Source], tmp_path: Path
) -> None:
    bad = "9,soon,1,\n8,,1,\n"
    (tmp_path / "rides.csv").write_text(HEADER + bad + lines((1, 0), (2, 1)) + bad + lines((3, 2)))
    whole = read(make_source(), tmp_path, 0, 2)
    assert whole.height == 7
    assert whole[DELIVERED_DAY].to_list() == [DAY] * 3 + [DAY + timedelta(days=1)] * 3 + [DAY + timedelta(days=2)]
    by_day = pl.concat([read(make_source(), tmp_path, number, number) for number in range(3)])
    assert by_day.equals(whole)
    conformed = conform(whole, make_source())
    assert conformed.frame.height == 7
    assert conformed.uncast_rows == 2


def test_a_file_without_any_time_is_delivered_for_the_first_day(
    make_source: Callable[..., Source], tmp_path: Path
) -> None:
    (tmp_path / "rides.csv").write_text(HEADER + "9,,1,\n8,,1,\n")
    assert read(make_source(), tmp_path, 0, 2)[DELIVERED_DAY].to_list() == [DAY, DAY]


def test_parquet_rows_have_their_types_and_row_numbers(make_source: Callable[..., Source], tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {
            "ride_id": [1, 2],
            "started_at": [datetime(2024, 3, 1, 8), datetime(2024, 3, 2, 8)],
            "price": [1.5, 2.5],
            "remark": ["x", None],
        }
    )
    frame.write_parquet(tmp_path / "rides.parquet")
    source = make_source(format="parquet", path="rides.parquet")
    found = read(source, tmp_path, 1, 1)
    assert found.with_columns(positions(found)).select("ride_id", SOURCE_POSITION).rows() == [(2, "rides.parquet:2")]
    assert found["price"].dtype == pl.Float64


def test_parquet_files_may_differ_in_width_but_not_in_kind(make_source: Callable[..., Source], tmp_path: Path) -> None:
    source = make_source(format="parquet", path="*.parquet")
    frame = pl.DataFrame(
        {"ride_id": [2**60 + 1], "started_at": [datetime(2024, 3, 1, 8)], "price": [1], "remark": [""]}
    )
    frame.write_parquet(tmp_path / "a.parquet")
    frame.with_columns(pl.lit(2, dtype=pl.Int8).alias("ride_id"), pl.lit([1]).alias("tip")).write_parquet(
        tmp_path / "b.parquet"
    )
    found = read(source, tmp_path)
    assert found["ride_id"].to_list() == [2**60 + 1, 2]
    assert conform(found, source).extra_columns == ("tip",)
    frame.with_columns(pl.lit("three").alias("ride_id")).write_parquet(tmp_path / "c.parquet")
    with pytest.raises(SchemaMismatch, match=r"'ride_id'.*in c\.parquet"):
        read(source, tmp_path)


def test_json_lines(make_source: Callable[..., Source], tmp_path: Path) -> None:
    source = make_source(format="jsonl", path="rides.jsonl")
    rows = '{"ride_id": 1, "started_at": "2024-03-01T08:00:00Z", "price": "2.5"}\nnonsense\n'
    (tmp_path / "rides.jsonl").write_text(rows)
    conformed = conform(read(source, tmp_path), source)
    assert conformed.frame["ride_id"].to_list() == [1, None]
    assert conformed.frame["uncast"].to_list() == [None, "*='not a JSON object: nonsense'"]


def test_an_empty_json_file_beside_another_changes_nothing(make_source: Callable[..., Source], tmp_path: Path) -> None:
    source = make_source(format="jsonl", path="*.jsonl")
    (tmp_path / "a.jsonl").write_text("")
    (tmp_path / "b.jsonl").write_text('{"ride_id": 1, "started_at": "2024-03-01T08:00:00Z", "price": 2}\n')
    assert conform(read(source, tmp_path), source).frame["price"].to_list() == [2.0]


def test_files_that_disagree_about_a_column_are_named(make_source: Callable[..., Source], tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(HEADER + lines((1, 0)))
    (tmp_path / "b.csv").write_text(HEADER.replace("price", "cost") + lines((2, 0), (3, 0)))
    with pytest.raises(SchemaMismatch, match=r"'price': expected float64, found no such column in b\.csv \(2 rows\)"):
        read(make_source(path="*.csv"), tmp_path)
    (tmp_path / "b.csv").write_text(HEADER.replace("\n", ",tip\n") + lines((2, 0)).replace("\n", ",1\n"))
    found = read(make_source(path="*.csv"), tmp_path)
    assert found["tip"].to_list() == [None, "1"]


def test_columns_named_like_those_that_travel_with_a_row(make_source: Callable[..., Source], tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        HEADER.replace("remark", "source_position,source_problem") + lines((1, 0)).strip() + "x,y\n"
    )
    found = read(make_source(path="a.csv"), tmp_path)
    assert positions(found).to_list() == ["a.csv:2"]
    assert found["source_position_delivered", "source_problem_delivered"].rows() == [("x", "y")]


def test_a_reference_table_is_read_whole(make_source: Callable[..., Source], tmp_path: Path) -> None:
    (tmp_path / "rides.csv").write_text(HEADER + lines((1, 0), (2, 5)))
    found = read_source(make_source(event_time=None), tmp_path)
    assert found.height == 2
    assert found[DELIVERED_DAY].to_list() == [None, None]


@pytest.mark.parametrize("path", ["rides.csv", "in/*.csv", "in/{event_day}.csv", "nowhere/deep/*.csv", "in"])
def test_a_missing_path_says_what_is_there(make_source: Callable[..., Source], tmp_path: Path, path: str) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "rides.txt").write_text("")
    with pytest.raises(SourceError) as caught:
        read(make_source(path=path), tmp_path, 0, 1)
    text = str(caught.value)
    for part in ("'rides'", str(tmp_path), path, "defs.yaml", "rides.txt" if path.startswith("in") else "in/"):
        assert part in text


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rides.csv.gz", gzip.compress(HEADER.encode() * 50)[:-12]),
        ("rides.parquet", b"PAR1 cut off"),
        ("rides.csv", b""),
        ("rides.csv", HEADER.encode("utf-16")),
        ("rides.parquet", b""),
    ],
    ids=["cut off gzip", "cut off parquet", "empty csv", "utf-16 csv", "empty parquet"],
)
def test_a_file_that_cannot_be_read_is_named(
    make_source: Callable[..., Source], tmp_path: Path, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    source = make_source(path=name, format="parquet" if name.endswith("parquet") else "csv")
    with pytest.raises(SourceError, match=name):
        read(source, tmp_path)


def test_addresses_and_open_ranges_are_refused(make_source: Callable[..., Source], tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no s3:// address"):
        read(make_source(path="ftp://host/rides.csv"), tmp_path)
    (tmp_path / "rides.csv").write_text(HEADER)
    with pytest.raises(SourceError, match="give both"):
        read_source(make_source(), tmp_path, DAY, None)
    with pytest.raises(SourceError, match="before first_day"):
        read(make_source(), tmp_path, 1, 0)


def test_a_folder_with_signs_of_a_glob_in_its_name(make_source: Callable[..., Source], tmp_path: Path) -> None:
    folder = tmp_path / "team [a]*"
    folder.mkdir()
    (folder / "rides.csv").write_text(HEADER + lines((1, 0)))
    for path in ("rides.csv", "*.csv"):
        assert positions(read(make_source(path=path), folder)).to_list() == ["rides.csv:2"]
