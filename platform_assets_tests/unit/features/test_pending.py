"""Announced events: each ends with its record or its taking back, whatever values it has and whatever fails on the way."""

import math
import sqlite3
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from platform_assets.features.clock_skew import LONGEST_CLOCK_SKEW_SECONDS
from platform_assets.features.entity_state import StateEvent, no_events, state_layout, views_with_state
from platform_assets.features.errors import FeatureError
from platform_assets.features.online.feast_connection import FeastSettings
from platform_assets.features.online.pending import PendingEvents
from platform_assets.features.online.request_features import OnlineFeatures
from platform_assets.features.online.request_windows import reaches_back
from platform_assets.features.state_events import state_event
from platform_assets.testing.declare import declare, window
from platform_assets_tests.unit.features.histories import MIDNIGHT, use_case

CASE = use_case()
ENTITIES = count(1_000_000, 10)
AMOUNTS = st.sampled_from([math.nan, math.inf, -math.inf, -0.0, 0.0, 1.0, None])


@pytest.fixture(scope="module")
def online(settings: FeastSettings) -> OnlineFeatures:
    return OnlineFeatures(CASE, settings)


def request(card: int, key: int, hours: float, amount: float | None) -> dict[str, Any]:
    time = MIDNIGHT + timedelta(days=7, hours=hours)
    return {"payment_id": key, "paid_at": time, "card_id": card, "shop_id": card, "amount": amount}


@given(
    st.lists(
        st.tuples(st.sampled_from(["add", "drop", "take back"]), st.integers(0, 2), st.integers(0, 3)), max_size=40
    )
)
def test_pending_events_are_counted_by_entity_time_and_key(steps: list[tuple[str, int, int]]) -> None:
    """Against a counter. Every value is a NaN of its own, and every key and entity an object of its own."""
    pending, oracle = PendingEvents(), Counter[tuple[int, int]]()
    for step, entity, key in steps:
        event = StateEvent(1_000 + key % 2, (float(key), str(key)), (float("nan"),))
        if step == "add":
            pending.add(entity, event)
            oracle[entity, key] += 1
        else:
            pending.drop(entity, event.identity, newest=step == "take back")
            oracle[entity, key] -= oracle[entity, key] > 0
        assert len(pending) == oracle.total()
        for name in range(3):
            kept = {int(event.key[0]) for event in pending.of(name)}
            assert kept == {key for (who, key), number in oracle.items() if who == name and number}
    assert set(pending._events) == {entity for (entity, _), number in oracle.items() if number}


def test_of_several_that_are_the_same_the_store_keeps_the_first_and_the_newest_is_taken_back() -> None:
    pending = PendingEvents()
    first, corrected = StateEvent(5, (1,), (10.0,)), StateEvent(5, (1,), (20.0,))
    pending.add("card", first)
    pending.add("card", corrected)
    assert pending.of("card") == (first,), "counted once, as it will be stored"
    pending.drop("card", corrected.identity, newest=True)
    assert pending.of("card") == (first,)
    pending.add("card", corrected)
    pending.drop("card", first.identity)
    assert pending.of("card") == (corrected,)


SENT = st.lists(
    st.tuples(
        st.integers(0, 3), st.integers(0, 2), AMOUNTS, st.sampled_from(["stored", "failed", "refused", "taken back"])
    ),
    max_size=12,
)


@hypothesis_settings(max_examples=40, deadline=None)
@given(SENT)
def test_nothing_stays_pending_whatever_values_come_and_whatever_fails(
    online: OnlineFeatures, sent: list[tuple[int, int, float | None, str]]
) -> None:
    """Announced all together, so that repetitions and corrections of one key are pending at once; then each ends as it does.

    What is stored comes last, because with it everything is stored that still waits. What the store did not take is seen until it
    is stored.
    """
    card = next(ENTITIES)
    events = [request(card, card * 10 + key, hours, amount) for key, hours, amount, _ in sent]
    for event in events:
        online.announce(event)
    recorder = online._recorder
    assert online.pending_count == len(events) * len(recorder._pending)
    ended = sorted(zip(events, sent, strict=True), key=lambda pair: pair[1][-1] == "stored")
    for event, (*_, outcome) in ended:
        if outcome == "taken back":
            online.forget(event)
            continue
        with pytest.MonkeyPatch.context() as patch:
            if outcome == "failed":
                patch.setattr(recorder, "_store", _failing(sqlite3.OperationalError("disk I/O error")))
            if outcome == "refused":
                patch.setattr(recorder, "_refuse_future", _failing(FeatureError("lies in the future")))
            if outcome == "stored":
                online.record(event)
            else:
                with pytest.raises((sqlite3.OperationalError, FeatureError)):
                    online.record(event)
    assert online.pending_count == 0
    of = {name: {event["payment_id"] for event, (*_, o) in ended if o == name} for name in ("stored", "failed")}
    assert len(of["stored"]) + 1 <= counted(online, card) <= len(of["stored"] | of["failed"]) + 1


def counted(online: OnlineFeatures, card: int) -> float:
    """How many events a later request of a card counts, itself included."""
    return float(online.vector(request(card, card * 10 + 9, 5, 1.0)).values[CASE.feature_names.index("card_count_1d")])


def _failing(error: Exception) -> Any:
    def fail(*_: Any) -> None:
        raise error

    return fail


def test_a_repeated_request_costs_no_memory(online: OnlineFeatures) -> None:
    """200 events of one card, each sent twice, none with a label yet: the windows over labels hold a NaN for each of them."""
    card = next(ENTITIES)
    for key in range(100):
        for _ in range(2):
            event = request(card, card * 10 + key, key / 100, None)
            online.announce(event)
            online.record(event)
    assert online.pending_count == 0
    pending = online._recorder._pending
    assert [one._events for one in pending] == [{} for _ in pending]


