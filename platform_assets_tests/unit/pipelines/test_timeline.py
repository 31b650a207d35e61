"""The days of a demonstration run."""

from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import dagster as dg
import pytest

from platform_assets.declaration import UseCase
from platform_assets.orchestration.component import MlUseCase, UnreadAttributes
from platform_assets.pipelines.timeline import plan
from platform_assets.testing.declare import declaration, declare, write_declaration

FIRST, LAST = date(2018, 4, 1), date(2018, 9, 30)


@pytest.fixture(scope="module")
def use_case() -> UseCase:
    return declare(
        events={"payment": "int64", "at": "datetime", "amount": "float64"},
        label="is_bad",
        label_delay_days=7,
        history={"first_day": FIRST, "last_day": LAST},
        training={"splits": {"train_days": 7, "delay_days": 7, "test_days": 7, "folds": 1}},
    )


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
    start = plan(use_case).live.first - timedelta(days=27)
    assert plan(changed(use_case, first_day=start)).history.first == start
    with pytest.raises(ValueError, match=r"small: training needs 27 days before the 7 live days, .* has\s+26"):
        plan(changed(use_case, first_day=start + timedelta(days=1)))


def test_a_history_that_goes_on_ends_yesterday(use_case: UseCase) -> None:
    days = plan(changed(use_case, last_day=None))
    assert days.live.last > LAST


@pytest.mark.parametrize(("last_day", "refused"), [("2018-04-20", True), ("2018-09-30", False), (None, False)])
def test_a_closed_history_that_no_run_could_use_is_refused_where_definitions_are_checked(
    last_day: str | None, refused: bool, tmp_path: Path
) -> None:
    document = declaration(
        events={"payment": "int64", "at": "datetime", "amount": "float64"},
        label="is_bad",
        label_delay_days=7,
        history={"first_day": "2018-04-01"} | ({"last_day": last_day} if last_day else {}),
        training={"splits": {"train_days": 7, "delay_days": 7, "test_days": 7, "folds": 1}},
    )
    folder = write_declaration(tmp_path / "small", document).parent
    context = cast(dg.ComponentLoadContext, SimpleNamespace(path=folder))
    if refused:
        with pytest.raises(
            dg.DagsterInvalidDefinitionError, match=r"small/defs\.yaml:\d+: history: small: training needs 27 days"
        ):
            MlUseCase.load(UnreadAttributes(), context)
    else:
        assert MlUseCase.load(UnreadAttributes(), context).use_case.name == "small"


@pytest.mark.parametrize(("processes", "valid"), [(None, True), (1, True), (3, False)])
def test_processes_of_a_service_are_none_of_batch_mode(processes: int | None, valid: bool) -> None:
    serving = {"mode": "batch", "request": ["payment", "at", "amount"], "decision": {"threshold": 0.5}}
    document = declaration(
        events={"payment": "int64", "at": "datetime", "amount": "float64"},
        label="is_bad",
        serving=serving | ({} if processes is None else {"processes": processes}),
    )
    if valid:
        UseCase.model_validate(document)
    else:
        with pytest.raises(ValueError, match="no service in batch mode"):
            UseCase.model_validate(document)
