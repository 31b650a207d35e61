"""Processes that count and are killed: `python counting_processes.py FOLDER WORKERS STARTS`.

Each of WORKERS processes is started STARTS times, one after the other; it counts, writes its page to FOLDER/pages, and is killed at
once, so that it cleans nothing up. Prints how much each counted in all, as JSON. Forked, because
a start of Python costs more than all the rest.
"""

import json
import os
import random
import signal
import sys
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from serving.kept_counts import keep_counts, kept_page


def count(folder: Path, page: Path, answered: int, seconds: list[float], start: int) -> None:
    keep_counts(folder)
    registry = CollectorRegistry()
    counter = Counter("answers_total", "Answers.", ("decision", "start"), registry=registry)
    histogram = Histogram("answer_seconds", "Time.", registry=registry, buckets=(0.1, 1.0))
    Gauge("waiting", "What waits.", registry=registry).set(start)
    # A label that only every fourth start uses: the others have to show it all the same.
    counter.labels("approve", str(start % 4)).inc(answered)
    for one in seconds:
        histogram.observe(one)
    page.write_bytes(kept_page(folder, registry))
    os.kill(os.getpid(), signal.SIGKILL)


def main(folder: Path, workers: int, starts: int) -> dict[str, dict[str, float]]:
    draw, totals = random.Random(7), {}
    (folder / "pages").mkdir(parents=True)
    for worker in (f"worker-{number}" for number in range(workers)):
        totals[worker] = {"answers": 0.0, "observed": 0.0, "slow": 0.0}
        for start in range(starts):
            answered, seconds = draw.randrange(1, 50), [draw.random() * 2 for _ in range(draw.randrange(5))]
            child = os.fork()
            if child == 0:
                count(folder / worker, folder / "pages" / f"{worker}.{start}", answered, seconds, start)
            _, status = os.waitpid(child, 0)
            assert os.WTERMSIG(status) == signal.SIGKILL, status
            totals[worker]["answers"] += answered
            totals[worker]["observed"] += len(seconds)
            totals[worker]["slow"] += sum(one > 1.0 for one in seconds)
    return totals


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))
