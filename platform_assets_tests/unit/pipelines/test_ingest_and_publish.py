"""Ingesting and publishing as plain calls on a catalog: what they return, and what they leave in its tables."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from platform_assets.connectors.errors import SchemaMismatch
from platform_assets.connectors.source_reader import SourceReader
from platform_assets.declaration import load_use_case
from platform_assets.declaration.days import DayRange
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake
from platform_assets.pipelines.ingest import Ingested, ingest
from platform_assets.pipelines.publish import PublishedLoad, day_chunks, publish

FOLDER = Path(__file__).parents[3] / "platform_assets" / "defs" / "card_fraud"
READER = SourceReader({"customers": 30, "terminals": 60})


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog(load_use_case(FOLDER), Lake(str(tmp_path / "lake")))


def days(catalog: Catalog, count: int) -> DayRange:
    first = catalog.use_case.history.first_day
    return DayRange(first, first + timedelta(days=count - 1))


def load(catalog: Catalog, name: str, of_days: DayRange | None, *faults: dict[str, Any], key: str = "load") -> Ingested:
    source = catalog.use_case.source(name)
    return ingest(catalog, READER, source, FOLDER, of_days, faults=list(faults), key=key)


def published(catalog: Catalog, name: str, of_days: DayRange | None, **how: int) -> PublishedLoad:
    return publish(catalog, catalog.use_case.source(name), of_days, **how)


def reference_tables(catalog: Catalog) -> None:
    for name in ("customers", "terminals"):
        load(catalog, name, None)
        assert published(catalog, name, None).passed


def test_a_range_is_ingested_and_published_in_chunks(catalog: Catalog) -> None:
    reference_tables(catalog)
    week = days(catalog, 7)
    ingested = load(catalog, "transactions", week)
    assert ingested.mismatch is None
    assert ingested.days == week.days
    assert ingested.rows == catalog.raw("transactions").stored.row_count() > 0
    result = published(catalog, "transactions", week, chunk_rows=1)
    assert result.passed
    assert (result.rows_accepted, result.rows_refused) == (ingested.rows, 0)
    assert sum(result.delivered_by_day.values()) == ingested.rows
    assert set(result.commits) == {"clean", "quarantine", "profile"}
    assert result.commits["clean"].version == catalog.clean("transactions").version()
    assert catalog.clean("transactions").count_by_day() == result.delivered_by_day
    for png in (result.trend_plot, result.profile_plot):
        assert png is not None
        assert png.startswith(b"\x89PNG")
    assert result.volume_plot is None, "a long load alone is drawn by itself"


def test_chunks_change_nothing_of_what_is_published(catalog: Catalog, tmp_path: Path) -> None:
    other = Catalog(catalog.use_case, Lake(str(tmp_path / "other")))
    week = days(catalog, 7)
    for tables, chunk_rows in ((catalog, 1), (other, 10**9)):
        reference_tables(tables)
        load(tables, "transactions", week)
        assert published(tables, "transactions", week, chunk_rows=chunk_rows).passed
    for layer in ("clean", "profile"):
        one, whole = (t.stored(f"{layer}/transactions").read() for t in (catalog, other))
        assert one.equals(whole, null_equal=True), layer


def test_a_changed_column_ends_the_load_and_is_returned(catalog: Catalog) -> None:
    load(catalog, "transactions", days(catalog, 1))
    fault = {"kind": "missing_column", "column": "amount"}
    ingested = load(catalog, "transactions", days(catalog, 3), fault, key="again")
    assert isinstance(ingested.mismatch, SchemaMismatch)
    assert "amount" in str(ingested.mismatch)
    assert (ingested.chunks, ingested.days) == ((), [])


def test_a_day_that_is_refused_stays_as_it_was(catalog: Catalog) -> None:
    reference_tables(catalog)
    day = days(catalog, 1)
    load(catalog, "transactions", day)
    assert published(catalog, "transactions", day).passed
    before = catalog.clean("transactions").read()
    load(catalog, "transactions", day, {"kind": "out_of_range", "column": "amount", "ratio": 0.5}, key="again")
    result = published(catalog, "transactions", day)
    assert not result.passed
    assert result.refused_days == (day.first,)
    assert "clean" not in result.commits
    assert result.trend_plot is None
    assert catalog.clean("transactions").read().equals(before)
    assert catalog.quarantine("transactions").row_count() == result.rows_refused > 0


def test_days_are_put_together_until_a_chunk_is_full(catalog: Catalog) -> None:
    raw = catalog.raw("transactions").stored
    five = days(catalog, 5)
    for day, rows in zip(five.days, [3, 3, 9, 1, 1], strict=True):
        frame = pl.DataFrame({name: [None] * rows for name in raw.schema}, schema=raw.schema)
        raw.write_partitions(frame.with_columns(event_day=day), day, day)
    chunks = [chunk.days for chunk in day_chunks(raw, five, 6) if chunk]
    assert [len(chunk) for chunk in chunks] == [2, 1, 2]
    assert [day for chunk in chunks for day in chunk] == five.days
    assert list(day_chunks(raw, None, 6)) == [None]
