"""The days of a demonstration run."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

import platform_assets
from platform_assets.cli.run.timeline import plan
from platform_assets.declaration import UseCase, load_use_case
from platform_assets.declaration.sections.training import Splits

FIRST, LAST = date(2018, 4, 1), date(2018, 9, 30)


@pytest.fixture(scope="module")
def use_case() -> UseCase:
    return load_use_case(Path(platform_assets.__file__).parent / "defs" / "card_fraud")


def changed(use_case: UseCase, **history: Any) -> UseCase:
    return use_case.model_copy(update={"history": use_case.history.model_copy(update=history)})


def test_live_days_come_last_and_their_labels_still_arrive(use_case: UseCase) -> None:
    days = plan(use_case)
    assert days.live.last == LAST - timedelta(days=use_case.label_delay_days - 1)
    assert len(days.live.days) == use_case.monitoring.window_days
    assert days.as_of == days.live.first
    assert (days.history.first, days.history.last) == (FIRST, days.live.first - timedelta(days=1))
    assert (days.labels.first, days.labels.last) == (FIRST, days.as_of - timedelta(days=use_case.label_delay_days))


def test_a_history_of_just_enough_days_is_planned_and_one_day_less_is_refused(use_case: UseCase) -> None:
    splits = Splits(train_days=7, delay_days=7, test_days=7, folds=1)
    small = use_case.model_copy(update={"training": use_case.training.model_copy(update={"splits": splits})})
    start = plan(small).live.first - timedelta(days=27)
    assert plan(changed(small, first_day=start)).history.first == start
    with pytest.raises(ValueError, match=r"card_fraud: training needs 27 days before the 7 live days, .* has\s+26"):
        plan(changed(small, first_day=start + timedelta(days=1)))


def test_a_history_that_goes_on_ends_yesterday(use_case: UseCase) -> None:
    days = plan(changed(use_case, last_day=None))
    assert days.live.last > LAST
