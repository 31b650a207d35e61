"""KS and PSI against slow oracles, and their sampling noise."""

import math
from collections import Counter

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from platform_assets.monitoring.drift_statistics import (
    EMPTY_RATIO,
    category_counts,
    ks_noise,
    ks_statistic,
    number_bins,
    number_counts,
    population_stability_index,
    psi_noise,
)

VALUES = st.lists(st.sampled_from([-1.5, 0.0, 0.5, 1.0, 2.0, 7.0]), min_size=1, max_size=40)


@given(VALUES, VALUES)
def test_ks_is_the_largest_gap_between_the_two_shares_at_or_below_any_value(
    before: list[float], now: list[float]
) -> None:
    def share(values: list[float], point: float) -> float:
        return sum(value <= point for value in values) / len(values)

    slow = max(abs(share(before, point) - share(now, point)) for point in before + now)
    assert ks_statistic(np.array(before), np.array(now)) == pytest.approx(slow)


def test_ks_agrees_with_scipy() -> None:
    from scipy.stats import ks_2samp

    random = np.random.default_rng(3)
    before, now = random.normal(size=300), random.normal(0.2, size=170)
    assert ks_statistic(before, now) == pytest.approx(ks_2samp(before, now).statistic)


def test_ks_sees_a_growing_share_of_missing_values() -> None:
    values = np.arange(100.0)
    assert ks_statistic(values, np.where(values < 50, np.nan, values)) == pytest.approx(0.5)


@given(VALUES)
def test_every_value_falls_into_exactly_one_bin(values: list[float]) -> None:
    data = np.array([*values, np.nan])
    assert number_bins(data).count(data).sum() == data.size


def test_point_masses_get_bins_of_their_own() -> None:
    data = np.concatenate([np.zeros(900), np.ones(60), np.linspace(2, 3, 40)])
    bins = number_bins(data)
    assert bins.masses.tolist() == [0.0, 1.0]
    assert bins.count(data).tolist() == [900, 60, 40, 0]


def test_continuous_values_are_cut_into_deciles() -> None:
    counts, _ = number_counts(np.arange(1000.0), np.arange(1000.0))
    assert counts.tolist() == [100] * 10


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=8))
def test_psi_is_the_textbook_sum(rows: list[tuple[int, int]]) -> None:
    before, now = np.array([float(b) for b, _ in rows]), np.array([float(n) for _, n in rows])
    if before.sum() == 0 or now.sum() == 0:
        return

    def share(count: float, total: float) -> float:
        return max(count / total, EMPTY_RATIO, 0.5 / total)

    slow = sum(
        (share(n, now.sum()) - share(b, before.sum())) * math.log(share(n, now.sum()) / share(b, before.sum()))
        for b, n in rows
    )
    assert population_stability_index(before, now) == pytest.approx(slow)
    assert population_stability_index(now, before) == pytest.approx(slow)


@given(
    st.lists(st.sampled_from("abcde"), min_size=1, max_size=60),
    st.lists(st.sampled_from("abcdefg"), min_size=1, max_size=60),
)
def test_categories_are_counted_by_name_and_new_ones_together(before: list[str], now: list[str]) -> None:
    old, new = category_counts(pl.Series(before), pl.Series(now))
    seen, current = Counter(before), Counter(now)
    expected = [(rows, current[name]) for name, rows in seen.items() if rows > 1]
    once = [name for name, rows in seen.items() if rows == 1]
    expected.append((0, sum(current[name] for name in once)))
    expected.append((len(once), sum(rows for name, rows in current.items() if name not in seen)))
    assert sorted(zip(old.tolist(), new.tolist(), strict=True)) == sorted(pair for pair in expected if any(pair))


def test_a_long_tail_of_rare_categories_is_no_drift() -> None:
    random = np.random.default_rng(0)
    before, now = (pl.Series([str(value) for value in random.zipf(1.5, 5000)]) for _ in range(2))
    assert population_stability_index(*category_counts(before, now)) < 0.01


def test_a_new_category_of_a_few_per_cent_is_loud() -> None:
    before, now = pl.Series(["a"] * 20_000), pl.Series(["a"] * 19_000 + ["b"] * 1_000)
    assert population_stability_index(*category_counts(before, now)) > 0.2


def test_noise_bounds_hold_for_samples_of_one_distribution() -> None:
    random = np.random.default_rng(1)
    reference_rows, current_rows, rounds, error_rate = 3000, 300, 300, 0.05
    over_ks = over_psi = 0
    for _ in range(rounds):
        before, now = random.lognormal(size=reference_rows), random.lognormal(size=current_rows)
        over_ks += ks_statistic(before, now) > ks_noise(reference_rows, current_rows, error_rate)
        counts = number_counts(before, now)
        bound = psi_noise(reference_rows, current_rows, counts[0].size, error_rate)
        over_psi += population_stability_index(*counts) > bound
    assert over_ks <= rounds * error_rate * 1.8
    assert 0 < over_psi <= rounds * error_rate * 2.0


def test_noise_shrinks_with_rows_and_grows_with_caution() -> None:
    assert ks_noise(60_000, 500, 0.001) == pytest.approx(0.0875, abs=0.001)
    assert ks_noise(60_000, 60_000, 0.001) < 0.012
    assert ks_noise(60_000, 500, 0.0001) > ks_noise(60_000, 500, 0.001)
    assert psi_noise(60_000, 500, 10, 0.001) > psi_noise(60_000, 5_000, 10, 0.001)
    assert psi_noise(100, 100, 1, 0.001) == 0.0
