"""The online path against the offline one, through a real Feast store: equal to the bit."""

import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from platform_assets.declaration import UseCase
from platform_assets.features.entity_state import entity_state, state_layout
from platform_assets.features.errors import FeatureError, StateError
from platform_assets.features.offline.feature_table import compute_view, join_labels
from platform_assets.features.online.feast_connection import FeastSettings, feast_store
from platform_assets.features.online.feast_objects import feature_service_name
from platform_assets.features.online.request_features import OnlineFeatures
from platform_assets.features.online.state_table import online_table
from platform_assets.features.online.store import apply, write_state
from platform_assets_tests.unit.features.both_paths import offline_values, write_states
from platform_assets_tests.unit.features.histories import (
    FIRST_DAY,
    LAST_DAY,
    MIDNIGHT,
    histories,
    rich_case,
    use_case,
    view_of,
)

CASE = use_case()
RICH = rich_case()
AT_DAY = FIRST_DAY + timedelta(days=6)
AT = MIDNIGHT + timedelta(days=6)
ENTITIES = count(10_000, 10)
History = tuple[pl.DataFrame, pl.DataFrame]


@pytest.fixture(scope="module")
def online(settings: FeastSettings) -> OnlineFeatures:
    features = OnlineFeatures(CASE, settings)
    features.warm_up()
    return features


@pytest.fixture(scope="module")
def text_online(settings: FeastSettings) -> tuple[UseCase, OnlineFeatures]:
    case = string_case()
    apply(case, settings)
    return case, OnlineFeatures(case, settings)


@pytest.fixture(scope="module")
def rich_online(settings: FeastSettings) -> OnlineFeatures:
    apply(RICH, settings)
    return OnlineFeatures(RICH, settings)


def request(card: int, key: int, days: float, amount: float | None = 1.0) -> dict[str, Any]:
    time = MIDNIGHT + timedelta(days=days)
    return {"payment_id": key, "paid_at": time, "card_id": card, "shop_id": card, "amount": amount}


def value(features: OnlineFeatures, event: Mapping[str, Any], name: str) -> float:
    return float(features.vector(event).values[CASE.feature_names.index(name)])


@hypothesis_settings(max_examples=40, deadline=None)
@given(history=histories())
def test_online_equals_offline_to_the_bit(history: History, settings: FeastSettings, online: OnlineFeatures) -> None:
    """State as of day 6 from the batch, then every later event scored and recorded in time order."""
    entity = next(ENTITIES)
    events, labels = history
    events = events.with_columns(pl.col("card_id") + entity, pl.col("shop_id") + entity)
    known = labels.filter(pl.col("event_day") + pl.duration(days=CASE.label_delay_days) <= AT_DAY)
    labelled = join_labels(events, known, CASE)
    write_states(settings, labelled, CASE, AT)
    expected = offline_values(labelled, CASE)
    for row in labelled.filter(pl.col("paid_at") >= AT).sort("paid_at", "payment_id").to_dicts():
        event = {name: row[name] for name in CASE.serving.request}
        np.testing.assert_array_equal(online.vector(event).values, expected[row["payment_id"]])
        online.record(event)
        np.testing.assert_array_equal(online.vector(event).values, expected[row["payment_id"]])


@hypothesis_settings(max_examples=15, deadline=None)
@given(history=histories(max_size=25))
def test_every_aggregate_and_filter_is_equal_to_the_bit(
    history: History, settings: FeastSettings, rich_online: OnlineFeatures
) -> None:
    entity = next(ENTITIES)
    events, labels = history
    events = events.with_columns(pl.col("card_id") + entity, pl.col("shop_id") + entity)
    known = labels.filter(pl.col("event_day") + pl.duration(days=CASE.label_delay_days) <= AT_DAY)
    labelled = join_labels(events, known, RICH)
    write_states(settings, labelled, RICH, AT)
    expected = offline_values(labelled, RICH)
    for row in labelled.filter(pl.col("paid_at") >= AT).sort("paid_at", "payment_id").to_dicts():
        event = {name: row[name] for name in RICH.serving.request}
        np.testing.assert_array_equal(rich_online.vector(event).values, expected[row["payment_id"]])
        rich_online.record(event)
        np.testing.assert_array_equal(rich_online.vector(event).values, expected[row["payment_id"]])


