"""Who may call: the filters that check callers, and what each route requires of them.

Belongs here: Envoy's format of `serving.callers`, with the reason for each part.
Does not belong here: where tokens come from (`deployment/callers.py`), or to whom a request goes (`routes.py`).

Three filters stand in front of all others, so that nothing of a caller who is refused is kept: tokens (`api_key_auth`, which also names the
caller in a header), certificates and requests at a time (Lua), requests a second (`local_ratelimit`). They do nothing but where a route, or
the table that it stands in, says so. Tokens stand with the routes: they change as weights do, without a connection being closed.

A route that says nothing of callers has the strictest of all use cases' ways, so that no door is left open by forgetting it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from platform_assets.declaration.sections.callers import CallerLimits, Callers
from platform_assets.deployment.callers import CallerAccess
from platform_assets.deployment.local.envoy_config.format import TYPE, Json, digest
from platform_assets.deployment.local.state import TargetState

CALLER_HEADER = "x-platform-assets-caller"
"""Names the caller to the service, and to the limits; what callers send under this name is replaced."""
RETRY_AFTER_SECONDS = 1
NO_LIMIT = 1_000_000_000
FORGOTTEN_SECONDS = 35
"""A request under way counts no longer, however it ended: body, answer and what stands between them take less."""
MOST_CALLERS = 10_000
"""Callers without limits of their own whose rates are counted at a time."""
TOKENS, RATE, BUFFER = (f"envoy.filters.http.{name}" for name in ("api_key_auth", "local_ratelimit", "buffer"))
LUA = "platform_assets.callers"
STRICTNESS = ("none", "token", "mtls")

SOURCE = f"""
local HEADER, FORGOTTEN = "{CALLER_HEADER}", {FORGOTTEN_SECONDS}
local under_way = {{}}
local last = 0

local function named(ssl)
  local names = ssl:dnsSansPeerCertificate()
  if names == nil or #names == 0 then names = ssl:uriSanPeerCertificate() end
  if names ~= nil and #names > 0 then return names[1] end
  return string.match(ssl:subjectPeerCertificate() or "", "CN=([^,]+)") or "unnamed"
end

local function forget(requests, now)
  for id, since in pairs(requests.since) do
    if now - since > FORGOTTEN then
      requests.since[id] = nil
      requests.count = requests.count - 1
    end
  end
end

function envoy_on_request(handle)
  local required = handle:filterContext()
  local auth = required:get("auth")
  if auth == nil then return end
  local caller = handle:headers():get(HEADER)
  if auth == "mtls" then
    local ssl = handle:streamInfo():downstreamSslConnection()
    if ssl == nil or not ssl:peerCertificatePresented() or not ssl:peerCertificateValidated() then
      handle:respond({{[":status"] = "403"}}, "callers show a certificate of an authority that is known here")
      return
    end
    caller = named(ssl)
  elseif auth == "none" then
    caller = string.match(handle:streamInfo():downstreamRemoteAddress(), "^(.*):%d+$") or "unnamed"
  end
  handle:headers():replace(HEADER, caller or "unnamed")
  local most = (required:get("own") or {{}})[caller] or required:get("concurrent")
  if most == nil or most == 0 then return end
  local key = required:get("use_case") .. "/" .. (caller or "unnamed")
  local requests = under_way[key]
  if requests == nil then
    requests = {{count = 0, since = {{}}}}
    under_way[key] = requests
  end
  local now = os.time()
  if requests.count >= most then forget(requests, now) end
  if requests.count >= most then
    handle:streamInfo():dynamicMetadata():set("callers", "refused", "under way")
    handle:respond(
      {{[":status"] = "429", ["retry-after"] = "{RETRY_AFTER_SECONDS}"}},
      "the caller has " .. requests.count .. " requests under way, the most that it may have; send this one again"
    )
    return
  end
  last = last + 1
  local id = tostring(last)
  requests.count = requests.count + 1
  requests.since[id] = now
  local metadata = handle:streamInfo():dynamicMetadata()
  metadata:set("callers", "key", key)
  metadata:set("callers", "id", id)
end

