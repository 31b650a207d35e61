"""Compiled expressions: a row gives what the table gives, to the bit, and both what polars gives where polars is right."""

import random
import struct
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest

from platform_assets.declaration.expressions import compile_expression, sql_expression
from platform_assets.declaration.expressions.allowed import engine_expression
from platform_assets.declaration.expressions.kinds import Kind
from platform_assets.declaration.expressions.operators.base import convert
from platform_assets.declaration.expressions.row_code import row_values
from platform_assets.declaration.expressions.row_numbers import RowNumbers
from platform_assets.declaration.expressions.scalars import taker_of

NAN, INF = float("nan"), float("inf")
AT = [datetime(2026, 3, 1, 13, 45), datetime(2024, 2, 29), None, datetime(1969, 12, 31, 23, 59), datetime(2021, 1, 3)]
ROWS = pl.DataFrame(
    {
        "a": [1.5, -0.0, NAN, INF, None, 2.5, -7.0],
        "b": [NAN, 1.0, 2.0, -INF, 0.0, None, 2.0],
        "i": [3, -7, 0, 9, -9, None, 5],
        "j": [0, 2, None, -2, 2, 3, 4],
        "small": pl.Series([100, -128, 0, 7, None, 1, 127], dtype=pl.Int8),
        "p": [True, False, None, True, False, None, True],
        "q": [True, True, True, False, False, None, None],
        "s": ["a", "B%", None, "éß", "", "a", "b"],
        "t": ["a", None, "x", "é", "", "b", "B%"],
        "at": pl.Series([*AT, datetime(2000, 1, 1), datetime(1999, 12, 31)]).dt.replace_time_zone("UTC"),
        "day": [date(2026, 3, 1), None, date(1969, 12, 31), date(2024, 2, 29), date(1, 1, 1), date(2020, 1, 1), date(2021, 1, 3)],
    }
)  # fmt: skip


def bits(values: Sequence[Any]) -> list[Any]:
    """Values so that equal means equal to the bit; every NaN is the same."""
    return [("nan" if v != v else struct.pack("<d", v)) if isinstance(v, float) else v for v in values]


def both_forms(text: str, rows: pl.DataFrame = ROWS) -> tuple[list[Any], list[Any]]:
    """The doubles of an expression over a table, and for each of its rows alone."""
    compiled = compile_expression(text, rows.schema)
    assert compiled.tree is not None, compiled.reason
    tree = convert(compiled.tree, Kind.FLOAT) or compiled.tree
    number = pl.Float64() if tree.kind is Kind.FLOAT else pl.String()
    table = rows.with_columns(compiled.table.cast(number).alias("v"))["v"].to_list()
    one, takers = row_values([tree]), {name: taker_of(dtype) for name, dtype in rows.schema.items()}
    return table, [one({name: takers[name](value) for name, value in row.items()})[0] for row in rows.to_dicts()]


