"""Advice is given where figures say so, with its saving, and nowhere else."""

from typing import Any

import pytest

from platform_assets.monitoring.cost.advice import (
    Advice,
    AdviceFigures,
    LayerFigures,
    ServiceFigures,
    TrainingFigures,
    ValueFigures,
    advise,
)
from platform_assets.monitoring.cost.price_sheet import PriceSheet

SHEET = PriceSheet.named("own").model_copy(update={"gigabyte_month_stored": 0.02, "gigabyte_hour": 0.001})
GB = 10**9
CLOUD = PriceSheet.named("aws")


def advice_on(sheet: PriceSheet = SHEET, **figures: Any) -> list[Advice]:
    return advise("fraud", sheet, AdviceFigures(**figures))


def test_a_frugal_use_case_gets_none() -> None:
    service, training = ServiceFigures(2, 2, 0.01, 0.6), TrainingFigures(1, 0.5, 7)
    frugal = LayerFigures("clean", 100, 1.5, 2.0, 2.0, 4.0, True)
    value = ValueFigures(10.0, 11.0, "money_saved")
    stored = {"clean/payments": (3 * GB, 2 * GB)}
    assert advice_on(CLOUD, stored=stored, service=service, training=training, layers=[frugal], value=value) == []
    assert advice_on() == []


def test_older_versions() -> None:
    (advice,) = advice_on(stored={"clean/payments": (50 * GB, 10 * GB), "raw/payments": (GB, GB)})
    assert advice.saved_a_month == pytest.approx(40 * 0.02)
    assert "clean/payments" in advice.what
    assert advice.command == "dg launch --job fraud__maintain"


def test_processes_that_hardly_work_go_down_to_two_and_no_further() -> None:
    (advice,) = advice_on(service=ServiceFigures(4, 2, 0.02, 0.5))
    assert advice.saved_a_month == pytest.approx(2 * 0.5 * 0.001 * 730)
    assert "serving.processes: 2" in advice.command
    assert advice_on(service=ServiceFigures(4, 2, 0.5, 0.5)) == []


def test_trainings_that_change_nothing() -> None:
    (advice,) = advice_on(training=TrainingFigures(4, 0.7, 7))
    assert advice.saved_a_month == pytest.approx(730 / 24 / 7 * 0.7 / 2)
    assert "training.every_days: 14" in advice.command


def test_the_largest_saving_comes_first() -> None:
    stored = {"clean/payments": (50 * GB, 10 * GB)}
    found = advice_on(stored=stored, training=TrainingFigures(9, 100.0, 7))
    assert [one.saved_a_month for one in found] == sorted((one.saved_a_month for one in found), reverse=True)


def test_steps_that_reserve_far_more_than_they_use() -> None:
    layer = LayerFigures("clean", 100.0, 0.3, 0.6, 2.0, 4.0, True)
    (advice,) = advice_on(CLOUD, layers=[layer])
    assert advice.command == "compute: {clean: {cpus: 0.5, memory_gigabytes: 1.5}} in the defs.yaml of fraud"
    assert advice.saved_a_month == pytest.approx(100 * (1.5 * CLOUD.core_hour + 2.5 * CLOUD.gigabyte_hour))
    (cores,) = advice_on(CLOUD, layers=[LayerFigures("clean", 100.0, 0.3, 1.9, 2.0, 4.0, True)])
    assert "memory" not in cores.command, "what is used is left, with its peaks"


def test_steps_that_could_run_on_spot_nodes() -> None:
    layer = LayerFigures("features", 100.0, 2.0, 4.0, 2.0, 4.0, False)
    (advice,) = advice_on(CLOUD, layers=[layer])
    paid = 100 * (2 * CLOUD.core_hour + 4 * CLOUD.gigabyte_hour)
    assert advice.saved_a_month == pytest.approx(paid * (1 - CLOUD.spot_ratio))
    assert "spot: true" in advice.command
    assert advice_on(SHEET, layers=[layer]) == [], "a sheet without spot prices advises none"


def test_views_that_the_champion_does_not_use() -> None:
    (advice,) = advice_on(unused_views={"activity": 3.0, "context": 0.0})
    assert (advice.saved_a_month, "the view activity" in advice.what) == (3.0, True)
    assert "change check" in advice.command


def test_a_model_that_costs_more_than_it_brings() -> None:
    (advice,) = advice_on(value=ValueFigures(50.0, 20.0, "money_saved"))
    assert advice.saved_a_month == 30.0
    assert "brings 20.000 at most by money_saved" in advice.what
    (loss,) = advice_on(value=ValueFigures(50.0, -20.0, "money_saved"))
    assert loss.saved_a_month == 50.0, "a loss is not saved twice"
