"""A planned test has the size that statsmodels gives, keeps its power when it is simulated, and says when it cannot be had."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platform_assets.declaration.sections.experiments import Experiment
from platform_assets.experiments.design import Design, DesignError, design, detectable_effect, measured, needed_units

FIRST = date(2024, 1, 1)


def experiment(**changes: Any) -> Experiment:
    given = {
        "hypothesis": "Fewer payments of thieves get through.",
        "measure": "bad",
        "direction": "decrease",
        "minimum_effect_ratio": 0.1,
    }
    return Experiment(**{**given, **changes})


def history(
    days: int = 28, customers: int = 2000, per_day: int = 500, alike: float = 0.0, seed: int = 0
) -> pl.DataFrame:
    """Events of customers; with `alike`, some customers are bad most of the time and the others never."""
    rng = np.random.default_rng(seed)
    customer = rng.integers(0, customers, size=days * per_day)
    risk = np.where(rng.random(customers) < 0.1, 0.1 + 0.8 * alike, 0.1 - 0.1 * alike)
    return pl.DataFrame(
        {
            "customer": customer,
            "day": [FIRST + timedelta(days=int(number)) for number in np.repeat(np.arange(days), per_day)],
            "bad": rng.random(len(customer)) < risk[customer],
        }
    )


def planned(wanted: Experiment, events: pl.DataFrame) -> Design:
    return design(wanted, measured(events, wanted, "day"))


@settings(max_examples=40, deadline=None)
@given(
    st.floats(0.01, 0.4), st.floats(0.7, 0.95), st.floats(0.01, 0.1), st.floats(0.1, 0.9), st.floats(0.05, 5.0)
)  # fmt: skip
def test_the_size_is_statsmodels(effect: float, power: float, significance: float, share: float, spread: float) -> None:
    from statsmodels.stats.power import zt_ind_solve_power

    wanted = experiment(power=power, significance=significance, treatment_ratio=share)
    found = needed_units(spread**2, effect * spread, wanted)
    treated = zt_ind_solve_power(effect, alpha=significance, power=power, ratio=(1 - share) / share)
    assert found == pytest.approx(treated / share, rel=0.02, abs=2)
    assert detectable_effect(spread**2, found, wanted) == pytest.approx(effect * spread, rel=0.05)


def test_the_plan_keeps_its_power_when_it_is_run() -> None:
    """Customers are assigned whole and differ; the effect is there: about four in five tests must see it."""
    wanted = experiment(assign_by="customer", minimum_effect_ratio=0.5)
    found = planned(wanted, history(days=28, customers=5000, alike=0.5))
    assert found.planned is not None
    assert found.planned.design_effect > 1.05
    seen = 0
    for seed in range(120):
        events = history(days=found.planned.days, customers=5000, alike=0.5, seed=seed + 1)
        rng = np.random.default_rng(seed + 10_000)
        chosen = rng.permutation(events["customer"].unique().sort().to_numpy())[: found.planned.needed_units]
        half = set(chosen[: len(chosen) // 2].tolist())
        kept = events.filter(pl.col("customer").is_in(chosen.tolist()))
        treated = pl.col("customer").is_in(list(half))
        spared = pl.Series(rng.random(kept.height) < 0.5)
        kept = kept.with_columns(bad=pl.when(treated & spared).then(False).otherwise(pl.col("bad")), treated=treated)
        units = kept.group_by("treated", "customer").agg(pl.len().alias("n"), pl.col("bad").sum().alias("s"))
        sides = []
        for side in (True, False):
            own = units.filter(pl.col("treated") == side)
            ratio = own["s"].sum() / own["n"].sum()
            residual = (own["s"] - ratio * own["n"]).to_numpy().astype(float) / own["n"].to_numpy().mean()
            sides.append((ratio, residual.var(ddof=1) / own.height))
        z = (sides[0][0] - sides[1][0]) / np.sqrt(sides[0][1] + sides[1][1])
        seen += abs(z) > 1.96
    assert 0.7 <= seen / 120 <= 0.93


def test_customers_that_are_alike_need_more_events() -> None:
    events = history(alike=1.0)
    alone = planned(experiment(minimum_effect_ratio=0.3), events)
    together = planned(experiment(minimum_effect_ratio=0.3, assign_by="customer"), events)
    assert alone.is_ratio
    assert alone.horizons[-1].design_effect == pytest.approx(1.0, abs=0.01)
    assert together.horizons[-1].design_effect > 2
    assert "resemble each other" in " ".join(together.sentences()) or together.planned is None


def test_duration_is_whole_weeks_and_less_traffic_takes_longer() -> None:
    events = history(days=56)
    full, part = planned(experiment(), events), planned(experiment(traffic_ratio=0.5), events)
    assert full.planned is not None
    assert full.planned.days % 7 == 0
    assert part.planned is None or part.planned.days > full.planned.days
    assert full.planned.detectable_ratio <= 0.1
    assert full.to_dict()["planned_days"] == full.planned.days


def test_what_cannot_be_had_is_told_with_what_could_be() -> None:
    found = planned(experiment(minimum_effect_ratio=0.001), history(days=14))
    assert found.planned is None
    told = " ".join(found.sentences())
    assert "Not to be had within 14 days" in told
    assert "could be seen" in told


@pytest.mark.parametrize(
    ("measure", "days", "words"),
    [
        ("nothing + 1", 14, "cannot be computed"),
        ("CASE WHEN bad THEN 'a' ELSE 'b' END", 14, "must give a number"),
        ("CASE WHEN bad THEN 1 END", 14, "no finite value for"),
        ("bad", 3, "at least a week"),
        ("1", 14, "must give a number|never varies"),
        ("CASE WHEN bad THEN 0 ELSE 0 END", 14, "never varies"),
    ],
)
def test_a_history_or_measure_that_cannot_be_used(measure: str, days: int, words: str) -> None:
    with pytest.raises(DesignError, match=words):
        planned(experiment(measure=measure), history(days=days))
