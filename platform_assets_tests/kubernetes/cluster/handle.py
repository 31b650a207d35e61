"""How tests get a cluster: started as a process of its own, ended with all that it ran.

Belongs here: start, addresses, and proof that nothing is left. Does not belong here: what a test does with it.
"""

# ruff: noqa: PT028 - test_cluster is no test
from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from platform_assets_tests.kubernetes.tools import run_tool

ROOT = Path(__file__).parents[3]
STOP_SECONDS = 20.0


@dataclass(frozen=True)
class ClusterHandle:
    """A cluster that runs.

    Attributes:
        folder: of the cluster.
        kubeconfig: of its administrator.
        address: of its API.
        gateway_address: of the gateway `public` in the namespace `gateway-system`.
        gateway_metrics: where the gateway's counters are, as Prometheus text.
        pid: of its process.
    """

    folder: Path
    kubeconfig: Path
    address: str
    gateway_address: str
    gateway_metrics: str
    pid: int

    def call(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> httpx.Response:
        """Ask the API; an answer that refuses is not an exception."""
        content = None if body is None else json.dumps(body)
        with httpx.Client(trust_env=False, timeout=30) as client:
            return client.request(method, self.address + path, content=content, headers={"content-type": content_type})

    def post(self, path: str, body: Any = None) -> dict[str, Any]:
        """POST.

        Raises:
            httpx.HTTPStatusError: the API refuses.
        """
        answer: dict[str, Any] = _fine(self.call("POST", path, {} if body is None else body)).json()
        return answer

    def get(self, path: str) -> dict[str, Any]:
        """GET.

        Raises:
            httpx.HTTPStatusError: the API refuses.
        """
        answer: dict[str, Any] = _fine(self.call("GET", path)).json()
        return answer

    def merge(self, path: str, body: Any) -> dict[str, Any]:
        """PATCH with what differs.

        Raises:
            httpx.HTTPStatusError: the API refuses.
        """
        answer: dict[str, Any] = _fine(self.call("PATCH", path, body, "application/merge-patch+json")).json()
        return answer

    def delete(self, path: str, body: Any = None) -> None:
        """DELETE.

        Raises:
            httpx.HTTPStatusError: the API refuses.
        """
        _fine(self.call("DELETE", path, body))

    def kubectl(self, *arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run kubectl as the administrator; a test ends here where there is none."""
        return run_tool("kubectl", *arguments, kubeconfig=self.kubeconfig, text=text)


def _fine(answer: httpx.Response) -> httpx.Response:
    if answer.is_error:
        raise httpx.HTTPStatusError(f"{answer.status_code}: {answer.text}", request=answer.request, response=answer)
    return answer


@contextmanager
def test_cluster(
    folder: Path,
    *,
    images: Mapping[str, Any] | None = None,
    nodes: list[Mapping[str, Any]] | None = None,
    rbac: bool = False,
    fast_backoff: bool = True,
    toleration_seconds: int = 300,
    port: int = 0,
) -> Iterator[ClusterHandle]:
    """A cluster for as long as the block lasts.

    Args:
        folder: for its files; a new folder.
        images: name → {"python": ..., "files": {...}, "environment": {...}}.
        nodes: [{"name": ..., "capacity": {...}, "labels": {...}, "taints": [...], "folders": [...]}]; folders are for hostPath.
            One roomy node without it.
        rbac: whether roles are enforced.
        fast_backoff: wait parts of a second where a kubelet waits for minutes.
        toleration_seconds: how long a pod that says nothing else stays on a lost node.
        port: of the API; 0 for a free one.

    Raises:
        RuntimeError: it does not start.
        AssertionError: a process of it is left at the end.
    """
    folder.mkdir(parents=True, exist_ok=True)
    command = [
        "--folder",
        str(folder / "cluster"),
        "--port",
        str(port),
        "--toleration-seconds",
        str(toleration_seconds),
    ]
    for name, content in (("images", images), ("nodes", nodes)):
        if content is not None:
            (folder / f"{name}.json").write_text(json.dumps(content))
            command += [f"--{name}", str(folder / f"{name}.json")]
    command += ["--rbac"] if rbac else []
    command += ["--fast-backoff"] if fast_backoff else []
    with _process(command, folder / "cluster.log") as (process, told):
        yield ClusterHandle(
            folder=folder / "cluster",
            kubeconfig=Path(told["kubeconfig"]),
            address=told["address"],
            gateway_address=told["gateway"],
            gateway_metrics=told["gateway_metrics"],
            pid=process.pid,
        )
    left = processes_of(folder)
    assert not left, f"the test cluster left processes: {left}"


@contextmanager
def _process(options: list[str], log: Path) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, str]]]:
    """The process, and what it says when it is ready."""
    command = [sys.executable, "-m", "platform_assets_tests.kubernetes.cluster", *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=output, env=environment, cwd=ROOT
        )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"the test cluster does not start:\n{log.read_text()[-4000:]}")
        yield process, json.loads(line)
    finally:
        process.stdin.close()  # it ends when nobody holds the other end any more, also when this process is killed
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


test_cluster.__test__ = False  # type: ignore[attr-defined]


def processes_of(folder: Path) -> list[str]:
    """Command lines of the processes whose environment or command names a folder: pods have their home there."""
    found, name = [], str(folder).encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                environment, command = (entry / "environ").read_bytes(), (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if name in environment or name in command:
                found.append(f"{entry.name}: {command.replace(bytes(1), b' ').decode(errors='replace')}")
    return found
