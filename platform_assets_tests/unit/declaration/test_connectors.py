"""Connectors by declaration: what is refused, and that each mistake names its field."""

from pathlib import Path
from typing import Any, Literal

import pytest
import yaml
from pydantic import ValidationError

from platform_assets.declaration import DeclarationError, Source, UseCase, load_use_case
from platform_assets.declaration.sections.connectors.base import ConnectorDeclaration
from platform_assets.declaration.sections.connectors.registry import CONNECTORS
from platform_assets.declaration.template import use_case_template

SQL = {"kind": "sql", "url": "SHOP_DATABASE"}
FILES = {"kind": "files", "format": "csv", "path": "in"}
FEED = {"kind": "change_feed"}
KAFKA = {"kind": "kafka", "topic": "t", "brokers": "BROKERS"}

MISTAKES: list[tuple[dict[str, Any], str, str]] = [
    ({**SQL, "table": "a", "query": "SELECT 1"}, "connector.query", "`table` or `query`, not both"),
    ({**SQL}, "connector.table", "give the `table` or the `query`"),
    ({**SQL, "query": "SELECT 1; DROP TABLE x"}, "connector.query", "single SELECT"),
    ({**SQL, "table": "a", "operation": "what"}, "connector.operation", "declare the `cursor` column"),
    ({**SQL, "table": "a", "deleted": "gone"}, "connector.deleted", "declare the `cursor` column"),
    ({**SQL, "table": "a", "overlap": 5}, "connector.overlap", "declare the `cursor` column"),
    ({**SQL, "table": "a", "cursor": "c", "operation": "o", "deleted": "d"}, "connector.deleted", "not both"),
    ({**SQL, "table": "a", "cursor": "change_sequence"}, "connector.cursor", "platform's own columns"),
    ({**SQL, "table": "a", "cursor": "value"}, "connector.cursor", "is declared float64"),
    ({**SQL, "table": "a", "url": "postgresql://user:secret@host/db"}, "connector.url", "is not written as it has to be"),
    ({**SQL, "table": "a", "password": "x"}, "connector.password", "no such field here"),
    ({**FILES, "path": "in/{event_day}.csv", "incremental": True}, "connector.path", "write `*`"),
    ({**FILES, "path": "gs://bucket/in"}, "connector.path", "only s3://"),
    ({**FEED}, "connector.path", "one of them"),
    ({**FEED, "path": "in", "topic": "t", "brokers": "B"}, "connector.path", "one of them"),
    ({**FEED, "topic": "t"}, "connector.brokers", "a topic needs `brokers`"),
    ({**FEED, "path": "{event_day}.jsonl"}, "connector.path", "write `*`"),
    ({"kind": "kafka", "topic": "t"}, "connector.brokers", "is missing"),
    ({"kind": "oracle"}, "connector.kind", "none of them; known: simulator"),
]  # fmt: skip


def declared(tmp_path: Path, connector: dict[str, Any], **changes: Any) -> Path:
    document = yaml.safe_load(use_case_template("churn"))
    attributes = document["attributes"]
    events = next(source for source in attributes["sources"] if source["name"] == attributes["events"])
    events["connector"] = connector
    events |= changes
    attributes["sources"] = [events, *[source for source in attributes["sources"] if source is not events]]
    path = tmp_path / "defs.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


@pytest.mark.parametrize(("connector", "field", "says"), MISTAKES, ids=[f"{m[1]} {i}" for i, m in enumerate(MISTAKES)])
def test_a_mistake_names_its_field(tmp_path: Path, connector: dict[str, Any], field: str, says: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        load_use_case(declared(tmp_path, connector))
    matching = [line for line in str(caught.value).splitlines() if f": sources.0.{field}: " in line]
    assert matching, f"no error points at {field}: {caught.value}"
    assert says in matching[0]


INCREMENTAL: list[tuple[dict[str, Any], str]] = [
    ({**FILES, "incremental": True}, "connector.incremental"),
    ({**SQL, "table": "a", "cursor": "c"}, "connector.cursor"),
    ({"kind": "delta", "uri": "t", "incremental": True}, "connector.incremental"),
    ({**FEED, "path": "in"}, "connector.kind"),
    (KAFKA, "connector.kind"),
]


@pytest.mark.parametrize(("connector", "field"), INCREMENTAL, ids=[case[0]["kind"] for case in INCREMENTAL])
def test_incremental_sources_need_an_event_time(tmp_path: Path, connector: dict[str, Any], field: str) -> None:
    use_case = load_use_case(declared(tmp_path, connector))
    assert use_case.sources[0].is_incremental
    with pytest.raises(DeclarationError, match=f"sources.0.{field}: .*needs an `event_time`"):
        load_use_case(declared(tmp_path, connector, event_time=None))


@pytest.mark.parametrize("connector", [FILES, {**SQL, "query": "SELECT 1;"}, {"kind": "delta", "uri": "t"}])
def test_the_others_are_asked_for_event_days(tmp_path: Path, connector: dict[str, Any]) -> None:
    assert not load_use_case(declared(tmp_path, connector)).sources[0].is_incremental


@pytest.mark.parametrize("name", ["extra", "change_operation", "change_sequence"])
def test_names_of_columns_that_travel_with_a_row_are_reserved(tmp_path: Path, name: str) -> None:
    path = declared(tmp_path, FILES)
    document = yaml.safe_load(path.read_text())
    column = {"name": name, "type": "string", "description": "x", "nullable": True}
    document["attributes"]["sources"][0]["columns"].append(column)
    path.write_text(yaml.safe_dump(document))
    with pytest.raises(DeclarationError, match=r"sources\.0\.columns\.\d+\.name: .*reserved"):
        load_use_case(path)


def test_a_declaration_never_holds_an_address_with_a_password() -> None:
    schema = UseCase.model_json_schema()["$defs"]
    for model, field in (("SqlConnector", "url"), ("KafkaConnector", "brokers")):
        assert schema[model]["properties"][field]["pattern"].startswith("^[A-Za-z_]")
    assert "environment variable" in schema["SqlConnector"]["properties"]["url"]["description"]


class Shelf(ConnectorDeclaration):
    """Rows from a shelf."""

    kind: Literal["shelf"]
    board: int


def test_a_kind_is_known_as_long_as_it_stands_in_the_list() -> None:
    source = {
        "name": "rides",
        "description": "One ride.",
        "primary_key": ["ride_id"],
        "columns": [{"name": "ride_id", "type": "int64", "description": "x"}],
        "connector": {"kind": "shelf", "board": "3"},
    }
    with CONNECTORS.with_member("shelf", Shelf):
        declared = Source.model_validate(source)
        assert declared.connector == Shelf(kind="shelf", board=3)
        assert declared.model_dump()["connector"] == {"kind": "shelf", "board": 3}
        assert Source.model_validate(declared.model_dump()) == declared
        assert "Shelf" in UseCase.model_json_schema()["$defs"]
    with pytest.raises(
        ValidationError, match="'shelf' found using 'kind' does not match any of the expected tags: 'simulator'"
    ):
        Source.model_validate(source)
    assert "Shelf" not in UseCase.model_json_schema()["$defs"]


def test_a_source_knows_whether_it_is_incremental() -> None:
    source = {
        "name": "rides",
        "description": "One ride.",
        "primary_key": ["ride_id"],
        "event_time": "at",
        "columns": [{"name": "ride_id", "type": "int64", "description": "x"}],
    }
    assert Source.model_validate({**source, "connector": KAFKA}).is_incremental
    assert not Source.model_validate({**source, "connector": FILES}).is_incremental
