"""Server-side apply: a manager states the fields it wants, and owns those and no others.

Belongs here: merging what is applied into what is stored, conflicts with other managers, removal of what is applied no longer.
Does not belong here: storing the result (store.py), the other kinds of patch (patches.py).
"""

import json
from typing import Any

from platform_assets_tests.kubernetes.cluster.errors import apply_conflict
from platform_assets_tests.kubernetes.cluster.fields import Owner, Path, flatten, owners_of, shown, write_owners
from platform_assets_tests.kubernetes.cluster.kinds import Kind
from platform_assets_tests.kubernetes.cluster.schemas import Node, Schemas, item_key
from platform_assets_tests.kubernetes.cluster.values import clone

KUBECTL = "kubectl"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def merge(schemas: Schemas, node: Node | None, stored: Any, applied: Any) -> Any:
    """`applied` laid over `stored`: objects by field, lists by their keys, the rest as a whole."""
    if isinstance(applied, dict) and isinstance(stored, dict) and not schemas.is_atomic(node):
        merged = dict(stored)
        for key, value in applied.items():
            if value is None:
                continue
            child = schemas.child(node, key)
            merged[key] = merge(schemas, child, stored[key], value) if key in stored else clone(value)
        return merged
    if isinstance(applied, list) and isinstance(stored, list):
        if schemas.is_set(node):
            return [*stored, *(item for item in applied if item not in stored)]
        if keys := schemas.list_keys(node):
            return _merge_items(schemas, schemas.item(node), keys, stored, applied)
    return clone(applied)


def _merge_items(
    schemas: Schemas, item: Node | None, keys: tuple[str, ...], stored: list[Any], applied: list[Any]
) -> list[Any]:
    """Items by key: in the order in which they are applied, those of others where they stood."""
    known = {item_key(value, keys): value for value in stored}
    wanted = {item_key(value, keys): value for value in applied}
    order = list(wanted) if known.keys() <= wanted.keys() else [*known, *(key for key in wanted if key not in known)]
    return [
        merge(schemas, item, known[key], wanted[key])
        if key in known and key in wanted
        else clone(wanted.get(key, known.get(key)))
        for key in order
    ]


def remove(value: Any, path: Path, schemas: Schemas, node: Node | None) -> None:
    """Take a field out of an object, and the objects that get empty by it."""
    step, rest = path[0], path[1:]
    if step.startswith("f:"):
        key = step[2:]
        if not isinstance(value, dict) or key not in value:
            return
        if rest:
            remove(value[key], rest, schemas, schemas.child(node, key))
        if not rest or value[key] in ({}, []):
            del value[key]
        return
    if not isinstance(value, list):
        return
    keys = schemas.list_keys(node)
    for item in list(value):
        name = flatten(schemas, {"type": "array", **(node or {})}, [item])
        if (step,) not in name:
            continue
        if rest and keys:
            if rest not in {(f"f:{key}",) for key in keys}:
                remove(item, rest, schemas, schemas.item(node))
        else:
            value.remove(item)


def _last_applied(schemas: Schemas, node: Node | None, stored: dict[str, Any]) -> set[Path]:
    """Fields that kubectl's own annotation of a client-side apply names: the same tool may take them over without force."""
    text = (stored["metadata"].get("annotations") or {}).get(LAST_APPLIED)
    return set(flatten(schemas, node, json.loads(text))) if text else set()


def apply(
    schemas: Schemas,
    kind: Kind,
    stored: dict[str, Any] | None,
    applied: dict[str, Any],
    *,
    manager: str,
    force: bool = False,
    subresource: str = "",
) -> dict[str, Any]:
    """The object after an apply, with its managers.

    Args:
        schemas: of all kinds.
        kind: of the object.
        stored: what there is; none where the apply creates it.
        applied: the fields this manager wants.
        manager: who applies.
        force: take fields from other managers instead of refusing.
        subresource: `status`, or nothing.

    Raises:
        ApiError: 409 with each conflicting manager and field.
    """
    node = schemas.of(kind)
    applied = clone(applied)
    applied.get("metadata", {}).pop("managedFields", None)
    wanted = flatten(schemas, node, applied)
    there = flatten(schemas, node, stored) if stored else {}
    me = Owner(manager, "Apply", subresource)
    owners = owners_of(stored) if stored else {}
    mine = owners.pop(me, set())
    changed = {path for path, value in wanted.items() if path not in there or there[path] != value}
    by_annotation = _last_applied(schemas, node, stored) if manager == KUBECTL and stored else set()
    conflicts = []
    for owner, paths in owners.items():
        taken = sorted(changed & paths)
        if set(taken) - by_annotation and not force:
            through = f' with subresource "{owner.subresource}"' if owner.subresource else ""
            how = f" using {kind.api_version}" if owner.operation == "Update" else ""
            conflicts += [
                (f"{owner.manager}{through}{how}", shown(path)) for path in taken if path not in by_annotation
            ]
        owners[owner] = paths - set(taken)
    if conflicts:
        raise apply_conflict(conflicts)
    merged = merge(schemas, node, stored or {}, applied)
    others = set().union(*owners.values()) if owners else set()
    for path in sorted(mine - wanted.keys(), key=len, reverse=True):
        if path not in others and not any(other[: len(path)] == path for other in others):
            remove(merged, path, schemas, node)
    owners[me] = set(wanted)
    if stored is None:
        merged.setdefault("metadata", {})
    write_owners(merged, owners, kind.api_version, stored)
    return merged
