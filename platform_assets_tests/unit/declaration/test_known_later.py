"""Columns that are known only after the event: every place that would give one to a model refuses it, with its line."""

from pathlib import Path
from typing import Any

import pytest

from platform_assets.declaration import DeclarationError, UseCase, load_use_case
from platform_assets.testing.declare import declaration, row, window, write_declaration

EVENTS: dict[str, Any] = {
    "hire": "int64",
    "at": "datetime",
    "station": "string",
    "members": {"type": "float64", "known_after": "the end of the day"},
    "returned": {"type": "float64", "known_after": "2d"},
    "degrees": "float64",
    "hires": "float64",
}


def document(**changes: Any) -> dict[str, Any]:
    whole = declaration(events=EVENTS, label="hires", features=changes.pop("features", ["degrees"]), **changes)
    whole["serving"]["request"] = ["hire", "at", "station", "degrees"]
    return whole


def past(**more: Any) -> dict[str, Any]:
    return {"name": "past", "entity": "station", "windows": [{**window("back", "mean", "returned", [7]), **more}]}


def test_a_column_that_is_known_later_may_be_delivered_and_used_once_it_is_known() -> None:
    case = UseCase.model_validate(document(features=["degrees", past(delay_days=2)]))
    assert case.event_source.column("returned").known_after == "2d"


@pytest.mark.parametrize(
    ("given", "place"),
    [
        (document(features=["members"]), "features.0.rows.0.expression"),
        (
            document(features=["degrees", {"name": "more", "rows": [row("a", "degrees / members")]}]),
            "features.1.rows.0",
        ),
        (document(features=["degrees", past(delay_days=1)]), "features.1.windows.0.column"),
        (
            document(features=["degrees", past(column="degrees", where="returned > 1", delay_days=1)]),
            "features.1.windows.0.where",
        ),
        (document(features=["degrees", past(column="members", delay_days=9)]), "features.1.windows.0.column"),
        (document() | {"serving": {"request": ["hire", "at", "station", "degrees", "members"]}}, "serving.request.4"),
    ],
)
def test_it_is_no_input_before(tmp_path: Path, given: dict[str, Any], place: str) -> None:
    path = write_declaration(tmp_path, given)
    with pytest.raises(DeclarationError) as refused:
        load_use_case(path)
    lines = [line for line in str(refused.value).splitlines() if place in line and "known only after the event" in line]
    assert lines
    assert lines[0].startswith(f"{path}:")
