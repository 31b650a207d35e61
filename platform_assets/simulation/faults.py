"""Faults planted in a table on request, so that every gate can be shown red.

Belongs here: the kinds of fault, and `plant` / `plant_all`, pure functions from a frame to a spoilt frame. Does not
belong here: finding faults (`validation`, `monitoring`) and deciding where a table comes from (`connectors`).

Which rows are spoilt depends on (fault, event day, keys of that day's rows) alone, never on the order of the rows or on
which other days are in the frame: a day read alone and the same day inside a range carry the same fault.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from platform_assets.simulation import deliveries
from platform_assets.simulation.fault_kinds import (
    DEFAULT_FACTORS,
    FAULT_KINDS,
    HOUR_KINDS,
    PLANTING_ORDER,
    ROW_KINDS,
    TIME_KINDS,
    WHOLE_KINDS,
    WORLD_KINDS,
    FaultKind,
)

__all__ = ["FAULT_KINDS", "WORLD_KINDS", "Fault", "FaultError", "FaultKind", "Planted", "plant", "plant_all"]

LATEST_DAYS = 3
CHANGED_TYPE_SUFFIX = " EUR"

_EPOCH = date(1970, 1, 1)
# Streams of random numbers: which rows a fault takes, and what it does to them.
_CHOICE, _EFFECT = 1, 2


class FaultError(ValueError):
    """A fault cannot be planted in this frame: the column is not there or does not fit the kind."""


class Fault(BaseModel):
    """One fault in one table.

    Kinds that spoil a `column`:
        nulls: `ratio` of the rows lose the value.
        out_of_range: `ratio` of the values v become -|v| * factor - 1 (the largest
            value of a type without negatives).
        covariate_drift: `ratio` of the values are multiplied by `factor`.
        label_drift: `ratio` of the 0 labels become 1; with a factor below 1, `ratio` of the 1 labels become 0.
        concept_drift: the labels of `ratio` of the rows are shuffled within their event day: the base rate stays, the
            dependence on every input goes.
        missing_column: the column is gone from every frame that reaches into the range, for all its rows.
        changed_type: the column is text such as "12.5 EUR" in every frame that reaches into the range, for all its rows
            (a text column becomes the length of its text).
        unit_change: `ratio` of the values are multiplied by `factor`.
        sign_flip: `ratio` of the values that are not 0 change their sign.
        swapped_columns: the column and the one named `other` change places in `ratio` of the rows.
        constant_column: `ratio` of the rows take the value of the day's first row.
        all_null: every value of the day is missing.
        unknown_references: `ratio` of the values become ones that no other table has.
        empty_strings: `ratio` of the texts become empty.
        encoding_damage: `ratio` of the texts lose a letter to a wrong encoding.
    Kinds that spoil rows:
        duplicates: `ratio` of the rows appear a second time, right after the first.
        late_rows: the event time of `ratio` of the rows moves back by 1 to 3 days, so that they arrive among the
            rows of a later day.
        volume_drop: `ratio` of the rows are dropped.
        truncated_day: `ratio` of the rows of the day's last `factor` hours are dropped.
        clock_ahead: the event time of `ratio` of the rows moves ahead by 1 to 3 days.
        shifted_time_zone: the event time of `ratio` of the rows moves ahead by `factor` hours.
        repeated_day: the rows of the day before come again, dated a day later, in place of the day's own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: FaultKind = Field(description="What goes wrong.")
    table: str = Field(min_length=1, description="The table it goes wrong in.")
    column: str | None = Field(default=None, description="The column, for the kinds that spoil one.")
    other: str | None = Field(default=None, description="The other column, for swapped_columns.")
    ratio: float = Field(
        default=1.0,
        gt=0.0,
        le=1.0,
        description="Share of each day's rows that are spoilt, rounded to whole rows, at least one. Always 1 for "
        "missing_column, changed_type, all_null and repeated_day.",
    )
    first_day: date | None = Field(default=None, description="First event day spoilt; left out, there is no first one.")
    last_day: date | None = Field(default=None, description="Last event day spoilt; left out, there is no last one.")
    factor: float | None = Field(
        default=None,
        gt=0.0,
        allow_inf_nan=False,
        description="For out_of_range (default 10), covariate_drift (default 1.5) and label_drift (default 2; below 1 "
        "turns 1 into 0 instead of 0 into 1), unit_change (default 100), truncated_day (hours, default 8) and "
        "shifted_time_zone (hours, default 2).",
    )
    seed: int = Field(default=0, ge=0, description="Another seed spoils other rows.")

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Fault:
        if self.kind in ROW_KINDS and self.column is not None:
            raise ValueError(f"a fault of kind {self.kind} spoils whole rows: leave column out")
        if self.kind not in ROW_KINDS and self.column is None:
            raise ValueError(f"a fault of kind {self.kind} needs a column")
        if self.factor is not None and self.kind not in DEFAULT_FACTORS:
            raise ValueError(f"a fault of kind {self.kind} has no factor; only {', '.join(DEFAULT_FACTORS)} have one")
        if self.kind in WHOLE_KINDS and self.ratio != 1.0:
            raise ValueError(f"a fault of kind {self.kind} takes the whole column or day: leave ratio out")
        if (self.kind == "swapped_columns") != (self.other is not None):
            raise ValueError("a fault of kind swapped_columns, and no other, needs the other column")
        if self.kind in HOUR_KINDS and self.factor is not None and self.factor >= 24:
            raise ValueError(f"a fault of kind {self.kind} has hours as its factor: fewer than 24")
        if self.first_day is not None and self.last_day is not None and self.last_day < self.first_day:
            raise ValueError(f"last_day {self.last_day} lies before first_day {self.first_day}")
        return self


