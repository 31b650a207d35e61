"""From the text of an expression to its tree.

Belongs here: which node of sqlglot's syntax tree is which operator. Does not belong here: what operators compute (`operators/`), and what
may not stand in an expression at all (`allowed.py`).

Where sqlglot and polars read a text differently (`a = b IS NULL` without parentheses), it is not compiled, and keeps polars' meaning.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

import polars as pl

from platform_assets.declaration.expressions.kinds import LARGEST_WHOLE, Kind, kind_of, largest_of
from platform_assets.declaration.expressions.operators import call
from platform_assets.declaration.expressions.operators.base import convert
from platform_assets.declaration.expressions.operators.times import PARTS
from platform_assets.declaration.expressions.tree import ColumnNode, Literal, Node, NotCompiled, literal

_RANGES = {"eq", "neq", "gt", "gte", "lt", "lte", "is", "like", "in", "between", "nullsafeeq", "nullsafeneq", "not"}
_BINARY = {
    "add": "plus",
    "sub": "minus",
    "mul": "times",
    "div": "divided",
    "mod": "remainder",
    "and": "and",
    "or": "or",
    "eq": "eq",
    "neq": "neq",
    "gt": "gt",
    "gte": "gte",
    "lt": "lt",
    "lte": "lte",
    "nullsafeeq": "same",
    "atan2": "atan2",
    "left": "left",
    "right": "right",
    "startswith": "startswith",
    "endswith": "endswith",
}
_UNARY = {
    "ceil": "ceil",
    "floor": "floor",
    "round": "round",
    "trunc": "trunc",
    "sign": "sign",
    "sqrt": "sqrt",
    "exp": "exp",
    "ln": "ln",
    "sin": "sin",
    "cos": "cos",
    "tan": "tan",
    "asin": "asin",
    "acos": "acos",
    "atan": "atan",
    "degrees": "degrees",
    "radians": "radians",
    "length": "length",
    "trim": "trim",
    "upper": "upper",
    "lower": "lower",
    "hour": "hour",
    "minute": "minute",
    "second": "second",
    "day": "day",
    "month": "month",
    "quarter": "quarter",
    "year": "year",
    "week": "week",
    "dayofweek": "dow",
    "dayofyear": "doy",
}
_HARMLESS = {"typed", "safe", "coalesce", "ignore_nulls", "_type"}
"""What sqlglot notes at a node for translation into other dialects."""


def read_expression(text: str, schema: Mapping[str, pl.DataType]) -> Node:
    """The tree of an expression over columns of these types.

    Raises:
        NotCompiled: a part of it has no operator, or names no column.
    """
    from sqlglot.errors import SqlglotError

    try:
        parsed = _dialect().parse(text)[0]
    except SqlglotError as error:
        raise NotCompiled(str(error).splitlines()[0]) from error
    return _Reader(text, schema).node(parsed)


def column_node(name: str, schema: Mapping[str, pl.DataType]) -> ColumnNode:
    """A column's value.

    Raises:
        NotCompiled: there is no such column, or its values have no kind here.
    """
    if name not in schema:
        raise NotCompiled(f"the unknown column {name}")
    dtype = schema[name]
    kind = kind_of(dtype)
    if kind is None or kind is Kind.NOTHING:
        raise NotCompiled(f"column {name} of type {dtype}")
    return ColumnNode(name, kind, dtype, largest_of(dtype) if kind is Kind.WHOLE else 0)


@lru_cache(maxsize=1)
def _dialect() -> Any:
    """sqlglot's own dialect, which however reads LOG2(x) like LOG(2, x)."""
    from sqlglot import Dialect
    from sqlglot.parser import Parser

    functions = {name: build for name, build in Parser.FUNCTIONS.items() if name not in ("LOG2", "LOG10")}
    return type("_Expressions", (Dialect,), {"Parser": type("Parser", (Parser,), {"FUNCTIONS": functions})})()


