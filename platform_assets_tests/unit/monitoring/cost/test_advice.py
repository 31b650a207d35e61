"""Advice is given where figures say so, with its saving, and nowhere else."""

import pytest

from platform_assets.monitoring.cost.advice import ServiceFigures, TrainingFigures, advise
from platform_assets.monitoring.cost.price_sheet import PriceSheet

SHEET = PriceSheet.named("own").model_copy(update={"gigabyte_month_stored": 0.02, "gigabyte_hour": 0.001})
GB = 10**9


def test_a_frugal_use_case_gets_none() -> None:
    service, training = ServiceFigures(2, 2, 0.01, 0.6), TrainingFigures(1, 0.5, 7)
    assert advise("fraud", SHEET, {"clean/payments": (3 * GB, 2 * GB)}, service, training) == []
    assert advise("fraud", SHEET, {}, None, None) == []


def test_older_versions() -> None:
    (advice,) = advise("fraud", SHEET, {"clean/payments": (50 * GB, 10 * GB), "raw/payments": (GB, GB)}, None, None)
    assert advice.saved_a_month == pytest.approx(40 * 0.02)
    assert "clean/payments" in advice.what
    assert advice.command == "dg launch --job fraud__maintain"


def test_processes_that_hardly_work_go_down_to_two_and_no_further() -> None:
    (advice,) = advise("fraud", SHEET, {}, ServiceFigures(4, 2, 0.02, 0.5), None)
    assert advice.saved_a_month == pytest.approx(2 * 0.5 * 0.001 * 730)
    assert "serving.processes: 2" in advice.command
    assert advise("fraud", SHEET, {}, ServiceFigures(4, 2, 0.5, 0.5), None) == []


def test_trainings_that_change_nothing() -> None:
    (advice,) = advise("fraud", SHEET, {}, None, TrainingFigures(4, 0.7, 7))
    assert advice.saved_a_month == pytest.approx(730 / 24 / 7 * 0.7 / 2)
    assert "training.every_days: 14" in advice.command


def test_the_largest_saving_comes_first() -> None:
    stored = {"clean/payments": (50 * GB, 10 * GB)}
    found = advise("fraud", SHEET, stored, None, TrainingFigures(9, 100.0, 7))
    assert [one.saved_a_month for one in found] == sorted((one.saved_a_month for one in found), reverse=True)
