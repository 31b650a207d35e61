"""The connection to a Ray cluster.

Belongs here: joining a cluster, waiting for room on it, and what to say when there is none. Does not belong here: what is done on it
(`ray_train`, `ray_tune`), starting a cluster: Ray's own command or KubeRay does.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

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
            f"PLATFORM_ASSETS_RAY_ADDRESS is {address!r}: Ray's client protocol is not supported, because the process that asks must be "
            "part of the cluster. Start `ray start --address=HEAD:6379 --num-cpus=0` beside it and set the address to auto"
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
    try:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ClusterError(
            f"PLATFORM_ASSETS_RAY_ADDRESS is {address!r}, and no Ray cluster can be joined there: {error}. "
            "Check the address, and that this machine is part of the cluster (`ray status`)"
        ) from error
    try:
        yield ray
    finally:
        ray.shutdown()


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
