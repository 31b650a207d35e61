"""A by-day load that is tried again under its name finds what it stored before."""

from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl

from platform_assets.connectors.conforming import Conformed, conform
from platform_assets.declaration import EVENT_DAY, Source
from platform_assets.declaration.days import DayRange
from platform_assets.lake.schemas import raw_schema
from platform_assets.lake.table import LakeTable
from platform_assets.pipelines.ingest import load_in_chunks

DAY = date(2024, 3, 1)
SOURCE = Source.model_validate(
    {
        "name": "orders",
        "description": "One order.",
        "connector": {"kind": "files", "format": "parquet", "path": "in"},
        "primary_key": ["order_id"],
        "event_time": "ordered_at",
        "columns": [
            {"name": "order_id", "type": "int64", "description": "Order"},
            {"name": "ordered_at", "type": "datetime", "description": "Time"},
        ],
    }
)


def read(first: date | None, last: date | None) -> Conformed:
    row = {
        "order_id": 1,
        "ordered_at": datetime(2024, 3, 1, 12, tzinfo=UTC),
        "source_position": "orders:1",
        "delivered_day": DAY,
    }
    return conform(pl.DataFrame([row]).with_columns(pl.lit(None, dtype=pl.String).alias("source_problem")), SOURCE)


def test_a_load_that_is_tried_again_stores_nothing_twice(tmp_path: Path) -> None:
    table = LakeTable(str(tmp_path / "orders"), raw_schema(SOURCE), EVENT_DAY)
    done = [
        part.commit.already_committed
        for name in ("first", "first", "second")
        for part in load_in_chunks(table, read, DayRange(DAY, DAY), key=name)
    ]
    assert done == [False, True, False]
    assert table.row_count() == 1
