"""`platform-assets docs`: the reference of the declaration, from the models' own descriptions.

Belongs here: JSON schema to Markdown. Does not belong here: prose that no field carries.
"""

from pathlib import Path
from typing import Any

from platform_assets.cli.console import console
from platform_assets.spec import UseCase

TARGET = Path("docs") / "reference.md"


def render_reference() -> str:
    """The reference as Markdown: one table for each model, the whole declaration first."""
    schema = UseCase.model_json_schema()
    definitions: dict[str, Any] = schema.get("$defs", {})
    lines = [
        "# Reference: `platform_assets.MlUseCase`",
        "",
        "Written by `make docs` from the models in `platform_assets/spec/`. Every field that is not listed here is refused.",
        "",
    ]
    lines += _section("UseCase", schema)
    for name in sorted(definitions):
        lines += _section(name, definitions[name])
    return "\n".join(lines).rstrip() + "\n"


def _section(name: str, schema: dict[str, Any]) -> list[str]:
    summary = (schema.get("description") or "").split("\n\n")[0].replace("\n", " ")
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
        meaning = str(value.get("description", "")).replace("|", "\\|")
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


def write_reference() -> None:
    """Write `docs/reference.md`."""
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(render_reference())
    console.print(f"wrote {TARGET}")
