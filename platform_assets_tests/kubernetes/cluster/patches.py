"""The three older kinds of patch: JSON patch, merge patch and strategic merge patch.

Belongs here: pure functions from an object and a patch to an object. Does not belong here: server-side apply (apply.py), storing.
"""

from typing import Any

from platform_assets_tests.kubernetes.cluster.errors import ApiError, bad_request
from platform_assets_tests.kubernetes.cluster.schemas import Node, Schemas
from platform_assets_tests.kubernetes.cluster.values import clone


def json_patch(body: dict[str, Any], operations: Any) -> dict[str, Any]:
    """RFC 6902.

    Raises:
        ApiError: 400 for no patch, 422 for one that does not fit the object.
    """
    import jsonpatch

    if not isinstance(operations, list):
        raise bad_request("error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    try:
        patched: dict[str, Any] = jsonpatch.apply_patch(body, operations)
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException) as error:
        raise ApiError(
            422, "Invalid", f"the server rejected our request due to an error in our request: {error}"
        ) from None
    return patched


def merge_patch(body: Any, patch: Any) -> Any:
    """RFC 7386: objects by field, null removes, the rest as a whole."""
    if not isinstance(patch, dict):
        return clone(patch)
    merged = dict(body) if isinstance(body, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


def strategic_patch(schemas: Schemas, node: Node | None, body: Any, patch: Any) -> Any:
    """A merge patch that knows which lists are merged by which key, with kubectl's directives.

    Raises:
        ApiError: 400 for a directive that does not exist.
    """
    if not isinstance(patch, dict):
        return clone(patch)
    how = patch.get("$patch", "merge")
    if how == "replace":
        return {key: clone(value) for key, value in patch.items() if key != "$patch"}
    if how == "delete":
        return {}
    if how != "merge":
        raise bad_request(f"Unknown patch type: {how}")
    merged = dict(body) if isinstance(body, dict) else {}
    if retained := patch.get("$retainKeys"):
        merged = {key: value for key, value in merged.items() if key in retained}
    for key, value in patch.items():
        if key.startswith("$deleteFromPrimitiveList/"):
            field = key.partition("/")[2]
            merged[field] = [item for item in merged.get(field) or [] if item not in value]
    for key, value in patch.items():
        if key.startswith("$"):
            continue
        child = schemas.child(node, key)
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            merged[key] = strategic_patch(schemas, child, merged.get(key), value)
        elif isinstance(value, list):
            merged[key] = _strategic_list(schemas, child, merged.get(key) or [], value)
        else:
            merged[key] = value
    for key, order in patch.items():
        if key.startswith("$setElementOrder/"):
            field = key.partition("/")[2]
            merge_key = schemas.patch_key(schemas.child(node, field))[1]
            if merged.get(field):
                merged[field] = _ordered(merged[field], order, merge_key)
    return merged


def _strategic_list(schemas: Schemas, node: Node | None, stored: list[Any], patch: list[Any]) -> list[Any]:
    strategy, merge_key = schemas.patch_key(node)
    if "merge" not in strategy:
        return [clone(item) for item in patch]
    if not merge_key:
        return [*stored, *(item for item in patch if item not in stored)]
    if any(item.get("$patch") == "replace" for item in patch):
        return [clone(item) for item in patch if "$patch" not in item]
    merged, item_node = [clone(item) for item in stored], schemas.item(node)
    for item in patch:
        if merge_key not in item:
            raise bad_request(f"map: {item} does not contain declared merge key: {merge_key}")
        at = next((place for place, there in enumerate(merged) if there.get(merge_key) == item[merge_key]), None)
        if item.get("$patch") == "delete":
            merged = [there for there in merged if there.get(merge_key) != item[merge_key]]
        elif at is None:
            merged.append(strategic_patch(schemas, item_node, {}, item))
        else:
            merged[at] = strategic_patch(schemas, item_node, merged[at], item)
    return merged


def _ordered(items: list[Any], order: list[Any], merge_key: str) -> list[Any]:
    """Items in the order that is asked for; those it does not name keep their place behind their neighbour before."""

    def name(item: Any) -> Any:
        return item.get(merge_key) if isinstance(item, dict) else item

    wanted = {name(item): place for place, item in enumerate(order)}
    rank, keyed = -1, []
    for place, item in enumerate(items):
        rank = wanted.get(name(item), rank)
        keyed.append((rank, name(item) not in wanted, place, item))
    return [item for *_, item in sorted(keyed, key=lambda entry: entry[:3])]
