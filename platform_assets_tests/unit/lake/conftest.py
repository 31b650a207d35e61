"""Tiny tables and rows for the lake's tests."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from platform_assets.lake.commits import RetryPolicy
from platform_assets.lake.table import LakeTable

FIRST_DAY = date(2018, 4, 1)


@pytest.fixture
def day() -> Callable[[int], date]:
    return lambda number: FIRST_DAY + timedelta(days=number)


@pytest.fixture
def payments() -> Callable[..., pl.DataFrame]:
    """`payments(day_number, ids, amount=1.0)`: one row per id on that day."""

    def build(number: int, ids: list[int], amount: float = 1.0) -> pl.DataFrame:
        midnight = datetime(2018, 4, 1, tzinfo=UTC) + timedelta(days=number)
        return pl.DataFrame(
            {
                "transaction_id": ids,
                "transaction_time": [midnight + timedelta(seconds=i) for i in range(len(ids))],
                "amount": [amount] * len(ids),
                "event_day": [midnight.date()] * len(ids),
            },
            schema=PAYMENTS,
        )

    return build


PAYMENTS: dict[str, pl.DataType] = {
    "transaction_id": pl.Int64(),
    "transaction_time": pl.Datetime("us", "UTC"),
    "amount": pl.Float64(),
    "event_day": pl.Date(),
}


@pytest.fixture
def table(tmp_path: Path) -> LakeTable:
    """A partitioned table that is not written yet."""
    return LakeTable(str(tmp_path / "card_fraud" / "raw" / "transactions"), PAYMENTS, partition_by="event_day")


@pytest.fixture
def ledger(tmp_path: Path) -> LakeTable:
    """An unpartitioned table that is not written yet, which gives up after three quick tries."""
    retry = RetryPolicy(attempts=3, first_wait_seconds=0.001, longest_wait_seconds=0.002)
    uri = str(tmp_path / "card_fraud" / "model" / "ledger")
    return LakeTable(uri, {"entry": pl.Int64(), "who": pl.String()}, retry=retry)
