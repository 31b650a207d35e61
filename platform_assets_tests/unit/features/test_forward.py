"""States brought forward by what changed are those that all events give, to the bit, whatever happened to earlier days."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platform_assets.declaration.sections.sources import EVENT_DAY
from platform_assets.features.entity_state import StateLayout, entity_state, state_layout, views_with_state
from platform_assets.features.offline.feature_table import join_labels
from platform_assets.features.online.feast_connection import FeastSettings, feast_store
from platform_assets.features.online.forward import DayEvents, load, no_days, save
from platform_assets.features.online.request_features import OnlineFeatures
from platform_assets.features.online.state_table import decode_events, online_table
from platform_assets.features.online.store import States, WrittenStates, write_states
from platform_assets_tests.unit.features.histories import FIRST_DAY, MIDNIGHT, histories, use_case, view_of

CASE = use_case()
LAYOUTS = [state_layout(view, CASE) for view in views_with_state(CASE)]
DAYS = 12


@dataclass(frozen=True)
class World:
    """Tables whose rows come late, are corrected, deleted and loaded again, each at a midnight of its own.

    Attributes:
        events: every row that there ever is, with the midnights (in days) at which it arrives, is corrected and deleted.
        labels: the same of labels, which are revised.
        loaded_again: midnights at which all files are new and no row is.
    """

    events: pl.DataFrame
    labels: pl.DataFrame
    loaded_again: frozenset[int]

    def tables(self, step: int) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Events and labels as they are at a midnight."""
        there = self.events.filter((pl.col("arrives") <= step) & (pl.col("deleted") > step))
        corrected = pl.when(pl.col("corrected") <= step).then(pl.col("amount") + 0.1).otherwise("amount")
        revised = pl.when(pl.col("revised") <= step).then(1 - pl.col("is_bad")).otherwise("is_bad")
        return (
            there.with_columns(corrected.alias("amount")).drop("arrives", "corrected", "deleted"),
            self.labels.with_columns(revised.cast(pl.Int8).alias("is_bad")).drop("revised"),
        )

    def marks(self, layout: StateLayout, step: int) -> dict[date, str]:
        """What each day in reach is made from."""
        at, (events, labels) = FIRST_DAY + timedelta(days=step), self.tables(step)
        marks = {}
        for day in (at - timedelta(days=n) for n in range(1, layout.span_days + 1)):
            known = labels.filter(pl.col(EVENT_DAY) == day)
            is_known = day + timedelta(days=CASE.label_delay_days) <= at
            of_day = events.filter(pl.col(EVENT_DAY) == day).sort("payment_id").rows()
            again = len([one for one in self.loaded_again if one <= step])
            content = repr((of_day, known.sort("payment_id").rows() if is_known else None, again))
            marks[day] = hashlib.sha256(content.encode()).hexdigest()
        return marks


@st.composite
def worlds(draw: st.DrawFn) -> World:
    events, labels = draw(histories(max_size=25))
    step = st.sampled_from([0] * 3 + list(range(1, DAYS)) + [99] * 3)
    drawn = {name: [draw(step) for _ in range(len(events))] for name in ("arrives", "corrected", "deleted")}
    revised = [draw(step) for _ in range(len(labels))]
    again = draw(st.frozensets(st.integers(1, DAYS), max_size=2))
    return World(
        events.with_columns(pl.Series(name, values, dtype=pl.Int64) for name, values in drawn.items()),
        labels.with_columns(pl.Series("revised", revised, dtype=pl.Int64)),
        again,
    )


def rebuilt(layout: StateLayout, events: pl.DataFrame, labels: pl.DataFrame, at: date) -> pl.DataFrame:
    """Rows of the states of all events."""
    names = list(layout.list_types)
    states = entity_state(layout.view, CASE, join_labels(events, labels, CASE), at)
    return states.select(layout.entity_key, *names).explode(names)


def rows_as_bytes(rows: pl.DataFrame) -> list[Any]:
    return [rows.columns, *(rows[name].to_numpy().tobytes() for name in rows.columns)]


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: str(layout.view.name))
@given(world=worlds(), steps=st.lists(st.integers(1, DAYS), min_size=1, max_size=5))
@settings(max_examples=40, deadline=None)
def test_brought_forward_is_what_all_events_give(layout: StateLayout, world: World, steps: list[int]) -> None:
    held = no_days(layout)
    for step in steps:  # in any order: an earlier midnight may be asked for again
        at, (events, labels), marks = FIRST_DAY + timedelta(days=step), world.tables(step), world.marks(layout, step)
        again = held.days_to_read(marks)
        read = events.filter(pl.col(EVENT_DAY).is_in(again))
        held = held.brought_forward(join_labels(read, labels, CASE) if again else None, marks, at)
        assert rows_as_bytes(held.states(at)) == rows_as_bytes(rebuilt(layout, events, labels, at))
        assert held.days_to_read(marks) == []


def some_days() -> tuple[DayEvents, dict[date, str]]:
    """A state of three days of payments of one card."""
    (layout,) = (one for one in LAYOUTS if one.view.name == "card_activity")
    days = [FIRST_DAY + timedelta(days=n) for n in range(3)]
    events = payments([(n, n + 0.5, 1, 10.0 * n) for n in range(3)])
    marks = {day: f"files of {day}" for day in days}
    return no_days(layout).brought_forward(events, marks, FIRST_DAY + timedelta(days=3)), marks


