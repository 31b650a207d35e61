"""Envoy's configuration, rendered from the target's state: pure functions from values to JSON text.

Belongs here: everything that is written in Envoy's format, with the reason for each number.
Does not belong here: reading or writing files, and asking a running Envoy anything.

Envoy watches a directory and reads a file again when it is replaced by a rename. There are four files: the bootstrap,
which changes only when a port does; listeners; clusters (one per arm, its processes as endpoints); and routes (one per
use case, its arms with weights). Every file carries a version that is a digest of its content, so writing the same
state twice changes nothing, and the routes answer it under `/-/routing`: an answer with the new version is proof that
the proxy's worker, and not only its main thread, has taken the change.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from platform_assets.deployment.local.host import LOOPBACK
from platform_assets.deployment.local.state import Arm, TargetState, UseCaseState

VERSION_HEADER = "x-service-version"
ROUTING_PATH = "/-/routing"
ROUTES_NAME = "use_cases"
STAT_PREFIX = "public"
LISTENERS_FILE, CLUSTERS_FILE, ROUTES_FILE = "listeners.json", "clusters.json", "routes.json"

# uvicorn closes a connection that was idle for 5 s. Envoy must give it up first, or it may send a request into it.
UPSTREAM_IDLE_SECONDS = 3
# From its first byte to the end of its headers, and to the end of its body: what a slow caller gets.
HEADERS_SECONDS, BODY_SECONDS = 10, 15
# A connection without a request, and one whose caller does not read the answer.
IDLE_SECONDS, STREAM_IDLE_SECONDS = 60, 30
MOST_BODY_BYTES = 2**20
MOST_CONNECTIONS = 20_000
RESERVED_FILES = 512
# A process that was killed is back after up to a second and its own start. Until then its requests are tried again, at
# random intervals up to the maximum; what ends that for a request is its timeout, not this count.
RETRY_COUNT = 60
RETRY_BASE_SECONDS, RETRY_MAX_SECONDS = 0.025, 1.0
_TYPE = "type.googleapis.com/envoy"
# Circuit breakers are for a fleet; their defaults (three retries at a time) would lose requests on one machine.
_NO_BREAKER = 1_000_000

Json = dict[str, Any]


def path_prefix(use_case: str) -> str:
    """The part of the address that belongs to one use case."""
    return f"/v1/{use_case}/"


def _seconds(value: float) -> str:
    return f"{value:g}s"


def _address(port: int) -> Json:
    return {"socket_address": {"address": LOOPBACK, "port_value": port}}


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _discovery(resources: list[Json]) -> str:
    return json.dumps({"version_info": _digest(resources), "resources": resources}, indent=1) + "\n"


def _watched(directory: Path, name: str) -> Json:
    return {
        "path_config_source": {"path": str(directory / name), "watched_directory": {"path": str(directory)}},
        "resource_api_version": "V3",
    }


def most_connections(open_files: int) -> int:
    """How many connections of callers the proxy takes at a time: each may need another one to a service."""
    return max(MOST_CONNECTIONS // 100, min(MOST_CONNECTIONS, (open_files - RESERVED_FILES) // 2))


def render_bootstrap(target_id: str, directory: Path, socket: Path, connections: int) -> str:
    """What Envoy reads once: who it is, where its own interface listens, how many callers it takes, and where the other files are.

    Args:
        target_id: of the target.
        directory: the watched directory that holds the other three files.
        socket: of the admin interface, which can drain listeners and end Envoy: a file of this user's, not a port.
        connections: callers' connections at a time; further ones are closed at once.
    """
    limit = {
        "@type": f"{_TYPE}.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
        "max_active_downstream_connections": connections,
    }
    monitor = {"name": "envoy.resource_monitors.global_downstream_max_connections", "typed_config": limit}
    bootstrap = {
        "node": {"id": target_id, "cluster": "platform-assets"},
        "admin": {"address": {"pipe": {"path": str(socket), "mode": 0o600}}},
        "overload_manager": {"resource_monitors": [monitor]},
        "dynamic_resources": {
            "lds_config": _watched(directory, LISTENERS_FILE),
            "cds_config": _watched(directory, CLUSTERS_FILE),
        },
    }
    return json.dumps(bootstrap, indent=1) + "\n"


def render_listeners(state: TargetState, directory: Path, access_log: Path | None) -> str:
    """The one public listener, on loopback.

    Args:
        state: the target's state, for the public port.
        directory: the watched directory that holds the routes.
        access_log: file for one line per request, None for no access log.
    """
    manager: Json = {
        "@type": f"{_TYPE}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": STAT_PREFIX,
        "rds": {"route_config_name": ROUTES_NAME, "config_source": _watched(directory, ROUTES_FILE)},
        "http_filters": [_buffer(), _router()],
        "use_remote_address": True,
        # The caller's id is the caller's: without this it is replaced. One is made for a request without.
        "preserve_external_request_id": True,
        "always_set_request_id_in_response": True,
        "common_http_protocol_options": {"idle_timeout": _seconds(IDLE_SECONDS)},
        "request_headers_timeout": _seconds(HEADERS_SECONDS),
        "request_timeout": _seconds(BODY_SECONDS),
        "stream_idle_timeout": _seconds(STREAM_IDLE_SECONDS),
        "http2_protocol_options": {"max_concurrent_streams": 100},
        "local_reply_config": {"mappers": [_json_reply()]},
        "normalize_path": True,
        "merge_slashes": True,
        "server_header_transformation": "PASS_THROUGH",
    }
    if access_log is not None:
        sink = {"@type": f"{_TYPE}.extensions.access_loggers.file.v3.FileAccessLog", "path": str(access_log)}
        manager["access_log"] = [{"name": "envoy.access_loggers.file", "typed_config": sink}]
    listener = {
        "@type": f"{_TYPE}.config.listener.v3.Listener",
        "name": f"public-{state.envoy_port}",
        "address": _address(state.envoy_port),
        # With it a second proxy of the same user could silently share the port and take half of the requests.
        "enable_reuse_port": False,
        "filter_chains": [
            {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
        ],
    }
    return _discovery([listener])


def _buffer() -> Json:
    """A request is sent on once it is here as a whole, so that a slow one holds no service; a larger body is refused with 413."""
    config = {"@type": f"{_TYPE}.extensions.filters.http.buffer.v3.Buffer", "max_request_bytes": MOST_BODY_BYTES}
    return {"name": "envoy.filters.http.buffer", "typed_config": config}


def _router() -> Json:
    return {
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": f"{_TYPE}.extensions.filters.http.router.v3.Router"},
    }


def _json_reply() -> Json:
    """What the proxy refuses by itself looks like a service's refusal. Its direct answers (200, 404) are JSON already."""

    def status(operation: str, code: int) -> Json:
        value = {"default_value": code, "runtime_key": f"json_reply_{code}"}
        return {"status_code_filter": {"comparison": {"op": operation, "value": value}}}

    fields = {"error": "%LOCAL_REPLY_BODY%", "problems": [], "request_id": "%REQ(X-REQUEST-ID)%"}
    return {
        "filter": {"or_filter": {"filters": [status("EQ", 400), status("GE", 408)]}},
        "body_format_override": {"json_format": fields, "content_type": "application/json"},
    }


