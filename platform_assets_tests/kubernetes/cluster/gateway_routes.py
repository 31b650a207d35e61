"""From HTTPRoutes to Envoy's routes.

Belongs here: matches, filters, weights, timeouts and retries as the Gateway API means them. Does not belong here: which routes are accepted
(`gateway.py`), files and processes (`gateway_envoy.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from platform_assets_tests.kubernetes.cluster.objects import Object

NO_BACKEND = "no-such-backend"
"""A cluster that does not exist: its share of the requests is answered with 500."""
LUA_FILTERS = ("test_cluster.lua.0", "test_cluster.lua.1")
TYPE = "type.googleapis.com/envoy"
_LUA = f"{TYPE}.extensions.filters.http.lua.v3.LuaPerRoute"
_DURATION = re.compile(r"([0-9]+)(ms|h|m|s)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}

ClusterOf = Callable[[Mapping[str, Any]], str]
"""From a backendRef to the name of its cluster."""


def seconds(text: str) -> float:
    """A duration of the Gateway API in seconds: "1m30s" is 90."""
    return sum(int(number) * _SECONDS[unit] for number, unit in _DURATION.findall(text))


def _duration(value: float) -> str:
    return f"{value:.3f}s"


def routes_of(
    route: Object, cluster_of: ClusterOf, programs: Sequence[str], retries: Object | None = None
) -> list[tuple[tuple[int, ...], Object]]:
    """Every match of an HTTPRoute as a route of Envoy's, with its rank: the highest comes first.

    Args:
        route: the HTTPRoute.
        cluster_of: names the cluster of a backendRef.
        programs: Lua that runs for its requests.
        retries: Envoy's retry policy for rules that have none of their own.
    """
    ranked = []
    for number, rule in enumerate(route["spec"].get("rules") or [{}]):
        for match in rule.get("matches") or [{}]:
            envoy: Object = {"match": _match(match)}
            envoy |= _headers(rule.get("filters") or [])
            if redirect := _filter(rule, "RequestRedirect", "requestRedirect"):
                envoy["redirect"] = _redirect(redirect)
            else:
                envoy["route"] = _action(rule, match, cluster_of, retries)
            if programs:
                envoy["typed_per_filter_config"] = {
                    name: {"@type": _LUA, "source_code": {"inline_string": text}}
                    for name, text in zip(LUA_FILTERS, programs, strict=False)
                }
            ranked.append((_rank(match, number), envoy))
    return ranked


def _rank(match: Object, number: int) -> tuple[int, ...]:
    """Exact before the longest prefix, then a method, then more headers, then more query parameters, then earlier rules."""
    path = match.get("path") or {"type": "PathPrefix", "value": "/"}
    kind = path.get("type", "PathPrefix")
    return (
        {"Exact": 2, "PathPrefix": 1, "RegularExpression": 1}[kind],
        len(path.get("value", "/")),
        int("method" in match),
        len(match.get("headers") or []),
        len(match.get("queryParams") or []),
        -number,
    )


def _match(match: Object) -> Object:
    path = match.get("path") or {}
    kind, value = path.get("type", "PathPrefix"), path.get("value", "/")
    if kind == "Exact":
        envoy: Object = {"path": value}
    elif kind == "RegularExpression":
        envoy = {"safe_regex": {"regex": value}}
    elif value == "/":
        envoy = {"prefix": "/"}
    else:
        envoy = {"path_separated_prefix": value.rstrip("/")}
    headers = [{"name": one["name"], "string_match": _string(one)} for one in match.get("headers") or []]
    if "method" in match:
        headers.append({"name": ":method", "string_match": {"exact": match["method"]}})
    if headers:
        envoy["headers"] = headers
    if query := match.get("queryParams"):
        envoy["query_parameters"] = [{"name": one["name"], "string_match": _string(one)} for one in query]
    return envoy


def _string(one: Object) -> Object:
    if one.get("type", "Exact") == "RegularExpression":
        return {"safe_regex": {"regex": one["value"]}}
    return {"exact": one["value"]}


def _filter(rule: Object, kind: str, field: str) -> Object | None:
    return next((one[field] for one in rule.get("filters") or [] if one["type"] == kind), None)


def _headers(filters: Sequence[Object]) -> Object:
    """Headers that filters set, add and remove."""
    envoy: Object = {}
    for kind, field, name in (
        ("RequestHeaderModifier", "requestHeaderModifier", "request"),
        ("ResponseHeaderModifier", "responseHeaderModifier", "response"),
    ):
        for one in filters:
            if one["type"] != kind:
                continue
            change = one[field]
            added = [_header(header, "OVERWRITE_IF_EXISTS_OR_ADD") for header in change.get("set") or []]
            added += [_header(header, "APPEND_IF_EXISTS_OR_ADD") for header in change.get("add") or []]
            if added:
                envoy.setdefault(f"{name}_headers_to_add", []).extend(added)
            if change.get("remove"):
                envoy.setdefault(f"{name}_headers_to_remove", []).extend(change["remove"])
    return envoy


def _header(header: Object, action: str) -> Object:
    value = header["value"].replace("%", "%%")  # Envoy reads commands between per cent signs
    return {"header": {"key": header["name"], "value": value}, "append_action": action}


def _action(rule: Object, match: Object, cluster_of: ClusterOf, retries: Object | None) -> Object:
    backends = [one for one in rule.get("backendRefs") or [] if one.get("weight", 1) > 0]
    action: Object = {"cluster_not_found_response_code": "INTERNAL_SERVER_ERROR"}
    if backends:
        clusters = [
            {"name": cluster_of(one), "weight": one.get("weight", 1), **_headers(one.get("filters") or [])}
            for one in backends
        ]
        action["weighted_clusters"] = {"clusters": clusters}
    else:
        action["cluster"] = NO_BACKEND
    timeouts = rule.get("timeouts") or {}
    if "request" in timeouts:
        action["timeout"] = _duration(seconds(timeouts["request"]))
    if retry := rule.get("retry"):
        action["retry_policy"] = _retry(retry, timeouts)
    elif retries is not None:
        action["retry_policy"] = retries
    mirrors = [one["requestMirror"] for one in rule.get("filters") or [] if one["type"] == "RequestMirror"]
    if mirrors:
        action["request_mirror_policies"] = [_mirror(one, cluster_of) for one in mirrors]
    if rewrite := _filter(rule, "URLRewrite", "urlRewrite"):
        action |= _rewrite(rewrite, match)
    return action


def _retry(retry: Object, timeouts: Object) -> Object:
    """What got no answer is tried again, and, where codes are named, what was answered with one of them."""
    codes = list(retry.get("codes") or [])
    policy = retry_policy(retry.get("attempts", 1), ["connect-failure", "refused-stream", "reset"], codes)
    if "backoff" in retry:
        base = seconds(retry["backoff"])
        policy["retry_back_off"] = {"base_interval": _duration(base), "max_interval": _duration(10 * base)}
    if "backendRequest" in timeouts:
        policy["per_try_timeout"] = _duration(seconds(timeouts["backendRequest"]))
    return policy


def retry_policy(count: int, triggers: Sequence[str], codes: Sequence[int]) -> Object:
    """Envoy's retry policy: another host each time, where there is one."""
    predicate = f"{TYPE}.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
    policy: Object = {
        "retry_on": ",".join([*triggers, *(["retriable-status-codes"] if codes else [])]),
        "num_retries": count,
        "retry_host_predicate": [
            {"name": "envoy.retry_host_predicates.previous_hosts", "typed_config": {"@type": predicate}}
        ],
        "host_selection_retry_max_attempts": 3,
    }
    if codes:
        policy["retriable_status_codes"] = list(codes)
    return policy