TEXTS = """
a / 3.7
(a - b) / NULLIF(b, 0)
i / j
i / 0
i % j
MOD(a, 0.3)
-a * -i
- - i
ABS(i) + ABS(b)
small * small * small
CASE WHEN p THEN 1 WHEN q THEN 2.5 END
CASE i WHEN 3 THEN a WHEN -7 THEN j ELSE small END
CASE WHEN p THEN q ELSE i END
IF(p, i, a)
IFNULL(a, 1)
COALESCE(a, i, 1)
GREATEST(a, i, 2)
LEAST(a, b, 0)
NULLIF(a, 0)
p AND q OR NOT p
p IS TRUE
p IS NOT FALSE
(a > b) IS NULL
a IS NOT DISTINCT FROM b
i IN (3, 9, NULL)
i NOT IN (3, 2.5)
s IN ('a', 'b')
a NOT BETWEEN 0 AND 2
s LIKE 'a%' OR s LIKE '_%\x25'
s NOT LIKE '%b'
STARTS_WITH(s, 'a') AND LENGTH(CONCAT(s, 'x', i)) > 2
s || t = 'aa'
REPLACE(TRIM(s), 'a', 'bb') = LEFT(t, 1) OR SUBSTR(s, 2) = RIGHT(t, 1) OR SUBSTRING(s FROM 1 FOR 1) = 'B'
OCTET_LENGTH(REVERSE(s))
LENGTH(s) * 3.5
UPPER(s) = 'ÉSS'
EXTRACT(HOUR FROM at) * 60 + EXTRACT(MINUTE FROM at)
EXTRACT(EPOCH FROM at) / 86400
DATE_PART('dow', at) + ISODOW
at >= TIMESTAMP '2024-02-29 00:00:00'
day BETWEEN DATE '2000-01-01' AND DATE '2024-12-31'
CAST(at AS DATE) = day
EXTRACT(WEEK FROM day) + EXTRACT(ISOYEAR FROM day) + EXTRACT(DOY FROM day) + EXTRACT(QUARTER FROM day)
YEAR(at) - 1970
LOG10(i) + LOG2(i) + LOG(i, 3) + LN(i) + LOG1P(i)
EXP(a) + SQRT(b) + POW(a, 2) + POW(a, 3) + POW(a, 0.5) + POW(a, -1.5)
ROUND(a) + CEIL(b) + FLOOR(a) + TRUNC(b) + SIGN(a)
i::DOUBLE / 7
ASIN(SQRT(POW(SIN(RADIANS(a - b) / 2), 2) + COS(RADIANS(a)) * COS(RADIANS(b)))) * PI() + ATAN2(a, b) + TAN(ATAN(i)) + ACOS(j)
CAST(p AS BIGINT) + 1
1.0 / 3 + i
""".replace("ISODOW", "EXTRACT(ISODOW FROM at)").strip().splitlines()  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_a_row_alone_gives_what_the_table_gives(text: str) -> None:
    table, alone = both_forms(text)
    assert bits(table) == bits(alone)
    assert any(value is not None for value in table)


def test_no_rows_give_no_values() -> None:
    none = ROWS.head(0)
    for text in [*TEXTS, "i + 1", "i * j"]:
        assert none.with_columns(sql_expression(text, none.schema).alias("v")).height == 0, text
        assert none.select(sql_expression(text, none.schema).alias("v")).height == 0, text


def _number(r: random.Random, depth: int) -> str:
    if depth <= 0 or r.random() < 0.2:
        return r.choice(["a", "b", "i", "j", "2", "small", "1.5"])
    left, right = _number(r, depth - 1), _number(r, depth - 1)
    kinds = [
        f"{left} {r.choice('+-*')} {right}",
        f"({left} {r.choice('+-*')} {right})",
        f"{left} / {r.choice('abij')}",
        f"{left} % {r.choice('aj2')}",
        f"- {r.choice('abij')}",
        f"{r.choice(['ABS', 'CEIL', 'FLOOR', 'ROUND', 'SIGN', 'TRUNC'])}({left})",
        f"{r.choice(['GREATEST', 'LEAST', 'COALESCE', 'NULLIF'])}({left}, {right})",
        f"CASE WHEN {_condition(r, depth - 1)} THEN {left} ELSE {right} END",
        f"EXTRACT({r.choice(['HOUR', 'ISODOW', 'DOW', 'DAY', 'YEAR', 'WEEK', 'DOY'])} FROM at)",
        r.choice(["LENGTH(s)", "IF(p, i, 2)", "SQRT(a)", "EXP(b)", "LN(a)", "POW(a, 2)", "i::DOUBLE"]),
    ]
    return r.choice(kinds)


