"""Paths of the other doors: the Open Inference Protocol, gRPC, and the metrics of all processes.

Belongs here: their routes and the clusters behind them. Does not belong here: weights and mirrors of a use case (`routes.py`), which the
doors leave as they are: what they ask comes back through the proxy as a request of REST.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from platform_assets.deployment.local.envoy_config.format import TYPE, Json
from platform_assets.deployment.local.state import Arm
from platform_assets.deployment.routing.paths import arms_by_version, open_inference_path, path_prefix

PREFIX = "door."
"""Begins the names of the doors' clusters; no use case's name has a point."""
GRPC, PAGES = f"{PREFIX}grpc", f"{PREFIX}pages"
SHARED_PAGES = ("/", "/v1/pages", "/v2", "/v2/", "/v2/health/live", "/v2/health/ready")
WRITTEN = r"/v1/(pages/reports/[a-z][a-z0-9_]*/[^/]+|[a-z][a-z0-9_]*/page)"
"""Reports, and pages of use cases that have no release here."""
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
    return [to_door(match, cluster, timeout, retry) for match, cluster in (*paths, *services)]


def written_routes(timeout: str, retry: Json) -> list[Json]:
    """The routes to written pages that no route of a use case leads to; what they require of callers is what the strictest one does."""
    return [to_door({"safe_regex": {"regex": WRITTEN}}, PAGES, timeout, retry)]


def asked_by_version(arms: Sequence[Arm]) -> dict[str, str]:
    """The arms that a caller may ask for by the version of their model; none where fewer than two models have traffic."""
    return arms_by_version((arm.name, arm.version) for arm in arms if arm.weight > 0)


def of_use_case(use_case: str, routes: Sequence[Json], arms: Mapping[str, str], requirements: Json) -> list[Json]:
    """The routes of one use case, those of its doors included, the most particular first.

    A version that is asked for by name is the arm's of that version, whatever the weights are; without a name the weights decide, as for
    every other request.

    Args:
        use_case: its name.
        routes: its routes below `/v1/<use_case>/`, in their order.
        arms: version of the model to arm, see `asked_by_version`.
        requirements: `typed_per_filter_config` of what is required of callers.
    """
    last = routes[-1]["route"]
    timeout = last["timeout"]
    retry = {
        name: value for name, value in last["retry_policy"].items() if name != "per_try_timeout"
    }  # there is one of each door
    to_doors = [
        to_door({"path": f"/v1/{use_case}/metrics"}, PAGES, timeout, retry),
        to_door({"path": f"/v1/{use_case}/page"}, PAGES, timeout, retry),
        to_door({"prefix": f"/platform_assets.{use_case}.v1.Scoring/"}, GRPC, timeout, retry),
    ]
    for route in to_doors:
        route.update({"typed_per_filter_config": requirements} if requirements else {})
    model = open_inference_path(use_case)
    below = path_prefix(use_case).rstrip("/") + model
    named = [
        _named(routes, path, f"{below}/versions/{version}", arm)
        for version, arm in sorted(arms.items())
        for path in (f"{model}/versions/{version}", f"{below}/versions/{version}")
    ]
    return [*to_doors, *named, *(_moved(route, model, below) for route in routes), *routes]


def _moved(route: Json, path: str, instead: str) -> Json:
    """A route that a path leads to, for this path and all below it; the service sees another path in its place."""
    match = {name: value for name, value in route["match"].items() if name != "prefix"}
    return route | {
        "match": {"path_separated_prefix": path, **match},
        "route": route["route"] | {"prefix_rewrite": instead},
    }


def _named(routes: Sequence[Json], path: str, instead: str, arm: str) -> Json:
    """A route to one arm."""
    clusters = [cluster for route in routes for cluster in route["route"]["weighted_clusters"]["clusters"]]
    cluster = next(cluster for cluster in clusters if cluster["name"] == arm)
    moved = _moved(routes[-1], path, instead)
    moved["route"] = moved["route"] | {"weighted_clusters": {"clusters": [cluster | {"weight": 100}]}}
    return moved


def to_door(match: Json, cluster: str, timeout: str, retry: Json) -> Json:
    """A route to a door."""
    return {"match": match, "route": {"cluster": cluster, "timeout": timeout, "retry_policy": retry}}