def payments(rows: list[tuple[int, float, int, float]]) -> pl.DataFrame:
    """Payments from (key, days since the first midnight, card, amount), no label known."""
    times = [MIDNIGHT + timedelta(days=days) for _, days, _, _ in rows]
    columns: Mapping[str, Any] = {
        "payment_id": [key for key, _, _, _ in rows],
        "paid_at": times,
        "card_id": [card for _, _, card, _ in rows],
        "shop_id": [0] * len(rows),
        "amount": [amount for _, _, _, amount in rows],
        EVENT_DAY: [time.date() for time in times],
        "is_bad": pl.Series([None] * len(rows), dtype=pl.Int8),
    }
    return pl.DataFrame(columns).with_columns(pl.col("paid_at").cast(pl.Datetime("us", "UTC")))


def test_only_days_that_changed_are_read() -> None:
    held, marks = some_days()
    days = sorted(marks)
    assert held.days_to_read(marks) == []
    assert held.days_to_read(marks | {days[1]: "a late row"}) == [days[1]]
    tomorrow = days[2] + timedelta(days=1)
    assert held.days_to_read({days[2]: marks[days[2]], tomorrow: "new"}) == [tomorrow]


def test_the_file_gives_back_what_was_kept(tmp_path: Path) -> None:
    held, marks = some_days()
    save(held, str(tmp_path / "carried" / "card.parquet"))
    found, why_not = load(held.layout, str(tmp_path / "carried" / "card.parquet"))
    assert (why_not, found.marks, found.counts) == ("", marks, held.counts)
    assert rows_as_bytes(found.rows) == rows_as_bytes(held.rows)


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("nothing", "no events were kept before"),
        ("cut", "cannot be read"),
        ("changed", "are damaged"),
        ("other view", "for another meaning of the view"),
    ],
)
def test_a_file_that_is_not_what_is_needed_is_not_used(tmp_path: Path, what: str, why: str) -> None:
    held, _ = some_days()
    file, layout = tmp_path / "card.parquet", held.layout
    if what != "nothing":
        save(held, str(file))
    if what == "cut":
        file.write_bytes(file.read_bytes()[:-20])
    elif what == "changed":
        metadata = pl.read_parquet_metadata(file)
        metadata.pop("ARROW:schema", None)
        pl.read_parquet(file).with_columns(pl.col("event_times") + 1).write_parquet(file, metadata=metadata)
    elif what == "other view":
        (layout,) = (one for one in LAYOUTS if one.view.name != "card_activity")
    found, why_not = load(layout, str(file))
    assert why in why_not
    assert found.rows.is_empty()
    assert found.marks == {}


def write(settings: FeastSettings, held: DayEvents, at: date) -> WrittenStates:
    moment = MIDNIGHT + (at - FIRST_DAY)
    return write_states(States.of_rows(held.layout, held.states(at), moment), settings, changed_only=True)


def stored_amounts(settings: FeastSettings, layout: StateLayout, card: int) -> list[float]:
    (fields,) = online_table(layout, feast_store(settings)).read([card])
    assert fields is not None
    return decode_events(fields, layout, card).values[0].tolist()  # type: ignore[no-any-return]


def test_only_states_that_differ_are_written_and_services_events_are_kept_or_replaced(settings: FeastSettings) -> None:
    layout = state_layout(view_of(CASE, "card_activity"), CASE)
    days = [FIRST_DAY + timedelta(days=n) for n in range(7)]
    rows = [(1, 5.1, 71, 1.0), (2, 5.2, 72, 2.0), (3, 5.3, 73, 3.0), (4, 5.4, 74, 4.0)]
    marks = {day: str(day) for day in days[:6]}
    held = no_days(layout).brought_forward(payments(rows), marks, days[6])
    assert write(settings, held, days[6]) == WrittenStates(4, 0)
    assert write(settings, held, days[6]) == WrittenStates(0, 4)

    online = OnlineFeatures(CASE, settings)
    recorded = [(5, 6.1, 71, 5.0), (6, 6.2, 72, 6.0), (7, 7.3, 73, 7.0), (8, 6.4, 74, 8.0)]
    for key, after, card, amount in recorded:
        time = MIDNIGHT + timedelta(days=after)
        online.record({"payment_id": key, "paid_at": time, "card_id": card, "shop_id": 0, "amount": amount})
    # The day has what was recorded of 71, nothing of 72, an earlier event of 73, and another amount of 74.
    of_day = payments([(5, 6.1, 71, 5.0), (9, 6.3, 73, 9.0), (8, 6.4, 74, 8.5)])
    marks |= {days[6]: "loaded"}
    held = held.brought_forward(of_day, marks, days[6] + timedelta(days=1))
    assert write(settings, held, days[6] + timedelta(days=1)) == WrittenStates(3, 1)
    assert [stored_amounts(settings, layout, card) for card in (71, 72, 73, 74)] == [
        [1.0, 5.0],
        [2.0],
        [3.0, 9.0, 7.0],
        [4.0, 8.5],
    ]


def test_a_damaged_or_lost_state_is_written_again(settings: FeastSettings) -> None:
    layout = state_layout(view_of(CASE, "card_activity"), CASE)
    at = FIRST_DAY + timedelta(days=8)
    marks = {at - timedelta(days=1): "files"}
    held = no_days(layout).brought_forward(payments([(1, 7.1, 81, 1.0), (2, 7.2, 82, 2.0)]), marks, at)
    write(settings, held, at)
    table = online_table(layout, feast_store(settings))
    (fields,) = table.read([81])
    assert fields is not None
    fields["state"].bytes_val = fields["state"].bytes_val[:-1] + b"\x7f"
    table.write([(81, fields, MIDNIGHT)])
    assert write(settings, held, at) == WrittenStates(1, 1)
    assert stored_amounts(settings, layout, 81) == [1.0]
