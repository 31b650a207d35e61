"""`make soak`: soak a service, print the verdict, and write the report below docs/reports/.

Belongs here: the command. Does not belong here: measuring.

    python -m benchmarks.soak                                   # a million requests: half an hour on two quiet cores
    python -m benchmarks.soak --requests 100000 --output /tmp/soak.md
"""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from benchmarks.common.machine import busy_cores, describe_code, describe_machine
from benchmarks.common.report import missed_bars, render
from benchmarks.soak.topic import REQUESTS, measure_soak
from platform_assets.testing.child_process import ROOT

TARGET = ROOT / "docs" / "reports" / "soak.md"
FEWEST = 1_000


def main(arguments: list[str]) -> int:
    """Soak; 1 when a bar was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description="Soak a service.")
    parser.add_argument(
        "--requests", type=int, default=REQUESTS, help=f"how many, at least {FEWEST:,} (default {REQUESTS:,})"
    )
    parser.add_argument("--clients", type=int, default=1, help="closed loops at once (default 1)")
    parser.add_argument("--output", type=Path, help=f"the report; {REQUESTS:,} requests write one below docs/reports/")
    options = parser.parse_args(arguments)
    if options.requests < FEWEST or options.clients < 1:
        parser.error(f"at least {FEWEST:,} requests and one client are needed")
    console = Console(highlight=False, soft_wrap=True)
    busy = busy_cores()
    output = options.output or (TARGET if options.requests >= REQUESTS else None)
    picture = None if output is None else output.with_suffix(".png")
    topic = measure_soak(
        options.requests, options.clients, lambda line: console.print(f"  {line}", markup=False), picture
    )
    command = " ".join(["python -m benchmarks.soak", *arguments])
    text = render([topic], describe_machine(), describe_code(), datetime.now(UTC).date().isoformat(), busy, command)
    if output is not None and picture is not None:
        text += f"\n![memory and latency over the requests]({picture.name})\n"
        output.write_text(text, encoding="utf-8")
    console.print(text, markup=False)
    for bar in (missed := missed_bars([topic])):
        console.print(f"[bold red]missed:[/] {bar.what}: {bar.measured}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
