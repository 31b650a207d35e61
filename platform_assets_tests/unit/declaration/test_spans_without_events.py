"""A window or a test set that may hold no event is refused when it is declared, not when its verdict lacks."""

from typing import Any

import pytest
from pydantic import ValidationError

from platform_assets.declaration import UseCase
from platform_assets.testing.declare import declaration

EVENTS = {"payment": "int64", "at": "datetime", "amount": "float64"}


def document(calendar: Any, window_days: int = 7, test_days: int = 7) -> dict[str, Any]:
    splits = {"train_days": 14, "delay_days": 1, "test_days": test_days, "folds": 1}
    made = declaration(events=EVENTS, label="is_bad")
    made["training"]["splits"] = splits
    made["monitoring"]["window_days"] = window_days
    made["sources"][0]["calendar"] = calendar
    return made


@pytest.mark.parametrize(
    ("calendar", "gap"), [("weekdays", 2), ({"weekdays": ["monday"]}, 6), ({"weekdays": ["sunday", "monday"]}, 5)]
)
def test_a_span_that_may_fall_into_closed_days_whole_is_refused(calendar: Any, gap: int) -> None:
    UseCase.model_validate(document(calendar, gap + 1, gap + 1))
    with pytest.raises(
        ValidationError, match=rf"(?s)monitoring.window_days.*up to {gap} days in a row.*{gap + 1} at least"
    ):
        UseCase.model_validate(document(calendar, gap, gap + 1))
    with pytest.raises(
        ValidationError, match=rf"(?s)training.splits.test_days.*some spans of {gap} days give no verdict"
    ):
        UseCase.model_validate(document(calendar, gap + 1, gap))


def test_where_every_day_has_events_or_nobody_knows_any_span_will_do() -> None:
    for calendar in (None, "any"):
        UseCase.model_validate(document(calendar, 1, 1))
