#!/usr/bin/env bash
# polars 2.1.0
# Polars' SQL keeps a part of a time in 8 bits and multiplies it there: the minute of the day of 13:45, written as everywhere,
# `EXTRACT(HOUR FROM t) * 60 + EXTRACT(MINUTE FROM t)`, is 57 and not 825. The same holds for every column of 8 bits times a number that
# fits 8 bits. Nothing is raised; a cast of the part to BIGINT is right.
# Seen: `minute of the day 57, with a cast 825; 100 * 2 in 8 bits -56`
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet "polars==2.1.0"
cat > "$work/check.py" <<'PY'
from datetime import datetime

import polars as pl

rows = pl.DataFrame({"t": [datetime(2026, 3, 1, 13, 45)], "small": pl.Series([100], dtype=pl.Int8)})


def value(expression):
    return rows.select(pl.sql_expr(expression).alias("value")).item()


plain = value("EXTRACT(HOUR FROM t) * 60 + EXTRACT(MINUTE FROM t)")
cast = value("CAST(EXTRACT(HOUR FROM t) AS BIGINT) * 60 + EXTRACT(MINUTE FROM t)")
small = value("small * 2")
print(f"polars {pl.__version__}: minute of the day {plain}, with a cast {cast}; 100 * 2 in 8 bits {small}")
assert cast == 825 and plain != 825 and small != 200, "it is right now: this finding is over"
PY
"$work/venv/bin/python" "$work/check.py"