def render_clusters(state: TargetState) -> str:
    """One cluster per exposed arm."""
    return _discovery([_cluster(arm) for _, arm in state.arms() if arm.exposed])


def _cluster(arm: Arm) -> Json:
    endpoints = [{"endpoint": {"address": _address(program.port)}} for program in arm.programs]
    limits = ("max_connections", "max_pending_requests", "max_requests", "max_retries")
    options = {
        "@type": f"{_TYPE}.extensions.upstreams.http.v3.HttpProtocolOptions",
        "common_http_protocol_options": {"idle_timeout": _seconds(UPSTREAM_IDLE_SECONDS)},
        "explicit_http_config": {"http_protocol_options": {}},
    }
    return {
        "@type": f"{_TYPE}.config.cluster.v3.Cluster",
        "name": arm.name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "lb_policy": "LEAST_REQUEST",
        "load_assignment": {"cluster_name": arm.name, "endpoints": [{"lb_endpoints": endpoints}]},
        # The cluster is not used before its first check passed. When every endpoint is out, Envoy tries them all.
        "health_checks": [
            {
                "timeout": "2s",
                "interval": "1s",
                "no_traffic_interval": "1s",
                "unhealthy_interval": "0.25s",
                "unhealthy_threshold": 2,
                "healthy_threshold": 1,
                "http_health_check": {"path": arm.ready_path},
            }
        ],
        # An endpoint that refuses or resets is left out; one that answers 500 is not: its neighbours run the same code.
        "outlier_detection": {
            "split_external_local_origin_errors": True,
            "consecutive_local_origin_failure": 3,
            "enforcing_consecutive_local_origin_failure": 100,
            "enforcing_consecutive_5xx": 0,
            "enforcing_success_rate": 0,
            "enforcing_local_origin_success_rate": 0,
            "interval": "1s",
            "base_ejection_time": "2s",
            "max_ejection_percent": 50,
        },
        "circuit_breakers": {"thresholds": [dict.fromkeys(limits, _NO_BREAKER)]},
        "typed_extension_protocol_options": {
            f"{_TYPE.split('/')[1]}.extensions.upstreams.http.v3.HttpProtocolOptions": options
        },
    }


