"""What is wrong with a declared label: its columns, and whether anything says when it was known."""

from typing import Any

import pytest
from pydantic import ValidationError

from platform_assets.declaration import UseCase
from platform_assets.testing.declare import declaration

EVENTS = {"visit": "int64", "at": "datetime", "speed": "float64"}


def declared(label: dict[str, Any] | None = None, delay_days: int = 1, **source: Any) -> dict[str, Any]:
    document = declaration(events=EVENTS, label="unpaid", label_delay_days=delay_days, label_source=source)
    document["label"].update(label or {})
    return document


def problems(document: dict[str, Any]) -> list[str]:
    with pytest.raises(ValidationError) as refused:
        UseCase.model_validate(document)
    return [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in refused.value.errors()]


@pytest.mark.parametrize(
    ("document", "where", "message"),
    [
        (declared(delay_days=0), "label.decided_at", "has arrival_delay_days 0.*Name the column"),
        (declared(connector={"kind": "change_feed", "path": "in"}), "label.decided_at", "is a feed of changes"),
        (declared({"decided_at": "when"}), "label.decided_at", "no such column in 'labels'; known: visit, at, unpaid"),
        (declared({"decided_at": "unpaid"}), "label.decided_at", "must be a column of type datetime"),
        (declared({"complete_after_days": 3}), "label.complete_after_days", "leave it out"),
        (
            declared({"decided_at": "at", "complete_after_days": 1}, delay_days=2),
            "label.complete_after_days",
            "shorter than the 2 days",
        ),
        (declared({"absent": 2}), "label.absent", "is no value of the label 'unpaid'; known: 0, 1"),
        (declared({"absent": 0, "decided_at": "at"}), "label.absent", "needs complete_after_days"),
    ],
)
def test_each_is_named_with_its_place(document: dict[str, Any], where: str, message: str) -> None:
    import re

    messages = problems(document)
    assert any(text.startswith(where) and re.search(message, text) for text in messages), messages


def test_a_label_of_the_events_is_never_absent() -> None:
    document = declaration(events={**EVENTS, "unpaid": [0, 1]}, label="unpaid")
    document["label"]["absent"] = 0
    assert any("no row of it can be absent" in text for text in problems(document))


def test_what_was_released_before_labels_had_to_be_dated_still_reads() -> None:
    case = UseCase.model_validate(declared(delay_days=1))
    stored = case.model_copy(
        update={"sources": (case.sources[0], case.sources[1].model_copy(update={"arrival_delay_days": 0}))}
    ).model_dump_json()
    assert UseCase.model_validate_json(stored).label_delay_days == 0


def test_older_declarations_keep_their_words() -> None:
    assert UseCase.model_validate(declared()).label.model_dump() == {"source": "labels", "column": "unpaid"}
