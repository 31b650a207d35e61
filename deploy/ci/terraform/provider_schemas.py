"""Schemas of Terraform providers, read out of the packages that carry them for the CDK.

Usage: python deploy/ci/terraform/provider_schemas.py WHEEL TYPES OUTPUT, where TYPES is a file with one type a line
(`aws_vpc`, `data.aws_region`) and OUTPUT a file of JSON in the form of `terraform providers schema -json`.

Belongs here: what a generated file says about arguments, blocks and what only the provider knows. Does not belong here:
serving the schemas to Terraform (stub_providers.py).
"""

import json
import re
import sys
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

Block = dict[str, Any]

_CLASS = re.compile(r"^class (\w+) extends cdktn\.\w+ \{", re.M)
_FIELD = re.compile(r"^ +// (\w+) - computed: (true|false), optional: (true|false), required: (true|false)$", re.M)
_NESTED = re.compile(r"new (\w+?)(List|Map|OutputReference)\(this, \"\w+\"(?:, (true|false))?\)")
_GETTER = re.compile(r"this\.get(\w+)Attribute\('\w+'\)")
_FUNCTION = re.compile(r"^function (\w+)ToHclTerraform\(struct\) \{\n(.*?)^\}", re.M | re.S)
_ENTRY = re.compile(
    r"^ +(\w+): \{\n +value: [^\n]*\n +isBlock: (true|false),\n +type: \"(\w+)\",\n +storageClassType: \"(\w+)\",", re.M
)
_RESOURCE = re.compile(r'static tfResourceType = "(\w+)";')
_PROVIDER_VERSION = re.compile(r"providerVersion: '([^']+)'")

_READ_AS: dict[str, Any] = {
    "String": "string",
    "Number": "number",
    "Boolean": "bool",
    "List": ["list", "string"],
    "NumberList": ["list", "number"],
    "StringMap": ["map", "string"],
    "NumberMap": ["map", "number"],
    "BooleanMap": ["map", "bool"],
}
_MODES = {"list": "list", "set": "set", "map": "map", "struct": "single"}
_SET_AS = {"string": "string", "number": "number", "boolean": "bool", "any": "dynamic"}

_SECRET = re.compile(
    r"(^|_)(password|secret_string|secret_data|auth_token|auth_string|private_key|access_key|connection_string)$"
)
_SECRETS = {("random_password", "result"), ("azurerm_key_vault_secret", "value")}


class GeneratedFile:
    """The file of one resource: its classes, and what each of them says of its fields."""

    def __init__(self, text: str) -> None:
        starts = [*_CLASS.finditer(text)]
        ends = [match.start() for match in starts[1:]] + [len(text)]
        self._classes = {match[1]: text[match.end() : end] for match, end in zip(starts, ends, strict=True)}
        self._functions = {match[1]: match[2] for match in _FUNCTION.finditer(text)}

    def root(self) -> Block:
        """The block of the resource itself: the last class of the file."""
        name = next(reversed(self._classes))
        body = self._classes[name]
        return self._block(body, _ENTRY.finditer(body.partition("synthesizeHclAttributes()")[2]))

    def _block(self, body: str, entries: Iterable[re.Match[str]]) -> Block:
        settable = {entry[1]: entry for entry in entries}
        fields = [*_FIELD.finditer(body)]
        ends = [match.start() for match in fields[1:]] + [len(body)] * bool(fields)
        block: Block = {"attributes": {}, "block_types": {}}
        for field, end in zip(fields, ends, strict=True):
            self._add(block, field, body[field.end() : end], settable.get(field[1]))
        return block

    def _add(self, block: Block, field: re.Match[str], body: str, entry: re.Match[str] | None) -> None:
        name = field[1]
        flags = {
            key: True
            for key, said in zip(("computed", "optional", "required"), field.groups()[1:], strict=True)
            if said == "true"
        }
        nested = _NESTED.search(body)
        if nested is None and entry and entry[2] == "true":  # a provider's own block
            struct = re.sub(r"List$", "", entry[4])
            block["block_types"][name] = {"nesting_mode": _MODES[entry[3]], "block": self._nested(struct)} | (
                {"min_items": 1} if flags.get("required") else {}
            )
            return
        if nested is None:
            block["attributes"][name] = {"type": self._type(body, entry), **flags}
            if name.endswith("_wo"):
                block["attributes"][name]["write_only"] = True
            return
        inner = self._nested(nested[1])
        mode = {"List": "list", "Map": "map", "OutputReference": "list"}[nested[2]]
        mode = "set" if nested[3] == "true" or (entry and entry[3] == "set") else mode
        mode = "single" if entry and entry[3] == "struct" else mode
        if entry and entry[2] == "true":
            kind: Block = {"nesting_mode": mode, "block": inner}
            if mode != "single":
                kind |= {"min_items": 1} if flags.get("required") else {}
                kind |= {"max_items": 1} if nested[2] == "OutputReference" else {}
            block["block_types"][name] = kind
        elif flags.get("optional") or flags.get("required"):
            block["attributes"][name] = {
                "nested_type": {"nesting_mode": mode, "attributes": inner["attributes"]},
                **flags,
            }
        else:
            what: Any = _object_type(inner)
            block["attributes"][name] = {"type": what if mode == "single" else [mode, what], **flags}

    def _nested(self, struct: str) -> Block:
        body = self._classes.get(f"{struct}OutputReference", "")
        function = self._functions.get(struct[0].lower() + struct[1:], "")
        entries = [*_ENTRY.finditer(function)]
        if body:
            return self._block(body, entries)
        # A provider's own blocks have no class: what may be set is known, what must be is not.
        simple = {one[1]: {"type": _settable_type(one), "optional": True} for one in entries if one[2] == "false"}
        blocks = {
            one[1]: {"nesting_mode": _MODES[one[3]], "block": self._nested(re.sub(r"List$", "", one[4]))}
            for one in entries
            if one[2] == "true"
        }
        return {"attributes": simple, "block_types": blocks}

    @staticmethod
    def _type(body: str, entry: re.Match[str] | None) -> Any:
        if entry is not None:
            return _settable_type(entry)
        getter = _GETTER.search(body)
        if getter is None:
            return "dynamic"
        kind = _READ_AS.get(getter[1], "dynamic")
        return ["set", kind[1]] if "Fn.tolist" in body and isinstance(kind, list) else kind


