"""Which events of a day are replayed as live traffic."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from platform_assets.cli.run.replay import Traffic, of_its_day, panel, request_body
from platform_assets.declaration import UseCase
from platform_assets.testing.declare import declare

CUSTOMERS = 400


@pytest.fixture(scope="module")
def use_case() -> UseCase:
    return declare(
        events={"payment": "int64", "at": "datetime", "customer": "int64", "amount": "float64"},
        label="is_bad",
        features=["amount"],
        training={"group": "customer"},
    )


@pytest.fixture(scope="module")
def events() -> pl.DataFrame:
    start = datetime(2018, 9, 1, tzinfo=UTC)
    return pl.DataFrame(
        {
            "payment": list(range(CUSTOMERS * 3)),
            "at": [start + timedelta(seconds=(i * 7919) % 86_400) for i in range(CUSTOMERS * 3)],
            "customer": [i % CUSTOMERS for i in range(CUSTOMERS * 3)],
        }
    )


def test_a_chosen_customer_sends_the_whole_day_in_order(events: pl.DataFrame, use_case: UseCase) -> None:
    chosen = panel(events, use_case, 0.25)
    assert set(chosen.group_by("customer").len()["len"]) == {3}
    assert chosen["at"].is_sorted()
    assert 0.15 < chosen["customer"].n_unique() / CUSTOMERS < 0.35


def test_an_event_that_its_producer_dated_to_another_day_is_not_sent(events: pl.DataFrame, use_case: UseCase) -> None:
    """It would make the other events of its customer too late."""
    day = date(2018, 9, 1)
    clocks_ahead = pl.when(pl.col("payment") % 100 == 0).then(timedelta(days=9)).otherwise(timedelta(0))
    delivered = events.with_columns(pl.col("at") + clocks_ahead)
    sent = of_its_day(delivered, use_case, day)
    assert sent.height == events.height - CUSTOMERS * 3 // 100
    assert set(sent["at"].dt.date()) == {day}
    source = use_case.event_source.model_copy(update={"time_zone": "America/Chicago"})
    elsewhere = use_case.model_copy(update={"sources": (source, *use_case.sources[1:])})
    at_night = of_its_day(events, elsewhere, day)
    assert at_night["at"].min() >= datetime(2018, 9, 1, 5, tzinfo=UTC)  # type: ignore[operator]
    assert 0 < at_night.height < events.height


def test_the_ends_of_the_share_are_nobody_and_everybody(events: pl.DataFrame, use_case: UseCase) -> None:
    assert panel(events, use_case, 0.0).is_empty()
    assert panel(events, use_case, 1.0).height == events.height


def test_the_same_seed_chooses_the_same_customers_and_another_seed_others(
    events: pl.DataFrame, use_case: UseCase
) -> None:
    first = panel(events, use_case, 0.25, seed=1)
    assert_frame_equal(first, panel(events.reverse(), use_case, 0.25, seed=1))
    other = panel(events, use_case, 0.25, seed=2)
    assert set(first["customer"]) != set(other["customer"])


def test_traffic_adds_up() -> None:
    traffic = Traffic([1.0, 3.0], ["503: not ready"], {"approve": 2})
    traffic.merge(Traffic([2.0], [], {"approve": 1, "refuse": 1}))
    assert traffic.sent == 4
    assert traffic.percentile_ms(50) == 2.0
    assert traffic.decisions == {"approve": 3, "refuse": 1}
    assert Traffic().percentile_ms(50) != Traffic().percentile_ms(50), "NaN without answers"


def test_a_request_says_times_in_iso_8601() -> None:
    row = {"at": datetime(2024, 1, 1, 12, tzinfo=UTC), "day": date(2024, 1, 1), "amount": 1.5}
    assert request_body(row) == {"at": "2024-01-01T12:00:00+00:00", "day": "2024-01-01", "amount": 1.5}
