"""The typed service's proto: what stands in it follows from the declaration alone."""

from typing import Any

import pytest

from platform_assets.testing.declare import declare
from platform_assets_tests.serving.parking import use_case
from serving.doors.proto import answer_fields, render_proto


def test_each_request_column_is_a_field_in_its_place() -> None:
    text = render_proto(use_case())
    assert "package platform_assets.parking.v1;" in text
    for number, line in enumerate(
        ("string arrival", "string arrived_at", "int32 lot", "double speed", "string gate", "bool electric"), start=1
    ):
        assert f"  optional {line} = {number};" in text
    assert "// Required. gate. One of north, south." in text
    assert "// May be missing. electric." in text


@pytest.mark.parametrize(
    ("label", "fields"),
    [
        ("late", {"probability": "optional double", "decision": "optional string"}),
        ({"size": ["a", "b", "c"]}, {"class": "optional string", "probabilities": "map<string, double>"}),
        ({"amount": "float64"}, {"value": "optional double"}),
    ],
)
def test_the_answer_has_what_its_task_answers(label: Any, fields: dict[str, str]) -> None:
    case = declare(events={"id": "string", "at": "datetime", "speed": "float64"}, label=label)
    found = {name: kind for name, kind, _ in answer_fields(case)}
    assert list(found)[:4] == ["model_version", "request_id", "unknown_entities", "fallback"]
    assert fields.items() <= found.items()
