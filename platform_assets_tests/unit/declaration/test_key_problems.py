"""The scored table has a key of one column; who declares two is told what to write, and that loads."""

import re
from typing import Any

import pytest
from pydantic import ValidationError

from platform_assets.declaration import UseCase
from platform_assets.testing.declare import declaration

EVENTS = {"shop": "int64", "at": "datetime", "till": "int64", "amount": "float64"}


def keyed(key: list[str], *columns: dict[str, Any]) -> UseCase:
    document = declaration(events={**EVENTS, "is_bad": [0, 1]}, label="is_bad")
    document["sources"][0]["primary_key"] = key
    document["sources"][0]["columns"] += columns
    document["serving"]["request"] += [column["name"] for column in columns]
    return UseCase.model_validate(document)


@pytest.mark.parametrize("key", [["shop", "till"], ["shop", "at", "till"]])
def test_a_key_of_several_columns_is_refused_with_what_to_write(key: list[str]) -> None:
    with pytest.raises(ValidationError, match="name an event by one column") as raised:
        keyed(key)
    [expression] = re.findall(r'expression: "(.*?)"}', str(raised.value))
    row_key = {"name": "row_key", "type": "string", "description": "What names a row", "expression": expression}
    assert keyed(["row_key"], row_key).event_source.primary_key == ("row_key",)


def test_the_key_of_another_table_may_have_several() -> None:
    document = declaration(events=EVENTS, label="is_bad", label_source={"primary_key": ["shop", "at"]})
    assert UseCase.model_validate(document).label_source.primary_key == ("shop", "at")