def _mirror(mirror: Object, cluster_of: ClusterOf) -> Object:
    fraction = mirror.get("fraction") or {"numerator": mirror.get("percent", 100), "denominator": 100}
    millionths = int(fraction["numerator"] * 1_000_000 / fraction.get("denominator", 100))
    return {
        "cluster": cluster_of(mirror["backendRef"]),
        "runtime_fraction": {"default_value": {"numerator": millionths, "denominator": "MILLION"}},
    }


def _rewrite(rewrite: Object, match: Object) -> Object:
    action: Object = {}
    if "hostname" in rewrite:
        action["host_rewrite_literal"] = rewrite["hostname"]
    path = rewrite.get("path") or {}
    if path.get("type") == "ReplaceFullPath":
        action["regex_rewrite"] = {"pattern": {"regex": "^/.*$"}, "substitution": path["replaceFullPath"]}
    elif path.get("type") == "ReplacePrefixMatch":
        prefix, fresh = (match.get("path") or {}).get("value", "/").rstrip("/"), path["replacePrefixMatch"].rstrip("/")
        # A plain exchange of prefixes would leave two slashes, or none, where one of the prefixes is the root.
        action["regex_rewrite"] = {"pattern": {"regex": f"^{re.escape(prefix)}/*"}, "substitution": f"{fresh}/"}
        if fresh and prefix:
            action = {name: value for name, value in action.items() if name != "regex_rewrite"}
            action["prefix_rewrite"] = fresh
    return action


def _redirect(redirect: Object) -> Object:
    codes = {
        301: "MOVED_PERMANENTLY",
        302: "FOUND",
        303: "SEE_OTHER",
        307: "TEMPORARY_REDIRECT",
        308: "PERMANENT_REDIRECT",
    }
    envoy: Object = {"response_code": codes[redirect.get("statusCode", 302)]}
    for theirs, ours in (("scheme", "scheme_redirect"), ("hostname", "host_redirect"), ("port", "port_redirect")):
        if theirs in redirect:
            envoy[ours] = redirect[theirs]
    path = redirect.get("path") or {}
    if path.get("type") == "ReplaceFullPath":
        envoy["path_redirect"] = path["replaceFullPath"]
    elif path.get("type") == "ReplacePrefixMatch":
        envoy["prefix_rewrite"] = path["replacePrefixMatch"]
    return envoy
