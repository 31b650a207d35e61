"""What a request costs: this tree, the commit before the request path was rebuilt, and bare FastAPI, side by side.

    python -m benchmarks --only request_path

Belongs here: alternating rounds, what they cost, and the bars. Does not belong here: the world (`world.py`), serving a side (`side.py`).
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from benchmarks.common.before import BEFORE_COMMIT, tree_before
from benchmarks.common.load import WARM_UP, load
from benchmarks.common.processes import ONE_THREAD, running
from benchmarks.common.report import Bar, Topic
from benchmarks.request_path.world import simulated_world, write_bodies, write_model
from platform_assets.deployment.local.host import free_port
from platform_assets.testing.child_process import ROOT

TITLE = "The request path"
NOW, BEFORE, BARE = "this tree", f"commit {BEFORE_COMMIT}", "bare FastAPI"
SLICES, RATE_PER_SECOND, LATENCY_REQUESTS = 10, 50.0, 500
LEAST_CPU_RATIO, MOST_LATENCY_RATIO, MOST_P99_MS, OVERLOAD_SECONDS, CAPACITY_SECONDS = 5.0, 0.7, 50.0, 60.0, 5.0
IDLE_SECONDS = 0.5
NEWEST = 500


@dataclass
class Side:
    """What is asked.

    Attributes:
        address: base URL.
        score: where events are scored.
        services: processes whose work is counted.
        cpu_seconds: of each round, by all of them.
        answers: without their ids.
    """

    address: str
    score: str
    services: Sequence[int]
    cpu_seconds: list[float] = field(default_factory=list)
    answers: list[Any] = field(default_factory=list)

    def cpu(self) -> float:
        """CPU seconds of its processes until now."""
        times = [psutil.Process(pid).cpu_times() for pid in self.services]
        return sum(one.user + one.system for one in times)


def measure_request_path(requests: int, rounds: int, log: Callable[[str], None]) -> Topic:
    """Ask all three the same.

    Args:
        requests: whose answers are compared and whose CPU is counted; of fewer than 10,000 all else is shorter, too.
        rounds: of latency.
        log: told of every round.
    """
    per_round = LATENCY_REQUESTS + WARM_UP
    with contextlib.ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="platform-assets-bench-")))
        total = requests + rounds * per_round
        world = simulated_world(total)
        write_model(world, root)
        write_bodies(world, total, root / "bodies.jsonl")
        bodies = (root / "bodies.jsonl").read_bytes().splitlines()
        newest = root / "newest.jsonl"  # sent over and over: older ones would be too old by then
        newest.write_bytes(b"\n".join(bodies[-NEWEST:]) + b"\n")
        log("world and model made")
        sides = {
            name: stack.enter_context(_side(tree, root, root / folder, total))
            for name, tree, folder in ((BEFORE, tree_before(root, "request_path"), "before"), (NOW, ROOT, "now"))
        }
        for name in sides:
            log(f"{name}: serving")
        sides[BARE] = stack.enter_context(_bare(root, root / "bare", sides[NOW]))
        _answered(sides, bodies[:requests], log)
        latencies = _latencies(sides, bodies[requests:], rounds, world.declared.folder, log)
        overload = _overloaded(sides[NOW], newest, OVERLOAD_SECONDS * min(1.0, requests / 10_000), log)
    return _topic(sides, requests, latencies, overload)


def _answered(sides: Mapping[str, Side], bodies: Sequence[bytes], log: Callable[[str], None]) -> None:
    """Each slice of the bodies to one side after the other, one request at a time, until the work behind the answers is done."""
    size = len(bodies) // SLICES
    for index in range(SLICES):
        for name in sorted(sides, reverse=index % 2 == 0):
            side = sides[name]
            before = side.cpu()
            side.answers += _ask(side.score, bodies[index * size : (index + 1) * size])
            last = side.cpu()
            while True:
                time.sleep(IDLE_SECONDS)
                now = side.cpu()
                if now - last < 0.1 * IDLE_SECONDS:
                    break
                last = now
            side.cpu_seconds.append((now - before) / size)
            log(f"{name}: {side.cpu_seconds[-1] * 1e3:.3f} ms of CPU a request")


def _ask(url: str, bodies: Sequence[bytes]) -> list[Any]:
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port, timeout=10)
    answers = []
    for body in bodies:
        connection.request("POST", parts.path, body, {"content-type": "application/json"})
        response = connection.getresponse()
        answer = json.loads(response.read())
        answers.append((response.status, answer.get("probability"), answer.get("decision")))
    connection.close()
    return answers


def _latencies(
    sides: Mapping[str, Side], bodies: Sequence[bytes], rounds: int, declaration: Path, log: Callable[[str], None]
) -> dict[str, tuple[float, float]]:
    """Medians of the rounds' p50 and p99 in milliseconds."""
    found: dict[str, list[Any]] = {name: [] for name in sides}
    size = len(bodies) // rounds
    for index in range(rounds):
        for name in sorted(sides, reverse=index % 2 == 0):
            part = bodies[index * size : (index + 1) * size]
            with load(sides[name].address, declaration, part, RATE_PER_SECOND) as under_way:
                result = under_way.result()
            found[name].append(result)
            log(f"{name}: p50 {result.p50_ms:.2f} ms, p99 {result.p99_ms:.2f} ms, failed {result.failed}")
    return {
        name: (median(one.p50_ms for one in results), median(one.p99_ms for one in results))
        for name, results in found.items()
    }


