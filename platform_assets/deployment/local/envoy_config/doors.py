"""Paths of the other doors: the Open Inference Protocol, gRPC, and the metrics of all processes.

Belongs here: their routes and the clusters behind them. Does not belong here: weights and mirrors of a use case (`routes.py`), which the
doors leave as they are: what they ask comes back through the proxy as a request of REST.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from platform_assets.deployment.local.envoy_config.format import TYPE, Json

PREFIX = "door."
"""Begins the names of the doors' clusters; no use case's name has a point."""
GRPC, PAGES = f"{PREFIX}grpc", f"{PREFIX}pages"
SHARED_PAGES = ("/v2", "/v2/", "/v2/health/live", "/v2/health/ready")
SHARED_SERVICES = ("/inference.GRPCInferenceService/", "/grpc.health.v1.Health/")


def clusters(sockets: Mapping[str, Path]) -> list[Json]:
    """The clusters of the doors.

    Args:
        sockets: file by name of the cluster, `GRPC` and `PAGES`.
    """
    return [_cluster(name, path) for name, path in sockets.items()]


def _cluster(name: str, socket: Path) -> Json:
    protocol: Json = {"http2_protocol_options": {}} if name == GRPC else {"http_protocol_options": {}}
    options = {
        "@type": f"{TYPE}.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": protocol,
    }
    endpoint = {"endpoint": {"address": {"pipe": {"path": str(socket)}}}}
    return {
        "@type": f"{TYPE}.config.cluster.v3.Cluster",
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
        "typed_extension_protocol_options": {
            f"{TYPE.split('/')[1]}.extensions.upstreams.http.v3.HttpProtocolOptions": options
        },
    }


def shared_routes(timeout: str, retry: Json) -> list[Json]:
    """The routes of no use case of its own."""
    paths = [({"path": path}, PAGES) for path in SHARED_PAGES]
    services = [({"prefix": prefix}, GRPC) for prefix in SHARED_SERVICES]
    return [_to(match, cluster, timeout, retry) for match, cluster in (*paths, *services)]


def use_case_routes(use_case: str, timeout: str, retry: Json) -> list[Json]:
    """The routes of one use case that lead to a door: all processes' metrics, and its typed service."""
    return [
        _to({"path": f"/v1/{use_case}/metrics"}, PAGES, timeout, retry),
        _to({"prefix": f"/platform_assets.{use_case}.v1.Scoring/"}, GRPC, timeout, retry),
    ]


def model_matches(use_case: str, versions: Iterable[str]) -> list[tuple[Json, str, str | None]]:
    """Matches of the Open Inference Protocol that lead to the use case's own arms.

    Args:
        use_case: name of the use case, which is the model's.
        versions: those that have traffic; one is asked for by name only where there are several.

    Returns:
        Match, what replaces the matched part of the path, and the version that is asked for by name, None for whichever has the traffic.
    """
    model = f"/v2/models/{use_case}"
    below = f"/v1/{use_case}{model}"
    asked = sorted(set(versions))
    named = asked if len(asked) > 1 else []
    found: list[tuple[Json, str, str | None]] = []
    for version in named:
        for path in (model, below):
            found.append((_below(f"{path}/versions/{version}"), f"{below}/versions/{version}", version))
    return [*found, (_below(model), below, None)]


def _below(path: str) -> Json:
    return {"path_separated_prefix": path}


def _to(match: Json, cluster: str, timeout: str, retry: Json) -> Json:
    return {"match": match, "route": {"cluster": cluster, "timeout": timeout, "retry_policy": retry}}
