"""Whether a change of the code left everything as it was: two homes, made by two commits, held against each other.

Belongs here: what a home holds, as digests that do not depend on when or where it was made, and a service's answers to recorded requests.
Does not belong here: the product (nothing of it is imported, so that the same file reads a home of any commit), or how fast anything is.

    python -m benchmarks.unchanged write HOME OUT.json [--address http://127.0.0.1:8700/v1/card_fraud]   # in each checkout
    python -m benchmarks.unchanged compare BEFORE.json AFTER.json
"""

import argparse
import hashlib
import json
import sqlite3
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
from deltalake import DeltaTable

DATA_LAYERS = ("raw", "clean", "quarantine", "history", "features", "training", "profile")
"""Layers whose rows depend on the sources and the code alone."""
REQUESTS = 1_000
VOLATILE = frozenset({"request_id", "latency_ms", "scored_at", "release", "decided_at"})
"""Fields of an answer that differ from call to call, or name the build."""


def table_digest(place: Path | str, options: dict[str, str] | None = None) -> str:
    """Digest of a Delta table's rows, whatever their order and their files."""
    table = DeltaTable(str(place), storage_options=options)
    frame = pl.from_arrow(table.to_pyarrow_table())
    assert isinstance(frame, pl.DataFrame)
    frame = frame.select(sorted(frame.columns))
    hashed = frame.hash_rows(seed=1).sort()
    digest = hashlib.sha256(hashed.to_numpy().tobytes())
    digest.update(json.dumps([[name, str(dtype)] for name, dtype in frame.schema.items()]).encode())
    return f"{frame.height} rows {digest.hexdigest()[:24]}"


def tables_of(home: Path) -> Iterator[tuple[str, Path]]:
    """Every table of the data layers, as `use_case/layer/table`."""
    for log in sorted((home / "lake").glob("*/*/*/_delta_log")):
        name = log.parent.relative_to(home / "lake").as_posix()
        if name.split("/")[1] in DATA_LAYERS:
            yield name, log.parent


def model_digests(home: Path) -> dict[str, str]:
    """Digest of every registered version, with the day it was trained as of."""
    with sqlite3.connect(home / "mlflow" / "mlflow.db") as connection:
        rows = connection.execute(
            "select name, version, key, value from model_version_tags where key in ('model_digest', 'as_of', 'learner')"
        ).fetchall()
    tags: dict[str, dict[str, str]] = {}
    for name, version, key, value in rows:
        tags.setdefault(f"{name}/{version}", {})[key] = value
    return {version: " ".join(result[key] for key in sorted(result)) for version, result in sorted(tags.items())}


def recorded_requests(
    home: Path, use_case: str, table: str, columns: list[str], time: str, key: str
) -> list[dict[str, Any]]:
    """Bodies of `REQUESTS` requests: the newest published events again, an hour later, under keys of their own."""
    frame = pl.from_arrow(DeltaTable(str(home / "lake" / use_case / "clean" / table)).to_pyarrow_table())
    assert isinstance(frame, pl.DataFrame)
    rows = frame.sort(time, key).tail(REQUESTS).select(columns)
    last = rows[time].max()
    assert isinstance(last, datetime)
    bodies = []
    for number, row in enumerate(rows.iter_rows(named=True)):
        moment = (last + timedelta(hours=1, seconds=number)).astimezone(UTC)
        bodies.append({**row, time: moment.isoformat().replace("+00:00", "Z"), key: 900_000_000_000 + number})
    return bodies


def answers(address: str, bodies: list[dict[str, Any]]) -> list[str]:
    """What the service says to each request, without what differs from call to call; refusals as they are."""
    result = []
    for body in bodies:
        request = urllib.request.Request(
            f"{address}/score", json.dumps(body).encode(), {"content-type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                answer, status = json.load(response), response.status
        except urllib.error.HTTPError as error:
            answer, status = json.load(error), error.code
        kept = {name: value for name, value in answer.items() if name not in VOLATILE}
        result.append(json.dumps({"status": status, **kept}, sort_keys=True))
    return result


def compare(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What differs, a line each; empty when nothing does."""
    lines = []
    for part in ("models", "tables"):
        for name in sorted({*before[part], *after[part]}):
            if before[part].get(name) != after[part].get(name):
                lines.append(f"{part} {name}: {before[part].get(name)} before, {after[part].get(name)} after")
    pairs = list(zip(before["answers"], after["answers"], strict=False))
    different = [(first, second) for first, second in pairs if first != second]
    if len(before["answers"]) != len(after["answers"]):
        lines.append(f"answers: {len(before['answers'])} before, {len(after['answers'])} after")
    if different:
        lines.append(f"answers: {len(different)} of {len(pairs)} differ, first: {different[0][0]} | {different[0][1]}")
    return lines


def main() -> int:
    """Write what a home holds, or compare two that were written."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    write = verbs.add_parser("write")
    write.add_argument("home", type=Path)
    write.add_argument("out", type=Path)
    write.add_argument("--address", help="address of the default use case's running service")
    both = verbs.add_parser("compare")
    both.add_argument("before", type=Path)
    both.add_argument("after", type=Path)
    given = parser.parse_args()
    if given.verb == "write":
        columns = ["transaction_id", "transaction_time", "customer_id", "terminal_id", "amount"]
        bodies = (
            recorded_requests(given.home, "card_fraud", "transactions", columns, columns[1], columns[0])
            if given.address
            else []
        )
        result = {
            "models": model_digests(given.home),
            "tables": {name: table_digest(folder) for name, folder in tables_of(given.home)},
            "answers": answers(given.address, bodies) if given.address else [],
        }
        given.out.write_text(json.dumps(result, indent=1, sort_keys=True))
        sys.stdout.write(
            f"{len(result['models'])} models, {len(result['tables'])} tables, {len(result['answers'])} answers in {given.out}"
        )
        return 0
    before, after = (json.loads(path.read_text()) for path in (given.before, given.after))
    lines = compare(before, after)
    sys.stdout.write(
        "\n".join(lines)
        or f"the same: {len(after['models'])} models, {len(after['tables'])} tables, {len(after['answers'])} answers"
    )
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
