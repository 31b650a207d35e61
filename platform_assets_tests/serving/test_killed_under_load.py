"""`kill -9` of every kind of process below a load, one after the other: what was answered stands in the log."""

import itertools
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from platform_assets.deployment.local import LocalTarget
from platform_assets.deployment.local.host import free_port
from platform_assets.deployment.packaging import BuiltBento, serve_command
from platform_assets.deployment.release import Release
from platform_assets_tests.serving.conftest import FAKE_STORE
from platform_assets_tests.serving.parking import EVENT, HERE
from serving.settings import ServingSettings

CALLERS = 3
REQUESTS_BETWEEN = 40
KILLS = 3
"""Of service processes; proxy and process manager are killed once each."""


@pytest.fixture
def target(bento: BuiltBento, tmp_path: Path) -> Iterator[LocalTarget]:
    settings = ServingSettings(feast={"folder": str(tmp_path)}, log_folder=tmp_path / "log", online_features=FAKE_STORE)
    command, environment = serve_command(bento, settings, "{port}")
    environment["PYTHONPATH"] += os.pathsep + str(HERE)
    release = Release("parking", "1", command, "/readyz", bento.code_folder, environment, processes=2)
    target = LocalTarget(tmp_path / "target", free_port(os.getpid(), ()), request_timeout_seconds=60)
    try:
        target.deploy(release)
        yield target
    finally:
        target.stop_all()


def victims(target: LocalTarget) -> Iterator[Callable[[], int | None]]:
    for number in range(KILLS):
        yield lambda index=number % 2: target.status().use_cases["parking"].processes[index].pid
    yield lambda: target.status().envoy_pid
    yield lambda: target.status().supervisor_pid


def test_no_acknowledged_prediction_is_missing_in_the_log(target: LocalTarget, tmp_path: Path) -> None:
    url, numbers, over = f"{target.address('parking')}/score", itertools.count(), threading.Event()
    acknowledged: list[str] = []

    def ask() -> None:
        with httpx.Client(trust_env=False, timeout=70) as client:
            while not over.is_set():
                name = f"T-{next(numbers)}"
                try:
                    answer = client.post(url, json=EVENT | {"arrival": name, "lot": 1 + len(name)})
                except httpx.HTTPError:  # the proxy was killed
                    time.sleep(0.02)
                    continue
                if answer.status_code == 200:
                    acknowledged.append(name)

    callers = [threading.Thread(target=ask) for _ in range(CALLERS)]
    for caller in callers:
        caller.start()
    try:
        for victim in victims(target):
            wait_for_more(acknowledged)
            pid = victim()
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
        wait_for_more(acknowledged)
    finally:
        over.set()
        for caller in callers:
            caller.join()
    logged = [json.loads(line)["arrival"] for path in (tmp_path / "log").glob("*.jsonl") for line in complete(path)]
    assert set(acknowledged) <= set(logged)
    assert len(acknowledged) == len(set(acknowledged)) > REQUESTS_BETWEEN * KILLS


def complete(segment: Path) -> list[bytes]:
    return segment.read_bytes().split(b"\n")[:-1]


def wait_for_more(acknowledged: list[str]) -> None:
    before, deadline = len(acknowledged), time.monotonic() + 90
    while len(acknowledged) < before + REQUESTS_BETWEEN:
        assert time.monotonic() < deadline
        time.sleep(0.05)
