"""Arithmetic.

Belongs here: operators that compute numbers from numbers. Does not belong here: comparing them (`comparisons.py`).

A double is computed as IEEE 754 says: x / 0 is infinite, 0 / 0 is NaN. A whole number that does not fit into 64 bits is missing.
Functions like EXP are those of the C library, which both forms call.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from platform_assets.declaration.expressions.kinds import LARGEST_WHOLE, Kind
from platform_assets.declaration.expressions.operators.base import Strict, converted_to, where_all_are_there
from platform_assets.declaration.expressions.tree import Code, Literal, Node, Operation, Operator

F, W = Kind.FLOAT, Kind.WHOLE


@dataclass(frozen=True, eq=False)
class WholeArithmetic:
    """Sum, difference or product of whole numbers; missing where it does not fit into 64 bits.

    Attributes:
        name: its sign.
        compute: the result of two numbers, columns or bounds.
    """

    name: str
    compute: Callable[..., pl.Expr | pl.Series]
    bound: Callable[[int, int], int]

    def call(self, arguments: Sequence[Node]) -> Operation | None:
        """A call with these arguments."""
        converted = converted_to((W, W), arguments)
        if converted is None:
            return None
        bound = self.bound(converted[0].bound, converted[1].bound)
        return Operation(self, converted, W, min(bound, LARGEST_WHOLE + 1))

    def table(self, call: Operation, arguments: Sequence[pl.Expr]) -> pl.Expr:
        """The result over a table: the bounds of the columns' types or, beyond these, of their values say whether it fits."""
        if call.bound <= LARGEST_WHOLE:
            return self.compute(*arguments)  # type: ignore[return-value]
        return pl.map_batches(list(arguments), self._held, return_dtype=pl.Int64(), is_elementwise=True)

    def _held(self, columns: Sequence[pl.Series]) -> pl.Series:
        bounds = (max(abs(int(column.min() or 0)), abs(int(column.max() or 0))) for column in columns)  # type: ignore[arg-type]
        if self.bound(*bounds) <= LARGEST_WHOLE:
            return self.compute(*columns)  # type: ignore[return-value]
        wide = (column.cast(pl.Int128) for column in columns)
        return self.compute(*wide).cast(pl.Int64, strict=False)  # type: ignore[return-value]

    def row(self, call: Operation, arguments: Sequence[Code]) -> Code:
        """The result for one row."""
        code = f"{arguments[0].text} {self.name} {arguments[1].text}"
        fits = call.bound <= LARGEST_WHOLE
        return where_all_are_there(code if fits else f"held({code})", arguments, not fits)


@dataclass(frozen=True, eq=False)
class Quotient:
    """Division of doubles. polars multiplies by the inverse of a divisor that is one number, which is another double in 3 of 10 cases."""

    name: str = "/"

    def call(self, arguments: Sequence[Node]) -> Operation | None:
        """A call with these arguments."""
        converted = converted_to((F, F), arguments)
        return None if converted is None else Operation(self, converted, F)

    def table(self, call: Operation, arguments: Sequence[pl.Expr]) -> pl.Expr:
        """The result over a table."""
        over, under = call.arguments
        if isinstance(over, Literal) or not isinstance(under, Literal) or under.value is None:
            return arguments[0] / arguments[1]
        divisor = float(under.value)
        if math.frexp(divisor)[0] in (0.5, -0.5) and 2.0**-1000 < abs(divisor) < 2.0**1000:
            return arguments[0] / arguments[1]  # the inverse of a power of two is exact

        divided = partial(_divided, divisor=divisor)
        return arguments[0].map_batches(divided, return_dtype=pl.Float64(), is_elementwise=True)

    def row(self, call: Operation, arguments: Sequence[Code]) -> Code:
        """The result for one row."""
        over, under = (argument.text for argument in arguments)
        divisor = call.arguments[1]
        if isinstance(divisor, Literal) and divisor.value:
            return where_all_are_there(f"{over} / {under}", arguments, False)
        return where_all_are_there(f"{over} / {under} if {under} else over_zero({over}, {under})", arguments, False)


