#!/usr/bin/env bash
# polars 2.1.0
# In SQL, `a IS DISTINCT FROM b AND c` is `(a IS DISTINCT FROM b) AND c`: AND binds weaker than a comparison. polars' SQL takes everything behind
# FROM for the other side, `a IS DISTINCT FROM (b AND c)`, so a feature or a filter written that way has other values than in a database.
# Seen: `polars: [False, False, False, True, True, True, True, False] with brackets: [False, False, False, True, False, True, False, False]`, a database as with brackets
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet "polars==2.1.0"
cat > "$work/check.py" <<'PY'
import sqlite3

import polars as pl

ROWS = [(left, right, also) for left in (False, True) for right in (False, True) for also in (False, True)]
PLAIN, WITH_BRACKETS = "l IS DISTINCT FROM r AND c", "(l IS DISTINCT FROM r) AND c"
frame = pl.DataFrame(ROWS, schema=["l", "r", "c"], orient="row")
plain, brackets = (frame.select(pl.sql_expr(text)).to_series().to_list() for text in (PLAIN, WITH_BRACKETS))
with sqlite3.connect(":memory:") as database:
    database.execute("CREATE TABLE t (l, r, c)")
    database.executemany("INSERT INTO t VALUES (?, ?, ?)", ROWS)
    in_sqlite = [bool(value) for (value,) in database.execute("SELECT l IS NOT r AND c FROM t ORDER BY rowid")]
print("polars:", plain, "with brackets:", brackets, "a database:", in_sqlite)
assert brackets == in_sqlite
assert plain != brackets
PY
"$work/venv/bin/python" "$work/check.py"
