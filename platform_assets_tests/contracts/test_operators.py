"""Every operator of expressions: its form for a table and its form for one row give the same, to the bit."""

import math
import struct
from datetime import UTC, date, datetime, timedelta
from itertools import product
from typing import Any

import polars as pl
import pytest

from platform_assets.declaration.expressions.compiled import table_expression
from platform_assets.declaration.expressions.kinds import ENGINE_TYPES, Kind
from platform_assets.declaration.expressions.operators import OPERATORS
from platform_assets.declaration.expressions.row_code import row_values
from platform_assets.declaration.expressions.scalars import taker_of
from platform_assets.declaration.expressions.tree import ColumnNode, Operation, Operator, literal

NAN, INF = math.nan, math.inf
MAX = 2**63 - 1
TIMES = [
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(2024, 2, 29, 12, 30, 15, 1, tzinfo=UTC),
    datetime(2026, 3, 29, 1, 0, tzinfo=UTC),
    datetime(2021, 1, 3, tzinfo=UTC),
    datetime(2024, 12, 30, 23, tzinfo=UTC),
    datetime(1900, 3, 1, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(1, 1, 1, tzinfo=UTC),
]
EDGES: dict[Kind, list[Any]] = {
    Kind.FLOAT: [
        *(None, NAN, INF, -INF, 0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -2.5, 0.1, 3.7, -86399.5, 1e-300, 5e-324, -5e-324),
        *(1.7976931348623157e308, -1e308, 2.0**52, 2.0**52 + 1, 2.0**53 - 1, 4503599627370495.5, -4503599627370496.5, 1e15 + 0.5, 710.0),
    ],
    Kind.WHOLE: [None, 0, 1, -1, 2, 3, -7, 10, 2**31, 3_037_000_500, 2**53, 2**53 + 1, -(2**62), 2**62, MAX, -MAX, -MAX - 1],
    Kind.BOOL: [None, True, False],
    Kind.TEXT: [None, "", "a", "ab", "b", "aXb", "%", "a\nb", "\n", "é", "ß", "İΣ", "日本", "Zürich", "a_b", "a.b", " a "],
    Kind.DAY: [None, *(at.date() for at in TIMES)],
    Kind.TIME: [None, *TIMES],
}  # fmt: skip
KINDS = list(EDGES)
PATTERNS = ["", "%", "a", "a%", "%b", "%X%", "a_b", "_", "a%b", "%.%", "a.b", "%\n%", "__%"]
LITERALS = {
    kind: [literal(taker_of(ENGINE_TYPES[kind])(value), kind) for value in values] for kind, values in EDGES.items()
}
LITERALS[Kind.TEXT] += [literal(pattern, Kind.TEXT) for pattern in PATTERNS]
CASES = [
    pytest.param(name, operator, id=f"{name}-{position}")
    for name, operators in OPERATORS.items()
    for position, operator in enumerate(operators)
]


def bits(value: Any) -> Any:
    """A value so that equal means equal to the bit; every NaN is the same."""
    if isinstance(value, float):
        return "nan" if value != value else struct.pack("<d", value)
    return value


def calls_of(operator: Operator) -> list[Operation]:
    """Calls with columns of all kinds that it takes, and with literals in the last place."""
    found: dict[Operation, None] = {}
    for arity in (1, 2, 3):
        for kinds in product(KINDS, repeat=arity):
            if arity == 3 and kinds[1] is not kinds[2]:
                continue
            columns = [ColumnNode(f"c{i}", kind, ENGINE_TYPES[kind], 2**63) for i, kind in enumerate(kinds)]
            lasts: list[Any] = [columns[-1]]
            if arity == 2 and kinds[0] is kinds[1]:
                lasts += LITERALS[kinds[1]]
            wanted = [[*columns[:-1], last] for last in lasts] + [[last, columns[-1]] for last in lasts[1:]]
            for arguments in wanted:
                made = operator.call(arguments)
                if made is not None:
                    found[made] = None
    text = ColumnNode("c0", Kind.TEXT, ENGINE_TYPES[Kind.TEXT])
    places = [literal(place, Kind.WHOLE) for place in (0, 1, 2, 5)]
    texts = [literal(some, Kind.TEXT) for some in ("a", "", ".", "ß")]
    for further in [*product(places), *product(places, places), *product(texts, texts)]:
        made = operator.call([text, *further])
        if made is not None:
            found[made] = None
    return list(found)


def table_of(call: Operation) -> pl.DataFrame:
    """All combinations of edge values of the columns that a call takes."""
    columns = {node.name: node.kind for node in _columns(call)}
    return pl.DataFrame(
        [list(values) for values in product(*(EDGES[kind] for kind in columns.values()))],
        schema={name: ENGINE_TYPES[kind] for name, kind in columns.items()},
        orient="row",
    )


def _columns(node: Any) -> list[ColumnNode]:
    if isinstance(node, ColumnNode):
        return [node]
    return [column for argument in getattr(node, "arguments", ()) for column in _columns(argument)]


def as_scalar(value: Any) -> Any:
    """What polars gives, as the code for a row has it."""
    if isinstance(value, datetime):
        return (value - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    return (value - date(1970, 1, 1)).days if isinstance(value, date) else value


@pytest.mark.parametrize(("name", "operator"), CASES)
def test_both_forms_of_an_operator_agree_on_edge_cases(name: str, operator: Operator) -> None:
    calls = calls_of(operator)
    assert calls, f"{name} takes no arguments of any kind"
    for call in calls:
        rows = table_of(call)
        found = rows.select(table_expression(call).alias("it"))["it"]
        assert found.dtype == ENGINE_TYPES[call.kind], call
        one = row_values([call])
        takers = {column: taker_of(dtype) for column, dtype in rows.schema.items()}
        for row, of_table in zip(rows.to_dicts(), found.to_list(), strict=True):
            of_row = one({column: takers[column](value) for column, value in row.items()})[0]
            assert bits(of_row) == bits(as_scalar(of_table)), (call, row)