def _divided(column: pl.Series, divisor: float) -> pl.Series:
    """Each number divided, in the column's own memory layout: what is missing stays so without a pass of its own."""
    if column.is_empty():
        return column
    with np.errstate(all="ignore"):
        if not column.null_count():
            return pl.Series(column.name, column.to_numpy() / divisor)
        import pyarrow as pa

        array = column.to_arrow()
        present, values = array.buffers()
        numbers = np.frombuffer(values, dtype=np.float64, count=array.offset + len(array))
        quotients = pa.py_buffer(numbers / divisor)
    divided = pa.Array.from_buffers(pa.float64(), len(array), [present, quotients], offset=array.offset)
    return pl.Series(column.name, _ArrowArray(divided)).alias(column.name)


@dataclass(frozen=True, eq=False)
class _ArrowArray:
    """An array by Arrow's own interface alone: of pyarrow's type itself polars imports a further module, for a quarter of a second."""

    array: Any

    def __arrow_c_array__(self, requested_schema: Any = None) -> Any:
        return self.array.__arrow_c_array__(requested_schema)


def _of_floats(name: str, engine: Callable[..., pl.Expr], code: str, arity: int = 1) -> Strict:
    return Strict(name, (F,) * arity, F, engine, code)


@dataclass(frozen=True, eq=False)
class SumOfFloats:
    """Sum and difference of doubles. polars leaves x + 0.0 out, which is 0.0 where x is -0.0.

    Attributes:
        name: its sign.
        compute: the result.
        neutral: the literal on the right that changes -0.0 alone.
    """

    name: str
    compute: Callable[[pl.Expr, pl.Expr], pl.Expr]
    neutral: str

    def call(self, arguments: Sequence[Node]) -> Operation | None:
        """A call with these arguments."""
        converted = converted_to((F, F), arguments)
        return None if converted is None else Operation(self, converted, F)

    def table(self, call: Operation, arguments: Sequence[pl.Expr]) -> pl.Expr:
        """The result over a table."""
        for argument, value, own in zip(call.arguments, arguments[::-1], ("0.0", self.neutral), strict=True):
            if isinstance(argument, Literal) and repr(argument.value) == own:
                return pl.when(value == 0.0).then(0.0).otherwise(self.compute(*arguments))
        return self.compute(*arguments)

    def row(self, call: Operation, arguments: Sequence[Code]) -> Code:
        """The result for one row."""
        return where_all_are_there(f"{arguments[0].text} {self.name} {arguments[1].text}", arguments, False)


@dataclass(frozen=True, eq=False)
class Power(Strict):
    """A power of a double. polars takes roots and multiplies for some exponents that are one number: `reading.py` says so as a tree."""

    name: str = "POWER"
    takes: tuple[Kind, ...] = (F, F)
    gives: Kind = F
    engine: Callable[..., pl.Expr] = lambda base, exponent: base.pow(exponent)
    code: str = "power({0}, {1})"

    def call(self, arguments: Sequence[Node]) -> Operation | None:
        """A call with these arguments."""
        made = super().call(arguments)
        exponent = made.arguments[1] if made is not None else None
        value = exponent.value if isinstance(exponent, Literal) else None
        if isinstance(value, float) and (value == 0.5 or (value > 1.0 and value.is_integer())):
            return None
        return made


def _remainder(over: pl.Expr, under: pl.Expr) -> pl.Expr:
    """Of whole numbers, with the sign of the dividend; missing by zero. polars' own has the sign of the divisor."""
    floored = over % under
    return pl.when((floored != 0) & ((over < 0) != (under < 0))).then(floored - under).otherwise(floored)


