"""Columns of a table: declared once here, and everything that needs a schema derives it from this.

Belongs here: column types, their limits, and their mapping to polars. Does not belong here: how rows are checked
(`validation/`), or Delta, Feast and request models (each derived where it is used).
"""

from collections.abc import Mapping
from typing import Literal

import polars as pl
from pydantic import Field

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


class Column(Declaration):
    """One column of a source table, with the limits that every row is held to."""

    name: Identifier = Field(description="Column name, as it arrives and as it is stored.")
    type: ColumnType = Field(description="Logical type. Times are UTC with microseconds.")
    description: str = Field(description="What the value means, with its unit.")
    nullable: bool = Field(default=False, description="Whether a row may lack this value.")
    minimum: float | None = Field(default=None, description="Smallest value allowed (inclusive), numbers only.")
    maximum: float | None = Field(default=None, description="Largest value allowed (inclusive), numbers only.")
    allowed: tuple[int | str, ...] | None = Field(default=None, description="The only values allowed.")
    unique: bool = Field(default=False, description="Whether a value may appear once only within a partition.")
    references: str | None = Field(
        default=None, description="`table.column` of another source in which each value must exist."
    )

    @property
    def polars_type(self) -> pl.DataType:
        """The polars type that stores this column."""
        return POLARS_TYPES[self.type]

    @property
    def is_numeric(self) -> bool:
        """Whether limits and drift statistics for numbers apply."""
        return self.type in NUMERIC_TYPES