def _condition(r: random.Random, depth: int) -> str:
    if depth <= 0:
        return r.choice(["p", "q", "a > b", "i = 3", "s = 'a'"])
    left, right = _number(r, depth - 1), _number(r, depth - 1)
    kinds = [
        f"{_condition(r, depth - 1)} {r.choice(['AND', 'OR'])} {_condition(r, depth - 1)}",
        f"NOT {_condition(r, depth - 1)}",
        f"{left} {r.choice(['>', '<', '>=', '<=', '=', '<>'])} {right}",
        f"{left} IS {r.choice(['', 'NOT '])}NULL",
        f"{left} {r.choice(['', 'NOT '])}IN (3, 1.5)",
        f"{left} {r.choice(['', 'NOT '])}BETWEEN {r.choice('aj2')} AND {right}",
        f"s {r.choice(['=', '<', 'LIKE', 'NOT LIKE'])} 'a'",
    ]
    made = r.choice(kinds)
    return f"({made})" if r.random() < 0.3 else made


def test_texts_are_read_as_polars_reads_them() -> None:
    """Random texts with few parentheses: sqlglot and polars have to bind their operators alike."""
    r = random.Random(7)
    compiled = 0
    for _ in range(250):
        text = r.choice([_number, _condition])(r, r.randint(1, 4))
        if compile_expression(text, ROWS.schema).tree is None:
            continue
        compiled += 1
        table, alone = both_forms(text)
        assert bits(table) == bits(alone), text
        read = ROWS.with_columns(engine_expression(text, ROWS.schema).cast(pl.Float64).alias("v"))["v"].to_list()
        assert bits([v or (v and 0.0) for v in read]) == bits([v or (v and 0.0) for v in table]), text
    assert compiled > 240


def test_a_whole_number_that_does_not_fit_is_missing_in_both_forms() -> None:
    rows = pl.DataFrame({"n": [2**62, -(2**63), 3, None]})
    for text, expected in [
        ("n + n", [None, None, 6, None]),
        ("n - 1", [2**62 - 1, None, 2, None]),
        ("n * 4", [None, None, 12, None]),
        ("-n", [-(2**62), None, -3, None]),
        ("ABS(n)", [2**62, None, 3, None]),
    ]:
        table, alone = both_forms(text, rows)
        assert table == alone == [None if v is None else float(v) for v in expected], text


def test_a_division_by_a_number_is_exact_as_a_single_row_has_it() -> None:
    rows = pl.DataFrame({"x": [i / 7 for i in range(1000)]})
    table, alone = both_forms("x / 86400", rows)
    assert table == alone == [x / 86400 for x in rows["x"]]
    inverse = rows.select(pl.col("x") / 86400)["x"].to_list()
    assert table != inverse, "polars divides exactly now: `Quotient.table` needs no numpy any more"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("CASE WHEN REGEXP_LIKE(s, 'a.*') THEN 1 ELSE 0 END", "REGEXP"),
        ("a = b IS NULL", "without parentheses"),
        ("a IS DISTINCT FROM b AND p", "without parentheses"),
        ("p XOR q", ""),
        ("CAST(s AS DOUBLE)", "CAST of a text"),
    ],
)
def test_what_has_no_operator_keeps_polars_meaning_and_says_why(text: str, reason: str) -> None:
    compiled = compile_expression(text, ROWS.schema)
    assert compiled.tree is None
    assert reason in compiled.reason
    assert str(compiled.table) == str(engine_expression(text, ROWS.schema))
    assert RowNumbers(["a", text], ROWS.schema).by_engine == {1: compiled}


def test_a_time_is_taken_in_its_own_zone_as_a_table_takes_it() -> None:
    moment = datetime(2026, 3, 29, 3, 30, tzinfo=UTC).astimezone(tz=None)
    rows = pl.DataFrame({"at": [moment]}, schema={"at": pl.Datetime("us", "UTC")})
    of_table = rows.select(sql_expression("EXTRACT(HOUR FROM at)", rows.schema)).item()
    assert RowNumbers(["EXTRACT(HOUR FROM at)"], rows.schema).numbers({"at": taker_of(rows.schema["at"])(moment)}) == [
        3.0
    ]
    assert of_table == 3
