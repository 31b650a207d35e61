"""`make chaos`: accidents at random to a copy of the deployed service, and what held.

Belongs here: the command. Does not belong here: accidents or measuring.
"""

from __future__ import annotations

import argparse
import re
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from benchmarks.chaos.topic import ACCIDENTS, SECONDS, SEED, measure_chaos
from benchmarks.common.deployed import find_installation
from benchmarks.common.machine import busy_cores, describe_code, describe_machine
from benchmarks.common.report import missed_bars, not_measured, render
from platform_assets.deployment.errors import DeploymentError

MOST_ACCIDENTS, MOST_SECONDS = 200, 60.0
SCRATCH = re.compile(r"/\S*?/home/")
"""The scratch folder's home: a report says nothing of this machine's paths."""


def main(arguments: list[str]) -> int:
    """Let accidents happen; 1 when something that was promised did not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos", description="Accidents at random, under load.")
    parser.add_argument("--seed", type=int, default=SEED, help="decides which accidents, and in which order")
    parser.add_argument("--accidents", type=int, default=ACCIDENTS, help=f"how many, at most {MOST_ACCIDENTS}")
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"how long each, at most {MOST_SECONDS:.0f}")
    parser.add_argument("--output", type=Path, help="where to write the report")
    options = parser.parse_args(arguments)
    count, seconds = min(options.accidents, MOST_ACCIDENTS), min(options.seconds, MOST_SECONDS)
    console = Console(highlight=False, soft_wrap=True)
    busy = busy_cores()
    try:
        topic = measure_chaos(
            find_installation(), options.seed, count, seconds, lambda line: console.print(f"  {line}", markup=False)
        )
    except (RuntimeError, OSError, DeploymentError) as error:
        topic = not_measured("Chaos", str(error))
    day = datetime.now(UTC).date().isoformat()
    command = f"python -m benchmarks.chaos --seed {options.seed} --accidents {count} --seconds {seconds:g}"
    text = SCRATCH.sub("HOME/", render([topic], describe_machine(), describe_code(), day, busy, command))
    console.print(text, markup=False)
    if options.output is not None:
        options.output.write_text(text, encoding="utf-8")
    return 1 if missed_bars([topic]) else 0


def _leave(number: int, _frame: object) -> None:
    """Leave in an orderly way when told to stop: what was started is stopped on the way out."""
    sys.exit(128 + number)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _leave)
    sys.exit(main(sys.argv[1:]))
