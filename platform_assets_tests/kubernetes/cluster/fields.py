"""Who owns which field: `metadata.managedFields` in the form FieldsV1.

Belongs here: an object as a flat table of fields, sets of fields as Kubernetes writes them, what an update changes in ownership.
Does not belong here: server-side apply (apply.py).
"""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from platform_assets_tests.kubernetes.cluster.kinds import Kind
from platform_assets_tests.kubernetes.cluster.schemas import Node, Schemas, item_key
from platform_assets_tests.kubernetes.cluster.values import now

Path = tuple[str, ...]
"""Steps as FieldsV1 writes them: `f:name`, `k:{"name":"a"}`, `v:"x"`."""
ITEM = object()
"""The value of a list item as such, whatever it holds."""
UNOWNED: frozenset[Path] = frozenset(
    {("f:apiVersion",), ("f:kind",), ("f:metadata",)}
    | {
        ("f:metadata", f"f:{name}")
        for name in (
            "name",
            "namespace",
            "uid",
            "resourceVersion",
            "creationTimestamp",
            "generation",
            "managedFields",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "generateName",
            "selfLink",
        )
    }
)


class Owner(NamedTuple):
    """One entry of managedFields: the same manager is another owner by apply than by update, and for another subresource."""

    manager: str
    operation: str
    subresource: str


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


def flatten(schemas: Schemas, node: Node | None, value: Any, at: Path = ()) -> dict[Path, Any]:
    """Each owned field of an object and its value; lists and objects that are replaced as a whole are one field."""
    if at in UNOWNED and at != ("f:metadata",):
        return {}
    if isinstance(value, dict) and value and not schemas.is_atomic(node):
        fields: dict[Path, Any] = {}
        for key, child in value.items():
            fields |= flatten(schemas, schemas.child(node, key), child, (*at, f"f:{key}"))
        return fields
    if isinstance(value, list) and value:
        if keys := schemas.list_keys(node):
            fields = {}
            for item in value:
                step = f"k:{_compact(dict(zip(keys, item_key(item, keys), strict=True)))}"
                fields[*at, step] = ITEM
                for key, child in item.items():
                    fields |= flatten(schemas, schemas.child(schemas.item(node), key), child, (*at, step, f"f:{key}"))
            return fields
        if schemas.is_set(node):
            return {(*at, f"v:{_compact(item)}"): item for item in value}
    return {at: value} if at and at not in UNOWNED else {}


def to_trie(paths: set[Path]) -> dict[str, Any]:
    """A set of fields as FieldsV1 writes it."""
    trie: dict[str, Any] = {}
    inner = {path[:length] for path in paths for length in range(1, len(path))}
    for path in sorted(paths):
        at = trie
        for step in path:
            at = at.setdefault(step, {})
        if path in inner:
            at["."] = {}
    return trie


def from_trie(trie: Mapping[str, Any], at: Path = ()) -> set[Path]:
    """The set of fields that FieldsV1 names."""
    if not trie:
        return {at} if at else set()
    paths: set[Path] = set()
    for step, inner in trie.items():
        paths |= {at} if step == "." else from_trie(inner, (*at, step))
    return paths


def owners_of(body: Mapping[str, Any]) -> dict[Owner, set[Path]]:
    """Who owns what."""
    owners: dict[Owner, set[Path]] = {}
    for entry in body["metadata"].get("managedFields") or []:
        owner = Owner(entry.get("manager", ""), entry.get("operation", "Update"), entry.get("subresource", ""))
        owners.setdefault(owner, set()).update(from_trie(entry.get("fieldsV1") or {}))
    return owners


def write_owners(
    body: dict[str, Any], owners: Mapping[Owner, set[Path]], api_version: str, before: Mapping[str, Any] | None
) -> None:
    """Put the owners into the object; who owns the same as before keeps the time."""
    old = {
        Owner(entry.get("manager", ""), entry.get("operation", "Update"), entry.get("subresource", "")): entry
        for entry in (before or {"metadata": {}})["metadata"].get("managedFields") or []
    }
    entries = []
    for owner, paths in owners.items():
        if not paths:
            continue
        trie = to_trie(paths)
        known = old.get(owner)
        if known and known.get("fieldsV1") == trie:
            entries.append(known)
            continue
        entry = {
            "manager": owner.manager,
            "operation": owner.operation,
            "apiVersion": api_version,
            "time": now(),
            "fieldsType": "FieldsV1",
            "fieldsV1": trie,
        }
        entries.append({**entry, "subresource": owner.subresource} if owner.subresource else entry)
    body["metadata"]["managedFields"] = entries


def shown(path: Path) -> str:
    """A field as messages write it: `.spec.template.spec.containers[name="a"].image`."""
    told = ""
    for step in path:
        how, rest = step[:2], step[2:]
        if how == "f:":
            told += f".{rest}"
        elif how == "k:":
            told += "[" + ",".join(f"{key}={json.dumps(value)}" for key, value in json.loads(rest).items()) + "]"
        else:
            told += f"[={rest}]"
    return told


class Ownership:
    """The store's `track` hook: who changes a field by an update owns it from then on."""

    def __init__(self, schemas: Schemas) -> None:
        self.schemas = schemas

    def __call__(
        self, kind: Kind, old: dict[str, Any] | None, new: dict[str, Any], manager: str, subresource: str
    ) -> None:
        """Note in `new` who owns what after this update."""
        node = self.schemas.of(kind)
        past = old or {"metadata": {}}
        parts = [part for part in {*past, *new} if past.get(part) != new.get(part)]
        before = flatten(self.schemas, node, {part: past[part] for part in parts if part in past})
        after = flatten(self.schemas, node, {part: new[part] for part in parts if part in new})
        changed = {path for path, value in after.items() if path not in before or before[path] != value}
        gone = before.keys() - after.keys()
        me = Owner(manager, "Update", subresource)
        owners = {
            owner: paths - gone if owner == me else paths - changed - gone for owner, paths in owners_of(past).items()
        }
        owners[me] = owners.get(me, set()) | changed
        write_owners(new, owners, kind.api_version, old)
