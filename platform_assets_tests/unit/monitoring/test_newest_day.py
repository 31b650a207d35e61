"""One day against what the model knows: noticed when it moved, faulty when its values are unheard of."""

import numpy as np
import polars as pl
import pytest

from platform_assets.monitoring.drift_limits import DriftLimits
from platform_assets.monitoring.newest_day import NewestDay, newest_day_figures

LIMITS = DriftLimits(max_ks=0.05, max_psi=0.2, min_rows=500)


def figures(values: np.ndarray, independent: tuple[int, int] | None = None) -> NewestDay:
    known = np.random.default_rng(0).gamma(2, 30, 4000)
    reference, day = pl.DataFrame({"amount": known}), pl.DataFrame({"amount": values})
    counts = independent or (reference.height, day.height)
    return newest_day_figures(reference, day, ["amount"], LIMITS, {}, counts)["amount"]


def drawn(rows: int = 600) -> np.ndarray:
    return np.random.default_rng(1).gamma(2, 30, rows)


def test_an_ordinary_day_is_neither_noticed_nor_faulty() -> None:
    found = figures(drawn())
    assert not found.is_noticed
    assert found.fault_ratio < 0.01


def test_a_day_that_moved_is_noticed_and_is_no_fault() -> None:
    found = figures(1.8 * drawn())
    assert found.is_noticed
    assert found.has_moved
    assert found.fault_ratio < 0.05
    assert found.ks < 0.6


def test_so_few_independent_rows_are_not_noticed() -> None:
    assert not figures(1.2 * drawn(), (4000, 60)).is_noticed


@pytest.mark.parametrize("share", [0.1, 0.3, 1.0])
def test_a_share_of_a_day_in_another_unit_is_a_fault(share: float) -> None:
    values = drawn()
    values[: int(share * len(values))] *= 100
    assert figures(values).unheard_of_ratio > 0.05


def test_values_that_went_missing_are_a_fault() -> None:
    values = drawn()
    values[:120] = np.nan
    assert figures(values).further_missing_ratio == pytest.approx(0.2)


def test_a_day_with_few_rows_has_no_figures() -> None:
    frame = pl.DataFrame({"amount": drawn(20)})
    assert newest_day_figures(frame, frame, ["amount"], LIMITS, {}, (20, 20)) == {}
