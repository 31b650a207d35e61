"""What a request asks for, out of its path, query and body.

Belongs here: reading requests. Does not belong here: answering them.
"""

import json
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from platform_assets_tests.kubernetes.cluster.access import Question
from platform_assets_tests.kubernetes.cluster.errors import ApiError, bad_request
from platform_assets_tests.kubernetes.cluster.kinds import Kind, Kinds
from platform_assets_tests.kubernetes.cluster.protobuf import decode

APPLY = "application/apply-patch+yaml"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
TRUE = {"1", "t", "T", "true", "True", "TRUE"}
"""What Go reads as true; Python's client sends `True`."""
VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch"}


@dataclass(frozen=True)
class Target:
    """A collection, an object, or something below an object."""

    kind: Kind
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    rest: str = ""
    """What follows the subresource: the path behind `proxy`."""

    def verb(self, request: web.Request) -> str:
        """As roles name it."""
        if request.method in VERBS:
            return VERBS[request.method]
        if request.method == "DELETE":
            return "delete" if self.name else "deletecollection"
        if flag(request, "watch"):
            return "watch"
        return "get" if self.name else "list"

    def question(self, request: web.Request) -> Question:
        """What roles are asked for this request."""
        resource = f"{self.kind.plural}/{self.subresource}" if self.subresource else self.kind.plural
        name = self.name
        for term in request.query.get("fieldSelector", "").split(","):
            if not name and term.startswith("metadata.name="):
                name = term.partition("=")[2].removeprefix("=")
        return Question(self.verb(request), self.kind.group, resource, self.namespace, name)


def flag(request: web.Request, name: str) -> bool:
    """Whether a query parameter is set to true."""
    return request.query.get(name, "") in TRUE


def find_target(kinds: Kinds, path: str) -> Target | None:
    """What a path names; none where nothing is served there."""
    parts = path.strip("/").split("/")
    if parts[0] == "api" and len(parts) >= 3:
        group, version, parts = "", parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) >= 4:
        group, version, parts = parts[1], parts[2], parts[3:]
    else:
        return None
    namespace = ""
    if parts[0] == "namespaces" and len(parts) >= 3 and parts[2] not in ("finalize", "status"):
        namespace, parts = parts[1], parts[2:]
    kind = kinds.find(group, version, parts[0])
    if kind is None or (namespace and not kind.namespaced):
        return None
    if kind.namespaced and not namespace and len(parts) > 1:
        return None
    name, subresource = (*parts[1:3], "", "")[:2]
    return Target(kind, namespace, name, subresource, "/".join(parts[3:]))


async def read_body(request: web.Request) -> Any:
    """The body as JSON or YAML says it.

    Raises:
        ApiError: 400, 415.
    """
    kind = request.content_type
    raw = await request.read()
    if not raw:
        return {}
    if "protobuf" in kind:
        return decode(raw)
    if "cbor" in kind:
        message = f"the body of the request was in an unknown format - accepted media types include: application/json ({kind})"
        raise ApiError(415, "UnsupportedMediaType", message)
    try:
        if kind.endswith("yaml"):
            import yaml

            return yaml.safe_load(raw)
        return json.loads(raw)
    except (ValueError, UnicodeDecodeError) as error:
        raise bad_request(f"error decoding the body: {error}") from None


async def read_object(request: web.Request, target: Target) -> dict[str, Any]:
    """The body as an object of the target's kind, in its namespace and with its name.

    Raises:
        ApiError: 400 for another kind, version, namespace or name than the path has; 415.
    """
    body = await read_body(request)
    if not isinstance(body, dict):
        raise bad_request("the body is no object")
    kind = target.kind
    given = (body.get("apiVersion") or kind.api_version, body.get("kind") or kind[3])
    if given != (kind.api_version, kind[3]):
        told = f"{given[1]} in version {given[0]!r} cannot be handled as a {kind[3]} in version {kind.api_version!r}"
        raise bad_request(f"the API version or kind in the data does not match the request: {told}")
    metadata = body.setdefault("metadata", {})
    if not isinstance(metadata, dict):
        raise bad_request("metadata is no object")
    if target.namespace and metadata.get("namespace") not in (None, "", target.namespace):
        told = f"({metadata['namespace']}) does not match the namespace on the request ({target.namespace})"
        raise bad_request(f"the namespace of the provided object does not match: {told}")
    if target.name and metadata.get("name") not in (None, "", target.name):
        told = f"({metadata['name']}) does not match the name on the URL ({target.name})"
        raise bad_request(f"the name of the object {told}")
    if target.name:
        metadata["name"] = target.name
    return body


def manager_of(request: web.Request) -> str:
    """The field manager: as the caller says, or the first word of its user agent."""
    return request.query.get("fieldManager") or request.headers.get("User-Agent", "unknown").partition("/")[0]


def is_dry_run(request: web.Request) -> bool:
    """Whether nothing is to be stored.

    Raises:
        ApiError: 400 for another value than `All`.
    """
    given = request.query.get("dryRun", "")
    if given not in ("", "All"):
        raise bad_request(f'Invalid value: "{given}": supported values: "All"')
    return given == "All"