class Planted(NamedTuple):
    """A fault and the number of rows it touched."""

    fault: Fault
    rows: int


def plant(
    frame: pl.DataFrame, fault: Fault, *, event_time: str | None, keys: Sequence[str] = ()
) -> tuple[pl.DataFrame, int]:
    """The frame with one fault planted in it.

    Args:
        frame: Rows of the fault's table, any range of days.
        fault: What to plant. Its `table` is not compared with anything here.
        event_time: Name of the Date or Datetime column whose day (in UTC, where it has a zone) decides which rows lie
            in the fault's range; None for a table without one, which is then taken whole. Rows whose event time is
            null stay as they are.
        keys: Columns that tell the rows of a day apart. Without them, rows are told apart by their order.

    Returns:
        The new frame, and the number of rows touched: rows whose content differs from before, added copies for
        duplicates, removed rows for volume_drop, all rows for missing_column and changed_type. No row in range: the
        same frame, and 0.

    Raises:
        FaultError: If a column is missing or has a type or values that the kind cannot spoil.
    """
    for name in (fault.column, event_time, *keys):
        if name is not None and name not in frame.columns:
            raise FaultError(f"{_where(fault)}: there is no column '{name}'; there are {', '.join(frame.columns)}.")
    if event_time is None and (fault.first_day or fault.last_day or fault.kind in TIME_KINDS):
        raise FaultError(f"{_where(fault)}: the table has no event time, so no day range and no faults of times.")
    rows_by_day = _rows_by_day(frame, fault, event_time, keys)
    if not rows_by_day:
        return frame, 0
    try:
        return _PLANTERS[fault.kind](frame, _Plan(fault, event_time, rows_by_day))
    except deliveries.DeliveryFaultError as error:
        raise FaultError(f"{_where(fault)}: {error}") from error


def plant_all(
    frame: pl.DataFrame, faults: Sequence[Fault], *, table: str, event_time: str | None, keys: Sequence[str] = ()
) -> tuple[pl.DataFrame, tuple[Planted, ...]]:
    """The frame with every fault of its table planted in it; faults of other tables are left out.

    Values are spoilt first, then rows, then event times, then whole columns; faults of one kind keep the given order.
    The rest is as in `plant`.

    Returns:
        The new frame, and what was planted, in the order of planting.
    """
    planted = []
    for kinds in PLANTING_ORDER:
        for fault in faults:
            if fault.table == table and fault.kind in kinds:
                frame, rows = plant(frame, fault, event_time=event_time, keys=keys)
                planted.append(Planted(fault, rows))
    return frame, tuple(planted)


@dataclass(frozen=True)
class _Plan:
    """A fault and the positions of the rows in its range, for each event day, in order of the keys."""

    fault: Fault
    event_time: str | None
    rows_by_day: Mapping[int, NDArray[np.int64]]

    @property
    def column(self) -> str:
        """The column to spoil; the kinds that ask for it have one."""
        assert self.fault.column is not None
        return self.fault.column

    @property
    def factor(self) -> float:
        return DEFAULT_FACTORS[self.fault.kind] if self.fault.factor is None else self.fault.factor

    def rng(self, day: int, purpose: int) -> np.random.Generator:
        """Depends on the fault without its ratio, range and factor: a larger ratio spoils the same rows and more."""
        what = zlib.crc32(f"{self.fault.kind}/{self.fault.table}/{self.fault.column}".encode())
        entropy = [self.fault.seed, what, purpose, _EPOCH.toordinal() + day]
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))

    def chosen(self, eligible: NDArray[np.bool_]) -> dict[int, NDArray[np.int64]]:
        """`ratio` of each day's eligible rows: rounded, but at least one where there is any."""
        result = {}
        for day, rows in self.rows_by_day.items():
            candidates = rows[eligible[rows]]
            if len(candidates):
                size = max(1, round(self.fault.ratio * len(candidates)))
                result[day] = self.rng(day, _CHOICE).permutation(candidates)[:size]
        return result

    def mask(self, frame: pl.DataFrame, eligible: pl.Series | None = None) -> pl.Series:
        """The chosen rows as a Boolean series."""
        allowed = np.ones(frame.height, dtype=np.bool_) if eligible is None else eligible.to_numpy()
        mask = np.zeros(frame.height, dtype=np.bool_)
        for rows in self.chosen(allowed).values():
            mask[rows] = True
        return pl.Series("mask", mask)


