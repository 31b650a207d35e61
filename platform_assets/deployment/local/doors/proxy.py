"""What the proxy counts of each arm, on the page of its use case.

Belongs here: the proxy's counts as Prometheus' text. Does not belong here: judging a rollout by them (`rollout_counters.py`), or asking for
anything that changes the proxy (`envoy.py`).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TIMEOUT_SECONDS = 2.0


@dataclass(frozen=True)
class ProxyMetric:
    """One of the proxy's counts under our name.

    Attributes:
        name: ours.
        stat: the proxy's, of a cluster.
        kind: `counter` or `gauge`.
        help: its meaning.
    """

    name: str
    stat: str
    kind: str
    help: str


METRICS = (
    ProxyMetric(
        "platform_assets_proxy_requests_total",
        "upstream_rq_completed",
        "counter",
        "Requests that an arm answered, or the proxy in its place; copies, of an arm that gets copies.",
    ),
    ProxyMetric(
        "platform_assets_proxy_errors_total",
        "upstream_rq_5xx",
        "counter",
        "Of them, those with a status of 500 or more.",
    ),
    ProxyMetric(
        "platform_assets_proxy_requests_in_flight", "upstream_rq_active", "gauge", "Requests that an arm works on."
    ),
    ProxyMetric(
        "platform_assets_proxy_healthy_processes",
        "membership_healthy",
        "gauge",
        "Processes of an arm that pass their checks.",
    ),
)


async def proxy_page(socket: Path, use_case: str, arms: Collection[str]) -> str:
    """The proxy's counts of these arms; nothing where it does not answer."""
    from aiohttp import ClientError, ClientSession, ClientTimeout, UnixConnector

    if not arms:
        return ""
    query = {"format": "json", "filter": f"^cluster\\.[^.]+\\.({'|'.join(metric.stat for metric in METRICS)})$"}
    try:
        async with (
            ClientSession(
                connector=UnixConnector(str(socket)), timeout=ClientTimeout(total=TIMEOUT_SECONDS)
            ) as session,
            session.get("http://proxy/stats", params=query) as answer,
        ):
            stats = await answer.json(content_type=None)
    except (TimeoutError, ClientError, OSError, ValueError):
        return ""
    return proxy_text(stats, use_case, arms)


def proxy_text(stats: Mapping[str, Any], use_case: str, arms: Collection[str]) -> str:
    """The answer of the proxy's `/stats` as Prometheus' text; an arm that it does not know has no series."""
    values = {one["name"]: one["value"] for one in stats.get("stats", ()) if "value" in one}
    lines = []
    for metric in METRICS:
        lines += [f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} {metric.kind}"]
        for arm in arms:
            value = values.get(f"cluster.{arm}.{metric.stat}")
            if value is not None:
                lines.append(f"{metric.name}{{use_case={json.dumps(use_case)},arm={json.dumps(arm)}}} {value}")
    return "\n".join(lines) + "\n"
