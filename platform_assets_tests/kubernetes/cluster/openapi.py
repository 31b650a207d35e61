"""OpenAPI documents: the schemas as kubectl and helm ask for them.

Belongs here: version 2 as JSON (without its protobuf form) and version 3, one document for each group and version. They are as complete as
`kubectl explain` and validation need: each resource has its paths with the parameters of a PATCH, and no answers.
Does not belong here: the schemas (schemas.py).
"""

import hashlib
import json
from typing import Any

from platform_assets_tests.kubernetes.cluster.errors import ApiError
from platform_assets_tests.kubernetes.cluster.kinds import Kind, Kinds
from platform_assets_tests.kubernetes.cluster.schemas import Schemas

WRITE_PARAMETERS = ("dryRun", "fieldManager", "fieldValidation", "force")
ACTIONS = {"get": "get", "put": "put", "patch": "patch", "delete": "delete"}


def _rewritten(node: Any, to: str) -> Any:
    """A node with its references where the document has its schemas, without marks of our own."""
    if isinstance(node, list):
        return [_rewritten(item, to) for item in node]
    if not isinstance(node, dict):
        return node
    rewritten = {
        key: _rewritten(value, to) for key, value in node.items() if key not in ("x-custom", "x-kubernetes-quantity")
    }
    if isinstance(rewritten.get("$ref"), str):
        rewritten["$ref"] = rewritten["$ref"].replace("#/definitions/", to)
        if to != "#/definitions/" and len(rewritten) > 1:
            reference = {"$ref": rewritten.pop("$ref")}
            rewritten = {**rewritten, "allOf": [reference]}
    return rewritten


def _reachable(schemas: Schemas, names: list[str]) -> dict[str, Any]:
    """These definitions and all that they name."""
    found: dict[str, Any] = {}
    open_names = list(names)
    while open_names:
        name = open_names.pop()
        if name in found or name not in schemas.definitions:
            continue
        found[name] = schemas.definitions[name]
        open_names += _references(found[name])
    return found


def _references(node: Any) -> list[str]:
    if isinstance(node, list):
        return [name for item in node for name in _references(item)]
    if not isinstance(node, dict):
        return []
    names = [name for value in node.values() for name in _references(value)]
    if isinstance(node.get("$ref"), str):
        names.append(node["$ref"].removeprefix("#/definitions/"))
    return names


def _paths(kind: Kind, version: int) -> dict[str, Any]:
    root = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
    collection = f"{root}/namespaces/{{namespace}}/{kind.plural}" if kind.namespaced else f"{root}/{kind.plural}"
    parameters = [
        {"name": name, "in": "query", **({"schema": {"type": "string"}} if version == 3 else {"type": "string"})}
        for name in WRITE_PARAMETERS
    ]
    marks = {"x-kubernetes-group-version-kind": {"group": kind.group, "version": kind.version, "kind": kind[3]}}
    answers = {"responses": {"200": {"description": "OK"}}}

    def operation(action: str) -> dict[str, Any]:
        return {"parameters": parameters, "x-kubernetes-action": action, **marks, **answers}

    return {
        collection: {"get": operation("list"), "post": operation("post")},
        f"{collection}/{{name}}": {method: operation(action) for method, action in ACTIONS.items()},
    }


class OpenApi:
    """Documents, made when they are asked for and kept until the served kinds change."""

    def __init__(self, kinds: Kinds, schemas: Schemas) -> None:
        self.kinds, self.schemas = kinds, schemas
        self._made: dict[str, bytes] = {}
        self._made_for: frozenset[tuple[str, int]] = frozenset()

    def _stale(self) -> None:
        state = frozenset((name, id(node)) for name, node in self.schemas.definitions.items())
        if state != self._made_for:
            self._made.clear()
            self._made_for = state

    def _document(self, name: str, kinds: list[Kind], version: int) -> bytes:
        self._stale()
        if name not in self._made:
            names = [found for kind in kinds if (found := self.schemas.names.get((kind.group, kind.version, kind[3])))]
            where = "#/components/schemas/" if version == 3 else "#/definitions/"
            nodes = {key: _rewritten(node, where) for key, node in sorted(_reachable(self.schemas, names).items())}
            paths: dict[str, Any] = {}
            for kind in kinds:
                paths |= _paths(kind, version)
            body: dict[str, Any] = {
                "info": {"title": "Kubernetes (test cluster)", "version": "v1.37.0"},
                "paths": paths,
            }
            if version == 3:
                body = {"openapi": "3.0.0", **body, "components": {"schemas": nodes}}
            else:
                body = {"swagger": "2.0", **body, "definitions": nodes}
            self._made[name] = json.dumps(body, separators=(",", ":")).encode()
        return self._made[name]

    def version_2(self) -> bytes:
        """The one document of version 2."""
        return self._document("v2", list(self.kinds.by_path.values()), 2)

    def _in(self, group: str, version: str) -> list[Kind]:
        return [kind for kind in self.kinds.by_path.values() if (kind.group, kind.version) == (group, version)]

    def index(self) -> dict[str, Any]:
        """Where the documents of version 3 are."""
        paths = {}
        for group, version in sorted({(kind.group, kind.version) for kind in self.kinds.by_path.values()}):
            name = f"apis/{group}/{version}" if group else f"api/{version}"
            digest = hashlib.sha256(self.version_3(name)).hexdigest()
            paths[name] = {"serverRelativeURL": f"/openapi/v3/{name}?hash={digest}"}
        return {"paths": paths}

    def version_3(self, name: str) -> bytes:
        """The document of one group and version, named as in the index: `apis/apps/v1`, `api/v1`.

        Raises:
            ApiError: 404.
        """
        parts = name.split("/")
        group, version = ("", parts[1]) if parts[0] == "api" and len(parts) == 2 else (*parts[1:3], "", "")[:2]
        kinds = self._in(group, version)
        if not kinds:
            raise ApiError(404, "NotFound", "the server could not find the requested resource")
        return self._document(name, kinds, 3)
