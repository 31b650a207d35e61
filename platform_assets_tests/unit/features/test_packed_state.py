"""States as bytes: what is packed comes back to the bit, and damage of any byte is noticed."""

from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platform_assets.features.entity_state import EntityEvents, StateLayout, entity_state, no_events, state_layout
from platform_assets.features.errors import StateError
from platform_assets.features.online.packed_state import (
    BEFORE_ALL_TIME,
    TREE,
    last_time,
    pack,
    packed_states,
    unpack,
    with_header,
)
from platform_assets_tests.unit.features.histories import MIDNIGHT, histories, use_case, view_of


def layout_with_keys(*types: str) -> StateLayout:
    """A layout whose events have a key part of each type."""
    case: Any = use_case()
    events = case.event_source
    columns = [column for column in events.columns if column.name != "payment_id"]
    parts = [f"part_{n}" for n in range(len(types))]
    template = events.column("payment_id")
    columns += [template.model_copy(update={"name": n, "type": t}) for n, t in zip(parts, types, strict=True)]
    source = events.model_copy(update={"columns": tuple(columns), "primary_key": (*parts, "card_id")})
    sources = tuple(source if one.name == events.name else one for one in case.sources)
    case = case.model_copy(update={"sources": sources})
    return state_layout(view_of(case, "card_activity"), case)


LAYOUT = state_layout(view_of(use_case(), "card_activity"), use_case())
MIXED = layout_with_keys("string", "int32", "float64")

_VALUES = st.floats(allow_nan=True, allow_infinity=True)
_ROWS = st.lists(
    st.tuples(
        st.integers(-(2**62), 2**62), st.text(), st.integers(-(2**31), 2**31 - 1), st.floats(allow_nan=False), _VALUES
    ),
    max_size=20,
)


def mixed_events(rows: list[tuple[Any, ...]]) -> EntityEvents:
    times, texts, wholes, floats, values = (list(column) for column in zip(*rows, strict=True)) if rows else [[]] * 5
    return EntityEvents(np.array(times, np.int64), (texts, wholes, floats), np.array([values], np.float64))


def same(one: EntityEvents, other: EntityEvents) -> bool:
    """To the bit."""
    return (
        one.times.tobytes() == other.times.tobytes()
        and one.keys == other.keys
        and one.values.tobytes() == other.values.tobytes()
    )


@given(_ROWS)
def test_what_is_packed_comes_back_to_the_bit(rows: list[tuple[Any, ...]]) -> None:
    events = mixed_events(rows)
    data = pack(events, MIXED)
    assert same(unpack(data, MIXED, 1), events)
    assert last_time(data) == (events.times[-1] if rows else BEFORE_ALL_TIME)


@given(_ROWS.filter(bool), st.data())
@settings(max_examples=50)
def test_a_changed_or_missing_byte_is_damage(rows: list[tuple[Any, ...]], data: st.DataObject) -> None:
    whole = pack(mixed_events(rows), MIXED)
    place = data.draw(st.integers(0, len(whole) - 1))
    bit = data.draw(st.integers(0, 7))
    for other in (whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :], whole[:place], whole + b"\0"):
        with pytest.raises(StateError, match=r"card_id=7 in view 'card_activity' is damaged"):
            unpack(other, MIXED, 7)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "0 bytes are no header"),
        (with_header(LAYOUT, TREE, 0, b""), "its kind is 1, not 0"),
        (with_header(LAYOUT, 0, 9, b""), "buffer"),
        (pack(no_events(MIXED), MIXED), r"\[3, 1\] key parts and values, where \[1, 1\] are declared"),
    ],
)
def test_bytes_that_are_something_else_are_damage_with_its_reason(data: bytes, why: str) -> None:
    with pytest.raises(StateError, match=why):
        unpack(data, LAYOUT, 7)


@given(histories())
@settings(max_examples=30)
def test_many_are_packed_as_one_is(drawn: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    states = entity_state(LAYOUT.view, LAYOUT.use_case, drawn[0], MIDNIGHT + timedelta(days=12))
    names = list(LAYOUT.list_types)
    counts = states["event_times"].list.len().to_list()
    alone = [
        pack(EntityEvents(np.array(times, np.int64), (keys,), np.array(values, np.float64)), LAYOUT)
        for times, keys, *values in states.select(names).iter_rows()
    ]
    assert packed_states(LAYOUT, states.select(names).explode(names), counts) == alone
