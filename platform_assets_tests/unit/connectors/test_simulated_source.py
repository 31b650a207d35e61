"""Simulated sources: delivered days, positions, and planted faults."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from platform_assets.connectors import DELIVERED_DAY, SourceError, positions, read_source
from platform_assets.declaration import Source

FIRST, LAST = date(2018, 4, 1), date(2018, 4, 3)
ANYWHERE = Path()


def test_rows_are_numbered_within_their_day(make_simulated: Callable[..., Source]) -> None:
    found = read_source(make_simulated(), ANYWHERE, FIRST, LAST)
    assert found[DELIVERED_DAY].unique().sort().to_list() == [FIRST, date(2018, 4, 2), LAST]
    assert positions(found)[0] == "simulator:transactions:2018-04-01:1"
    of_last = found.filter(pl.col(DELIVERED_DAY) == LAST)
    assert positions(of_last)[-1] == f"simulator:transactions:2018-04-03:{of_last.height}"
    alone = read_source(make_simulated(), ANYWHERE, LAST, LAST)
    assert alone.equals(of_last), "a day read alone is the same as within a range"


def test_late_rows_stay_with_the_day_they_were_delivered_for(make_simulated: Callable[..., Source]) -> None:
    fault = {"kind": "late_rows", "table": "transactions", "ratio": 0.2, "first_day": "2018-04-02"}
    found = read_source(make_simulated(faults=[fault]), ANYWHERE, FIRST, LAST)
    clean = read_source(make_simulated(), ANYWHERE, FIRST, LAST)
    assert found[DELIVERED_DAY].equals(clean[DELIVERED_DAY])
    late = found.filter(pl.col("transaction_time").dt.date() < pl.col(DELIVERED_DAY))
    assert late.height > 0
    assert late[DELIVERED_DAY].min() == date(2018, 4, 2)


def test_copies_have_positions_of_their_own(make_simulated: Callable[..., Source]) -> None:
    fault = {"kind": "duplicates", "ratio": 0.5}
    found = read_source(make_simulated(faults=[fault]), ANYWHERE, FIRST, FIRST)
    assert found["transaction_id"].is_duplicated().any()
    assert positions(found).is_unique().all()


def test_faults_of_other_tables_are_left_out(make_simulated: Callable[..., Source]) -> None:
    fault = {"kind": "nulls", "table": "labels", "column": "is_fraud"}
    clean = read_source(make_simulated(), ANYWHERE, FIRST, FIRST)
    assert read_source(make_simulated(faults=[fault]), ANYWHERE, FIRST, FIRST).equals(clean)


def test_a_reference_table_has_no_day(make_simulated: Callable[..., Source]) -> None:
    found = read_source(make_simulated("customers"), ANYWHERE)
    assert found[DELIVERED_DAY].null_count() == found.height == 30
    assert positions(found)[0] == "simulator:customers:1"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"generator": "platform_assets.simulation.card_payments:Nothing"}, "no class 'Nothing'"),
        ({"settings": {"cards": 3}}, "no setting 'cards'"),
        ({"table": "refunds"}, "no table 'refunds'"),
        ({"faults": [{"kind": "typo"}]}, r"connector\.faults\[0\] is not a fault"),
        ({"faults": [{"kind": "nulls", "column": "amount", "table": "transaction"}]}, "no table 'transaction'"),
        ({"faults": [{"kind": "nulls", "column": "amuont"}]}, "no column 'amuont'"),
    ],
)
def test_what_is_wrong_with_the_connector_is_said(
    make_simulated: Callable[..., Source], changes: dict[str, object], says: str
) -> None:
    with pytest.raises(SourceError, match=says) as caught:
        read_source(make_simulated(connector=changes), ANYWHERE, FIRST, LAST)
    assert "'transactions'" in str(caught.value)
    assert "defs.yaml" in str(caught.value)


def test_an_event_time_that_the_table_lacks(make_simulated: Callable[..., Source]) -> None:
    with pytest.raises(SourceError, match="no column 'paid_at', declared as event_time"):
        read_source(make_simulated(event_time="paid_at"), ANYWHERE, FIRST, LAST)
