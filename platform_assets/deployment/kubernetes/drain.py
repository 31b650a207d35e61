"""Waiting for the last requests of pods that get no new ones.

Belongs here: reading how many are in flight, where a service says so. Does not belong here: taking requests away from pods
(`routing.py`), and ending them.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Sequence

from platform_assets.deployment.kubernetes.client import Body, ClusterClient
from platform_assets.deployment.kubernetes.reach import reached
from platform_assets.deployment.kubernetes.settings import ClusterSettings

logger = logging.getLogger(__name__)

METRICS_PATH = "/metrics"
LONGEST_SECONDS = 30.0
QUIET_LOOKS = 3
"""So many looks in a row saw nothing in flight: a gateway may be about to send what it had decided before."""
LOOK_SECONDS = 0.2


def drain_pods(client: ClusterClient, pods: Sequence[Body], settings: ClusterSettings) -> None:
    """Wait until pods without new requests have none in flight; `drain_seconds` where they do not say how many that are.

    Args:
        client: of the namespace.
        pods: answer still.
        settings: say how they are reached, and which metric counts.
    """
    if not pods:
        return
    quiet, deadline = 0, time.monotonic() + LONGEST_SECONDS
    while time.monotonic() < deadline:
        counts = [_in_flight(client, pod, settings) for pod in pods]
        if any(count is None for count in counts):
            time.sleep(settings.drain_seconds)
            return
        quiet = 0 if any(counts) else quiet + 1
        if quiet >= QUIET_LOOKS:
            return
        time.sleep(LOOK_SECONDS)
    logger.warning("%d pods still had requests in flight after %g s", len(pods), LONGEST_SECONDS)


def in_flight(text: str, metric: str) -> float | None:
    """Requests in flight by a service's Prometheus text, those for the text itself left out; None where it does not say."""
    found = re.findall(rf"^{re.escape(metric)}(\{{[^}}]*\}})?\s+([0-9.eE+-]+)", text, re.MULTILINE)
    counts = [float(value) for labels, value in found if METRICS_PATH not in labels]
    return sum(counts) if found else None


def _in_flight(client: ClusterClient, pod: Body, settings: ClusterSettings) -> float | None:
    import httpx

    try:
        with reached(client, pod, settings.reach) as url, httpx.Client(trust_env=False, timeout=2.0) as http:
            return in_flight(http.get(url + METRICS_PATH).text, settings.in_flight_metric)
    except httpx.HTTPError:
        return None