def _where(fault: Fault) -> str:
    column = f", column '{fault.column}'" if fault.column is not None else ""
    return f"Fault {fault.kind} in table '{fault.table}'{column}"


def _rows_by_day(
    frame: pl.DataFrame, fault: Fault, event_time: str | None, keys: Sequence[str]
) -> dict[int, NDArray[np.int64]]:
    """Positions of the rows in the fault's range, by event day (days since 1970-01-01), ordered by the keys."""
    days = pl.Series("day", [0], dtype=pl.Int32).new_from_index(0, frame.height)
    if event_time is not None:
        days = _event_days(frame[event_time], fault)
    table = pl.DataFrame([days.alias("day"), *(frame[name].alias(f"key{i}") for i, name in enumerate(keys))])
    table = table.with_row_index("row")
    if fault.first_day is not None:
        table = table.filter(pl.col("day") >= (fault.first_day - _EPOCH).days)
    if fault.last_day is not None:
        table = table.filter(pl.col("day") <= (fault.last_day - _EPOCH).days)
    table = table.filter(pl.col("day").is_not_null())
    ordered = table.sort("day", *(f"key{i}" for i in range(len(keys))), maintain_order=True)
    parts = ordered.select("day", "row").partition_by("day", maintain_order=True)
    return {part["day"][0]: part["row"].cast(pl.Int64).to_numpy() for part in parts}


def _event_days(times: pl.Series, fault: Fault) -> pl.Series:
    """Days since 1970-01-01 as Int32; null where there is no time."""
    if isinstance(times.dtype, pl.Datetime):
        times = times.dt.convert_time_zone("UTC") if times.dtype.time_zone else times
    elif times.dtype != pl.Date:
        raise FaultError(f"{_where(fault)}: event time '{times.name}' is {times.dtype}, not a Date or Datetime.")
    return times.cast(pl.Date).cast(pl.Int32)


def _differing(before: pl.Series, after: pl.Series) -> int:
    return int(before.ne_missing(after).sum())


def _numeric(frame: pl.DataFrame, plan: _Plan) -> pl.Series:
    values = frame[plan.column]
    if not values.dtype.is_numeric():
        raise FaultError(f"{_where(plan.fault)}: it is {values.dtype}, and this kind needs numbers.")
    return values


def _replace(frame: pl.DataFrame, column: str, mask: pl.Series, new: pl.Expr) -> tuple[pl.DataFrame, int]:
    """The frame with new values where the mask is set; the type of the column stays."""
    after = frame.with_columns(pl.when(mask).then(new).otherwise(pl.col(column)).alias(column))
    return after, _differing(frame[column], after[column])


def _as_type(value: pl.Expr, dtype: pl.DataType, beyond: pl.Expr) -> pl.Expr:
    """A Float64 expression in the column's type; whole numbers are rounded, with `beyond` where they do not fit."""
    if not dtype.is_integer():
        return value.cast(dtype)
    return value.round(0).cast(dtype, strict=False).fill_null(beyond.cast(dtype))


def _nulls(frame: pl.DataFrame, plan: _Plan) -> tuple[pl.DataFrame, int]:
    mask = plan.mask(frame, frame[plan.column].is_not_null())
    return _replace(frame, plan.column, mask, pl.lit(None, dtype=frame[plan.column].dtype))


def _out_of_range(frame: pl.DataFrame, plan: _Plan) -> tuple[pl.DataFrame, int]:
    values = _numeric(frame, plan)
    mask = plan.mask(frame, values.is_not_null())
    if values.dtype.is_unsigned_integer():
        return _replace(frame, plan.column, mask, values.dtype.max())  # type: ignore[attr-defined]
    new = -pl.col(plan.column).cast(pl.Float64).abs() * plan.factor - 1.0
    lowest = values.dtype.min() if values.dtype.is_integer() else new  # type: ignore[attr-defined]
    return _replace(frame, plan.column, mask, _as_type(new, values.dtype, lowest))


