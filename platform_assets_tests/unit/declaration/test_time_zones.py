"""Days of a time zone: where they begin, how long they are, and a scale on which each has 24 hours."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from platform_assets.declaration import UseCase, feature_contract_hash
from platform_assets.declaration.time_zones import (
    MICROSECONDS_PER_DAY,
    by_the_calendar,
    day_of,
    day_start,
    days_of,
    hours_of,
)
from platform_assets.testing.declare import declaration, declare, window

ZONES = ["America/Chicago", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Sao_Paulo", "UTC"]
EVENTS = {"sale": "int64", "at": "datetime", "shop": "int32", "items": "int32"}


@pytest.mark.parametrize(
    ("day", "zone", "hours"),
    [
        (date(2025, 11, 2), "America/Chicago", 25),
        (date(2026, 3, 8), "America/Chicago", 23),
        (date(2025, 11, 2), "UTC", 24),
        (date(2018, 11, 4), "America/Sao_Paulo", 23),  # the midnight itself is skipped
        (date(2025, 4, 6), "Australia/Lord_Howe", 24.5),
    ],
)
def test_days_have_the_length_that_clocks_give_them(day: date, zone: str, hours: float) -> None:
    begin, end = day_start(day, zone), day_start(day + timedelta(days=1), zone)
    assert (end - begin) / timedelta(hours=1) == hours
    assert day_of(begin, zone) == day_of(end - timedelta(microseconds=1), zone) == day
    assert day_of(begin - timedelta(microseconds=1), zone) == day - timedelta(days=1)


def test_the_hour_that_clocks_skip_does_not_exist() -> None:
    assert set(range(24)) - hours_of(date(2026, 3, 8), "America/Chicago") == {2}
    assert hours_of(date(2025, 11, 2), "America/Chicago") == set(range(24))


@given(
    st.sampled_from(ZONES), st.lists(st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1)), min_size=1, max_size=50)
)
@settings(max_examples=60, deadline=None)
def test_the_calendar_scale_keeps_order_and_day(zone: str, moments: list[datetime]) -> None:
    times = pl.Series("at", sorted(moments), dtype=pl.Datetime("us")).dt.replace_time_zone("UTC")
    scale = by_the_calendar(times.to_physical().to_numpy(), zone)
    days = times.to_frame().select(days_of(pl.col("at"), zone)).to_series()
    assert (np.diff(scale) >= 0).all()
    assert (scale // MICROSECONDS_PER_DAY == days.to_physical().to_numpy()).all()
    assert days.to_list() == [day_of(moment.replace(tzinfo=UTC), zone) for moment in sorted(moments)]


def test_one_zone_for_every_table_with_days() -> None:
    document = declaration(events=EVENTS, label="late", label_source={"time_zone": "Europe/Berlin"})
    with pytest.raises(ValidationError, match=r"days of 'events' are those of UTC: declare the same zone for 'labels'"):
        UseCase.model_validate(document)
    document["sources"][0]["time_zone"] = "Europe/Berlin"
    assert UseCase.model_validate(document).time_zone == "Europe/Berlin"


@pytest.mark.parametrize("zone", ["Chicago", "America/Nowhere", "UTC+2", ""])
def test_what_is_no_zone_is_refused(zone: str) -> None:
    document = declaration(events=EVENTS, label="late", label_source={"time_zone": zone})
    with pytest.raises(ValidationError, match="is no time zone"):
        UseCase.model_validate(document)


def test_seconds_over_whole_days_of_a_zone_are_refused() -> None:
    view = {
        "name": "visits",
        "entity": "shop",
        "windows": [window("gap", "seconds_since_last", None, [7], delay_days=1, resolution="day")],
    }
    document = declaration(events=EVENTS, label="late", features=[view], label_source={"time_zone": "Europe/Berlin"})
    document["sources"][0]["time_zone"] = "Europe/Berlin"
    with pytest.raises(ValidationError, match="differ in length"):
        UseCase.model_validate(document)


def test_the_contract_says_the_zone_and_nothing_new_without_one() -> None:
    plain = declare(events=EVENTS, label="late")
    document = declaration(events=EVENTS, label="late", label_source={"time_zone": "Europe/Berlin"})
    document["sources"][0]["time_zone"] = "Europe/Berlin"
    assert feature_contract_hash(plain) != feature_contract_hash(UseCase.model_validate(document))
    document["sources"][0]["time_zone"] = document["sources"][1]["time_zone"] = "UTC"
    assert feature_contract_hash(plain) == feature_contract_hash(UseCase.model_validate(document))
