"""`python -m benchmarks.oip.report SERVER.json ...`: several servers beside each other, checked in one run; writes docs/reports/oip.md.

A server is a JSON file: `{"name": "...", "url": "...", "model": "...", "grpc": "HOST:PORT", "request": {...}, "how": "what runs there"}`.

Belongs here: the table, and what each server does not keep. Does not belong here: the checks (`rest.py`, `grpc_checks.py`).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.common.machine import busy_cores, describe_code, describe_machine
from benchmarks.common.report import Bar, Topic, render
from benchmarks.oip.__main__ import outcomes, summary
from benchmarks.oip.checks import Outcome
from platform_assets.testing.child_process import ROOT

TARGET = ROOT / "docs" / "reports" / "oip.md"
LEAST_CHECKS = 60
HOW = (
    "Each check is a sentence of the protocol: of its OpenAPI document and its text for REST, of its proto for gRPC. Errors count too: "
    "whose fault a failed request is, and in which form it is said. Optional parts (versions) are checked where a server has them."
)


def report(found: Mapping[str, Sequence[Outcome]], servers: Sequence[Mapping[str, Any]]) -> list[Topic]:
    """The sections: all servers beside each other, then what each does not keep."""
    rows = []
    for server in servers:
        kept = summary(list(found[server["name"]]))
        cells = [f"{kept[door][0]} of {kept[door][1]}" if door in kept else "not asked" for door in ("REST", "gRPC")]
        rows.append([server["name"], server.get("how", ""), *cells])
    own = servers[0]["name"]
    missed = [outcome for outcome in found[own] if outcome.problem]
    bars = [
        Bar(f"{own} keeps every check", f"{len(found[own]) - len(missed)} of {len(found[own])}", not missed),
        Bar(f"at least {LEAST_CHECKS} checks", str(len(found[own])), len(found[own]) >= LEAST_CHECKS),
    ]
    topics = [Topic("Open Inference Protocol v2", HOW, ("server", "what runs", "REST", "gRPC"), rows, bars)]
    for name, outcomes_of in found.items():
        lost = [[one.door, one.what, one.problem.replace("|", "\\|")] for one in outcomes_of if one.problem]
        if lost:
            topics.append(Topic(f"Not kept by {name}", "In its own words.", ("door", "check", "what it does"), lost))
    return topics


def main(arguments: list[str]) -> int:
    """Check the servers and write the report; 1 when the first one misses something."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.oip.report")
    parser.add_argument("servers", nargs="+", type=Path, help="one JSON file for each server; the first one is ours")
    parser.add_argument("--output", type=Path, default=TARGET, help="where the report goes")
    options = parser.parse_args(arguments)
    servers = [json.loads(path.read_text(encoding="utf-8")) for path in options.servers]
    busy = busy_cores()
    found = {one["name"]: outcomes(one["url"], one["model"], one.get("grpc"), one.get("request")) for one in servers}
    topics = report(found, servers)
    day = datetime.now(UTC).date().isoformat()
    command = "python -m benchmarks.oip.report SERVER.json ..."
    options.output.write_text(render(topics, describe_machine(), describe_code(), day, busy, command), encoding="utf-8")
    sys.stdout.write(f"wrote {options.output}\n")
    return int(any(not bar.kept for topic in topics for bar in topic.bars))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
