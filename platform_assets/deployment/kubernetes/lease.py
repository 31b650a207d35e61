"""Commands on one namespace take turns, wherever they run: a Lease says whose turn it is.

Belongs here: taking, renewing and giving back the Lease. Does not belong here: what is done meanwhile. A holder that lost it unknowingly
changes nothing all the same: the state's ConfigMap takes changes only from who read it last (`state.py`).
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from platform_assets.deployment.errors import DeploymentError, TargetBusy
from platform_assets.deployment.kubernetes.api_errors import ClusterRefused, StaleObject
from platform_assets.deployment.kubernetes.client import ClusterClient
from platform_assets.deployment.kubernetes.kinds import LEASE

logger = logging.getLogger(__name__)

NAME = "platform-assets-target"
DURATION_SECONDS = 15
RENEW_SECONDS = 4.0
POLL_SECONDS = 0.5


@contextmanager
def held(
    client: ClusterClient, timeout_seconds: float, duration_seconds: int = DURATION_SECONDS
) -> Iterator[threading.Event]:
    """Hold the Lease of a namespace while the block runs.

    Args:
        client: of the namespace.
        timeout_seconds: the longest to wait for another command.
        duration_seconds: so long after its last renewal a Lease is free for others; whoever waits counts on its own clock.

    Yields:
        Set when another command took the Lease, having waited for this one in vain.

    Raises:
        TargetBusy: another command did not end in time.
        ClusterRefused: the API does not answer, or refuses.
    """
    holder = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    _take(client, holder, timeout_seconds, duration_seconds)
    over, lost = threading.Event(), threading.Event()
    renewing = threading.Thread(target=_renew, args=(client, holder, duration_seconds, over, lost), daemon=True)
    renewing.start()
    try:
        yield lost
    finally:
        over.set()
        renewing.join()
        if not lost.is_set():
            _give_back(client, holder)


def _take(client: ClusterClient, holder: str, timeout_seconds: float, duration_seconds: int) -> None:
    deadline = time.monotonic() + timeout_seconds
    seen: tuple[str, float] | None = None
    while True:
        lease = client.read(LEASE, NAME)
        spec = {} if lease is None else lease.get("spec", {})
        version = "" if lease is None else lease["metadata"]["resourceVersion"]
        if seen is None or seen[0] != version:
            seen = version, time.monotonic()
        stale = time.monotonic() - seen[1] > float(spec.get("leaseDurationSeconds") or duration_seconds)
        if not spec.get("holderIdentity") or stale:
            if _write(client, lease, holder, duration_seconds):
                if stale and spec.get("holderIdentity"):
                    logger.warning("took over from %s, which has not renewed its Lease", spec["holderIdentity"])
                return
            continue
        if time.monotonic() > deadline:
            raise TargetBusy(
                f"{spec['holderIdentity']} works on the namespace {client.namespace} and has not ended after {timeout_seconds:g} s; wait "
                "for it, or end it, and try again"
            )
        time.sleep(POLL_SECONDS)


def _write(client: ClusterClient, lease: dict[str, Any] | None, holder: str, duration_seconds: int) -> bool:
    """Write the Lease as this holder's; False when another was faster."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    spec = {"holderIdentity": holder, "leaseDurationSeconds": duration_seconds, "renewTime": now}
    body: dict[str, Any] = {"apiVersion": LEASE.version, "kind": LEASE.name, "spec": spec}
    try:
        if lease is None:
            client.create({**body, "metadata": {"name": NAME, "namespace": client.namespace}})
        else:
            client.replace({**body, "metadata": lease["metadata"]})
    except StaleObject:
        return _holder(client) == holder  # equal: an earlier try did it, and its answer was lost
    return True


def _holder(client: ClusterClient) -> str | None:
    lease = client.read(LEASE, NAME)
    return None if lease is None else lease.get("spec", {}).get("holderIdentity")


def _renew(
    client: ClusterClient, holder: str, duration_seconds: int, over: threading.Event, lost: threading.Event
) -> None:
    """Write the Lease again and again; an API that does not answer is asked again, for others cannot take the Lease there either."""
    while not over.wait(min(RENEW_SECONDS, duration_seconds / 3)):
        try:
            lease = client.read(LEASE, NAME)
            ours = lease is not None and lease.get("spec", {}).get("holderIdentity") == holder
            if not ours or not _write(client, lease, holder, duration_seconds):
                logger.error("another command took the Lease of %s; this one changes nothing more", client.namespace)
                lost.set()
                return
        except ClusterRefused as error:
            logger.warning("the Lease is not renewed: %s", error)


def _give_back(client: ClusterClient, holder: str) -> None:
    try:
        lease = client.read(LEASE, NAME)
        if lease is not None and lease.get("spec", {}).get("holderIdentity") == holder:
            _write(client, lease, "", DURATION_SECONDS)
    except DeploymentError as error:
        logger.warning("the Lease is not given back and is free in %d s: %s", DURATION_SECONDS, error)