def test_an_announcement_is_whole_or_nothing(online: OnlineFeatures, monkeypatch: pytest.MonkeyPatch) -> None:
    """An event that the second view cannot keep is not pending in the first either."""
    import platform_assets.features.online.recording as module

    calls = count()

    def second_fails(layout: Any, event: Any) -> StateEvent:
        if next(calls) == 1:
            raise FeatureError("conditions cannot be computed")
        return state_event(layout, event)

    assert len(online._recorder._pending) > 1
    monkeypatch.setattr(module, "state_event", second_fails)
    with pytest.raises(FeatureError, match="conditions"):
        online.announce(request(next(ENTITIES), 1, 0, 1.0))
    assert online.pending_count == 0


def test_an_event_of_the_next_minutes_blocks_nobody_and_one_of_tomorrow_is_not_recorded(online: OnlineFeatures) -> None:
    now = datetime.now(UTC)
    card = next(ENTITIES)

    def at(key: int, time: datetime) -> dict[str, Any]:
        return request(card, card * 10 + key, 0, 1.0) | {"paid_at": time}

    early, tomorrow = at(1, now + timedelta(seconds=LONGEST_CLOCK_SKEW_SECONDS - 60)), at(2, now + timedelta(days=1))
    online.announce(early)
    online.record(early)
    online.announce(tomorrow)
    with pytest.raises(FeatureError, match="lies in the future"):
        online.record(tomorrow)
    assert online.pending_count == 0
    for time in (now, now - timedelta(hours=1), now - timedelta(hours=23)):
        vector = online.vector(at(3, time))
        assert vector.too_late_for == ()
        assert vector.values[CASE.feature_names.index("card_count_1d")] == 1.0


def test_events_that_are_declared_to_come_ahead_block_nobody_either() -> None:
    """Their states reach back so many days more; those of tables that a day is predicted from do not need it."""
    history = {"first_day": "2024-01-01", "days_ahead": 2}
    lots = {"name": "lots", "entity": "lot", "windows": [window("visits", "count", None, [1], delay_days=1)]}
    case = {"events": {"visit": "int64", "at": "datetime", "lot": "int32"}, "label": "unpaid", "features": [lots]}
    ahead = declare(**case, history=history)
    layout = state_layout(ahead.features[0], ahead)
    plain_case = declare(**case)
    assert layout.span_days == state_layout(plain_case.features[0], plain_case).span_days + 2
    now = datetime.now(UTC)
    event = {"visit": 1, "at": now + timedelta(days=2), "lot": 7}
    history_of_lot = no_events(layout).add(state_event(layout, event))[0]
    assert reaches_back(history_of_lot, state_event(layout, event | {"visit": 2, "at": now}), layout.late_days)
    request_columns = {"request": ["visit", "at", "lot"], "decision": {"threshold": 0.5}}
    batch = declare(**case, history=history, serving=request_columns | {"mode": "batch"})
    assert state_layout(batch.features[0], batch).late_days == 1


def test_a_key_that_is_nan_is_refused() -> None:
    case = declare(
        events={"visit": "float64", "at": "datetime", "lot": "int32", "speed": "float64"},
        label="unpaid",
        features=["speed", {"name": "lots", "entity": "lot", "windows": [window("visits", "count", None, [1])]}],
    )
    layout = state_layout(views_with_state(case)[0], case)
    event = {"visit": -0.0, "at": MIDNIGHT, "lot": 1, "speed": np.nan}
    assert state_event(layout, event).identity == state_event(layout, event | {"visit": 0.0}).identity
    with pytest.raises(FeatureError, match="NaN, which equals nothing"):
        state_event(layout, event | {"visit": math.nan})


def test_several_events_are_recorded_together_as_one_by_one(online: OnlineFeatures) -> None:
    """Two of one card, one of another, one sent twice, one of tomorrow: that one alone is refused."""
    card, other = next(ENTITIES), next(ENTITIES)
    events = [request(card, card, 1.0, 1.0), request(other, other, 1.5, 2.0), request(card, card + 1, 2.0, 3.0)]
    tomorrow = request(card, card + 2, 0, 1.0) | {"paid_at": datetime.now(UTC) + timedelta(days=1)}
    together = [*events, dict(events[0]), tomorrow]
    for event in together:
        online.announce(event)
    outcomes = online.record_all(together)
    assert outcomes[:4] == [None] * 4
    assert isinstance(outcomes[4], FeatureError)
    assert online.pending_count == 0
    assert online._recorder._made == {}
    names = CASE.feature_names
    for who, count_, total in ((card, 3.0, 5.0), (other, 2.0, 3.0)):
        values = online.vector(request(who, who + 5, 3.0, 1.0)).values
        assert values[names.index("card_count_1d")] == count_
        assert values[names.index("card_sum_1d")] == total


def test_a_store_that_does_not_answer_ends_all_announcements(
    online: OnlineFeatures, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(*_: Any) -> None:
        raise sqlite3.OperationalError("database is locked")

    card = next(ENTITIES)
    events = [request(card, card + n, n / 10, 1.0) for n in range(3)]
    for event in events:
        online.announce(event)
    monkeypatch.setattr(type(online._recorder._tables[0]), "write", locked)
    with pytest.raises(sqlite3.OperationalError):
        online.record_all(events)
    assert online.pending_count == 0
    assert online._recorder._made == {}
    monkeypatch.undo()
    assert online.record_all(events) == [None] * 3
