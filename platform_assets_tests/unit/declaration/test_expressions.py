"""What may stand in an expression, and that numbers in it mean what they mean everywhere else."""

import math
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from platform_assets.declaration import DeclarationError, load_use_case
from platform_assets.declaration.expressions import ExpressionError, columns_of, sql_expression
from platform_assets.testing.declare import declaration, row, write_declaration

NAN = float("nan")
ROWS = pl.DataFrame(
    {
        "n": pl.Series([3, 0], dtype=pl.Int64),
        "m": pl.Series([100_000_000, 0], dtype=pl.Int64),
        "small": pl.Series([100, -100], dtype=pl.Int8),
        "middle": pl.Series([2_000_000_000, 7], dtype=pl.Int32),
        "f": [1.5, -2.5],
        "price": pl.Series(["1.10", "2.25"]).cast(pl.Decimal(38, 2)),
        "text": ["a", "bcd"],
        "at": pl.Series([datetime(2026, 3, 1, 13, 45), datetime(2026, 3, 2)]).dt.replace_time_zone("UTC"),
    }
)

NUMBERS = [
    ("n * 1.0 / m", [3e-08, NAN]),
    ("1.0 * n / m", [3e-08, NAN]),
    ("n / m", [3e-08, NAN]),
    ("n / 3.0", [1.0, 0.0]),
    ("(n + 0.5) / m", [3.5e-08, math.inf]),
    ("n / (m * 1.0)", [3e-08, NAN]),
    ("1 / .4", [2.5, 2.5]),
    ("CASE WHEN n > 2.5 THEN 1.0 / 3 ELSE 0 END", [1 / 3, 0.0]),
    ("-1.0 / n", [-1 / 3, -math.inf]),
    ("1e3 / m", [1e-05, math.inf]),
    ("small * 2", [200.0, -200.0]),
    ("small * small", [10_000.0, 10_000.0]),
    ("middle + middle", [4_000_000_000.0, 14.0]),
    ("EXTRACT(HOUR FROM at) * 60 + EXTRACT(MINUTE FROM at)", [825.0, 0.0]),
    ("EXTRACT(EPOCH FROM at) / 0.5", [3544745400.0, 3544819200.0]),
    ("LENGTH(text) - 2", [-1.0, 1.0]),
    ("price * 3", [3.3000000000000003, 6.75]),
    ("price / n", [1.1 / 3, math.inf]),
    ("f - -2.5", [4.0, 0.0]),
    ("f<=1.5 AND f<>1", [1.0, 1.0]),
]


@pytest.mark.parametrize(("text", "values"), NUMBERS)
def test_numbers_are_computed_as_floats_and_whole_numbers_never_wrap(text: str, values: list[float]) -> None:
    value = sql_expression(text, ROWS.schema).cast(pl.Float64).alias("value")
    of_all = ROWS.with_columns(value)["value"].to_list()
    of_each = [ROWS.slice(i, 1).with_columns(value)["value"].item() for i in range(2)]
    for found in (of_all, of_each):
        assert [repr(value) for value in found] == [repr(value) for value in values]


REFUSED = [
    ("(SELECT 1)", "query"),
    ("n IN (SELECT n FROM read_csv('/etc/passwd'))", "query"),
    ("EXISTS (SELECT 1)", "query"),
    ("(FROM read_parquet('s3://a/b'))", "query"),
    ("EXTRACT(HOUR FROM (SELECT at))", "query"),
    ("read_csv('https://example.org/a.csv')", "not among the functions"),
    ("scan_parquet('a')", "not among the functions"),
    ("load_extension('a')", "not among the functions"),
    ("RANDOM()", "not among the functions"),
    ("NOW()", "clock"),
    ("CURRENT_TIMESTAMP", "clock"),
    ("at < current_date", "clock"),
    ("LOCALTIME", "clock"),
    ("AVG(n)", "other rows"),
    ("n - MAX(n) OVER (PARTITION BY text)", "other rows"),
    ("LAG(n)", "other rows"),
    ("COUNT(*)", "other rows"),
    ("n -- 1", "comment"),
    ("n /* 1 */", "comment"),
    ("n; DROP TABLE x", "';'"),
    ("$$a$$ = text", r"'\$'"),
    (r"text = '\' || (SELECT 1) || '", "backslash"),
    ("CAST(n AS DECIMAL(10, 2))", "cast to DOUBLE"),
    ("n::numeric", "cast to DOUBLE"),
    ("1.5.2", "no number"),
    ("n + GREATEST( )", "without an argument"),
    ("3x", "no number"),
    (" ", "empty"),
    ("text = 'open", "not closed"),
]


@pytest.mark.parametrize(("text", "says"), REFUSED)
def test_what_is_not_about_its_row_is_refused_before_the_engine_sees_it(text: str, says: str) -> None:
    with pytest.raises(ExpressionError, match=says):
        columns_of(text)


@pytest.mark.parametrize(
    "text",
    [
        "text = 'SELECT now() FROM read_csv -- /* ;'",
        "text LIKE 'a%' OR text ~ '^b[a-z]+$'",
        "TRIM(BOTH 'a' FROM text) = ''",
        "SUBSTRING(text FROM 1 FOR 1) = 'a'",
        "n IS NOT DISTINCT FROM 3",
        "NOT (n IN (1, 2, 3))",
        "CAST(text AS VARCHAR(10)) = 'a'",
        "at >= TIMESTAMP '2026-03-01 00:00:00'",
        "GREATEST(n, 150)",
        "COALESCE(NULLIF(n, 0), 0.5)",
        '"select" > 1',
        "LOG(f, 10)",
    ],
)
def test_what_is_about_its_row_may_stand_there(text: str) -> None:
    assert set(columns_of(text)) & {"n", "f", "text", "at", "select"}


def test_a_column_named_like_a_part_of_a_time_is_not_mistaken_for_it() -> None:
    rows = pl.DataFrame({"hour": pl.Series([100], dtype=pl.Int8), "at": [datetime(2026, 3, 1, 5)]})
    value = rows.select(sql_expression("EXTRACT(hour FROM at) + hour * 2", rows.schema)).item()
    assert value == 205


def test_a_refused_expression_names_file_line_and_field(tmp_path: Path) -> None:
    document = declaration(
        events={"visit": "int64", "at": "datetime", "speed": "float64"},
        label="unpaid",
        features=["speed", {"name": "more", "rows": [row("lately", "CASE WHEN at > NOW() THEN 1 ELSE 0 END")]}],
    )
    path = write_declaration(tmp_path / "small", document)
    line = next(i for i, text in enumerate(path.read_text().splitlines(), 1) if "NOW()" in text)
    with pytest.raises(DeclarationError, match=rf"defs\.yaml:{line}: features\.1\.rows\.0\.expression: .*clock"):
        load_use_case(path)
