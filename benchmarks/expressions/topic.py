"""Row expressions of the default use case, compiled and as polars reads them: over a table, and for one row.

Belongs here: both sides, what they cost, and whether they give the same. Does not belong here: what operators mean (their contract suite).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

import numpy as np
import polars as pl

from benchmarks.common.report import Bar, Topic
from benchmarks.common.world import scored_use_case
from platform_assets.declaration.expressions import columns_of, compile_expression
from platform_assets.declaration.expressions.allowed import engine_expression
from platform_assets.declaration.expressions.row_numbers import RowNumbers
from platform_assets.declaration.expressions.scalars import taker_of

TITLE = "Row expressions"
ROWS = 2_000_000
MOST_MICROSECONDS, MOST_RATIO = 30.0, 1.5
SINGLE_ROWS, REPEATED = 300, 20
FURTHER = (
    "amount / 86400",
    "customer_genuine_amount_30d / 86400",
    "customer_id * terminal_id",
    "CASE WHEN amount > 100 AND customer_genuine_amount_30d < 10 THEN 1 ELSE 0 END",
    "EXTRACT(HOUR FROM transaction_time) * 60 + EXTRACT(MINUTE FROM transaction_time)",
)
"""Beside the declared ones: each alone."""


def measure_expressions(rows: int, rounds: int, log: Callable[[str], None]) -> Topic:
    """Both sides in turn.

    Args:
        rows: of the table.
        rounds: of each.
        log: told of each ratio.
    """
    declared = [row.expression for view in scored_use_case().use_case.features for row in view.rows]
    table = _table(rows, [*declared, *FURTHER])
    cells, ratios = [], []
    for name, texts in [(f"the {len(declared)} declared", declared), *((f"`{text}`", [text]) for text in FURTHER)]:
        ours, theirs, differing = _over_table(table, texts, rounds)
        ratios.append(ours / theirs)
        log(f"{name}: {ratios[-1]:.2f} of polars")
        cells.append([name, f"{ours * 1e3:.1f} ms", f"{theirs * 1e3:.1f} ms", f"{ratios[-1]:.2f}", f"{differing:,}"])
    ours, theirs, differing = _for_one_row(table, declared, rounds)
    log(f"one row: {ours:.1f} µs, polars {theirs:.1f} µs")
    cells.append(
        ["one row, the declared", f"{ours:.1f} µs", f"{theirs:.1f} µs", f"{ours / theirs:.3f}", f"{differing:,}"]
    )
    return Topic(
        TITLE,
        f"CPU of this process, medians of {rounds} rounds in turn: {rows:,} rows, and {SINGLE_ROWS} rows one by one, from values in Python "
        "to numbers. Differing: values that are not equal to the bit; polars multiplies by the inverse where a table is divided by a "
        "number. A product of whole numbers of 64 bits looks first at how large they are, so that none wraps.",
        ("expressions", "compiled", "polars", "ratio", "differing"),
        cells,
        [
            Bar(f"one row costs at most {MOST_MICROSECONDS:.0f} µs", f"{ours:.1f} µs", ours <= MOST_MICROSECONDS),
            Bar("one row has polars' values to the bit", f"{differing} differ", differing == 0),
            Bar(
                f"the declared cost at most {MOST_RATIO} times polars over a table",
                f"{ratios[0]:.2f}",
                ratios[0] <= MOST_RATIO,
            ),
        ],
    )


def _table(rows: int, texts: list[str]) -> pl.DataFrame:
    """Columns that the expressions name, two in a hundred features missing."""
    random, use_case = np.random.default_rng(0), scored_use_case().use_case
    types = {column.name: column.polars_type for column in use_case.event_source.columns}
    columns = []
    for name in sorted({root for text in texts for root in columns_of(text)}):
        dtype = types.get(name, pl.Float64())
        if isinstance(dtype, pl.Datetime):
            made = pl.Series(name, 1_522_540_800_000_000 + random.integers(0, 183 * 86_400, rows) * 1_000_000).cast(
                dtype
            )
        elif dtype == pl.Float64():
            made = pl.Series(name, random.exponential(50.0, rows).round(2))
            made = made if name in types else made.set(pl.Series(random.random(rows) < 0.02), None)
        else:
            made = pl.Series(name, random.integers(0, 10_000, rows)).cast(dtype)
        columns.append(made)
    return pl.DataFrame(columns)


def _over_table(table: pl.DataFrame, texts: list[str], rounds: int) -> tuple[float, float, int]:
    """CPU seconds of both sides, and how many values differ."""
    ours = [compile_expression(text, table.schema).table.cast(pl.Float64).alias(text) for text in texts]
    theirs = [engine_expression(text, table.schema).cast(pl.Float64).alias(text) for text in texts]
    seconds: tuple[list[float], list[float]] = [], []
    for _ in range(rounds + 1):
        for side, expressions in zip(seconds, (ours, theirs), strict=True):
            began = time.process_time()
            table.select(expressions)
            side.append(time.process_time() - began)
    mine, other = table.select(ours), table.select(theirs)
    differing = sum(int(mine[text].ne_missing(other[text]).sum()) for text in texts)
    return median(seconds[0][1:]), median(seconds[1][1:]), differing


def _for_one_row(table: pl.DataFrame, texts: list[str], rounds: int) -> tuple[float, float, int]:
    """CPU microseconds of a row on both sides, and how many values differ."""
    schema = table.schema
    numbers = RowNumbers(texts, schema)
    takers = [(name, taker_of(schema[name])) for name in numbers.columns]
    expressions = [engine_expression(text, schema).cast(pl.Float64).alias(text) for text in texts]
    events = table.head(SINGLE_ROWS).to_dicts()

    def compiled(event: Mapping[str, Any]) -> list[Any]:
        return list(numbers.numbers({name: take(event[name]) for name, take in takers}))

    def engine(event: Mapping[str, Any]) -> list[Any]:
        row = pl.DataFrame([tuple(event.values())], schema=schema, orient="row")
        return list(row.select_seq(expressions).row(0))

    differing = sum(a != b for event in events for a, b in zip(compiled(event), engine(event), strict=True))
    return _microseconds(compiled, events, rounds * REPEATED), _microseconds(engine, events, rounds), differing


def _microseconds(work: Callable[[Mapping[str, Any]], list[Any]], events: list[dict[str, Any]], rounds: int) -> float:
    found = []
    for _ in range(rounds):
        began = time.process_time()
        for event in events:
            work(event)
        found.append((time.process_time() - began) / len(events) * 1e6)
    return median(found)