def render_routes(state: TargetState, request_timeout_seconds: float) -> tuple[str, str]:
    """One route per use case that has weights, and the answers to all other paths.

    Args:
        state: the target's state.
        request_timeout_seconds: the longest a request may take, repeated attempts included.

    Returns:
        The file's text, and the version that `/-/routing` answers once the text is in force.
    """
    routes = [
        _route(name, use_case, request_timeout_seconds)
        for name, use_case in sorted(state.use_cases.items())
        if any(arm.weight > 0 for arm in use_case.arms)
    ]
    served = [route["match"]["prefix"] for route in routes]
    version = _digest([state.target_id, routes])
    unknown = {"error": "no use case is deployed under this path", "deployed": served}
    routes.insert(0, _answer({"path": ROUTING_PATH}, 200, {"target": state.target_id, "version": version}))
    routes.append(_answer({"prefix": "/"}, 404, unknown))
    table = {
        "@type": f"{_TYPE}.config.route.v3.RouteConfiguration",
        "name": ROUTES_NAME,
        "virtual_hosts": [{"name": "local", "domains": ["*"], "routes": routes}],
    }
    return _discovery([table]), version


def _answer(match: Json, status: int, body: Json) -> Json:
    header = {
        "header": {"key": "content-type", "value": "application/json"},
        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
    }
    return {
        "match": match,
        "direct_response": {"status": status, "body": {"inline_string": json.dumps(body) + "\n"}},
        "response_headers_to_add": [header],
    }


def _route(name: str, use_case: UseCaseState, request_timeout_seconds: float) -> Json:
    clusters = [
        {
            "name": arm.name,
            "weight": arm.weight,
            "response_headers_to_add": [
                {
                    "header": {"key": VERSION_HEADER, "value": arm.version},
                    "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
                }
            ],
        }
        for arm in use_case.arms
        if arm.weight > 0
    ]
    action: Json = {
        "weighted_clusters": {"clusters": clusters},
        "timeout": _seconds(request_timeout_seconds),
        "retry_policy": _retry_policy(),
    }
    if use_case.mirror is not None:
        # Envoy drops the mirror's answers, and waits for none of them.
        everything = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
        action["request_mirror_policies"] = [{"cluster": use_case.mirror, "runtime_fraction": everything}]
    return {"match": {"prefix": path_prefix(name)}, "route": action}


def _retry_policy() -> Json:
    """Only attempts that got no answer at all are repeated.

    Scoring has no effect but its log line, which carries the request's id, so a repeated attempt does no harm.
    """
    predicate = f"{_TYPE}.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
    return {
        "retry_on": "connect-failure,refused-stream,reset",
        "num_retries": RETRY_COUNT,
        "retry_back_off": {
            "base_interval": _seconds(RETRY_BASE_SECONDS),
            "max_interval": _seconds(RETRY_MAX_SECONDS),
        },
        "retry_host_predicate": [
            {"name": "envoy.retry_host_predicates.previous_hosts", "typed_config": {"@type": predicate}}
        ],
        "host_selection_retry_max_attempts": 3,
    }