def _covariate_drift(frame: pl.DataFrame, plan: _Plan) -> tuple[pl.DataFrame, int]:
    values = _numeric(frame, plan)
    mask = plan.mask(frame, values.is_not_null())
    new = pl.col(plan.column).cast(pl.Float64) * plan.factor
    return _replace(frame, plan.column, mask, _as_type(new, values.dtype, pl.col(plan.column)))


def _label_drift(frame: pl.DataFrame, plan: _Plan) -> tuple[pl.DataFrame, int]:
    values = frame[plan.column]
    if not (values.dtype.is_numeric() or values.dtype == pl.Boolean):
        raise FaultError(f"{_where(plan.fault)}: it is {values.dtype}, and this kind needs 0 and 1.")
    numbers = values.cast(pl.Float64)
    strange = int((~numbers.is_in([0.0, 1.0])).sum())
    if strange:
        raise FaultError(f"{_where(plan.fault)}: {strange} of {frame.height} rows are neither 0 nor 1.")
    flipped_from = 0.0 if plan.factor >= 1.0 else 1.0
    mask = plan.mask(frame, (numbers == flipped_from).fill_null(False))
    return _replace(frame, plan.column, mask, pl.lit(1.0 - flipped_from).cast(values.dtype))


def _concept_drift(frame: pl.DataFrame, plan: _Plan) -> tuple[pl.DataFrame, int]:
    values = frame[plan.column]
    source = np.arange(frame.height, dtype=np.int64)
    for day, rows in plan.chosen(values.is_not_null().to_numpy()).items():
        source[rows] = plan.rng(day, _EFFECT).permutation(rows)
    after = values.gather(source)
    return frame.with_columns(after), _differing(values, after)


def _missing_column(frame: pl.DataFrame, plan: _Plan) -> tuple[pl.DataFrame, int]:
    return frame.drop(plan.column), frame.height


def _changed_type(frame: pl.DataFrame, plan: _Plan) -> tuple[pl.DataFrame, int]:
    column = pl.col(plan.column)
    if frame[plan.column].dtype == pl.String:
        return frame.with_columns(column.str.len_chars().cast(pl.Int64)), frame.height
    return frame.with_columns(column.cast(pl.String) + CHANGED_TYPE_SUFFIX), frame.height


def _duplicates(frame: pl.DataFrame, plan: _Plan) -> tuple[pl.DataFrame, int]:
    mask = plan.mask(frame).to_numpy()
    return frame[np.repeat(np.arange(frame.height), 1 + mask.astype(np.int64))], int(mask.sum())


def _late_rows(frame: pl.DataFrame, plan: _Plan) -> tuple[pl.DataFrame, int]:
    assert plan.event_time is not None
    back_days = np.zeros(frame.height, dtype=np.int64)
    everyone = np.ones(frame.height, dtype=np.bool_)
    for day, rows in plan.chosen(everyone).items():
        back_days[rows] = plan.rng(day, _EFFECT).integers(1, LATEST_DAYS + 1, len(rows))
    shift = pl.duration(days=pl.lit(pl.Series(back_days)))
    return frame.with_columns(pl.col(plan.event_time) - shift), int((back_days > 0).sum())


def _volume_drop(frame: pl.DataFrame, plan: _Plan) -> tuple[pl.DataFrame, int]:
    mask = plan.mask(frame)
    return frame.filter(~mask), int(mask.sum())


_PLANTERS: Mapping[FaultKind, Callable[[pl.DataFrame, _Plan], tuple[pl.DataFrame, int]]] = MappingProxyType(
    {
        "nulls": _nulls,
        "duplicates": _duplicates,
        "out_of_range": _out_of_range,
        "missing_column": _missing_column,
        "changed_type": _changed_type,
        "late_rows": _late_rows,
        "volume_drop": _volume_drop,
        "covariate_drift": _covariate_drift,
        "label_drift": _label_drift,
        "concept_drift": _concept_drift,
        "unit_change": deliveries.unit_change,
        "swapped_columns": deliveries.swapped_columns,
        "constant_column": deliveries.constant_column,
        "all_null": deliveries.all_null,
        "unknown_references": deliveries.unknown_references,
        "empty_strings": deliveries.empty_strings,
        "sign_flip": deliveries.sign_flip,
        "encoding_damage": deliveries.encoding_damage,
        "truncated_day": deliveries.truncated_day,
        "clock_ahead": deliveries.clock_ahead,
        "shifted_time_zone": deliveries.shifted_time_zone,
        "repeated_day": deliveries.repeated_day,
    }
)
