"""Columns of a table: declared once here, and everything that needs a schema derives it from this.

Belongs here: column types, their limits, how their values are delivered, and their mapping to polars. Does not belong here: reading
values as declared (`connectors/written_forms.py`), how rows are checked (`validation/`), or Delta, Feast and request models (each derived
where it is used).
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import polars as pl
from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from platform_assets.declaration.base import Declaration, Identifier

ColumnType = Literal["int8", "int32", "int64", "float64", "string", "bool", "datetime", "date"]

POLARS_TYPES: Mapping[ColumnType, pl.DataType] = {
    "int8": pl.Int8(),
    "int32": pl.Int32(),
    "int64": pl.Int64(),
    "float64": pl.Float64(),
    "string": pl.String(),
    "bool": pl.Boolean(),
    "datetime": pl.Datetime("us", "UTC"),
    "date": pl.Date(),
}

NUMERIC_TYPES: frozenset[ColumnType] = frozenset({"int8", "int32", "int64", "float64"})

_FORMS: Mapping[str, Any] = {
    "scale": None,
    "delivered_as": (),
    "format": (),
    "time_zone": None,
    "twice": "refuse",
    "skipped": "refuse",
    "true_values": (),
    "false_values": (),
    "missing": (),
    "decimal_mark": ".",
    "thousands": "",
    "value": None,
    "expression": None,
    "digest_of": None,
}
"""Fields that came later, most of which say how a column is delivered, with what they are when nothing is said."""


def _as_tuple(given: Any) -> Any:
    """One thing or several."""
    return given if isinstance(given, list | tuple) else (given,)


class Column(Declaration):
    """One column of a source table, with the limits that every row is held to, and how its values are delivered."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    name: Identifier = Field(
        description="Column name, as it is stored; as it arrives too, unless `from` says otherwise."
    )
    type: ColumnType = Field(
        description="Logical type. Times are UTC with microseconds. `decimal` is a number whose unit matters, such as money: it needs "
        "`scale`, is kept as the float that is written with the same digits, and its sums in windows are exact.",
        json_schema_extra={"enum": [*POLARS_TYPES, "decimal"]},
    )
    description: str = Field(description="What the value means, with its unit.")
    nullable: bool = Field(default=False, description="Whether a row may lack this value.")
    minimum: float | None = Field(default=None, description="Smallest value allowed (inclusive), numbers only.")
    maximum: float | None = Field(default=None, description="Largest value allowed (inclusive), numbers only.")
    allowed: tuple[int | str, ...] | None = Field(default=None, description="The only values allowed.")
    unique: bool = Field(default=False, description="Whether a value may appear once only within a partition.")
    known_after: str | None = Field(
        default=None,
        min_length=1,
        description="What has to happen before the value is known, where that is after the event: `settlement`, `the return of the bike`, "
        "or a time such as `3d`. Such a column is no input of a model and no part of a request; a window may use it whose delay is at "
        "least that time.",
    )
    references: str | None = Field(
        default=None, description="`table.column` of another source in which each value must exist."
    )
    scale: int | None = Field(
        default=None,
        ge=0,
        le=9,
        description="With type `decimal`: how many decimals values have at most; more of them, or more than 15 digits, are refused.",
    )
    delivered_as: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], BeforeValidator(_as_tuple)] = Field(
        default=(),
        alias="from",
        description="Name of the column as it is delivered, whatever its letters and signs (`Net Amount (EUR)`). Of several, such as a "
        "day and an hour, the texts are joined by a space.",
    )
    format: Annotated[tuple[str, ...], BeforeValidator(_as_tuple)] = Field(
        default=(),
        description="How times and days are written where it is not ISO 8601: `%d.%m.%Y %H:%M`, `%Y`, several to be tried in turn; or "
        "`epoch_seconds`, `epoch_milliseconds`, `epoch_microseconds`.",
    )
    time_zone: str | None = Field(
        default=None,
        description="Zone of times that are written without an offset, such as `Europe/Berlin`; default UTC.",
    )
    twice: Literal["refuse", "earlier", "later"] = Field(
        default="refuse", description="With `time_zone`: what an hour is that occurs twice when clocks are set back."
    )
    skipped: Literal["refuse", "later"] = Field(
        default="refuse",
        description="With `time_zone`: what a time is that clocks skip when they are set forward; `later`: as many minutes after the "
        "change.",
    )
    true_values: Annotated[tuple[str | int, ...], BeforeValidator(_as_tuple)] = Field(
        default=(),
        description="Texts or numbers that stand for true, or for 1 in a column of whole numbers, in any case of letters.",
    )
    false_values: Annotated[tuple[str | int, ...], BeforeValidator(_as_tuple)] = Field(
        default=(), description="Texts or numbers that stand for false, or for 0 in a column of whole numbers."
    )
    missing: Annotated[tuple[str | int | float, ...], BeforeValidator(_as_tuple)] = Field(
        default=(), description="What stands for no value: `NA`, `?`, -999."
    )
    decimal_mark: Literal[".", ","] = Field(default=".", description="What stands before the decimals of a number.")
    thousands: Literal["", ".", ",", "'", " "] = Field(
        default="", description="What stands between groups of three digits."
    )
    value: bool | int | float | str | None = Field(
        default=None,
        description="The same value for every row; the column is not delivered. Times as ISO 8601 text, in UTC.",
    )
    expression: str | None = Field(
        default=None,
        description="What the column is computed from, in polars' SQL dialect over other columns of the row; it is not delivered. "
        "`source_position` and `source_line` say where the row came from.",
    )

    digest_of: Literal["row"] | tuple[Identifier, ...] | None = Field(
        default=None,
        description="For rows without a key: a digest of these columns, or of all others (`row`), and a count where rows of one day are "
        "the same. It is the same whenever the same rows are delivered, and another when a value is corrected.",
    )

    @model_validator(mode="before")
    @classmethod
    def _decimal_is_a_float_of_a_scale(cls, given: Any) -> Any:
        if not isinstance(given, dict) or given.get("type") != "decimal":
            return given
        if given.get("scale") is None:
            raise ValueError("a decimal needs `scale`, the number of its decimals: 2 for euro and cent")
        return {**given, "type": "float64"}

    @model_serializer(mode="wrap")
    def _without_unset(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Fields that came later are left out where they say nothing: declarations that are kept stay what they are."""
        document: dict[str, Any] = handler(self)
        for field, nothing in _FORMS.items():
            key = "from" if field == "delivered_as" else field
            held = document.pop(field, document.pop(key, nothing))
            if held != nothing and held != list(nothing or ()):
                document[key] = held
        return document

    @property
    def polars_type(self) -> pl.DataType:
        """The polars type that stores this column."""
        return POLARS_TYPES[self.type]

    @property
    def is_numeric(self) -> bool:
        """Whether limits and drift statistics for numbers apply."""
        return self.type in NUMERIC_TYPES

    @property
    def type_in_words(self) -> str:
        """The type as a message names it."""
        return self.type if self.scale is None else f"decimal with {self.scale} decimals"

    @property
    def delivered_names(self) -> tuple[str, ...]:
        """Names of the columns that it is delivered in; none for one that is not delivered."""
        return () if not self.is_delivered else self.delivered_as or (self.name,)

    @property
    def is_delivered(self) -> bool:
        """Whether its values come with the rows; others are the same for all, or computed."""
        return self.value is None and self.expression is None and self.digest_of is None

    @property
    def has_written_form(self) -> bool:
        """Whether its values have to be read in a declared way before they are cast."""
        more = ("format", "time_zone", "true_values", "false_values", "missing", "thousands")
        return len(self.delivered_as) > 1 or self.decimal_mark != "." or any(bool(getattr(self, name)) for name in more)

    @property
    def is_as_delivered(self) -> bool:
        """Whether nothing is declared about how it is delivered."""
        return not self.delivered_as and self.is_delivered and not self.has_written_form
