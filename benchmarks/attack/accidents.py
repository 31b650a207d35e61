"""Accidents below a service: what is done, and how it is undone.

Belongs here: the accidents. Does not belong here: bad callers (`bad_callers.py`), or what is measured of them (`topic.py`).
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

from benchmarks.attack.scene import Scene

PAGE_BYTES = 4096


@contextlib.contextmanager
def full_disk(scene: Scene) -> Iterator[None]:
    """The disk of the prediction log is full to the last byte; afterwards there is room again."""
    filler = scene.log / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"\0" * PAGE_BYTES):
            pass
    yield
    filler.unlink()


@contextlib.contextmanager
def deleted_store(scene: Scene) -> Iterator[None]:
    """The online store's file is gone; afterwards a copy is put back, and the processes are started again."""
    with _copy_put_back(scene):
        for path in _files(scene):
            path.unlink(missing_ok=True)
        yield


@contextlib.contextmanager
def damaged_store(scene: Scene) -> Iterator[None]:
    """Every page of the online store's file but the first is noise; afterwards as above."""
    with _copy_put_back(scene):
        noise = random.Random(0)
        with scene.store.open("r+b") as file:
            for start in range(PAGE_BYTES, scene.store.stat().st_size, PAGE_BYTES):
                file.seek(start)
                file.write(noise.randbytes(PAGE_BYTES))
        yield


@contextlib.contextmanager
def killed_processes(scene: Scene) -> Iterator[None]:
    """One service process after the other is killed."""
    _kill(scene, count=1)
    yield


@contextlib.contextmanager
def hung_process(scene: Scene) -> Iterator[None]:
    """One service process takes connections and answers nothing; afterwards it goes on."""
    pid = scene.target.status().use_cases[scene.use_case.name].processes[0].pid
    if pid is None:
        raise RuntimeError("the first service process does not run, so that it cannot hang")
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def killed_supervisor(scene: Scene) -> Iterator[None]:
    """supervisord is killed."""
    pid = scene.target.status().supervisor_pid
    if pid is not None:
        os.kill(pid, signal.SIGKILL)
    yield


@contextlib.contextmanager
def _copy_put_back(scene: Scene) -> Iterator[None]:
    """What lies beside the store's file belongs to it: the write-ahead log."""
    safe = scene.store.with_name("safe")
    safe.mkdir()
    for path in _files(scene):
        shutil.copy2(path, safe / path.name)
    try:
        yield
    finally:
        for path in _files(scene):
            path.unlink(missing_ok=True)
        for path in safe.iterdir():
            path.replace(scene.store.with_name(path.name))
        safe.rmdir()
        _kill(scene, count=len(scene.target.status().use_cases[scene.use_case.name].processes))


def _files(scene: Scene) -> list[Path]:
    return sorted(scene.store.parent.glob(f"{scene.store.name}*"))


def _kill(scene: Scene, count: int) -> None:
    """Kill service processes; supervisord starts them again."""
    processes = scene.target.status().use_cases[scene.use_case.name].processes
    for process in processes[:count]:
        if process.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
