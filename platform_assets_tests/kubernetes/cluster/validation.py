"""An object against the schema of its kind: unknown fields, wrong types, what is missing.

Belongs here: everything a schema says. Does not belong here: rules between fields (rules.py). Rules in CEL
(`x-kubernetes-validations`) are not evaluated.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Any

from platform_assets_tests.kubernetes.cluster.errors import ApiError, bad_request, invalid
from platform_assets_tests.kubernetes.cluster.kinds import Kind
from platform_assets_tests.kubernetes.cluster.schemas import Node, Schemas

QUANTITY = re.compile(r"^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+|[numkMGTPE]|[KMGTPE]i)?$")
LIMITS = {"enum", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "pattern"}
TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}


@dataclass
class Findings:
    """What is wrong with one object."""

    unknown: list[str] = field(default_factory=list)
    mistyped: list[tuple[str, str, Any]] = field(default_factory=list)
    """Path, wanted type, value."""
    causes: list[tuple[str, str, str]] = field(default_factory=list)
    """Reason, path, message."""


def _type_name(value: Any) -> str:
    for name, types in TYPES.items():
        if isinstance(value, bool):
            return "boolean"
        if isinstance(value, types):
            return name
    return "null"


def _fits(value: Any, wanted: str) -> bool:
    if isinstance(value, bool):
        return wanted == "boolean"
    if wanted == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, TYPES.get(wanted, (object,)))


def inspect(schemas: Schemas, node: Node | None, value: Any, path: str, found: Findings) -> None:
    """Write what is wrong with `value` into `found`; fields without a schema are taken as they are."""
    node = schemas.resolve(node)
    if node is None or value is None:
        return
    if node.get("x-kubernetes-int-or-string"):
        if isinstance(value, bool) or not isinstance(value, int | str):
            found.mistyped.append((path, "integer,string", value))
        return
    if node.get("x-kubernetes-quantity"):
        if isinstance(value, bool) or not QUANTITY.match(str(value)):
            message = f"quantities must match the regular expression '{QUANTITY.pattern}'"
            found.causes.append(("FieldValueInvalid", path, f"Invalid value: {json.dumps(value)}: {message}"))
        return
    wanted = node.get("type", "object" if "properties" in node else "")
    if wanted and not _fits(value, wanted):
        found.mistyped.append((path, wanted, value))
        return
    if isinstance(value, dict):
        _inspect_object(schemas, node, value, path, found)
    elif isinstance(value, list):
        for place, item in enumerate(value):
            inspect(schemas, schemas.item(node), item, f"{path}[{place}]", found)
    _inspect_limits(node, value, path, found)


def _inspect_object(schemas: Schemas, node: Node, value: dict[str, Any], path: str, found: Findings) -> None:
    known = node.get("properties", {})
    closed = (
        bool(known) and not node.get("additionalProperties") and not node.get("x-kubernetes-preserve-unknown-fields")
    )
    for key, item in value.items():
        at = f"{path}.{key}" if path else key
        if at == "metadata.managedFields" or (at == "status" and "x-custom" not in node):
            continue  # the status of built-in kinds is written by the controllers of the test cluster alone
        if closed and key not in known:
            found.unknown.append(at)
            continue
        inspect(schemas, schemas.child(node, key), item, at, found)
    for key in node.get("required", []):
        if value.get(key) is None and not (key == "spec" and not path):
            at = f"{path}.{key}" if path else key
            found.causes.append(("FieldValueRequired", at, "Required value"))


def _inspect_limits(node: Node, value: Any, path: str, found: Findings) -> None:
    """Limits as definitions of custom resources state them; the built-in kinds have none in their schemas."""
    if not LIMITS & node.keys():
        return
    shown = json.dumps(value)
    size = len(value) if isinstance(value, str | list | dict) else 0
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else None
    if "enum" in node and value not in node["enum"]:
        supported = ", ".join(json.dumps(item) for item in node["enum"])
        found.causes.append(
            ("FieldValueNotSupported", path, f"Unsupported value: {shown}: supported values: {supported}")
        )
    checks = (
        ("minimum", number is not None and number < node.get("minimum", number), "should be greater than or equal to"),
        ("maximum", number is not None and number > node.get("maximum", number), "should be less than or equal to"),
        ("minLength", isinstance(value, str) and size < node.get("minLength", 0), "should be at least chars long:"),
        ("maxLength", isinstance(value, str) and size > node.get("maxLength", size), "should be at most chars long:"),
        ("minItems", isinstance(value, list) and size < node.get("minItems", 0), "should have at least items:"),
        ("maxItems", isinstance(value, list) and size > node.get("maxItems", size), "should have at most items:"),
        ("pattern", isinstance(value, str) and not re.search(node.get("pattern", ""), value), "should match"),
    )
    for name, broken, words in checks:
        if name in node and broken:
            told = f"Invalid value: {shown}: {path} in body {words} {node[name]}"
            found.causes.append(("FieldValueInvalid", path, told))


def find_faults(schemas: Schemas, kind: Kind, body: dict[str, Any]) -> Findings:
    """Everything the schema of its kind has against an object."""
    found = Findings()
    inspect(schemas, schemas.of(kind), body, "", found)
    return found


def refuse_faults(schemas: Schemas, kind: Kind, body: dict[str, Any], found: Findings) -> None:
    """Raise for wrong types and for what is missing; unknown fields are the caller's.

    Raises:
        ApiError: 400 for a built-in kind that cannot be decoded, 422 for the rest.
    """
    name = body.get("metadata", {}).get("name", "")
    if found.mistyped and not schemas.is_custom(kind):
        path, wanted, value = found.mistyped[0]
        place = re.sub(r"\[\d+\]", "", path)
        message = (
            f"json: cannot unmarshal {_type_name(value)} into Go struct field {kind.name}.{place} of type {wanted}"
        )
        raise bad_request(f'{kind.name} in version "{kind.version}" cannot be handled as a {kind.name}: {message}')
    causes = list(found.causes)
    for path, wanted, value in found.mistyped:
        told = f'Invalid value: "{_type_name(value)}": {path} in body must be of type {wanted}: "{_type_name(value)}"'
        causes.append(("FieldValueTypeInvalid", path, told))
    if causes:
        raise invalid(kind, name, causes)


def without_unknown(schemas: Schemas, node: Node | None, value: Any) -> Any:
    """The value without the fields its schema does not know, as a server stores it."""
    node = schemas.resolve(node)
    if node is None:
        return value
    if isinstance(value, list):
        return [without_unknown(schemas, schemas.item(node), item) for item in value]
    if not isinstance(value, dict):
        return value
    known = node.get("properties", {})
    closed = (
        bool(known) and not node.get("additionalProperties") and not node.get("x-kubernetes-preserve-unknown-fields")
    )
    return {
        key: without_unknown(schemas, schemas.child(node, key), item)
        for key, item in value.items()
        if not closed or key in known
    }


def judge(schemas: Schemas, kind: Kind, body: dict[str, Any], how: str) -> tuple[dict[str, Any], list[str]]:
    """What a server does with a body that comes in.

    Args:
        schemas: of all kinds.
        kind: of the object.
        body: as it came in.
        how: `Strict`, `Warn` or `Ignore`: what unknown fields mean.

    Returns:
        the body without unknown fields, and the warnings.

    Raises:
        ApiError: 400, 422.
    """
    found = find_faults(schemas, kind, body)
    told = [f'unknown field "{path}"' for path in found.unknown]
    if told and how == "Strict":
        message = f'{kind.name} in version "{kind.version}" cannot be handled as a {kind.name}: '
        raise ApiError(400, "BadRequest", f"{message}strict decoding error: {', '.join(told)}")
    refuse_faults(schemas, kind, body, Findings(mistyped=found.mistyped))
    kept = without_unknown(schemas, schemas.of(kind), body) if told else body
    return kept, told if how == "Warn" else []
