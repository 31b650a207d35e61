"""Changes in any order, split and repeated in any way, give the state that their sequence gives."""

import itertools
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from platform_assets.declaration.sections.changes import (
    CHANGE_OPERATION,
    CHANGE_SEQUENCE,
    DELETE,
    OPERATION,
    ROW_DAY,
    ROW_SEQUENCE,
    UPSERT,
    VALID_FROM,
    VALID_TO,
)
from platform_assets.declaration.sections.sources import EVENT_DAY
from platform_assets.lake.changes import (
    UNKNOWN_DAY,
    current_rows,
    deleted_rows,
    place_changes,
    versions,
)

KEYS = ("shop", "number")
FIRST = date(2024, 3, 1)
COLUMNS = {
    "shop": pl.String(),
    "number": pl.Int64(),
    "amount": pl.Int64(),
    "source_position": pl.String(),
    CHANGE_OPERATION: pl.String(),
    CHANGE_SEQUENCE: pl.Int64(),
    EVENT_DAY: pl.Date(),
}
RAW = {**COLUMNS, ROW_DAY: pl.Date(), ROW_SEQUENCE: pl.Int64()}


@dataclass(frozen=True)
class Change:
    """One change of one row."""

    shop: str | None
    number: int | None
    sequence: int | None
    day: int | None
    """Days after the first; None deletes."""
    amount: int = 0


def frame(changes: list[Change]) -> pl.DataFrame:
    rows = [
        (
            change.shop,
            change.number,
            None if change.day is None else change.amount,
            f"feed:{place}",
            DELETE if change.day is None else UPSERT,
            change.sequence,
            None if change.day is None else FIRST + timedelta(days=change.day),
        )
        for place, change in enumerate(changes)
    ]
    return pl.DataFrame(rows, schema=COLUMNS, orient="row")


def known(table: pl.DataFrame, changes: pl.DataFrame) -> pl.DataFrame:
    columns = [*KEYS, EVENT_DAY, CHANGE_OPERATION, CHANGE_SEQUENCE, ROW_DAY, ROW_SEQUENCE]
    return table.join(changes.select(KEYS), on=KEYS, how="semi").select(columns)


def taken_in(batches: list[list[Change]]) -> pl.DataFrame:
    """The raw table after some batches."""
    table = pl.DataFrame(schema=RAW)
    for batch in batches:
        changes = frame(batch)
        table = pl.concat([table, place_changes(changes, known(table, changes), KEYS).rows])
    return table


def days_of(table: pl.DataFrame) -> list[pl.DataFrame]:
    """Each partition for itself, as a load reads it."""
    return [part for (day,), part in table.group_by(EVENT_DAY) if day != UNKNOWN_DAY]


def state(table: pl.DataFrame) -> dict[tuple[str, int], tuple[date, int]]:
    found: dict[tuple[str, int], tuple[date, int]] = {}
    for part in days_of(table):
        for row in current_rows(part, KEYS).iter_rows(named=True):
            key = (row["shop"], row["number"])
            assert key not in found, "a key stands in one day"
            found[key] = (row[EVENT_DAY], row["amount"])
    return found


def deleted(table: pl.DataFrame) -> dict[tuple[str, int], tuple[date, int]]:
    found: dict[tuple[str, int], tuple[date, int]] = {}
    for part in days_of(table):
        for row in deleted_rows(part, KEYS).iter_rows(named=True):
            key = (row["shop"], row["number"])
            assert key not in found, "a deleted key stands in one day"
            found[key] = (row[EVENT_DAY], row["amount"])
    return found


def history(table: pl.DataFrame) -> set[tuple[str, int, str, int, int | None]]:
    found: set[tuple[str, int, str, int, int | None]] = set()
    for part in days_of(table):
        for row in versions(part, KEYS).iter_rows(named=True):
            version = (row["shop"], row["number"], row[OPERATION], row[VALID_FROM], row[VALID_TO])
            assert version not in found, "a version stands in one day"
            found.add(version)
    return found


@dataclass
class Oracle:
    """Changes applied one after the other, in order of their sequence."""

    there: dict[tuple[str, int], tuple[date, int]]
    gone: dict[tuple[str, int], tuple[date, int]]
    versions: set[tuple[str, int, str, int, int | None]]


def apply_slowly(changes: list[Change]) -> Oracle:
    oracle = Oracle({}, {}, set())
    by_key: dict[tuple[str, int], dict[int, Change]] = {}
    for change in changes:
        by_key.setdefault((change.shop, change.number), {})[change.sequence] = change
    for key, of_key in by_key.items():
        ordered = [of_key[sequence] for sequence in sorted(of_key)]
        for place, change in enumerate(ordered):
            following = ordered[place + 1].sequence if place + 1 < len(ordered) else None
            if change.day is not None:
                oracle.there[key] = (FIRST + timedelta(days=change.day), change.amount)
                oracle.gone.pop(key, None)
                oracle.versions.add((*key, UPSERT, change.sequence, following))
                continue
            if key in oracle.there:
                oracle.gone[key] = oracle.there.pop(key)
            if key in oracle.gone:
                oracle.versions.add((*key, DELETE, change.sequence, following))
    return oracle


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[Change], list[list[Change]]]:
    """Changes, and batches in which they arrive: in any order, some of them twice."""
    identity = st.tuples(st.sampled_from(["a", "b"]), st.integers(1, 2), st.integers(1, 9))
    content = st.tuples(st.none() | st.integers(0, 3), st.integers(0, 5))
    drawn = draw(st.dictionaries(identity, content, max_size=14))
    changes = [Change(*key, *rest) for key, rest in drawn.items()]
    repeated = draw(st.lists(st.sampled_from(changes), max_size=4)) if changes else []
    arriving = draw(st.permutations([*changes, *repeated]))
    cuts = sorted(draw(st.lists(st.integers(0, len(arriving)), max_size=6)))
    edges = [0, *cuts, len(arriving)]
    return changes, [arriving[start:end] for start, end in itertools.pairwise(edges)]


@settings(max_examples=120, deadline=None)
@given(deliveries())
def test_any_delivery_gives_the_state_of_the_sequence(found: tuple[list[Change], list[list[Change]]]) -> None:
    changes, batches = found
    table, oracle = taken_in(batches), apply_slowly(changes)
    assert state(table) == oracle.there
    assert deleted(table) == oracle.gone
    assert history(table) == oracle.versions
