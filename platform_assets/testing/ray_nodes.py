"""A Ray cluster of two nodes on this machine, in a network of its own.

Belongs here: the network namespace, starting the two nodes in it, and killing one. Does not belong here: what is run on them.

The namespace has a loopback interface with two addresses and nothing else, so that whatever the nodes say to each other goes over sockets
and nothing reaches another network. It comes with a process namespace: when its first process ends, the kernel ends the others.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from platform_assets.testing.child_process import ROOT, ChildFailed, child_result

HEAD, WORKER, PORT = "10.77.0.1", "10.77.0.2", 6379
ADDRESS = f"{HEAD}:{PORT}"
START_SECONDS = 180.0
START_ATTEMPTS = 3
OBJECT_STORE_BYTES = 80_000_000
_NOTHING_ELSE = ("--include-dashboard=false", "--no-monitor", "--disable-usage-stats")
"""No dashboard, no autoscaler, no word to anybody."""
_ENVIRONMENT = {
    "PYTHONPATH": str(ROOT),
    "RAY_worker_niceness": "0",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_failure_threshold": "15",
    "RAY_health_check_initial_delay_ms": "10000",
}
"""Workers are as nice as what they are compared with (by default 15); a lost node is noticed as soon as by default, after 15 s."""


def in_namespace(module: str, *arguments: str, timeout_seconds: float) -> dict[str, Any]:
    """Run `python -m module arguments` in a network and a process namespace of its own; the JSON object in its last line.

    Raises:
        ChildFailed: it ended with an error, took too long, or there can be no namespace.
    """
    unshare = ["unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if os.geteuid() != 0:
        unshare += ["--user", "--map-root-user"]
    command = [*unshare, sys.executable, "-m", module, *arguments]
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired as error:
        raise ChildFailed(f"{module} {' '.join(arguments)} took longer than {timeout_seconds:g} s") from error
    return child_result(module, done.returncode, done.stdout, done.stderr)


class TwoNodes:
    """A head and a worker; to be used in a namespace made by `in_namespace`.

    The nodes are started without `--block`: with it, a head that is slow to register ends because its server for clients gave up waiting
    after 30 s (Ray 2.60).
    """

    def __init__(self, cpus: int = 1, store_bytes: int = OBJECT_STORE_BYTES, nodes: int = 2) -> None:
        self._cpus, self._store_bytes, self._nodes = cpus, store_bytes, nodes
        self._scratch = Path(tempfile.mkdtemp(prefix="ray-"))

    def __enter__(self) -> TwoNodes:
        _bring_up_loopback()
        try:
            self._start(HEAD, ["--head", f"--port={PORT}", *_NOTHING_ELSE])
            if self._nodes > 1:
                self._start(WORKER, [f"--address={ADDRESS}"])
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for node in (WORKER, HEAD):
            self.kill(node)
        shutil.rmtree(self._scratch, ignore_errors=True)

    def kill(self, node: str = WORKER) -> None:
        """End all processes of a node at once, as a power failure does."""
        folder = str(self._scratch / node)
        named = [process for process in psutil.process_iter() if any(folder in word for word in _command(process))]
        below = [child for process in named for child in _children(process)]
        for process in {*named, *below}:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)

    def _start(self, node: str, options: Sequence[str]) -> None:
        """Start a node; the command returns when it is up. It gives up after 30 s (Ray 2.60), and on a busy machine is run again."""
        command = [
            str(Path(sys.executable).with_name("ray")),
            "start",
            f"--node-ip-address={node}",
            f"--num-cpus={self._cpus}",
            f"--object-store-memory={self._store_bytes}",
            f"--temp-dir={self._scratch / node}",
            *options,
        ]
        message = ""
        for _ in range(START_ATTEMPTS):
            with (self._scratch / f"{node}.log").open("w+b") as log:
                started = subprocess.run(
                    command,
                    cwd=ROOT,
                    env={**os.environ, **_ENVIRONMENT},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    timeout=START_SECONDS,
                    check=False,
                )
                if started.returncode == 0:
                    return
                log.seek(0)
                message = log.read().decode(errors="replace")[-1500:]
            self.kill(node)
            shutil.rmtree(self._scratch / node, ignore_errors=True)
        raise ChildFailed(f"node {node} of the Ray cluster did not start in {START_ATTEMPTS} attempts:\n{message}")


def _command(process: psutil.Process) -> list[str]:
    with suppress(psutil.Error):
        return list(process.cmdline())
    return []


def _children(process: psutil.Process) -> list[psutil.Process]:
    with suppress(psutil.Error):
        return list(process.children(recursive=True))
    return []


def wait_for_nodes(ray: Any, nodes: int) -> None:
    """Return when the cluster has as many nodes."""
    _wait(lambda: _alive(ray.nodes()) == nodes, f"a Ray cluster of {nodes} nodes", lambda: str(ray.nodes()))


def _alive(nodes: Sequence[Mapping[str, Any]]) -> int:
    return sum(bool(node["Alive"]) for node in nodes)


def _bring_up_loopback() -> None:
    for words in (["link", "set", "lo", "up"], *(["addr", "replace", f"{a}/32", "dev", "lo"] for a in (HEAD, WORKER))):
        subprocess.run(["ip", *words], check=True, capture_output=True)


def _wait(until: Callable[[], bool], what: str, message: Callable[[], str]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not until():
        if time.monotonic() > deadline:
            raise ChildFailed(f"{what} did not appear within {START_SECONDS:g} s:\n{message()}")
        time.sleep(0.2)
