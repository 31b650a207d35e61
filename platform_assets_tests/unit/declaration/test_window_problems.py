"""Mistakes in windows are named with their place; what later fields leave unsaid leaves the contract as it was."""

from typing import Any

import pytest
from pydantic import ValidationError

from platform_assets.declaration import feature_contract_hash
from platform_assets.declaration.sections.features import Window, microseconds_of
from platform_assets_tests.unit.features.histories import rich_case, use_case, window

MISTAKES: list[tuple[dict[str, Any], str]] = [
    (window("w", "mean", "amount", []), "needs a length"),
    (window("w", "mean", "amount", [], lengths=["6 hours"]), "no duration"),
    (window("w", "mean", "amount", [], lengths=["0h"]), "no duration"),
    (window("w", "mean", "amount", [1], delay_days=1, delay="2h"), "delay_days says 1 already"),
    (window("w", "mean", "amount", [], lengths=["999h"]), "reaches back 42 days, but the history has only 12"),
    (window("w", "mean", "amount", [1], delay="2h", own_event=True), "ends before the event"),
    (window("w", "seconds_since_last", None, [1], own_event=True), "is always 0"),
    (window("w", "ratio", None, [1]), "needed by aggregate 'ratio'"),
    (window("w", "mean", "amount", [1], condition="amount > 1"), "taken by no other"),
    (window("w", "ratio", "amount", [1], condition="amount > 1"), "leave column out"),
    (window("w", "std", None, [1]), "needs a `column`"),
    (window("w", "last", "paid_at", [1]), "needs a number"),
    (window("w", "distinct", "colour", [1]), "no such column"),
    (window("w", "count", None, [1], where="colour = 1"), "uses colour"),
    (window("w", "count", None, [1], where="amount >"), "not an expression"),
    (window("w", "count", None, [1], where="1 = 1"), "names no column"),
    (window("w", "count", None, [1], where="is_bad = 1"), "know the label too early"),
    (window("w", "ratio", None, [1], condition="is_bad = 1", delay="47h"), "know the label too early"),
    (window("w", "mean", "is_bad", [1], delay="47h"), "know the label too early"),
    (window("w", "mean", "is_bad", [1], delay_days=1, resolution="day"), "know the label too early"),
    (window("w", "mean", "amount", [1], resolution="day"), "delay_days of at least 1"),
    (window("w", "mean", "amount", [1], delay="48h", resolution="day"), "delay_days of at least 1"),
    (window("w", "mean", "amount", [1], lengths=["36h"], delay_days=1, resolution="day"), "takes `lengths_days` only"),
]


@pytest.mark.parametrize(("mistake", "says"), MISTAKES)
def test_a_mistake_is_named(mistake: dict[str, Any], says: str) -> None:
    view = {"name": "only", "description": "one", "entity": "card", "windows": [mistake]}
    with pytest.raises(ValidationError, match=says):
        use_case(features=[view])


def test_a_request_must_carry_what_filters_of_fresh_windows_use() -> None:
    view = {
        "name": "only",
        "description": "one",
        "entity": "card",
        "windows": [window("w", "count", None, [1], where="amount > 1", delay="6h")],
    }
    serving = {"request": ["payment_id", "paid_at", "card_id"], "decision": {"threshold": 0.5}}
    with pytest.raises(ValidationError, match="lacks amount"):
        use_case(features=[view], serving=serving)


def test_names_and_spans() -> None:
    made = Window.model_validate(window("w", "mean", "amount", [7, 1], lengths=["6h", "30m"], delay="90m"))
    assert made.feature_names == ("w_7d", "w_1d", "w_6h", "w_30m")
    assert made.span_days == 8
    assert microseconds_of("90m") == 5_400_000_000


def test_what_is_not_said_is_not_part_of_the_contract() -> None:
    plain = Window.model_validate(window("w", "mean", "amount", [7]))
    assert set(plain.model_dump()) == {
        "name", "description", "aggregate", "column", "lengths_days", "delay_days", "when_empty"
    }  # fmt: skip
    said = Window.model_validate(window("w", "mean", "amount", [7], own_event=False))
    assert said.model_dump()["own_event"] is False
    assert Window.model_validate(said.model_dump()) == said
    case = rich_case()
    again = type(case).model_validate(case.model_dump(mode="json"))
    assert feature_contract_hash(again) == feature_contract_hash(case)


def test_imputation_of_an_unknown_feature_is_refused() -> None:
    training = use_case().model_dump(mode="json")["training"]
    assert use_case(training={**training, "impute": {"card_mean_1d": 0.0}}).training.impute == {"card_mean_1d": 0.0}
    with pytest.raises(ValidationError, match="no such feature"):
        use_case(training={**training, "impute": {"colour": "median"}})
