"""`platform-assets docs`: the reference of the declaration, from the models' own descriptions.

Belongs here: JSON schema to Markdown. Does not belong here: prose that no field carries.
"""

from pathlib import Path
from typing import Any

from platform_assets.cli.console import console
from platform_assets.declaration import UseCase

TARGET = Path("docs") / "reference" / "declaration.md"


def render_reference() -> str:
    """The reference as Markdown: one table for each model, the whole declaration first."""
    schema = UseCase.model_json_schema()
    definitions: dict[str, Any] = schema.get("$defs", {})
    lines = [
        "# Reference: `platform_assets.MlUseCase`",
        "",
        "Written by `make docs` from the models in `platform_assets/declaration/`. Every field that is not listed here is refused.",
        "",
    ]
    lines += _section("UseCase", schema, definitions)
    for name in sorted(definitions):
        lines += _section(name, definitions[name], definitions)
    return "\n".join(lines).rstrip() + "\n"


def _summary(schema: dict[str, Any]) -> str:
    """First paragraph of a model's docstring."""
    return str(schema.get("description") or "").split("\n\n")[0].replace("\n", " ")


def _section(name: str, schema: dict[str, Any], definitions: dict[str, Any]) -> list[str]:
    summary = _summary(schema)
    lines = [f"## {name}", "", summary, "", "| field | type | default | meaning |", "|---|---|---|---|"]
    required = set(schema.get("required", []))
    for field, value in schema.get("properties", {}).items():
        default = (
            "required"
            if field in required
            else f"`{value.get('default')}`"
            if "default" in value
            else "see its section"
        )
        # pydantic leaves a field's description out when it repeats its model's docstring
        referred = definitions.get(str(value.get("$ref", "")).rsplit("/", 1)[-1], {})
        meaning = str(value.get("description") or _summary(referred)).replace("|", "\\|")
        lines.append(f"| `{field}` | {_type(value)} | {default} | {meaning} |")
    return [*lines, ""]


def _type(value: dict[str, Any]) -> str:
    if "$ref" in value:
        name = value["$ref"].rsplit("/", 1)[-1]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in value:
        return " or ".join(_type(option) for option in value["anyOf"])
    if "oneOf" in value:
        return " or ".join(_type(option) for option in value["oneOf"])
    if "enum" in value:
        return ", ".join(f"`{option}`" for option in value["enum"])
    if "const" in value:
        return f"`{value['const']}`"
    if value.get("type") == "array":
        return f"list of {_type(value.get('items', {}))}"
    return str(value.get("type", "any"))


def write_page(target: Path, text: str) -> None:
    """Write a page of the reference, and say so."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)
    console.print(f"wrote {target}")
