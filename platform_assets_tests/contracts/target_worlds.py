"""Targets of every kind, the tiny service that they run, and callers, for the contracts of targets.

Belongs here: what more than one suite needs. Does not belong here: what a target has to do (`test_targets.py`, `test_target_rollouts.py`).
"""

import shutil
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from platform_assets.deployment.kubernetes.settings import ClusterSettings
from platform_assets.deployment.registry import KUBERNETES, TARGETS
from platform_assets.deployment.release import Release
from platform_assets.deployment.rollout.stages import Plan, Stage, StageKind, planned
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.deployment.target import Target
from platform_assets_tests.contracts.members.in_process_target import open_in_process_target

IN_PROCESS = "in_process"
KINDS = [
    *(pytest.param(name, marks=pytest.mark.kubernetes) if name == KUBERNETES else name for name in TARGETS.names),
    IN_PROCESS,
]
SERVICE = Path(__file__).parent / "members" / "tiny_service.py"

MakeRelease = Callable[..., Release]


@contextmanager
def opened(kind: str, folder: Path, new_namespace: Callable[[], ClusterSettings]) -> Iterator[Target]:
    """The target of an installation that chose this kind; nothing is left of it."""
    cluster = new_namespace() if kind == KUBERNETES else None
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    with TARGETS.with_member(IN_PROCESS, open_in_process_target):
        target = ServingHome(str(folder / "home"), port, kind, cluster=cluster).target()
    yield target
    target.stop_all()
    assert not target.status().running


def releases(folder: Path) -> MakeRelease:
    """`release("2", mode="never ready", ...)`: a version of the tiny service."""
    service = folder / "service"
    service.mkdir()
    shutil.copy(SERVICE, service)

    def build(version: str, mode: str = "", **changes: Any) -> Release:
        command = [sys.executable, "tiny_service.py", "{host}", "{port}"]
        values: dict[str, Any] = {"use_case": "churn", "ready_path": "/readyz", "working_dir": service}
        return Release(
            version=version, command=command, environment={"VERSION": version, "MODE": mode}, **values | changes
        )

    return build


def answers(address: str, count: int = 1) -> Counter[str]:
    """What that many requests got, by answer or status."""
    counted: Counter[str] = Counter()
    with httpx.Client(trust_env=False, timeout=20) as client:
        for _ in range(count):
            answer = client.post(f"{address}/score", content=b"{}")
            counted[answer.text if answer.status_code == 200 else f"status {answer.status_code}"] += 1
    return counted


@contextmanager
def load(address: str) -> Iterator[Counter[str]]:
    """One client asks all the while; counts what it got, errors included."""
    counted: Counter[str] = Counter()
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            try:
                counted.update(answers(address, 5))
            except httpx.HTTPError as error:
                counted[type(error).__name__] += 1

    client = threading.Thread(target=ask)
    client.start()
    try:
        while not counted:
            time.sleep(0.01)
        yield counted
    finally:
        over.set()
        client.join()


def steps(*shares: int, observe: bool = False, keep_minutes: float = 0) -> Plan:
    """A canary of these shares, then everything."""
    last = Stage(StageKind.WEIGHT, 100, observe=False, minutes=keep_minutes)
    return planned([*(Stage(StageKind.WEIGHT, share, observe=observe) for share in shares), last])


def versions(target: Target) -> list[str]:
    status = target.status().use_cases.get("churn")
    return [process.version for process in status.processes] if status else []