def _settable_type(entry: re.Match[str]) -> Any:
    container, stored = entry[3], entry[4]
    if container == "simple":
        return _SET_AS.get(stored, "dynamic")
    element = _SET_AS.get(re.sub(r"(List|Map)$", "", stored), "dynamic")
    return "dynamic" if element == "dynamic" else [container, element]


def _object_type(block: Block) -> Any:
    types: dict[str, Any] = {name: attribute.get("type", "dynamic") for name, attribute in block["attributes"].items()}
    types |= {name: [kind["nesting_mode"], _object_type(kind["block"])] for name, kind in block["block_types"].items()}
    return ["object", types]


def mark_secrets(kind: str, block: Block) -> None:
    """Mark as sensitive what is by its name: the packages do not say it, and Terraform refuses outputs that show such values."""
    for name, attribute in block["attributes"].items():
        if _SECRET.search(name) or (kind, name) in _SECRETS:
            attribute["sensitive"] = True
    for nested in block["block_types"].values():
        mark_secrets(kind, nested["block"])


def folder_of(kind: str) -> str:
    """The folder of a type's generated file: `data.aws_region` is `data-aws-region`, `aws_vpc` is `vpc`."""
    if kind.startswith("data."):
        return f"data-{kind.removeprefix('data.').replace('_', '-')}"
    return kind.partition("_")[2].replace("_", "-")


def generated(wheel: Path, folders: set[str]) -> Iterator[tuple[str, str]]:
    """Folder and text of the generated files of these folders.

    Raises:
        SystemExit: the wheel has no such archive.
    """
    with zipfile.ZipFile(wheel) as packed:
        [archive] = [name for name in packed.namelist() if name.endswith(".jsii.tgz")] or [None]
        if archive is None:
            raise SystemExit(f"{wheel.name} has no jsii archive: another package, or another layout than before")
        with packed.open(archive) as stream, tarfile.open(fileobj=stream, mode="r|gz") as files:
            texts: dict[str, str] = {}
            for member in files:
                parts = Path(member.name).parts
                if (
                    len(parts) > 3
                    and parts[:2] == ("package", "lib")
                    and parts[2] in folders
                    and member.name.endswith(".js")
                ):
                    content = files.extractfile(member)
                    assert content is not None
                    # Large resources keep their structs in files beside the one of the resource, whose class comes last.
                    text, before = content.read().decode(), texts.get(parts[2], "")
                    texts[parts[2]] = before + text if parts[3:] == ("index.js",) else text + before
    yield from texts.items()


def schemas(wheel: Path, kinds: set[str]) -> Block:
    """The schemas of these types, and of the provider itself; a type that the provider does not have is left out."""
    wanted = {folder_of(kind): kind for kind in kinds} | {"provider": "provider"}
    wanted |= {
        f"{folder_of(kind)}-resource": kind for kind in kinds
    }  # a name that JavaScript keeps for itself, such as string
    result: Block = {"version": "", "provider": {}, "resource_schemas": {}, "data_source_schemas": {}}
    for folder, text in generated(wheel, set(wanted)):
        kind = wanted[folder]
        root = GeneratedFile(text).root()
        if kind == "provider":
            result["provider"] = {"block": root}
            continue
        stated = _RESOURCE.findall(text)
        if stated[-1:] != [kind.removeprefix("data.")]:
            continue  # aws_x_resource has a folder of that name too
        result["version"] = (_PROVIDER_VERSION.findall(text) or [""])[-1]
        mark_secrets(kind, root)
        place = "data_source_schemas" if kind.startswith("data.") else "resource_schemas"
        result[place][kind.removeprefix("data.")] = {"block": root}
    return result


def main(arguments: list[str]) -> None:
    """Write the schemas of the types that a file names."""
    wheel, kinds, output = map(Path, arguments)
    found = schemas(wheel, set(kinds.read_text().split()))
    output.write_text(json.dumps(found, sort_keys=True))


if __name__ == "__main__":
    main(sys.argv[1:])
