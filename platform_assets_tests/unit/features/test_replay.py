"""Requests replayed from what was known when each was scored, against an oracle that looks at every pair of events."""

from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platform_assets.declaration import FeatureView, UseCase
from platform_assets.features.consistency import few_windows, replay
from platform_assets.features.consistency.replay import SCORED_AT, replayed_features
from platform_assets.features.entity_state import LATE_REQUEST_DAYS
from platform_assets.features.offline.feature_table import compute_view, join_labels
from platform_assets_tests.unit.features.histories import (
    FIRST_DAY,
    LAST_DAY,
    MIDNIGHT,
    expected_features,
    histories,
    rich_case,
    use_case,
)

CASE, RICH = use_case(), rich_case()
AT = MIDNIGHT + timedelta(days=6)
History = tuple[pl.DataFrame, pl.DataFrame]


def split(history: History, case: UseCase, late: frozenset[int], order: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What the lake held when traffic began, without rows that came late; and the requests, with when each was scored."""
    events, labels = history
    known = labels.filter(pl.col("event_day") + pl.duration(days=case.label_delay_days) <= AT.date())
    labelled = join_labels(events, known, case)
    held = labelled.filter(pl.col("paid_at") < AT, ~pl.col("payment_id").is_in(list(late)))
    requests = labelled.filter(pl.col("paid_at") >= AT).sort("paid_at", "payment_id").drop("is_bad", "event_day")
    minutes = (pl.int_range(pl.len()) * (1 if order == 0 else order) % (pl.len() + 1)) * 60_000_000
    return held, requests.with_columns((pl.lit(AT) + minutes.cast(pl.Duration("us"))).alias(SCORED_AT))


def known_to(row: dict[str, Any], held: pl.DataFrame, requests: pl.DataFrame) -> list[dict[str, Any]]:
    """All events that the request could know, itself included."""
    own = {**row, "is_bad": None}
    before = [other for other in held.to_dicts() if other["payment_id"] != row["payment_id"]]
    for other in requests.to_dicts():
        if other[SCORED_AT] < row[SCORED_AT] and other["payment_id"] != row["payment_id"]:
            before.append({**other, "is_bad": None})
    return [*before, own]


def too_late(view: FeatureView, row: dict[str, Any], events: list[dict[str, Any]]) -> bool:
    """Whether the service had cut the entity's history behind the request: it then gives nothing."""
    key = RICH.entity(str(view.entity)).key
    times = [other["paid_at"] for other in events if other[key] == row[key]]
    return bool(max(times) > row["paid_at"] + timedelta(days=LATE_REQUEST_DAYS))


@settings(max_examples=50, deadline=None)
@given(history=histories(), late=st.frozensets(st.integers(0, 39), max_size=6), order=st.sampled_from([0, 1, 3, -1]))
def test_a_request_sees_what_was_held_what_was_answered_before_and_itself(
    history: History, late: frozenset[int], order: int
) -> None:
    held, requests = split(history, RICH, late, order)
    found = replayed_features(requests, held, requests, RICH)
    assert found["payment_id"].to_list() == requests["payment_id"].to_list()
    for row, values in zip(requests.to_dicts(), found.to_dicts(), strict=True):
        events = known_to(row, held, requests)
        expected: dict[str, Any] = {}
        for view in RICH.features:
            found_there = expected_features(view, RICH, events, events[-1])
            expected |= dict.fromkeys(found_there) if too_late(view, row, events) else found_there
        assert {name: values[name] for name in expected} == expected


@settings(max_examples=25, deadline=None)
@given(history=histories())
def test_where_nothing_came_late_the_feature_tables_say_the_same(history: History) -> None:
    held, requests = split(history, CASE, frozenset(), 1)
    found = replayed_features(requests, held, requests, CASE)
    label = pl.lit(None, pl.Int8).alias("is_bad")
    everything = pl.concat(
        [held, requests.with_columns(label, pl.col("paid_at").dt.date().alias("event_day")).select(held.columns)]
    )
    for view in CASE.features:
        table = compute_view(view, CASE, everything, FIRST_DAY, LAST_DAY).filter(pl.col("paid_at") >= AT)
        stored = table.sort("paid_at", "payment_id").select("payment_id", *view.feature_names)
        assert found.select(stored.columns).equals(stored)


def test_histories_larger_than_fit_at_once_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        (n, MIDNIGHT + timedelta(hours=5 * n), n % 3, n % 2, float(n), (MIDNIGHT + timedelta(hours=5 * n)).date())
        for n in range(50)
    ]
    events = pl.DataFrame(
        rows, schema=["payment_id", "paid_at", "card_id", "shop_id", "amount", "event_day"], orient="row"
    )
    events = events.with_columns(pl.col("paid_at").cast(pl.Datetime("us", "UTC")))
    labels = events.select("payment_id", pl.lit(1, pl.Int8).alias("is_bad"), "event_day")
    held, requests = split((events, labels), CASE, frozenset(), 1)
    whole = replayed_features(requests, held, requests, CASE)
    assert whole.height > 10
    monkeypatch.setattr(replay, "REQUESTS_AT_ONCE", 4)
    assert replayed_features(requests, held, requests, CASE).equals(whole)
    monkeypatch.setattr(few_windows, "FEW_EVENTS", 0)
    assert replayed_features(requests, held, requests, CASE).equals(whole), "by the compiled loops"
    assert replayed_features(requests.head(0), held, requests, CASE).schema == whole.schema


def test_an_event_scored_again_counts_once_and_never_itself() -> None:
    time: list[datetime] = [AT, AT, AT + timedelta(hours=1)]
    requests = pl.DataFrame(
        {"payment_id": [1, 1, 2], "paid_at": time, "card_id": [7] * 3, "shop_id": [8] * 3, "amount": [1.0, 1.0, 2.0]},
        schema_overrides={"paid_at": pl.Datetime("us", "UTC")},
    ).with_columns(
        pl.Series(SCORED_AT, [AT, AT + timedelta(minutes=5), AT + timedelta(hours=1)], dtype=pl.Datetime("us", "UTC"))
    )
    held = requests.head(0).with_columns(
        pl.lit(None, pl.Int8).alias("is_bad"), pl.lit(None, pl.Date).alias("event_day")
    )
    assert replayed_features(requests, held, requests, CASE)["card_count_1d"].to_list() == [1.0, 1.0, 2.0]
