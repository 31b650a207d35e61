"""`make bench`: measure, print, and write docs/benchmarks.md.

Belongs here: the order of the topics. Does not belong here: measuring anything.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime

from rich.console import Console

from benchmarks.installation import ROOT, Installation, find_installation, machine
from benchmarks.latency import measure_latency
from benchmarks.quality import measure_quality
from benchmarks.redeploy import measure_redeploy
from benchmarks.report import Topic, render
from benchmarks.startup import measure_startup

TARGET = ROOT / "docs" / "benchmarks.md"


def main(arguments: list[str]) -> int:
    """Run all topics; 1 when a bar was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure the platform.")
    parser.add_argument("--quick", action="store_true", help="few requests; prints only, for developing the benchmarks")
    options = parser.parse_args(arguments)
    console = Console(highlight=False, soft_wrap=True)

    def say(line: str) -> None:
        console.print(f"  {line}", markup=False)

    count, rounds, times = (150, 1, 2) if options.quick else (1500, 3, 6)
    topics: list[Topic] = []
    installation = find_installation()
    for title, measure in _plan(installation, count, rounds, times, say, quick=options.quick):
        console.print(f"[bold]» {title}[/]")
        topics += measure()
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=ROOT, check=False
    ).stdout.strip()
    text = render(topics, machine(), commit or "unknown", datetime.now(UTC).date().isoformat())
    console.print(text, markup=False)
    if not options.quick:
        TARGET.write_text(text)
        console.print(f"wrote {TARGET.relative_to(ROOT)}")
    missed = [bar for topic in topics for bar in topic.bars if not bar.kept]
    for bar in missed:
        console.print(f"[bold red]missed:[/] {bar.what}: {bar.measured}")
    return 1 if missed else 0


def _plan(
    installation: Installation, count: int, rounds: int, times: int, say: Callable[[str], None], *, quick: bool
) -> list[tuple[str, Callable[[], list[Topic]]]]:
    plan: list[tuple[str, Callable[[], list[Topic]]]] = [
        ("scoring latency", lambda: [measure_latency(installation, count, rounds, say)]),
        ("redeployment under load", lambda: [measure_redeploy(installation, times, say)]),
        ("loading the definitions", lambda: [measure_startup()]),
    ]
    return plan if quick else [*plan, ("model quality", lambda: measure_quality(say))]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