@hypothesis_settings(max_examples=30, deadline=None)
@given(history=histories(max_size=15))
def test_recording_in_any_order_ends_in_the_same_state(history: History, online: OnlineFeatures) -> None:
    entity = next(ENTITIES)
    events = history[0].with_columns(pl.col("card_id") + entity, pl.col("shop_id") + entity)
    recent = events.filter(pl.col("event_day") >= AT_DAY)
    for event in recent.select(CASE.serving.request).to_dicts():
        online.record(event)
        online.record(event)
    unlabelled = events.filter(pl.col("event_day") >= AT_DAY).with_columns(pl.lit(None, pl.Int8).alias("is_bad"))
    expected = offline_values(unlabelled, CASE)
    last = recent.filter(pl.col("paid_at") == pl.col("paid_at").max())
    for event in last.select(CASE.serving.request).to_dicts():
        np.testing.assert_array_equal(online.vector(event).values, expected[event["payment_id"]])


def string_case() -> UseCase:
    """Cards named by strings, and payments told apart by a day and a reference."""
    document = use_case().model_dump(mode="json")
    key = [
        {"name": "booked_on", "type": "date", "description": "first part of the key"},
        {"name": "reference", "type": "string", "description": "second part of the key"},
    ]
    sources = document["sources"]
    for source in sources:
        source["primary_key"] = ["booked_on", "reference"]
        source["columns"] = [*key, *source["columns"][1:]]
    sources[0]["columns"] = [
        {**column, "type": "string"} if column["name"] == "card_id" else column for column in sources[0]["columns"]
    ]
    request_columns = ["booked_on", "reference", "paid_at", "card_id", "shop_id", "amount"]
    return use_case(
        sources=sources, features=document["features"], serving={**document["serving"], "request": request_columns}
    )


@hypothesis_settings(max_examples=25, deadline=None)
@given(history=histories(max_size=20))
def test_string_entities_and_keys_of_several_parts_are_equal_too(
    history: History, settings: FeastSettings, text_online: tuple[UseCase, OnlineFeatures]
) -> None:
    case, features = text_online
    entity = next(ENTITIES)
    events = history[0].select(
        pl.lit(FIRST_DAY).alias("booked_on") + pl.duration(days=pl.col("payment_id") % 3),
        pl.format("p{}", pl.col("payment_id") // 3).alias("reference"),
        "paid_at",
        pl.format("card {} of {}", pl.col("card_id"), pl.lit(entity)).alias("card_id"),
        pl.col("shop_id") + entity,
        "amount",
        "event_day",
        pl.lit(None, pl.Int8).alias("is_bad"),
    )
    for name in ("card_activity", "shop_risk"):
        view = view_of(case, name)
        write_state(view, entity_state(view, case, events, AT), settings, case)
    expected: dict[tuple[Any, str], list[float]] = {row: [] for row in events.select("booked_on", "reference").rows()}
    for view in case.features:
        for row in compute_view(view, case, events, FIRST_DAY, LAST_DAY).to_dicts():
            values = [np.nan if row[name] is None else row[name] for name in view.feature_names]
            expected[row["booked_on"], row["reference"]] += values
    late = events.filter(pl.col("paid_at") >= AT).sort("paid_at", "booked_on", "reference")
    for event in late.select(case.serving.request).to_dicts():
        found = features.vector(event).values
        np.testing.assert_array_equal(found, expected[event["booked_on"], event["reference"]])
        features.record(event)
        features.record(event)


def test_an_unknown_entity_has_only_its_own_event_and_is_named(online: OnlineFeatures) -> None:
    event = request(next(ENTITIES), 1, 7.5, 20.0)
    found = online.vector(event)
    assert found.unknown_entities == ("card", "shop")
    assert value(online, event, "card_count_3d") == 1.0
    assert value(online, event, "card_mean_3d") == 20.0
    assert value(online, event, "shop_count_3d") == 0.0
    assert np.isnan(value(online, event, "card_max_3d"))
    for remember in (online.announce, online.record):  # as a version in shadow sees the live one's very same request
        remember(event)
        assert online.vector(event).unknown_entities == found.unknown_entities
        np.testing.assert_array_equal(online.vector(event).values, found.values)
    later = request(event["card_id"], 2, 7.6, 10.0)
    assert online.vector(later).unknown_entities == ()
    assert value(online, later, "card_count_3d") == 2.0


def test_a_request_without_entity_is_somebody_unknown(online: OnlineFeatures) -> None:
    event = {**request(next(ENTITIES), 1, 7.5), "card_id": None}
    assert online.vector(event).unknown_entities == ("card", "shop")
    assert value(online, event, "card_count_3d") == 1.0
    online.record(event)


def test_an_entity_whose_events_have_left_all_windows_is_known_and_empty(online: OnlineFeatures) -> None:
    card = next(ENTITIES)
    online.record(request(card, 1, 7.5))
    found = online.vector(request(card, 2, 70.0))
    assert found.unknown_entities == ()
    assert value(online, request(card, 2, 70.0), "card_count_3d") == 1.0


def test_without_history_an_event_is_a_new_entity_s(online: OnlineFeatures) -> None:
    card = next(ENTITIES)
    online.record(request(card, 1, 7.5))
    new = request(next(ENTITIES), 2, 7.6)
    known = online.without_history({**new, "card_id": card, "shop_id": card})
    np.testing.assert_array_equal(known.values, online.vector(new).values)


def test_an_event_recorded_twice_counts_once(online: OnlineFeatures) -> None:
    event = request(next(ENTITIES), 1, 7.5)
    online.record(event)
    online.record({**event, "amount": 99.0})
    assert value(online, request(event["card_id"], 2, 7.6), "card_sum_3d") == 2.0


def test_a_missing_amount_is_missing_online_too(online: OnlineFeatures) -> None:
    event = request(next(ENTITIES), 1, 7.5, None)
    assert np.isnan(value(online, event, "amount"))
    assert np.isnan(value(online, event, "card_mean_1d"))
    assert value(online, event, "card_amounts_3d") == 0.0


def test_an_event_from_the_future_is_not_recorded(online: OnlineFeatures) -> None:
    event = {**request(next(ENTITIES), 1, 7.5), "paid_at": datetime.now(UTC) + timedelta(days=30)}
    online.announce(event)
    with pytest.raises(FeatureError, match="lies in the future"):
        online.record(event)
    assert online.vector(request(event["card_id"], 2, 7.5)).unknown_entities == ("card", "shop")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"amount": "much"}, "'amount' is 'much'"),
        ({"paid_at": datetime(2024, 3, 5)}, "a time with its zone"),
        ({"card_id": "seven"}, "'card_id' is 'seven'; it must be a whole number"),
        ({"payment_id": "first"}, "'payment_id' is 'first'; it must be int64"),
    ],
)
def test_a_request_of_the_wrong_type_is_refused(online: OnlineFeatures, change: dict[str, Any], message: str) -> None:
    with pytest.raises(FeatureError, match=message):
        online.vector({**request(1, 1, 7.5), **change})


