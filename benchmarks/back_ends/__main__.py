"""`make back-ends`: the same small world on the embedded default and on every other back end at once, compared to the bit.

Three times `platform-assets run`: on this machine's files; on PostgreSQL (Dagster, MLflow, Feast's registry), Redis (online store) and S3
(lake and artifacts); and as `staging` in that second home, with four service processes and a topic on Kafka. Belongs here: the order and
the verdict. Does not belong here: the settings (`homes.py`), what is asked (`questions.py`), or speed.

The object store is moto's and the Kafka broker noida-db, programs that speak those protocols. PostgreSQL and Redis have to be installed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.back_ends.homes import USE_CASE, Home, homes
from benchmarks.back_ends.questions import (
    COLUMNS,
    KEY,
    TIME,
    Busy,
    ask_busily,
    content,
    parity_of,
    processes_of,
    streamed,
    streamed_otherwise,
)
from benchmarks.common.machine import busy_cores, describe_code, describe_machine
from benchmarks.common.report import Bar, Topic, missed_bars, render
from benchmarks.unchanged.__main__ import compare, recorded_requests, tables_of

ANSWERS = 200
TITLE = "The same on every back end"
HOW = (
    "`platform-assets run` of the small world (1,000 customers, 2,000 terminals, 500 requests replayed), by settings alone. Tables are "
    f"compared row by row by digest, {ANSWERS} recorded requests by the whole answer. Parity: features of the replayed requests beside "
    "the offline path. Busy: one customer's requests from eight callers at once; an answer lacks an event when its caller could have "
    "known that event's answer. The third home declares `processes: 4` and `mode: hybrid`; its topic is given the recorded requests too."
)


@dataclass
class Seen:
    """What one home came to.

    Attributes:
        home: which.
        seconds: that its run took.
        processes: of its service that ran.
        content: champion, tables, answers.
        compared: predictions that parity compared.
        unequal: those of them that differ from the offline path.
        busy: what one customer's many requests came to.
        streamed_otherwise: recorded requests that the topic did not answer as the service did; None without a topic.
        differences: from the first home, a line each.
    """

    home: Home
    seconds: float
    processes: int
    content: dict[str, Any]
    compared: int
    unequal: int
    busy: Busy
    streamed_otherwise: int | None = None
    differences: list[str] = field(default_factory=list)

    def row(self) -> list[str]:
        """Its line of the table."""
        tables, given = len(self.content["tables"]), len(self.content["answers"])
        stream = "" if self.streamed_otherwise is None else f"{given - self.streamed_otherwise} of {given}"
        asked = len(self.busy.statuses)
        return [
            f"{self.home.title}, {self.processes} processes",
            str(self.content["models"]["champion"])[:19],
            f"{tables} tables, {given} answers: " + ("; ".join(self.differences) or "the same"),
            f"{self.compared - self.unequal} of {self.compared}",
            f"{asked - self.busy.lacking - self.busy.wrong} of {asked}",
            stream,
            f"{self.seconds:.0f}",
        ]


def main(arguments: list[str]) -> int:
    """Run and compare; 1 where anything differs."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.back_ends", description="Compare back ends.")
    parser.add_argument("--output", type=Path, help="the report")
    options = parser.parse_args(arguments)
    console, busy = Console(highlight=False, soft_wrap=True), busy_cores()
    with tempfile.TemporaryDirectory(prefix="platform-assets-back-ends-") as scratch, ExitStack() as stack:
        seen = _compared(homes(Path(scratch), stack), console)
    topic = _topic(seen)
    command = " ".join(["python -m benchmarks.back_ends", *arguments])
    text = render([topic], describe_machine(), describe_code(), datetime.now(UTC).date().isoformat(), busy, command)
    if options.output is not None:
        options.output.write_text(text, encoding="utf-8")
    console.print(text, markup=False)
    return 1 if missed_bars([topic]) else 0


def _compared(ran: list[Home], console: Console) -> list[Seen]:
    """Run each and hold it to the first as soon as it is done: what ends a later run early takes no comparison along.

    The first two have nothing in common and run at once; the third works on what the second made.
    """
    with ThreadPoolExecutor() as pool:
        first_two = [pool.submit(_run, home) for home in ran[:2]]
        return _asked(ran, [one.result for one in first_two], console)


def _run(home: Home) -> float:
    """Seconds that its run took."""
    began = time.monotonic()
    try:
        home.command("run", USE_CASE)
    except SystemExit as error:
        sys.stderr.write(f"{error}\n")  # at once: the other one may run for long
        raise
    return time.monotonic() - began


def _asked(ran: list[Home], under_way: list[Callable[[], float]], console: Console) -> list[Seen]:
    """What each came to; those that are not under way are run in their turn."""
    seen: list[Seen] = []
    names: list[str] = []
    bodies: list[dict[str, Any]] = []
    for number, home in enumerate(ran):
        seconds = under_way[number]() if number < len(under_way) else _run(home)
        if not seen:
            first = Path(home.settings["PLATFORM_ASSETS_HOME"])
            names = [one for one, _ in tables_of(first)]
            bodies = recorded_requests(first, USE_CASE, "transactions", list(COLUMNS), TIME, KEY)[:ANSWERS]
        found = content(home, names, bodies)
        one = Seen(home, seconds, processes_of(home), found, *parity_of(home), ask_busily(home, bodies[-1]))
        one.differences = compare(seen[0].content, found) if seen else []
        if home.broker is not None:
            one.streamed_otherwise = streamed_otherwise(bodies, found["answers"], streamed(home, home.broker, bodies))
        seen.append(one)
        console.print(" | ".join(one.row()), markup=False)
    return seen


def _topic(seen: list[Seen]) -> Topic:
    others, lacking, wrong = seen[1:], sum(one.busy.lacking for one in seen), sum(one.busy.wrong for one in seen)
    differences = [line for one in others for line in one.differences]
    refused = sum(json.loads(answer)["status"] != 200 for one in seen for answer in one.content["answers"])
    refused += sum(status != 200 for one in seen for status in one.busy.statuses)
    compared, unequal = sum(one.compared for one in seen), sum(one.unequal for one in seen)
    counts = ", ".join(str(one.processes) for one in seen)
    topics = [one.streamed_otherwise for one in seen if one.streamed_otherwise is not None]
    asked = sum(len(one.busy.statuses) for one in seen)
    bars = [
        Bar(
            f"champion, tables and {ANSWERS} answers the same as on this machine's files",
            f"{len(differences)} differences in {len(others)} homes",
            not differences and len(others) == 2,
        ),
        Bar("no request refused", f"{refused} refused", refused == 0),
        Bar(
            "parity green in every home",
            f"{unequal} of {compared} predictions differ",
            unequal == 0 and all(one.compared > 0 for one in seen),
        ),
        Bar(
            "no prediction lacks an event that was scored before it, nor counts a later one",
            f"{lacking} lack one and {wrong} count one, of {asked}",
            lacking == 0 and wrong == 0 and asked > 0,
        ),
        Bar(
            "as many processes as declared",
            f"{counts} ran",
            all(one.processes == one.home.processes for one in seen),
        ),
        Bar(
            "a topic's answers are the service's",
            f"{sum(topics)} of {ANSWERS * len(topics)} differ or are missing",
            topics == [0],
        ),
    ]
    columns = ["", "champion", "beside the first", "parity green", "busy, right", "by the topic", "run, s"]
    return Topic(TITLE, HOW, columns, [one.row() for one in seen], bars)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
