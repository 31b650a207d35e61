"""What can happen at random to a service under load: to its processes, its disk, its store, its proxy's files.

Belongs here: each accident with what is promised meanwhile. Does not belong here: the order of them, and what was measured (`topic.py`).
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

import psutil

from benchmarks.attack import accidents as below
from benchmarks.attack.scene import Scene
from platform_assets.deployment.local.attendants import DOORS
from platform_assets.deployment.local.launch import PROGRAM_VARIABLE, TARGET_VARIABLE, marked_processes

SUPERVISOR, PROXY = "supervisord", "envoy"
PROGRAM_SECONDS = 60.0
PROXY_FILES = ("routes.json", "clusters.json", "listeners.json")


@dataclass(frozen=True)
class Accident:
    """One kind of accident.

    Attributes:
        name: what is done.
        answered: whether good requests are answered meanwhile. Where they cannot be, they are refused or find nobody, and what is
            promised is the log, and the way back.
        word: of the problem that `status` names meanwhile; empty where it may see nothing.
        cause: lets it happen; what has to be undone is undone when the block ends.
    """

    name: str
    answered: bool
    word: str
    cause: Callable[[Scene, random.Random], AbstractContextManager[None]]


def possible(scene: Scene) -> list[Accident]:
    """Every accident that this scene allows; one for each kind of process that runs."""
    kinds = sorted(set(running(scene)))
    killed = [
        Accident(f"{kind} killed", kind != PROXY, "", lambda scene, random_, kind=kind: _killed(scene, random_, kind))
        for kind in kinds
    ]
    service = scene.use_case.name
    # A request waits for the first of them to be back, until its 15 s are over.
    every = Accident(
        f"every process of {service} killed at once", False, "", lambda scene, _: _all_killed(scene, service)
    )
    broken = Accident("a file of the proxy broken", True, "", _broken_file)
    disk = Accident("the log's disk full", False, "takes no lines", lambda scene, _: below.full_disk(scene))
    deleted = Accident("the online store deleted", False, "store", lambda scene, _: below.deleted_store(scene))
    damaged = Accident("the online store damaged", False, "store", lambda scene, _: below.damaged_store(scene))
    return [*killed, every, broken, *([disk] if scene.on_own_disk else []), deleted, damaged]


def wait_for_programs(scene: Scene) -> None:
    """Until the target's own programs run beside the service: they start last, and one that is not there yet is no kind.

    Raises:
        RuntimeError: one of them does not come.
    """
    deadline = time.monotonic() + PROGRAM_SECONDS
    while lacking := {DOORS, PROXY, scene.use_case.name} - running(scene).keys():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{', '.join(sorted(lacking))} did not start in {PROGRAM_SECONDS:.0f} s")
        time.sleep(0.1)


def running(scene: Scene) -> dict[str, list[psutil.Process]]:
    """The target's processes by kind; those of one version are one kind, called as the use case."""
    target_id = json.loads((scene.target.root / "state.json").read_text(encoding="utf-8"))["target_id"]
    kinds: dict[str, list[psutil.Process]] = {}
    for process in marked_processes({TARGET_VARIABLE: target_id}):
        with contextlib.suppress(psutil.Error):
            program = process.environ().get(PROGRAM_VARIABLE, "")
            if os.getpgid(process.pid) == process.pid:  # what a program forked, or watches over, is not the program
                service = program.startswith(f"{scene.use_case.name}-")
                kinds.setdefault(scene.use_case.name if service else program, []).append(process)
    pid = scene.target.status().supervisor_pid
    if pid is not None:
        kinds[SUPERVISOR] = [psutil.Process(pid)]
    kinds.pop("", None)
    return kinds


@contextlib.contextmanager
def _killed(scene: Scene, random_: random.Random, kind: str) -> Iterator[None]:
    _kill(random_.choice(running(scene).get(kind) or [None]))
    yield


@contextlib.contextmanager
def _all_killed(scene: Scene, kind: str) -> Iterator[None]:
    for process in running(scene).get(kind, []):
        _kill(process)
    yield


def _kill(process: psutil.Process | None) -> None:
    with contextlib.suppress(psutil.Error):
        if process is not None:
            process.send_signal(signal.SIGKILL)


@contextlib.contextmanager
def _broken_file(scene: Scene, random_: random.Random) -> Iterator[None]:
    """A file that the proxy reads is replaced by half of it; bringing the target up writes it again."""
    path = scene.target.root / "envoy" / "dynamic" / random_.choice(PROXY_FILES)
    text = path.read_text(encoding="utf-8")
    half = path.with_name(".half")
    half.write_text(text[: len(text) // 2], encoding="utf-8")
    half.replace(path)
    try:
        yield
    finally:
        scene.target.ensure_running()
