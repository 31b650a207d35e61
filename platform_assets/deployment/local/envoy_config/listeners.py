"""The public listener: how callers' connections and requests are taken.

Belongs here: limits of time and size, the filters in their order, and what the proxy answers when it refuses by itself.
Does not belong here: to whom a request goes (`routes.py`).
"""

from __future__ import annotations

from pathlib import Path

from platform_assets.declaration.names import PROXY_HEADERS
from platform_assets.deployment.callers import UNCHECKED, CallerAccess
from platform_assets.deployment.local.envoy_config import callers
from platform_assets.deployment.local.envoy_config.format import (
    ROUTES_FILE,
    ROUTES_NAME,
    TYPE,
    Json,
    address,
    discovery,
    seconds,
    watched,
)
from platform_assets.deployment.local.state import TargetState
from platform_assets.deployment.routing.assignment_filter import chain_filter

STAT_PREFIX, OWN_STAT_PREFIX = "public", "own"
OWN_LISTENER = "own"

# From its first byte to the end of its headers, and to the end of its body: what a slow caller gets.
HEADERS_SECONDS, BODY_SECONDS = 10, 15
# A connection without a request, and one whose caller does not read the answer.
IDLE_SECONDS, STREAM_IDLE_SECONDS = 60, 30
MOST_BODY_BYTES = 2**20


def render_listeners(
    state: TargetState,
    directory: Path,
    access_log: Path | None,
    access: CallerAccess = UNCHECKED,
    own_socket: Path | None = None,
) -> str:
    """The one public listener, on loopback, and a private one, by which the platform itself asks past what callers have to show.

    Args:
        state: the target's state, for the public port.
        directory: the watched directory that holds the routes.
        access_log: file for one line per request, None for no access log.
        access: whether callers are checked at the public one, and how.
        own_socket: of the private one, a file that only its owner can open; None for no such listener.
    """
    public = {
        "@type": f"{TYPE}.config.listener.v3.Listener",
        "name": f"public-{state.envoy_port}",
        "address": address(state.envoy_port),
        # With it a second proxy of the same user could silently share the port and take half of the requests.
        "enable_reuse_port": False,
        "filter_chains": [_chain(_manager(STAT_PREFIX, directory, access_log, access), access)],
    }
    private = {
        "@type": f"{TYPE}.config.listener.v3.Listener",
        "name": OWN_LISTENER,
        "address": {"pipe": {"path": str(own_socket), "mode": 0o600}},
        "filter_chains": [_chain(_manager(OWN_STAT_PREFIX, directory, access_log, UNCHECKED), UNCHECKED)],
    }
    return discovery([public] if own_socket is None else [public, private])


def _chain(manager: Json, access: CallerAccess) -> Json:
    chain: Json = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    transport = callers.transport_socket(access)
    if transport:
        chain |= {"name": callers.chain_name(access), "transport_socket": transport}
    return chain


def _manager(stat_prefix: str, directory: Path, access_log: Path | None, access: CallerAccess) -> Json:
    manager: Json = {
        "@type": f"{TYPE}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": stat_prefix,
        "rds": {"route_config_name": ROUTES_NAME, "config_source": watched(directory, ROUTES_FILE)},
        "early_header_mutation_extensions": [_proxy_headers_are_ours()],
        "http_filters": [*callers.filters(access), _buffer(), chain_filter(), _router()],
        "use_remote_address": True,
        # The caller's id is the caller's: without this it is replaced. One is made for a request without.
        "preserve_external_request_id": True,
        "always_set_request_id_in_response": True,
        "common_http_protocol_options": {"idle_timeout": seconds(IDLE_SECONDS)},
        "request_headers_timeout": seconds(HEADERS_SECONDS),
        "request_timeout": seconds(BODY_SECONDS),
        "stream_idle_timeout": seconds(STREAM_IDLE_SECONDS),
        "http2_protocol_options": {"max_concurrent_streams": 100},
        "local_reply_config": {"mappers": [*(callers.replies() if access.checked else []), _json_reply()]},
        "normalize_path": True,
        "merge_slashes": True,
        "server_header_transformation": "PASS_THROUGH",
    }
    if access_log is not None:
        sink = {"@type": f"{TYPE}.extensions.access_loggers.file.v3.FileAccessLog", "path": str(access_log)}
        manager["access_log"] = [{"name": "envoy.access_loggers.file", "typed_config": sink}]
    return manager


def _proxy_headers_are_ours() -> Json:
    """What a caller says under the names of headers that the proxy sets is gone before a route is chosen by them."""
    config = {
        "@type": f"{TYPE}.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
        "mutations": [{"remove": name} for name in PROXY_HEADERS],
    }
    return {"name": "envoy.http.early_header_mutation.header_mutation", "typed_config": config}


def _buffer() -> Json:
    """A request is sent on once it is here as a whole, so that a slow one holds no service; a larger body is refused with 413."""
    config = {"@type": f"{TYPE}.extensions.filters.http.buffer.v3.Buffer", "max_request_bytes": MOST_BODY_BYTES}
    return {"name": "envoy.filters.http.buffer", "typed_config": config}


def _router() -> Json:
    return {
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": f"{TYPE}.extensions.filters.http.router.v3.Router"},
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
