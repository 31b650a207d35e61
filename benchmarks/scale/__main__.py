"""`make scale`: histories that do not fit into memory, and the report below docs/reports/.

Belongs here: the command. Does not belong here: measuring.

    python -m benchmarks.scale                                  # 20 million events: minutes on two quiet cores
    python -m benchmarks.scale --events 300_000_000 --memory-megabytes 3000
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from benchmarks.common.machine import busy_cores, describe_code, describe_machine
from benchmarks.common.report import missed_bars, render
from benchmarks.scale.topic import FULL, measure_scale

FEWEST = 10_000


def main(arguments: list[str]) -> int:
    """Measure; 1 when a bar was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description="Histories beyond memory.")
    parser.add_argument("--events", type=int, default=FULL.events, help=f"of the large history, at least {FEWEST:,}")
    parser.add_argument("--cluster-events", type=int, default=FULL.cluster_events, help="that the cluster computes")
    parser.add_argument("--memory-megabytes", type=int, default=FULL.memory_megabytes, help="of a process")
    parser.add_argument("--output", type=Path, help="the measured part of the report")
    options = parser.parse_args(arguments)
    if min(options.events, options.cluster_events) < FEWEST:
        parser.error(f"at least {FEWEST:,} events are needed")
    console = Console(highlight=False, soft_wrap=True)
    amount = replace(
        FULL,
        events=options.events,
        cluster_events=options.cluster_events,
        memory_megabytes=options.memory_megabytes,
    )
    busy = busy_cores()
    topic = measure_scale(amount, lambda line: console.print(f"  {line}", markup=False))
    command = " ".join(["python -m benchmarks.scale", *arguments])
    text = render([topic], describe_machine(), describe_code(), datetime.now(UTC).date().isoformat(), busy, command)
    if options.output is not None:
        options.output.write_text(text, encoding="utf-8")
    console.print(text, markup=False)
    for bar in (missed := missed_bars([topic])):
        console.print(f"[bold red]missed:[/] {bar.what}: {bar.measured}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
