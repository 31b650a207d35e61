"""The connection to a Ray cluster.

Belongs here: joining a cluster and leaving it, waiting for room on it, and what to say when there is none. Does not belong here: what
is done on it (`ray_train`, `ray_tune`), starting a cluster: Ray's own command or KubeRay does.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any

import psutil

JOIN_SECONDS = 60.0
"""How long this machine may take to become part of a cluster."""
ROOM_SECONDS = 300.0
"""How long a cluster may take to find room for one more piece of work: an autoscaler has to start machines."""


class ClusterError(RuntimeError):
    """The cluster is missing, cannot be reached or is too small; the message says what to set."""


@contextmanager
def cluster(address: str) -> Iterator[Any]:
    """Ray, connected to the cluster at `address` while the block runs; a connection that exists already is used and left.

    Args:
        address: `host:port` of the cluster's head, or `auto` for the cluster that this machine is part of.

    Raises:
        ClusterError: Ray is not installed, or there is no such cluster.
    """
    if address.startswith("ray://"):
        raise ClusterError(
            f"PLATFORM_ASSETS_RAY_ADDRESS is {address!r}: Ray's client protocol is not supported; name the port of the head's own "
            "service, HOST:6379, and this machine joins the cluster"
        )
    try:
        import ray
    except ImportError as error:
        raise ClusterError(
            "Ray is not installed: pip install 'platform-assets[ray]', or unset PLATFORM_ASSETS_RAY_ADDRESS"
        ) from error
    if ray.is_initialized():
        yield ray
        return
    with _member(address):
        try:
            ray.init(address=address, log_to_driver=False, logging_level="ERROR")
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise ClusterError(_cannot_join(address, str(error))) from error
        try:
            yield ray
        finally:
            ray.shutdown()


@contextmanager
def _member(address: str) -> Iterator[None]:
    """This machine as part of the cluster: through the Ray node that runs on it, else through one without CPUs, while the block runs."""
    if address == "auto" or any(process.info["name"] == "raylet" for process in psutil.process_iter(["name"])):
        yield
        return
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", f"--address={address}", "--num-cpus=0", "--block"]
    with tempfile.TemporaryFile() as log:
        node = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        try:
            _wait_until_joined(node, address, log)
            yield
        finally:
            _leave(node)


def _wait_until_joined(node: subprocess.Popen[bytes], address: str, log: IO[bytes]) -> None:
    deadline = time.monotonic() + JOIN_SECONDS
    while not any(child.name() == "raylet" for child in _children(node)):
        if node.poll() is not None or time.monotonic() > deadline:
            log.seek(0)
            lines = log.read().decode(errors="replace").strip().splitlines() or ["it said nothing"]
            raise ClusterError(_cannot_join(address, f"`ray start` ended or took over {JOIN_SECONDS:g} s: {lines[-1]}"))
        time.sleep(0.1)


def _leave(node: subprocess.Popen[bytes]) -> None:
    """Stop the node; what does not stop is killed."""
    children = _children(node)
    node.terminate()
    _, alive = psutil.wait_procs([psutil.Process(node.pid), *children] if node.poll() is None else children, timeout=10)
    for process in alive:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    node.wait()


def _children(node: subprocess.Popen[bytes]) -> list[psutil.Process]:
    try:
        return psutil.Process(node.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _cannot_join(address: str, why: str) -> str:
    return (
        f"PLATFORM_ASSETS_RAY_ADDRESS is {address!r}, and no Ray cluster can be joined there: {why}. Check that the cluster runs "
        "(`ray status` on its head), and that this machine reaches it"
    )


def wait_for_room(ray: Any, bundles: list[dict[str, float]], what: str, seconds: float = ROOM_SECONDS) -> None:
    """Return when the cluster has room for all the bundles at once; this is also what makes an autoscaler start machines.

    Raises:
        ClusterError: it has none in time.
    """
    group = ray.util.placement_group(bundles)
    try:
        if not group.wait(timeout_seconds=seconds):
            raise ClusterError(
                f"{what} needs {len(bundles)} times {bundles[0]}, and in {seconds:g} s the Ray cluster found no room: it has "
                f"{ray.cluster_resources().get('CPU', 0):g} CPUs, {ray.available_resources().get('CPU', 0):g} of them free. Use fewer or "
                "smaller workers, or a larger cluster"
            )
    finally:
        ray.util.remove_placement_group(group)
