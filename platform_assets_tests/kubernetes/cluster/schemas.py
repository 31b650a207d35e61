"""The schemas of all kinds: Kubernetes' own, out of the package kubernetes-validate, and those of custom resources.

Belongs here: loading them into one form, and questions to a node (its child, its merge key, how its list merges).
Does not belong here: judging an object (validation.py), serving them (openapi.py).
"""

import importlib.util
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from platform_assets_tests.kubernetes.cluster.kinds import Kind

Node = dict[str, Any]
VERSION = "1.37.0"
OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
FREE = (
    "io.k8s.apimachinery.pkg.runtime.RawExtension",
    "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrArray",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrBool",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrStringArray",
)
KEY_DEFAULTS = {"protocol": "TCP"}
"""Keys of list items that may be left out."""


def _plain(node: Any) -> Any:
    """A node as OpenAPI 2 writes it: one type, references to `definitions`, no null."""
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if not isinstance(node, dict):
        return node
    plain = {key: _plain(value) for key, value in node.items()}
    if isinstance(plain.get("type"), list):
        plain["type"] = next(kind for kind in plain["type"] if kind != "null")
    if isinstance(plain.get("$ref"), str):
        plain["$ref"] = plain["$ref"].replace("#/$defs/", "#/definitions/")
    return plain


@lru_cache(maxsize=1)
def built_in_definitions() -> dict[str, Node]:
    """Kubernetes' definitions by their full names.

    Raises:
        RuntimeError: the package is not installed.
    """
    package = importlib.util.find_spec("kubernetes_validate")
    if package is None or not package.origin:
        raise RuntimeError(
            "the package kubernetes-validate is missing: it carries the schemas (`make setup` installs it)"
        )
    folder = Path(package.origin).parent / "kubernetes-json-schema" / f"v{VERSION}-local"
    found = json.loads((folder / "_definitions.json").read_text())["$defs"]
    definitions = {name: _plain(node) for name, node in found.items()}
    for node in definitions.values():
        for field in ("apiVersion", "kind"):
            if isinstance(node.get("properties", {}).get(field), dict):
                node["properties"][field].pop("enum", None)
    definitions[INT_OR_STRING] = {"type": "string", "format": "int-or-string", "x-kubernetes-int-or-string": True}
    definitions[QUANTITY] = {"type": "string", "x-kubernetes-quantity": True}
    for name in FREE:
        if name in definitions:
            definitions[name] = {"x-kubernetes-preserve-unknown-fields": True}
    return definitions


class Schemas:
    """The schema of each kind that is served."""

    def __init__(self) -> None:
        self.definitions = dict(built_in_definitions())
        self.names: dict[tuple[str, str, str], str] = {}
        """Definition of (group, version, kind)."""
        for name, node in self.definitions.items():
            for kind in node.get("x-kubernetes-group-version-kind", []):
                self.names.setdefault((kind["group"], kind["version"], kind["kind"]), name)

    def of(self, kind: Kind) -> Node | None:
        """The schema of a kind; none where there is none."""
        name = self.names.get((kind.group, kind.version, kind[3]))
        return self.definitions[name] if name else None

    def is_custom(self, kind: Kind) -> bool:
        """Whether the kind is defined by a custom resource definition."""
        name = self.names.get((kind.group, kind.version, kind[3]), "")
        return bool(self.definitions.get(name, {}).get("x-custom"))

    def define(self, kind: Kind, schema: Node) -> None:
        """Take the schema of a custom resource in one version."""
        node = {"type": "object", **schema, "x-custom": True}
        node["properties"] = {
            **node.get("properties", {}),
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"$ref": f"#/definitions/{OBJECT_META}"},
        }
        node["x-kubernetes-group-version-kind"] = [{"group": kind.group, "version": kind.version, "kind": kind[3]}]
        name = ".".join([*reversed(kind.group.split(".")), kind.version, kind[3]])
        self.definitions[name] = node
        self.names[kind.group, kind.version, kind[3]] = name

    def forget(self, kind: Kind) -> None:
        """Take it back."""
        self.definitions.pop(self.names.pop((kind.group, kind.version, kind[3]), ""), None)

    # Questions to a node. `None` is a field that no schema describes.

    def resolve(self, node: Node | None) -> Node | None:
        """The node itself, whose references are followed; what stands beside a reference counts too."""
        if node is None:
            return None
        reference = node.get("$ref")
        if not isinstance(reference, str):
            return node
        target = self.definitions.get(reference.removeprefix("#/definitions/"))
        return {**(target or {}), **{key: value for key, value in node.items() if key != "$ref"}}

    def child(self, node: Node | None, key: str) -> Node | None:
        """The node of a field."""
        node = self.resolve(node)
        if node is None:
            return None
        found = node.get("properties", {}).get(key)
        if found is None:
            more = node.get("additionalProperties")
            found = more if isinstance(more, dict) else None
        return self.resolve(found)

    def item(self, node: Node | None) -> Node | None:
        """The node of a list's items."""
        node = self.resolve(node)
        items = node.get("items") if node else None
        return self.resolve(items) if isinstance(items, dict) else None

    def list_keys(self, node: Node | None) -> tuple[str, ...]:
        """The fields that name an item of this list, where its items are merged by name."""
        node = self.resolve(node)
        if node and node.get("x-kubernetes-list-type") == "map":
            return tuple(node.get("x-kubernetes-list-map-keys", ()))
        return ()

    def is_set(self, node: Node | None) -> bool:
        """Whether the list is a set of plain values."""
        node = self.resolve(node)
        return bool(node and node.get("x-kubernetes-list-type") == "set")

    def is_atomic(self, node: Node | None) -> bool:
        """Whether an object is replaced as a whole."""
        node = self.resolve(node)
        return bool(node and node.get("x-kubernetes-map-type") == "atomic")

    def patch_key(self, node: Node | None) -> tuple[str, str]:
        """Strategy (`merge`, `retainKeys`, `merge,retainKeys` or nothing) and merge key of a strategic merge patch."""
        node = self.resolve(node) or {}
        return node.get("x-kubernetes-patch-strategy", ""), node.get("x-kubernetes-patch-merge-key", "")


def item_key(item: Any, keys: tuple[str, ...]) -> tuple[Any, ...]:
    """The values that name a list item; a key that is left out has its default."""
    return tuple(item.get(key, KEY_DEFAULTS.get(key)) for key in keys) if isinstance(item, dict) else (item,)
