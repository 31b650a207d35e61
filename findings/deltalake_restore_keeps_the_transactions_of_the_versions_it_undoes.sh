#!/usr/bin/env bash
# deltalake 1.6.6
# A writer that is to write each batch once keeps the batch's number as the table's application transaction and asks `transaction_version` before
# it writes. `restore` to an earlier version takes the batch's rows away and leaves its number: the writer asks, is told that the batch is there,
# and does not write it again. The Delta protocol lists transactions as part of a table's state; a read of the earlier version itself answers without.
# Seen: `rows [1], of version 0 read again: batch None, after restore to it: batch 7`
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet "deltalake==1.6.6" "pyarrow==25.0.1"
cat > "$work/check.py" <<'PY'
import tempfile

import deltalake
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, QueryBuilder, Transaction, write_deltalake

with tempfile.TemporaryDirectory() as folder:
    write_deltalake(folder, pa.table({"id": [1]}))
    once = CommitProperties(app_transactions=[Transaction(app_id="loader", version=7)])
    write_deltalake(folder, pa.table({"id": [2]}), mode="append", commit_properties=once)
    assert DeltaTable(folder).transaction_version("loader") == 7
    DeltaTable(folder).restore(0)
    table, then = DeltaTable(folder), DeltaTable(folder, version=0)
    rows = QueryBuilder().register("t", table).execute("SELECT id FROM t ORDER BY id").read_all()
    ids = pa.table(rows).column("id").to_pylist()
    before, after = then.transaction_version("loader"), table.transaction_version("loader")
    print(
        f"deltalake {deltalake.__version__}: rows {ids}, of version 0 read again: batch {before}, after restore to it: batch {after}"
    )
    assert ids == [1] and before is None and after == 7, "a restore takes the transaction back with its rows: this finding is over"
PY
"$work/venv/bin/python" "$work/check.py"
