"""Faults of deliveries beside the simple ones of `faults`: units, columns, text, hours of the day, and days sent twice.

Belongs here: what each of these kinds does to a frame. Does not belong here: choosing rows and days, and the
declaration of a fault (`faults`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

AHEAD_DAYS = 3
UNKNOWN_OFFSET = 1_000_000_000
UNKNOWN_PREFIX = "unknown-"
BROKEN_LETTERS = ("\ufffd", "\u00c3\u00a9")
"""A byte that was no text in the encoding, and a letter in UTF-8 that was read as Latin-1."""

_EPOCH = date(1970, 1, 1)


class FaultPlan(Protocol):
    """What a kind is told: the fault, and the rows in its range by event day."""

    @property
    def fault(self) -> Any:
        """The fault."""
        ...

    @property
    def event_time(self) -> str | None:
        """Column of the event time."""
        ...

    @property
    def rows_by_day(self) -> Mapping[int, NDArray[np.int64]]:
        """Positions of the rows in range."""
        ...

    @property
    def column(self) -> str:
        """The column to spoil."""
        ...

    @property
    def factor(self) -> float:
        """The factor, or its default."""
        ...

    def rng(self, day: int, purpose: int) -> np.random.Generator:
        """Random numbers of a day."""
        ...

    def chosen(self, eligible: NDArray[np.bool_]) -> dict[int, NDArray[np.int64]]:
        """Positions of the rows to spoil."""
        ...

    def mask(self, frame: pl.DataFrame, eligible: pl.Series | None = None) -> pl.Series:
        """The rows to spoil."""
        ...


Effect = tuple[pl.DataFrame, int]
_EFFECT = 2


class DeliveryFaultError(ValueError):
    """The column or the table does not fit the kind of fault."""


def unit_change(frame: pl.DataFrame, plan: FaultPlan) -> Effect:
    """Values times the factor: cents for euros."""
    values = _of(frame, plan, frame[plan.column].dtype.is_numeric(), "numbers")
    new = (pl.col(plan.column).cast(pl.Float64) * plan.factor).round(6)
    return _replaced(frame, plan.column, plan.mask(frame, values.is_not_null()), new.cast(values.dtype, strict=False))


def sign_flip(frame: pl.DataFrame, plan: FaultPlan) -> Effect:
    """Values change their sign; zeros are left."""
    values = _of(frame, plan, frame[plan.column].dtype.is_numeric(), "numbers")
    return _replaced(frame, plan.column, plan.mask(frame, (values != 0).fill_null(False)), -pl.col(plan.column))


def swapped_columns(frame: pl.DataFrame, plan: FaultPlan) -> Effect:
    """Two columns of one type in each other's place."""
    column, other = plan.column, str(plan.fault.other)
    if other not in frame.columns or frame[other].dtype != frame[column].dtype:
        raise DeliveryFaultError(f"column '{other}' is not there or has another type than '{column}'.")
    mask = plan.mask(frame)
    after = frame.with_columns(
        pl.when(mask).then(pl.col(other)).otherwise(pl.col(column)).alias(column),
        pl.when(mask).then(pl.col(column)).otherwise(pl.col(other)).alias(other),
    )
    return after, int((frame[column].ne_missing(after[column]) | frame[other].ne_missing(after[other])).sum())


def constant_column(frame: pl.DataFrame, plan: FaultPlan) -> Effect:
    """Every value of a day is that of its first row."""
    source = np.arange(frame.height, dtype=np.int64)
    for day, rows in plan.chosen(np.ones(frame.height, dtype=np.bool_)).items():
        source[rows] = plan.rows_by_day[day][0]
    after = frame[plan.column].gather(source)
    return frame.with_columns(after), int(frame[plan.column].ne_missing(after).sum())


def all_null(frame: pl.DataFrame, plan: FaultPlan) -> Effect:
    """No value of the day is delivered."""
    values = frame[plan.column]
    return _replaced(frame, plan.column, plan.mask(frame, values.is_not_null()), pl.lit(None, dtype=values.dtype))


