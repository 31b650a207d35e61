"""An A/B test that cannot be run as declared is refused where it is declared."""

from typing import Any

import pytest
from pydantic import ValidationError

from platform_assets.declaration import UseCase
from platform_assets.testing.declare import declare

EXPERIMENT: dict[str, Any] = {
    "hypothesis": "Fewer visits are left unpaid.",
    "measure": "unpaid",
    "direction": "decrease",
    "minimum_effect_ratio": 0.1,
    "assign_by": "plate",
}
GUARDRAIL = {"name": "speed", "measure": "speed", "harm": "increase", "margin": 2.0}


def declared(**changes: Any) -> UseCase:
    events = {"visit": "int64", "at": "datetime", "plate": "string", "speed": "float64"}
    return declare(events=events, label="unpaid", features=["speed"], experiment=EXPERIMENT | changes)


def test_text_and_whole_numbers_are_assigned() -> None:
    assert declared().experiment is not None
    assert declared(assign_by="visit", guardrails=[GUARDRAIL]).experiment is not None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"assign_by": "speed"}, "is of type float64: assign by text or whole numbers"),
        ({"assign_by": "at"}, "is of type datetime"),
        ({"assign_by": "owner"}, "no such column"),
        ({"guardrails": [GUARDRAIL, GUARDRAIL]}, "names two guardrails"),
        ({"guardrails": [GUARDRAIL | {"margin": 0}]}, "greater than 0"),
        ({"name": "a;b"}, "match pattern"),
        ({"measure": None}, "valid string"),
    ],
)
def test_what_cannot_be_run_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        declared(**changes)
