#!/usr/bin/env bash
# deltalake 1.6.6
# Of a commit that adds a file with a deletion vector and writes no change files (as a restore does), `load_cdf` gives the rows that the vector
# removes, as inserted, and not those that stay; a query of the same version is right.
# Seen: `the table has [2, 4, 5], its change feed inserted [1, 3]`
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet "deltalake==1.6.6" "pyarrow==25.0.1"
cat > "$work/check.py" <<'PY'
import json
import struct
import tempfile
from pathlib import Path

import deltalake
import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder, write_deltalake

Z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"


def vector(*rows):
    """An inline deletion vector as the Delta protocol has it: magic number, one 32-bit roaring bitmap of a 64-bit array, in Z85."""
    bitmap = struct.pack("<IIHHI", 12346, 1, 0, len(rows) - 1, 16) + struct.pack(f"<{len(rows)}H", *rows)
    content = struct.pack("<IQI", 1681511377, 1, 0) + bitmap
    padded = content + b"\0" * (-len(content) % 4)
    text = "".join(
        Z85[word // 85**power % 85] for (word,) in struct.iter_unpack(">I", padded) for power in (4, 3, 2, 1, 0)
    )
    return {"storageType": "i", "pathOrInlineDv": text, "sizeInBytes": len(content), "cardinality": len(rows)}


with tempfile.TemporaryDirectory() as folder:
    rows = pa.table({"id": [1, 2, 3, 4, 5]})
    write_deltalake(folder, rows, configuration={"delta.enableChangeDataFeed": "true"})
    log = Path(folder) / "_delta_log" / f"{0:020}.json"
    actions = [json.loads(line) for line in log.read_text().splitlines()]
    for action in actions:
        if "protocol" in action:
            features = {"readerFeatures": ["deletionVectors"], "writerFeatures": ["deletionVectors", "changeDataFeed"]}
            action["protocol"] = {"minReaderVersion": 3, "minWriterVersion": 7, **features}
        if "add" in action:
            action["add"]["deletionVector"] = vector(0, 2)
    log.write_text("".join(json.dumps(action) + "\n" for action in actions))
    table = DeltaTable(folder)
    read = QueryBuilder().register("t", table).execute("SELECT id FROM t ORDER BY id").read_all()
    feed = table.load_cdf(0, 0).read_all()
    ids = [sorted(pa.table(found).column("id").to_pylist()) for found in (read, feed)]
    print(f"deltalake {deltalake.__version__}: the table has {ids[0]}, its change feed inserted {ids[1]}")
    assert ids[0] == [2, 4, 5] and ids[1] != [2, 4, 5], "the feed says what the table has: this finding is over"
PY
"$work/venv/bin/python" "$work/check.py"