class _Reader:
    """Turns syntax into nodes."""

    def __init__(self, text: str, schema: Mapping[str, pl.DataType]) -> None:
        self._text = text
        self._schema = schema
        self._readers: dict[str, Callable[[Any], Node]] = {
            "paren": lambda it: self.node(it.this),
            "column": self._column,
            "literal": self._literal,
            "boolean": lambda it: literal(bool(it.this), Kind.BOOL),
            "null": lambda it: literal(None, Kind.NOTHING),
            "pi": lambda it: literal(math.pi, Kind.FLOAT),
            "neg": self._negative,
            "not": lambda it: call("not", self.node(it.this)),
            "nullsafeneq": lambda it: call("not", call("same", self.node(it.this), self.node(it.expression))),
            "is": self._is,
            "in": self._in,
            "between": self._between,
            "like": self._like,
            "case": self._case,
            "if": self._if,
            "nullif": self._nullif,
            "coalesce": self._folded("coalesce"),
            "greatest": self._folded("greatest"),
            "least": self._folded("least"),
            "abs": self._abs,
            "log": self._log,
            "pow": self._power,
            "cast": self._cast,
            "extract": lambda it: self._part(str(it.this.this), it.expression),
            "dpipe": self._pipe,
            "substring": self._substring,
            "replace": lambda it: call("replace", *map(self.node, (it.this, it.expression, it.args["replacement"]))),
            "reverse": lambda it: call("reverse", self.node(it.this)),
            "concat": self._concat,
            "anonymous": self._named,
        }

    def node(self, it: Any) -> Node:
        """The node of a piece of syntax."""
        key = str(it.key)
        allowed = _ARGUMENTS.get(key, {"this", "expression"})
        further = {name for name, value in it.args.items() if value not in (None, False, [])} - allowed - _HARMLESS
        if further:
            raise NotCompiled(f"{key} with {', '.join(sorted(further))}")
        self._refuse_unclear(key, it)
        if key in self._readers:
            return self._readers[key](it)
        if key in _BINARY and it.args.get("expression") is not None:
            return call(_BINARY[key], self.node(it.this), self.node(it.expression))
        if key in _UNARY and it.args.get("expression") is None:
            return call(_UNARY[key], self.node(it.this))
        raise NotCompiled(f"{key.upper()}")

    def _refuse_unclear(self, key: str, it: Any) -> None:
        """Refuse what sqlglot and polars bind differently without parentheses."""
        operands = [it.args.get(name) for name in ("this", "expression")] if key in _RANGES - {"not"} else []
        if any(operand is not None and str(operand.key) in _RANGES for operand in operands):
            raise NotCompiled(f"{it.sql()} without parentheses around one of its comparisons")
        if any(operand is not None and operand.key == "paren" and operand.this.key == "is" for operand in operands):
            self._refuse_other_parentheses(it)
        if key in ("nullsafeeq", "nullsafeneq"):  # polars takes all that follows for its right side
            while it.parent is not None and str(it.parent.key) in ("and", "or", "not"):
                if str(it.parent.key) != "not" and it.arg_key == "this":
                    raise NotCompiled(f"{it.sql()} without parentheses before {str(it.parent.key).upper()}")
                it = it.parent

    def _refuse_other_parentheses(self, it: Any) -> None:
        """Refuse `a = b IS NULL`, to which sqlglot adds parentheses: the text with these has to mean the same to polars."""
        try:
            as_read = pl.sql_expr(it.root().sql())
        except pl.exceptions.PolarsError as error:
            raise NotCompiled(f"{it.sql()}, perhaps without parentheses") from error
        if not as_read.meta.eq(pl.sql_expr(self._text)):
            raise NotCompiled(f"{it.sql()}, perhaps without parentheses")

    def _column(self, it: Any) -> Node:
        return column_node(str(it.this.this), self._schema)

    def _literal(self, it: Any) -> Node:
        text = str(it.this)
        if it.is_string:
            if "\\" in text:
                raise NotCompiled("a text with a backslash")
            return literal(text, Kind.TEXT)
        if re.fullmatch("[0-9]+", text):
            if int(text) > LARGEST_WHOLE:
                raise NotCompiled(f"{text}, which does not fit into 64 bits")
            return literal(int(text), Kind.WHOLE)
        if not math.isfinite(float(text)):
            raise NotCompiled(f"{text}, which is no finite number")
        return literal(float(text), Kind.FLOAT)

    def _negative(self, it: Any) -> Node:
        value = self.node(it.this)
        if value.kind in (Kind.WHOLE, Kind.BOOL):
            if str(it.this.key) == "literal":
                return literal(-int(str(it.this.this)), Kind.WHOLE)
            return call("minus", literal(0, Kind.WHOLE), value)
        if str(it.this.key) == "literal" and value.kind is Kind.FLOAT:
            return literal(-float(str(it.this.this)), Kind.FLOAT)
        return call("negative", value)

    def _is(self, it: Any) -> Node:
        value, other = self.node(it.this), it.expression
        if other.key == "null":
            return call("is_null", value)
        if other.key == "boolean":
            return call("is_true" if other.this else "is_false", value)
        raise NotCompiled(it.sql())

    def _in(self, it: Any) -> Node:
        value, items = self.node(it.this), [self.node(item) for item in it.expressions]
        if not items:
            raise NotCompiled(it.sql())
        try:
            return call("among", value, *items)
        except NotCompiled:
            return self._fold("or", [call("eq", value, item) for item in items])

    def _between(self, it: Any) -> Node:
        value = self.node(it.this)
        return call(
            "and", call("gte", value, self.node(it.args["low"])), call("lte", value, self.node(it.args["high"]))
        )

    def _like(self, it: Any) -> Node:
        made = call("like", self.node(it.this), self.node(it.expression))
        return call("not", made) if it.args.get("negate") else made

    def _case(self, it: Any) -> Node:
        default = it.args.get("default")
        value = literal(None, Kind.NOTHING) if default is None else self.node(default)
        subject = None if it.args.get("this") is None else self.node(it.this)
        for branch in reversed(it.args["ifs"]):
            condition = self.node(branch.this)
            if subject is not None:
                condition = call("eq", subject, condition)
            value = call("choice", condition, self.node(branch.args["true"]), value)
        return value

    def _if(self, it: Any) -> Node:
        other = it.args.get("false")
        if other is None:
            raise NotCompiled("IF without a third value")
        return call("choice", self.node(it.this), self.node(it.args["true"]), self.node(other))

    def _nullif(self, it: Any) -> Node:
        value = self.node(it.this)
        return call("choice", call("eq", value, self.node(it.expression)), literal(None, Kind.NOTHING), value)

    def _folded(self, name: str) -> Callable[[Any], Node]:
        return lambda it: self._fold(name, [self.node(it.this), *(self.node(item) for item in it.expressions)])

    def _fold(self, name: str, values: list[Node]) -> Node:
        made = values[0]
        for value in values[1:]:
            made = call(name, made, value)
        return made

    def _abs(self, it: Any) -> Node:
        value = self.node(it.this)
        if value.kind not in (Kind.WHOLE, Kind.BOOL):
            return call("abs", value)
        zero = literal(0, Kind.WHOLE)
        return call("choice", call("lt", value, zero), call("minus", zero, value), value)

    def _log(self, it: Any) -> Node:
        if it.args.get("expression") is None:
            raise NotCompiled("LOG without a base")
        value, base = self.node(it.this), self.node(it.expression)
        return call("divided", call("ln", value), call("ln", base))

    def _power(self, it: Any) -> Node:
        base, exponent = self.node(it.this), self.node(it.expression)
        value = exponent.value if isinstance(exponent, Literal) else None
        if value == 0.5:
            return call("sqrt", base)
        if value in (2, 3, 4):  # as polars multiplies
            number = convert(base, Kind.FLOAT) or base
            square = call("times", number, number)
            return square if value == 2 else call("times", square, number if value == 3 else square)
        return call("power", base, exponent)

    def _cast(self, it: Any) -> Node:
        target, value = str(it.to.this.value).upper(), it.this
        if target in ("DATE", "TIMESTAMP") and value.key == "literal" and value.is_string:
            return _moment(str(value.this), target)
        made = self.node(value)
        if target == "VARCHAR" and not it.to.expressions and made.kind in (Kind.WHOLE, Kind.TEXT):
            return self._as_text(made)
        kind = {"DOUBLE": Kind.FLOAT, "BIGINT": Kind.WHOLE}.get(target)
        converted = None if kind is None or made.kind is Kind.NOTHING else convert(made, kind)
        if converted is not None:
            return converted
        if target == "DATE" and made.kind is Kind.TIME:
            return call("day_of", made)
        raise NotCompiled(f"CAST of a {made.kind.value} to {target}")

    def _part(self, name: str, value: Any) -> Node:
        made, name = self.node(value), name.lower()
        if name == "epoch":
            return call("divided", call("microseconds", made), literal(1e6, Kind.FLOAT))
        if name not in PARTS:
            raise NotCompiled(f"EXTRACT({name.upper()})")
        return call(name, made)

    def _pipe(self, it: Any) -> Node:
        if str(it.this.key) in _ARITHMETIC or str(it.expression.key) in _ARITHMETIC:
            raise NotCompiled(f"{it.sql()} without parentheses around what is computed")
        return call("joined", self._as_text(self.node(it.this)), self._as_text(self.node(it.expression)))

    def _substring(self, it: Any) -> Node:
        start, length = it.args.get("start"), it.args.get("length")
        if start is None:
            raise NotCompiled(it.sql())
        if length is None:
            return call("substring_from", self.node(it.this), self.node(start))
        return call("substring", self.node(it.this), self.node(start), self.node(length))

    def _as_text(self, value: Node) -> Node:
        return call("text_of_whole", value) if value.kind is Kind.WHOLE else value

    def _concat(self, it: Any) -> Node:
        values = [self._as_text(self.node(item)) for item in it.expressions]
        return self._fold("joined", [call("coalesce", value, literal("", Kind.TEXT)) for value in values])

    def _named(self, it: Any) -> Node:
        name, arguments = str(it.this).lower(), it.expressions
        if name == "log1p" and len(arguments) == 1:
            return call("log1p", self.node(arguments[0]))
        if name in ("log2", "log10") and len(arguments) == 1:
            base = literal(float(name[3:]), Kind.FLOAT)
            return call("divided", call("ln", self.node(arguments[0])), call("ln", base))
        if name in ("octet_length", "reverse") and len(arguments) == 1:
            return call(name, self.node(arguments[0]))
        if name == "date_part" and len(arguments) == 2 and arguments[0].is_string:
            return self._part(str(arguments[0].this), arguments[1])
        raise NotCompiled(name.upper())


_ARITHMETIC = {"add", "sub", "mul", "div", "mod", "neg"}
_ARGUMENTS: Mapping[str, set[str]] = {
    "literal": {"this", "is_string"},
    "in": {"this", "expressions"},
    "between": {"this", "low", "high"},
    "like": {"this", "expression", "negate"},
    "case": {"this", "ifs", "default"},
    "if": {"this", "true", "false"},
    "coalesce": {"this", "expressions"},
    "greatest": {"this", "expressions"},
    "least": {"this", "expressions"},
    "cast": {"this", "to"},
    "concat": {"expressions"},
    "substring": {"this", "start", "length"},
    "replace": {"this", "expression", "replacement"},
    "anonymous": {"this", "expressions"},
}


def _moment(text: str, target: str) -> Node:
    """A day or a time in UTC that stands in an expression."""
    try:
        if target == "DATE":
            return literal((date.fromisoformat(text) - date(1970, 1, 1)).days, Kind.DAY)
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise NotCompiled(f"{target} '{text}'") from error
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return literal((at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1), Kind.TIME)