function envoy_on_response(handle)
  local mine = handle:streamInfo():dynamicMetadata():get("callers")
  if mine == nil or mine["id"] == nil then return end
  local requests = under_way[mine["key"]]
  if requests ~= nil and requests.since[mine["id"]] ~= nil then
    requests.since[mine["id"]] = nil
    requests.count = requests.count - 1
    if requests.count == 0 then under_way[mine["key"]] = nil end
  end
end
"""
"""One worker thread (see `Envoy`) makes its counts those of the proxy. A caller that goes away gets no answer: its request is forgotten."""


def filters(access: CallerAccess) -> list[Json]:
    """The filters that check callers, in their order; none where they are not checked."""
    if not access.checked:
        return []
    bucket = {"max_tokens": NO_LIMIT, "tokens_per_fill": NO_LIMIT, "fill_interval": "1s"}
    rate = {"@type": f"{TYPE}.extensions.filters.http.local_ratelimit.v3.LocalRateLimit", "stat_prefix": "callers"}
    lua = {"@type": f"{TYPE}.extensions.filters.http.lua.v3.Lua", "default_source_code": {"inline_string": SOURCE}}
    keys = {"@type": f"{TYPE}.extensions.filters.http.api_key_auth.v3.ApiKeyAuth", "key_sources": _KEY_SOURCES}
    return [
        {"name": TOKENS, "typed_config": keys, "disabled": True},
        {"name": LUA, "typed_config": lua},
        {"name": RATE, "typed_config": rate | {"token_bucket": bucket}, "disabled": True},
    ]


_KEY_SOURCES = [{"header": "Authorization"}]


def required(state: TargetState) -> dict[str, Callers]:
    """What every use case with traffic requires: what its version with the most traffic was declared with."""
    serving = {name: state.serving(name) for name in sorted(state.use_cases)}
    return {name: arm.callers or Callers() for name, arm in serving.items() if arm is not None}


def of_route(access: CallerAccess, use_case: str, callers: Callers) -> dict[str, Json]:
    """`typed_per_filter_config` of a use case's route; empty where callers are not checked."""
    if not access.checked:
        return {}
    own = {name: limits.concurrent or 0 for name, limits in callers.own.items()}
    context = {"auth": callers.auth, "use_case": use_case, "concurrent": callers.concurrent or 0, "own": own}
    configured = {
        TOKENS: _tokens(access) if callers.auth == "token" else _DISABLED,
        LUA: {"@type": f"{TYPE}.extensions.filters.http.lua.v3.LuaPerRoute", "filter_context": context},
    }
    if callers.requests_per_second is not None or any(one.requests_per_second for one in callers.own.values()):
        configured[RATE] = _rate(use_case, callers)
    if callers.most_body_bytes is not None:
        limit = {"max_request_bytes": callers.most_body_bytes}
        configured[BUFFER] = {"@type": f"{TYPE}.extensions.filters.http.buffer.v3.BufferPerRoute", "buffer": limit}
    return configured


def of_table(access: CallerAccess, use_cases: Mapping[str, Callers]) -> dict[str, Json]:
    """`typed_per_filter_config` of all routes that have none of their own: the strictest way of all use cases."""
    ways: Iterable[str] = [callers.auth for callers in use_cases.values()] or ["token"]
    return of_route(access, "", Callers.model_validate({"auth": max(ways, key=STRICTNESS.index)}))


def of_everyone(access: CallerAccess) -> dict[str, Json]:
    """`typed_per_filter_config` of a route that answers whoever asks: what the platform looks at to know its proxy."""
    lua = {"@type": f"{TYPE}.extensions.filters.http.lua.v3.LuaPerRoute", "filter_context": {}}
    return {TOKENS: _DISABLED, LUA: lua} if access.checked else {}


_DISABLED: Json = {"@type": f"{TYPE}.config.route.v3.FilterConfig", "disabled": True}


def _tokens(access: CallerAccess) -> Json:
    credentials = [{"key": token, "client": caller} for caller, token in access.known_tokens()]
    return {
        "@type": f"{TYPE}.extensions.filters.http.api_key_auth.v3.ApiKeyAuthPerRoute",
        "credentials": credentials,
        "key_sources": _KEY_SOURCES,
        # No service, and nothing that it writes, sees a token.
        "forwarding": {"header": CALLER_HEADER, "hide_credentials": True},
    }


