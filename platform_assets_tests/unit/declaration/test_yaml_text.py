"""YAML is read as people mean it, and says where something is wrong."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest
import yaml

from platform_assets.declaration import DeclarationError, load_use_case
from platform_assets.declaration.yaml_text import DuplicateKey, line_of, load_yaml
from platform_assets.testing.declare import declaration, write_declaration

CORE = [
    ("on", "on"),
    ("off", "off"),
    ("no", "no"),
    ("Yes", "Yes"),
    ("y", "y"),
    ("NO", "NO"),
    ("true", True),
    ("FALSE", False),
    ("1e3", 1000.0),
    ("1E-3", 0.001),
    ("-1.5e+2", -150.0),
    (".5", 0.5),
    ("1.", 1.0),
    (".inf", float("inf")),
    ("0o17", 15),
    ("0x1F", 31),
    ("0017", 17),
    ("08", 8),
    ("+3", 3),
    ("12:30", "12:30"),
    ("190:20:30", "190:20:30"),
    ("1_000", "1_000"),
    ("0b11", "0b11"),
    ("2026-03-01", "2026-03-01"),
    ("2026-03-01T00:00:00Z", "2026-03-01T00:00:00Z"),
    ("~", None),
    ("", None),
    ("null", None),
    ("=", "="),
    ("'12'", "12"),
    ("1.2.3", "1.2.3"),
]


@pytest.mark.parametrize(("text", "value"), CORE)
def test_plain_scalars_are_those_of_the_core_schema(text: str, value: Any) -> None:
    read = load_yaml(f"key: {text}\n")[0]["key"]
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize("key", ["on", "no", "y", "off"])
def test_a_key_is_the_text_that_stands_there(key: str) -> None:
    assert load_yaml(f"{key}: 1") [0] == {key: 1}  # fmt: skip


def test_anchors_and_merge_keys() -> None:
    text = "a: &a {x: 1, y: 1}\nb: &b {<<: *a, x: 2}\nc: {<<: [*b, *a], z: 3}\nd: *a\ne: [<<]\n"
    read = load_yaml(text)[0]
    assert read["b"] == {"x": 2, "y": 1}
    assert read["c"] == {"x": 2, "y": 1, "z": 3}
    assert read["d"] == read["a"]
    assert read["e"] == ["<<"]


TWICE = [
    ("a: 1\nb: 2\na: 3\n", 3),
    ("a:\n  - {x: 1, y: 2, x: 1}\n", 2),
    ("a: &a\n  x: 1\n  x: 2\nb: *a\n", 3),
    ("<<: {a: 1}\n<<: {b: 1}\n", 2),
    ("a: 1\n? b\n: 2\n'a': 3\n", 4),
]


@pytest.mark.parametrize(("text", "line"), TWICE)
def test_a_key_that_stands_twice_is_refused_with_its_line(text: str, line: int) -> None:
    with pytest.raises(DuplicateKey) as error:
        load_yaml(text)
    assert error.value.problem_mark is not None
    assert error.value.problem_mark.line + 1 == line


@pytest.mark.parametrize(
    "text", ["a: &a [*a]", "a: &a {b: {c: *a}}", "a: 1\n---\nb: 2", "a: !!python/name:os.system ''"]
)
def test_what_no_declaration_can_hold_is_refused(text: str) -> None:
    with pytest.raises(yaml.YAMLError):
        load_yaml(text)


def small(tmp_path: Path) -> Path:
    document = declaration(events={"visit": "int64", "at": "datetime", "speed": "float64"}, label="unpaid")
    return write_declaration(tmp_path / "small", document)


def test_a_duplicate_key_names_file_and_line(tmp_path: Path) -> None:
    path = small(tmp_path)
    text = path.read_text()
    path.write_text(text + "  owner: team:others\n")
    with pytest.raises(DeclarationError, match=rf"{path}:{text.count(chr(10)) + 1}: owner: key 'owner' stands twice"):
        load_use_case(path)


def test_the_component_reads_as_the_loader_does(tmp_path: Path) -> None:
    from platform_assets.orchestration.component import MlUseCase, UnreadAttributes

    path = small(tmp_path)
    context: Any = SimpleNamespace(path=path.parent)
    loaded = MlUseCase.load(UnreadAttributes.model_validate({"lookups": {True: "`on`, as YAML 1.1 reads it"}}), context)
    assert loaded.use_case == load_use_case(path)
    path.write_text(path.read_text() + "  name: again\n")
    with pytest.raises(dg.DagsterInvalidDefinitionError, match=r"defs\.yaml:\d+: name: key 'name' stands twice"):
        MlUseCase.load(UnreadAttributes(), context)


def test_the_component_documents_the_declaration() -> None:
    from platform_assets.declaration import UseCase
    from platform_assets.orchestration.component import MlUseCase

    assert MlUseCase.get_model_cls().model_json_schema() == UseCase.model_json_schema()


def test_the_line_of_a_field_of_a_union_and_of_a_merged_field() -> None:
    text = "base: &base\n  path: 1\nsource:\n  connector:\n    <<: *base\n    kind: files\n    format: xls\n"
    _, node = load_yaml(text)
    assert line_of(node, ("source", "connector", "files", "format")) == 7
    assert line_of(node, ("source", "connector", "files", "path")) == 2
    assert line_of(node, ("source", "connector", "files", "missing")) == 4


def test_a_file_in_another_encoding_is_an_error_with_its_name(tmp_path: Path) -> None:
    path = small(tmp_path)
    path.write_bytes(path.read_bytes() + "  # Straße\n".encode("latin-1"))
    with pytest.raises(DeclarationError, match="not UTF-8"):
        load_use_case(path)