def unknown_references(frame: pl.DataFrame, plan: FaultPlan) -> Effect:
    """Values that no other table has."""
    values = frame[plan.column]
    if values.dtype == pl.String:
        new = pl.lit(UNKNOWN_PREFIX) + pl.col(plan.column)
    else:
        _of(frame, plan, values.dtype in (pl.Int32, pl.Int64), "whole numbers or text")
        new = pl.col(plan.column) + pl.lit(UNKNOWN_OFFSET, dtype=values.dtype)
    return _replaced(frame, plan.column, plan.mask(frame, values.is_not_null()), new)


def empty_strings(frame: pl.DataFrame, plan: FaultPlan) -> Effect:
    """Text without a character."""
    values = _of(frame, plan, frame[plan.column].dtype == pl.String, "text")
    return _replaced(frame, plan.column, plan.mask(frame, values.is_not_null()), pl.lit(""))


def encoding_damage(frame: pl.DataFrame, plan: FaultPlan) -> Effect:
    """The last letter is lost to a wrong encoding, in one of two ways."""
    values = _of(frame, plan, frame[plan.column].dtype == pl.String, "text")
    lost, misread = BROKEN_LETTERS
    letter = pl.when(pl.col(plan.column).str.len_chars() % 2 == 0).then(pl.lit(lost)).otherwise(pl.lit(misread))
    return _replaced(
        frame, plan.column, plan.mask(frame, values.is_not_null()), pl.col(plan.column).str.head(-1) + letter
    )


def truncated_day(frame: pl.DataFrame, plan: FaultPlan) -> Effect:
    """The last `factor` hours of the day are missing."""
    start = 24 * 60 - round(60 * plan.factor)
    time = pl.col(_time(plan)).dt
    minutes = frame.select(time.hour().cast(pl.Int32) * 60 + time.minute()).to_series()
    lost = plan.mask(frame, (minutes >= start).fill_null(False))
    return frame.filter(~lost), int(lost.sum())


def clock_ahead(frame: pl.DataFrame, plan: FaultPlan) -> Effect:
    """Event times of a clock that is 1 to 3 days ahead."""
    ahead = np.zeros(frame.height, dtype=np.int64)
    for day, rows in plan.chosen(np.ones(frame.height, dtype=np.bool_)).items():
        ahead[rows] = plan.rng(day, _EFFECT).integers(1, AHEAD_DAYS + 1, len(rows))
    shift = pl.duration(days=pl.lit(pl.Series(ahead)))
    return frame.with_columns(pl.col(_time(plan)) + shift), int((ahead > 0).sum())


def shifted_time_zone(frame: pl.DataFrame, plan: FaultPlan) -> Effect:
    """Local times taken for UTC: all are `factor` hours late in the day."""
    time = _time(plan)
    return _replaced(frame, time, plan.mask(frame), pl.col(time) + timedelta(hours=plan.factor))


def repeated_day(frame: pl.DataFrame, plan: FaultPlan) -> Effect:
    """Instead of the day's rows those of the day before come again, with today's date; without a day before, nothing."""
    time = _time(plan)
    days = frame[time].dt.date()
    parts, gone, touched = [frame], np.zeros(frame.height, dtype=np.bool_), 0
    moved = [
        pl.col(name) + timedelta(days=1) for name, dtype in frame.schema.items() if dtype == pl.Date or name == time
    ]
    for day, rows in plan.rows_by_day.items():
        again = frame.filter(days == _EPOCH + timedelta(days=day - 1)).with_columns(moved)
        if again.height:
            gone[rows] = True
            parts.append(again)
            touched += again.height
    parts[0] = frame.filter(pl.Series(~gone))
    return pl.concat(parts).sort(time, maintain_order=True) if touched else frame, touched


def _time(plan: FaultPlan) -> str:
    if plan.event_time is None:
        raise DeliveryFaultError("the table has no event time.")
    return plan.event_time


def _of(frame: pl.DataFrame, plan: FaultPlan, fits: bool, needed: str) -> pl.Series:
    values = frame[plan.column]
    if not fits:
        raise DeliveryFaultError(f"column '{plan.column}' is {values.dtype}, and this kind needs {needed}.")
    return values


def _replaced(frame: pl.DataFrame, column: str, mask: pl.Series, new: pl.Expr) -> Effect:
    after = frame.with_columns(pl.when(mask).then(new).otherwise(pl.col(column)).alias(column))
    return after, int(frame[column].ne_missing(after[column]).sum())