def _rate(use_case: str, callers: Callers) -> Json:
    everything = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
    action = {"request_headers": {"header_name": CALLER_HEADER, "descriptor_key": "caller"}}
    own = [_descriptor({"key": "caller", "value": name}, limits) for name, limits in sorted(callers.own.items())]
    retry = {
        "header": {"key": "retry-after", "value": str(RETRY_AFTER_SECONDS)},
        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
    }
    return {
        "@type": f"{TYPE}.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
        "stat_prefix": f"callers_{use_case}",
        "token_bucket": _bucket(CallerLimits()),
        "filter_enabled": everything,
        "filter_enforced": everything,
        "descriptors": [*own, _descriptor({"key": "caller"}, callers)],
        "always_consume_default_token_bucket": False,
        "max_dynamic_descriptors": MOST_CALLERS,
        "rate_limits": [{"actions": [action]}],
        "response_headers_to_add": [retry],
    }


def _descriptor(entry: Json, limits: CallerLimits) -> Json:
    return {"entries": [entry], "token_bucket": _bucket(limits)}


def _bucket(limits: CallerLimits) -> Json:
    rate = limits.requests_per_second or NO_LIMIT
    return {"max_tokens": limits.burst or rate, "tokens_per_fill": rate, "fill_interval": "1s"}


def transport_socket(access: CallerAccess) -> Json:
    """What makes the address speak TLS; empty where it speaks plain HTTP.

    A certificate is asked for, not required: routes of use cases that need none share the address, and a caller without the right one is
    told so with 403 by those that do. A session is never resumed: a resumed one does not say whether its certificate was checked.
    """
    if not access.checked or access.tls is None:
        return {}
    tls = access.tls
    pair = {"certificate_chain": {"filename": str(tls.certificate)}, "private_key": {"filename": str(tls.key)}}
    common: Json = {
        "tls_certificates": [pair],
        "alpn_protocols": ["h2", "http/1.1"],
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
    }
    if tls.client_ca is not None:
        common["validation_context"] = {
            "trusted_ca": {"filename": str(tls.client_ca)},
            "trust_chain_verification": "ACCEPT_UNTRUSTED",
        }
    context = {
        "@type": f"{TYPE}.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        "common_tls_context": common,
        "require_client_certificate": False,
        "disable_stateless_session_resumption": True,
        "disable_stateful_session_resumption": True,
    }
    return {"name": "envoy.transport_sockets.tls", "typed_config": context}


def chain_name(access: CallerAccess) -> str:
    """Names the filter chain by the certificates' content, so that replaced files are read."""
    if not access.checked or access.tls is None:
        return "plain"
    files = [access.tls.certificate, access.tls.key, access.tls.client_ca]
    return "tls-" + digest([path.read_text(encoding="utf-8") for path in files if path is not None])


def replies() -> list[Json]:
    """What refused callers are told, in the form of a service's refusal, with what to do next."""

    def reply(condition: Json, words: str, headers: Mapping[str, str] = {}) -> Json:
        fields = {"error": words, "problems": [], "request_id": "%REQ(X-REQUEST-ID)%"}
        mapper: Json = {
            "filter": condition,
            "body_format_override": {"json_format": fields, "content_type": "application/json"},
        }
        if headers:
            mapper["headers_to_add"] = [
                {"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
                for key, value in headers.items()
            ]
        return mapper

    too_many = "more requests a second than the caller may send; send this one again after the time in retry-after"
    refused = {"filter": "callers", "path": [{"key": "refused"}], "value": {"string_match": {"exact": "under way"}}}
    under_way = {"metadata_filter": {"matcher": refused, "match_if_key_not_found": False}}
    unknown = "no token, or one that is not known here; callers send `authorization: Bearer TOKEN`"
    return [
        reply(under_way, "%LOCAL_REPLY_BODY%"),
        reply(_status(429), too_many),
        reply(_status(401), unknown, {"www-authenticate": "Bearer"}),
        reply(_status(403), "%LOCAL_REPLY_BODY%"),
    ]


def _status(code: int) -> Json:
    value = {"default_value": code, "runtime_key": f"callers_reply_{code}"}
    return {"status_code_filter": {"comparison": {"op": "EQ", "value": value}}}
