"""One route per use case, its arms with weights; and the answers to all other paths.

Belongs here: matches, weights, mirrors, retries, and the version that says which routes are in force.
Does not belong here: the arms' processes (`clusters.py`), or telling requests apart by entity (`splits.py`).
"""

from __future__ import annotations

import json

from platform_assets.declaration.names import SHADOW_HEADER
from platform_assets.deployment.callers import UNCHECKED, CallerAccess
from platform_assets.deployment.local.envoy_config import callers, doors
from platform_assets.deployment.local.envoy_config.format import ROUTES_NAME, TYPE, Json, digest, discovery, seconds
from platform_assets.deployment.local.envoy_config.splits import shares, with_split
from platform_assets.deployment.local.state import LocalUseCase, TargetState
from platform_assets.deployment.routing.paths import VERSION_HEADER, path_prefix

ROUTING_PATH = "/-/routing"

# A process that was killed is back after up to a second and its own start. Until then its requests are tried again, at
# random intervals up to the maximum; what ends that for a request is its timeout, not this count.
RETRY_COUNT = 60
RETRY_BASE_SECONDS, RETRY_MAX_SECONDS = 0.025, 1.0
# A process that hangs ends no connection. So a request without an answer for this share of its time is sent to another process as well,
# and the first answer counts: one that is only slow is not cut off.
HEDGED_AFTER = 1 / 3


def render_routes(
    state: TargetState, request_timeout_seconds: float, access: CallerAccess = UNCHECKED
) -> tuple[str, str]:
    """One route per use case that has weights, and the answers to all other paths.

    Args:
        state: the target's state.
        request_timeout_seconds: the longest a request may take, repeated attempts included.
        access: whether callers are checked, and their tokens.

    Returns:
        The file's text, and the version that `/-/routing` answers once the text is in force.
    """
    required = callers.required(state)
    served_cases = {
        name: use_case
        for name, use_case in sorted(state.use_cases.items())
        if any(arm.weight > 0 for arm in use_case.arms)
    }
    routes: list[Json] = doors.shared_routes(seconds(request_timeout_seconds), _retry_policy())
    for name, use_case in served_cases.items():
        requirements = callers.of_route(access, name, required[name])
        own = with_split(name, use_case, _route(name, use_case, request_timeout_seconds))
        every = [_requiring(requirements, route) for route in own]
        routes += doors.of_use_case(name, every, doors.asked_by_version(use_case.arms), requirements)
    routes += doors.written_routes(seconds(request_timeout_seconds), _retry_policy())
    served = [path_prefix(name) for name in served_cases]
    version = digest([state.target_id, access.salt, routes])
    unknown = {"error": "no use case is deployed under this path", "deployed": served}
    here = _answer({"path": ROUTING_PATH}, 200, {"target": state.target_id, "version": version})
    routes.insert(0, _requiring(callers.of_everyone(access), here))
    routes.append(_answer({"prefix": "/"}, 404, unknown))
    host = _requiring(callers.of_table(access, required), {"name": "local", "domains": ["*"], "routes": routes})
    table = {
        "@type": f"{TYPE}.config.route.v3.RouteConfiguration",
        "name": ROUTES_NAME,
        "virtual_hosts": [host],
    }
    return discovery([table]), version


def _requiring(configured: Json, part: Json) -> Json:
    """A route, or the table of all of them, that requires something of callers."""
    own = part.get("typed_per_filter_config", {})
    return part | ({"typed_per_filter_config": {**own, **configured}} if configured else {})


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


def _route(name: str, use_case: LocalUseCase, request_timeout_seconds: float) -> Json:
    clusters = [
        {
            "name": arm.name,
            "weight": weight,
            "response_headers_to_add": [
                {
                    "header": {"key": VERSION_HEADER, "value": arm.version},
                    "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
                }
            ],
        }
        for arm, weight in shares(use_case)
    ]
    action: Json = {
        "weighted_clusters": {"clusters": clusters},
        "timeout": seconds(request_timeout_seconds),
        "retry_policy": {**_retry_policy(), "per_try_timeout": seconds(request_timeout_seconds * HEDGED_AFTER)},
        "hedge_policy": {"hedge_on_per_try_timeout": True},
    }
    if use_case.mirror is not None:
        action["request_mirror_policies"] = [_mirror(use_case.mirror, use_case.mirror_percent)]
    return {"match": {"prefix": path_prefix(name)}, "route": action}


def _mirror(arm: str, percent: int) -> Json:
    """Copies say that they are: a service neither counts nor remembers them. Envoy drops their answers, and waits for none of them."""
    mark = {"header": {"key": SHADOW_HEADER, "value": "1"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
    return {
        "cluster": arm,
        "runtime_fraction": {"default_value": {"numerator": percent, "denominator": "HUNDRED"}},
        "disable_shadow_host_suffix_append": True,
        "request_headers_mutations": [{"append": mark}],
    }


def _retry_policy() -> Json:
    """Only attempts that got no answer at all are repeated.

    Scoring has no effect but its log line, which carries the request's id, so a repeated attempt does no harm.
    """
    predicate = f"{TYPE}.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
    return {
        "retry_on": "connect-failure,refused-stream,reset",
        "num_retries": RETRY_COUNT,
        "retry_back_off": {
            "base_interval": seconds(RETRY_BASE_SECONDS),
            "max_interval": seconds(RETRY_MAX_SECONDS),
        },
        "retry_host_predicate": [
            {"name": "envoy.retry_host_predicates.previous_hosts", "typed_config": {"@type": predicate}}
        ],
        "host_selection_retry_max_attempts": 3,
    }