def test_a_request_that_lacks_a_column_is_refused(online: OnlineFeatures) -> None:
    event = request(1, 1, 7.5)
    del event["amount"]
    for call in (online.vector, online.record):
        with pytest.raises(FeatureError, match=r"the request lacks \['amount'\]"):
            call(event)


def test_a_damaged_state_is_refused_by_entity(settings: FeastSettings, online: OnlineFeatures) -> None:
    card = next(ENTITIES)
    table = online_table(state_layout(view_of(CASE, "card_activity"), CASE), feast_store(settings))
    online.record(request(card, 1, 7.5))
    fields = table.read([card])[0]
    assert fields is not None
    fields["state"].bytes_val = fields["state"].bytes_val[:-1]
    table.write([(card, fields, AT)])
    with pytest.raises(StateError, match=rf"card_id={card} in view 'card_activity' is damaged"):
        online.vector(request(card, 2, 7.6))


def test_a_model_with_another_feature_contract_is_refused_at_start(settings: FeastSettings) -> None:
    features = [view.model_dump() for view in CASE.features]
    features[0]["rows"][1]["expression"] = "amount + 1"
    other: UseCase = use_case(features=features)
    with pytest.raises(StateError) as refused:
        OnlineFeatures(other, settings)
    assert feature_service_name(other) in str(refused.value)
    assert feature_service_name(CASE) in str(refused.value)


def test_an_announced_event_counts_at_once_and_once(online: OnlineFeatures) -> None:
    card = next(ENTITIES)
    first, later = request(card, 1, 7.5), request(card, 2, 7.6)
    online.announce(first)
    assert value(online, later, "card_count_1d") == 2.0
    assert value(online, first, "card_count_1d") == 1.0, "a request sent again does not count itself twice"
    online.record(first)
    assert value(online, later, "card_count_1d") == 2.0