def _overloaded(side: Side, bodies: Path, seconds: float, log: Callable[[str], None]) -> Mapping[str, Any]:
    """Twice the requests that it answers each second, for as long."""

    def program(*arguments: str) -> Any:
        command = [
            sys.executable,
            "-m",
            "benchmarks.request_path.open_loop",
            "--url",
            side.score,
            "--events",
            str(bodies),
        ]
        done = subprocess.run([*command, *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    most = float(program("--seconds", str(CAPACITY_SECONDS)))
    found = program("--rate", str(2 * most), "--seconds", str(seconds))
    log(f"answers {most:.0f}/s; offered {2 * most:.0f}/s: {found}")
    return {"capacity": most, **found}


@contextlib.contextmanager
def _side(tree: Path, shared: Path, own: Path, requests: int) -> Iterator[Side]:
    command = [sys.executable, "-m", "benchmarks.request_path.side", "--shared", str(shared), "--own", str(own)]
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    errors = own.with_suffix(".log")
    with errors.open("w") as output:
        process = subprocess.Popen(
            [*command, "--requests", str(requests)],
            cwd=tree,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            text=True,
        )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"{tree} does not serve: {errors.read_text()[-2000:]}")
        fields = json.loads(line)
        side = Side(fields["address"], fields["score"], fields["services"])
        (own / "served.json").write_text(line, encoding="utf-8")
        yield side
    finally:
        process.communicate()


@contextlib.contextmanager
def _bare(root: Path, own: Path, like: Side) -> Iterator[Side]:
    """Bare FastAPI on a copy, made now, of what this tree's side reads."""
    fields = json.loads((root / "now" / "served.json").read_text())
    shutil.copytree(root / "now" / "feast", own)
    environment = {
        name: value.replace(str(root / "now" / "feast"), str(own)) for name, value in fields["environment"].items()
    }
    port = free_port(os.getpid() + 1000, ())
    command = [
        sys.executable,
        "-m",
        "benchmarks.serving.bare_fastapi",
        "--release",
        fields["release"],
        "--port",
        str(port),
    ]
    path = urllib.parse.urlsplit(like.score).path
    with running(command, {**environment, **ONE_THREAD}, ROOT, port) as server:
        yield Side(server.address, f"{server.address}{path}", [server.pid])


def _topic(
    sides: Mapping[str, Side], requests: int, latencies: Mapping[str, tuple[float, float]], overload: Mapping[str, Any]
) -> Topic:
    cpu = {name: median(side.cpu_seconds) for name, side in sides.items()}
    rows = [
        [name, f"{cpu[name] * 1e3:.3f}", f"{1 / cpu[name]:.0f}", *(f"{value:.2f}" for value in latencies[name])]
        for name in sides
    ]
    ratio = cpu[BEFORE] / cpu[NOW]
    p50, p99 = (latencies[NOW][place] / latencies[BARE][place] for place in (0, 1))
    different = sum(one != other for one, other in zip(sides[NOW].answers, sides[BEFORE].answers, strict=True))
    unanswered = sum(one[0] != http.HTTPStatus.OK for one in sides[NOW].answers)
    statuses = overload["statuses"]
    answered, refused = (statuses.get(status, {"count": 0, "p50_ms": 0.0, "p99_ms": 0.0}) for status in ("200", "503"))
    others = {status: one["count"] for status, one in statuses.items() if status not in ("200", "503")}
    twice = (
        f"{answered['count']} answered, p99 {answered['p99_ms']:.1f} ms; {refused['count']} refused, p99 "
        f"{refused['p99_ms']:.1f} ms; others {others or 0}, not sent {overload['unsent']}"
    )
    in_time = answered["count"] > 0 and answered["p99_ms"] < MOST_P99_MS and not others and not overload["unsent"]
    return Topic(
        TITLE,
        f"One world of {requests} requests in order of time, each side with an online store of its own that its own code filled, the same "
        f"model. CPU: of the service's processes, recording behind the answers included, proxy left out, in {SLICES} alternating slices, "
        f"one request after the other. Latency: rounds of {LATENCY_REQUESTS} at {RATE_PER_SECOND:.0f} a second through the address "
        f"(bare FastAPI: none in front). Twice what eight clients get answered ({overload['capacity']:.0f} a second) is then offered "
        "to this tree.",
        ["", "CPU ms a request", "requests a CPU-second", "p50 ms", "p99 ms"],
        rows,
        [
            Bar(
                f"at least {LEAST_CPU_RATIO:.0f} times the requests a CPU-second",
                f"{ratio:.2f}",
                ratio >= LEAST_CPU_RATIO,
            ),
            Bar(f"p50 at most {MOST_LATENCY_RATIO} of bare FastAPI's", f"{p50:.2f}", p50 <= MOST_LATENCY_RATIO),
            Bar(f"p99 at most {MOST_LATENCY_RATIO} of bare FastAPI's", f"{p99:.2f}", p99 <= MOST_LATENCY_RATIO),
            Bar(
                "answers equal to the bit",
                f"{different} differ, {unanswered} not answered",
                not different and not unanswered,
            ),
            Bar(f"offered twice its capacity, p99 of the answered under {MOST_P99_MS:.0f} ms", twice, in_time),
        ],
    )