def _remainder_of_floats(over: pl.Expr, under: pl.Expr) -> pl.Expr:
    def computed(columns: Sequence[pl.Series]) -> pl.Series:
        over, under = (column.to_numpy() for column in columns)
        with np.errstate(all="ignore"):
            rest = pl.Series(np.fmod(over, under))
        if columns[0].null_count() or columns[1].null_count():
            lacking = columns[0].is_null() | columns[1].is_null()
            rest = rest.set(lacking, None)
        return rest

    return pl.map_batches([over, under], computed, return_dtype=pl.Float64(), is_elementwise=True)


PLUS = WholeArithmetic("+", lambda a, b: a + b, lambda a, b: a + b), SumOfFloats("+", lambda a, b: a + b, "0.0")
MINUS = (
    WholeArithmetic("-", lambda a, b: a - b, lambda a, b: a + b),
    SumOfFloats("-", lambda a, b: a - b, "-0.0"),
)
TIMES = (
    WholeArithmetic("*", lambda a, b: a * b, lambda a, b: a * b),
    _of_floats("*", lambda a, b: a * b, "{0} * {1}", 2),
)

NUMBERS: dict[str, Sequence[Operator]] = {
    "plus": PLUS,
    "minus": MINUS,
    "times": TIMES,
    "divided": [Quotient()],
    "remainder": [
        Strict("%", (W, W), W, _remainder, "remainder({0}, {1})", may_lack=True, bound=min),
        _of_floats("%", _remainder_of_floats, "fmod({0}, {1})", 2),
    ],
    "negative": [_of_floats("-", lambda a: -a, "-{0}")],
    "abs": [_of_floats("ABS", lambda a: a.abs(), "abs({0})")],
    "ceil": [
        Strict("CEIL", (W,), W, lambda a: a, "{0}", bound=lambda a: a),
        _of_floats("CEIL", lambda a: a.ceil(), "ceil({0})"),
    ],
    "floor": [
        Strict("FLOOR", (W,), W, lambda a: a, "{0}", bound=lambda a: a),
        _of_floats("FLOOR", lambda a: a.floor(), "floor({0})"),
    ],
    "round": [
        Strict("ROUND", (W,), W, lambda a: a, "{0}", bound=lambda a: a),
        _of_floats("ROUND", lambda a: a.round(0, mode="half_to_even"), "nearest({0})"),
    ],
    "trunc": [
        Strict("TRUNC", (W,), W, lambda a: a, "{0}", bound=lambda a: a),
        _of_floats("TRUNC", lambda a: a.truncate(0), "trunc({0})"),
    ],
    "sign": [
        Strict("SIGN", (W,), W, lambda a: a.sign(), "({0} > 0) - ({0} < 0)", bound=lambda a: 1),
        _of_floats("SIGN", lambda a: a.sign(), "sign({0})"),
    ],
    "sqrt": [_of_floats("SQRT", lambda a: a.sqrt(), "sqrt({0})")],
    "exp": [_of_floats("EXP", lambda a: a.exp(), "exp({0})")],
    "ln": [_of_floats("LN", lambda a: a.log(), "ln({0})")],
    "sin": [_of_floats("SIN", lambda a: a.sin(), "sin({0})")],
    "cos": [_of_floats("COS", lambda a: a.cos(), "cos({0})")],
    "tan": [_of_floats("TAN", lambda a: a.tan(), "tan({0})")],
    "asin": [_of_floats("ASIN", lambda a: a.arcsin(), "asin({0})")],
    "acos": [_of_floats("ACOS", lambda a: a.arccos(), "acos({0})")],
    "atan": [_of_floats("ATAN", lambda a: a.arctan(), "atan({0})")],
    "atan2": [_of_floats("ATAN2", lambda a, b: pl.arctan2(a, b), "atan2({0}, {1})", 2)],
    "degrees": [_of_floats("DEGREES", lambda a: a.degrees(), "degrees({0})")],
    "radians": [_of_floats("RADIANS", lambda a: a.radians(), "radians({0})")],
    "log1p": [_of_floats("LOG1P", lambda a: a.log1p(), "log1p({0})")],
    "power": [Power()],
}