def test_an_announcement_can_be_taken_back(online: OnlineFeatures) -> None:
    card = next(ENTITIES)
    online.announce(request(card, 1, 7.5))
    online.forget(request(card, 1, 7.5))
    online.forget(request(card, 1, 7.5))
    assert value(online, request(card, 2, 7.6), "card_count_1d") == 1.0


def test_what_was_recorded_or_taken_back_is_not_kept_in_memory(online: OnlineFeatures) -> None:
    """Also where an event has missing values, as every event has whose label is not known."""
    card = next(ENTITIES)
    for key in range(5):
        online.announce(request(card, key, 7.5, None))
        (online.record if key % 2 else online.forget)(request(card, key, 7.5, None))
    assert [pending.of(card) for pending in online._recorder._pending] == [(), ()]


@hypothesis_settings(max_examples=30, deadline=None)
@given(history=histories(max_size=15), recorded=st.sets(st.integers(0, 14)))
def test_announced_and_recorded_events_give_the_same_features(
    history: History, recorded: set[int], online: OnlineFeatures
) -> None:
    """Whichever of the earlier events have reached the store already."""
    entity = next(ENTITIES)
    events = history[0].with_columns(pl.col("card_id") + entity, pl.col("shop_id") + entity)
    recent = events.filter(pl.col("event_day") >= AT_DAY)
    unlabelled = recent.with_columns(pl.lit(None, pl.Int8).alias("is_bad"))
    expected = offline_values(unlabelled, CASE)
    sent = recent.sort("paid_at", "payment_id").select(CASE.serving.request).to_dicts()
    for place, event in enumerate(sent):
        np.testing.assert_array_equal(online.vector(event).values, expected[event["payment_id"]])
        online.announce(event)
        if place in recorded:
            online.record(event)
    for event in sent:
        online.forget(event)


def test_threads_that_record_for_one_entity_lose_nothing(settings: FeastSettings, online: OnlineFeatures) -> None:
    """Two writers with connections of their own, four threads each, while two threads look up."""
    card, other = next(ENTITIES), OnlineFeatures(CASE, settings)
    events = [request(card, key, 7.5 + key / 1000) for key in range(40)]
    seen: list[float] = []
    failures: list[BaseException] = []

    def run(work: Any) -> None:
        try:
            work()
        except BaseException as error:
            failures.append(error)
            raise

    def record(features: OnlineFeatures, mine: list[dict[str, Any]]) -> None:
        for event in mine:
            features.record(event)

    def look() -> None:
        seen.extend(value(online, request(card, 999, 7.9), "card_count_1d") for _ in range(100))

    writers = [
        threading.Thread(target=run, args=(lambda f=f, i=i: record(f, events[i::8]),))
        for i, f in enumerate([online, other] * 4)
    ]
    threads = [*writers, *(threading.Thread(target=run, args=(look,)) for _ in range(2))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert value(online, request(card, 999, 7.9), "card_count_1d") == 41.0
    assert all(1.0 <= found <= 41.0 for found in seen)


def test_an_entity_whose_events_have_all_left_the_windows_has_its_own_event_only(
    settings: FeastSettings, online: OnlineFeatures
) -> None:
    card = next(ENTITIES)
    online.record(request(card, 1, 0.5))
    vector = online.vector(request(card, 2, 9.0))
    assert "card" not in vector.unknown_entities, "it is known, and has not been seen for long"
    assert vector.too_late_for == ()
    assert value(online, request(card, 2, 9.0), "card_count_3d") == 1.0


def test_a_request_up_to_a_day_late_is_exact_and_an_older_one_has_no_guessed_windows(online: OnlineFeatures) -> None:
    card = next(ENTITIES)
    for key, days in enumerate((1.0, 4.5, 6.0), start=1):
        online.record(request(card, key, days))
    late = request(card, 9, 5.0)
    assert online.vector(late).too_late_for == ()
    assert value(online, late, "card_count_3d") == 2.0
    older = request(card, 9, 4.9)
    vector = online.vector(older)
    assert vector.too_late_for == ("card", "shop")
    assert np.isnan(value(online, older, "card_count_3d"))
    assert value(online, older, "amount") == 1.0, "what comes from the event itself is there"


def test_recording_an_event_older_than_the_longest_window_changes_no_later_value(online: OnlineFeatures) -> None:
    card = next(ENTITIES)
    online.record(request(card, 1, 9.0, 5.0))
    before = online.vector(request(card, 2, 9.5)).values
    online.record(request(card, 3, 1.0, 1e6))
    np.testing.assert_array_equal(online.vector(request(card, 2, 9.5)).values, before)
