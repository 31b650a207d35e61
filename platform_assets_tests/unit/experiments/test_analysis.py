"""An A/B test from its rows: a planted effect is found, an A/A is not, a mismatch of the sample ratio blocks the verdict."""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.stats import binomtest

from platform_assets.declaration.sections.experiments import Experiment, Guardrail
from platform_assets.experiments.analysis.analyse import Analysis, analyse
from platform_assets.experiments.analysis.effect import covariates, effect_path, half_width
from platform_assets.experiments.analysis.sample_ratio import sample_ratio
from platform_assets.experiments.analysis.verdict import ExperimentOutcome
from platform_assets.experiments.assignment import Split, assign, split_of
from platform_assets.experiments.sequential.evidence import Outcome

FIRST = date(2024, 3, 4)
EXPERIMENT = Experiment(
    hypothesis="The newer model loses less money.",
    measure="lost",
    direction="decrease",
    minimum_effect_ratio=0.15,
    assign_by="customer",
)
SPLIT = split_of("shop", "newer_model", "customer", 1.0, 0.5)


@dataclass(frozen=True)
class World:
    """Customers who differ, order again and again, and lose rare amounts; the new version changes how much.

    Attributes:
        effect: how the amounts of treated customers differ, as a share.
        lost: share of the new version's customers that never arrive in the log.
        slower: how much longer the new version takes, as a share.
    """

    customers: int = 6000
    days: int = 10
    per_day: int = 2500
    effect: float = 0.0
    lost: float = 0.0
    slower: float = 0.0
    seed: int = 0
    split: Split = SPLIT

    def frames(self) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
        """What was logged, the outcomes, and the past."""
        rng = np.random.default_rng(self.seed)
        risk = rng.gamma(0.3, 1.0, self.customers)
        names = [f"c{self.seed}-{number}" for number in range(self.customers)]
        variants = np.array([str(assign(self.split, name) or "") for name in names])
        gone = (variants == "treatment") & (rng.random(self.customers) < self.lost)
        past = self._events(rng, risk, 14)
        events = self._events(rng, risk, self.days)
        who, treated = events["customer"].to_numpy(), variants[events["customer"].to_numpy()] == "treatment"
        logged = events.with_columns(
            pl.Series("unit", [names[number] for number in who]),
            pl.Series("variant", variants[who]).replace("", None),
            pl.Series("release", np.where(treated, "sha256:new", "sha256:old")),
            pl.Series("latency_ms", rng.lognormal(1.0, 0.3, len(who)) * np.where(treated, 1 + self.slower, 1.0)),
            value=pl.col("lost") * pl.Series(np.where(treated, 1 + self.effect, 1.0)),
            declined=pl.col("lost") > 0,
        ).filter(~pl.Series(gone[who]))
        history = past.with_columns(
            pl.Series("unit", [names[number] for number in past["customer"]]), value="lost", declined=pl.col("lost") > 0
        )
        return logged, logged.filter(pl.col("variant").is_not_null()), history

    def _events(self, rng: np.random.Generator, risk: np.ndarray, days: int) -> pl.DataFrame:
        rows = days * self.per_day
        who = rng.choice(self.customers, size=rows, p=None)
        day = np.repeat(np.arange(days), self.per_day)
        lost = np.where(rng.random(rows) < 1 - np.exp(-0.15 * risk[who]), rng.gamma(2.0, 20.0, rows), 0.0)
        return pl.DataFrame(
            {
                "customer": who,
                "day": [FIRST + timedelta(days=int(number)) for number in day],
                "at": [
                    datetime(2024, 3, 4, tzinfo=UTC) + timedelta(days=int(number), seconds=int(second))
                    for number, second in zip(day, np.tile(np.arange(self.per_day), days) * 30, strict=True)
                ],
                "lost": lost,
            }
        )

    def analysed(self, experiment: Experiment = EXPERIMENT, **options: Any) -> Analysis:
        """The world's test, with all it has."""
        return analyse(self.split, experiment, *self.frames(), **options)


def test_a_planted_effect_is_found_and_wins() -> None:
    analysis = World(effect=-0.3).analysed(latency_margin_ratio=0.2)
    verdict = analysis.verdict
    assert verdict.outcome is ExperimentOutcome.BETTER, verdict.sentence
    assert verdict.wins
    assert not verdict.sample_ratio.mismatch
    found = verdict.effect
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    assert found.low < -0.3 * analysis.base < found.high < 0
    assert [found.outcome for found in verdict.guardrails] == [Outcome.BETTER_OR_EQUAL]
    assert len(analysis.path) == 10
    assert (analysis.requests.exposed, analysis.requests.outside) == (25_000, 0)


def test_harm_is_found_and_loses() -> None:
    verdict = World(effect=0.4).analysed().verdict
    assert verdict.outcome is ExperimentOutcome.WORSE, verdict.sentence
    assert verdict.loses


def test_an_effect_too_small_to_be_worth_it_is_told() -> None:
    wanted = EXPERIMENT.model_copy(update={"minimum_effect_ratio": 0.6})
    verdict = World(effect=-0.02).analysed(wanted).verdict
    assert verdict.outcome is ExperimentOutcome.NO_EFFECT, verdict.sentence


def test_what_was_known_before_takes_variance_away_and_moves_no_mean() -> None:
    logged, outcomes, history = World(effect=-0.1).frames()
    with_past = analyse(SPLIT, EXPERIMENT, logged, outcomes, history).verdict.effect
    strangers = history.with_columns(unit=pl.col("unit") + "?")
    without = analyse(SPLIT, EXPERIMENT, logged, outcomes, strangers).verdict.effect
    assert with_past is not None
    assert without is not None
    assert with_past.variance_reduction_ratio > 0.05
    assert without.variance_reduction_ratio == pytest.approx(0.0)
    assert with_past.unadjusted == without.unadjusted == without.difference
    for one in (with_past, without):
        assert one.low is not None
        assert one.high is not None
    assert with_past.high - with_past.low < without.high - without.low  # type: ignore[operator]


def test_a_planted_mismatch_of_the_sample_ratio_blocks_the_verdict() -> None:
    verdict = World(effect=-0.5, lost=0.12).analysed().verdict
    assert verdict.outcome is ExperimentOutcome.NOT_VALID
    assert "Sample ratio mismatch" in verdict.sentence
    assert not verdict.wins
    assert not verdict.loses


def test_entities_logged_with_a_version_that_is_not_theirs_block_the_verdict() -> None:
    logged, outcomes, history = World(effect=-0.5).frames()
    other = replace(SPLIT, name="other")
    verdict = analyse(other, EXPERIMENT, logged, outcomes, history).verdict
    assert verdict.outcome is ExperimentOutcome.NOT_VALID
    assert "are not assigned" in verdict.sentence


def test_a_release_that_answered_for_both_sides_blocks_the_verdict() -> None:
    logged, outcomes, history = World(effect=-0.5).frames()
    verdict = analyse(SPLIT, EXPERIMENT, logged.with_columns(release=pl.lit("sha256:old")), outcomes, history).verdict
    assert verdict.outcome is ExperimentOutcome.NOT_VALID
    assert "answered for both sides" in verdict.sentence


def test_a_harmed_guardrail_outweighs_a_better_measure() -> None:
    verdict = World(effect=-0.5, slower=0.6).analysed(latency_margin_ratio=0.2).verdict
    assert verdict.outcome is ExperimentOutcome.WORSE, verdict.sentence
    assert "latency_p99" in verdict.sentence


def test_an_open_guardrail_keeps_a_better_version_waiting() -> None:
    strict = Guardrail(name="declined", measure="lost > 0", harm="increase", margin=1e-4)
    verdict = World(effect=-0.5).analysed(EXPERIMENT.model_copy(update={"guardrails": (strict,)})).verdict
    assert verdict.outcome is ExperimentOutcome.CANNOT_TELL, verdict.sentence
    assert "Waiting for guardrails: declined" in verdict.sentence
    loose = strict.model_copy(update={"margin": 0.05})
    assert World(effect=-0.5).analysed(EXPERIMENT.model_copy(update={"guardrails": (loose,)})).verdict.wins


def test_before_there_are_outcomes_nothing_is_told() -> None:
    logged, outcomes, history = World(days=2).frames()
    analysis = analyse(SPLIT, EXPERIMENT, logged, outcomes.head(0), history)
    assert analysis.verdict.outcome is ExperimentOutcome.CANNOT_TELL
    assert analysis.requests.pending == logged.height
    nothing = analyse(SPLIT, EXPERIMENT, logged.head(0), outcomes.head(0), history.head(0))
    assert nothing.verdict.outcome is ExperimentOutcome.CANNOT_TELL


def test_requests_outside_are_counted_by_reason() -> None:
    part = split_of("shop", "newer_model", "customer", 0.5, 0.5)
    logged, outcomes, history = World(split=part).frames()
    inside = logged.with_row_index().with_columns(
        variant=pl.when(pl.col("index") < 20).then(None).otherwise("variant"),
        unit=pl.when(pl.col("index") < 5).then(None).otherwise("unit"),
    )
    requests = analyse(part, EXPERIMENT, inside, outcomes, history).requests
    assert requests.without_entity == 5
    assert requests.outside + requests.not_assigned + requests.exposed == logged.height - 5
    assert 0 < requests.not_assigned <= 15
    assert abs(requests.outside / logged.height - 0.5) < 0.05


def stopped(seed: int, mixed: float = 0.6, customers: int = 1500, per_day: int = 400, days: int = 10) -> bool:
    """Whether an A/A test is decided on any of its days: customers depend on themselves, amounts are rare and large."""
    rng = np.random.default_rng(seed)
    risk = rng.gamma(0.3, 1.0, customers)
    sides = np.where(rng.random(customers) < 0.5, "treatment", "control")
    who = rng.integers(0, customers, (2 * days * per_day))
    lost = np.where(rng.random(len(who)) < 1 - np.exp(-0.15 * risk[who]), rng.gamma(2.0, 20.0, len(who)), 0.0)
    day = np.arange(len(who)) // per_day
    rows = pl.DataFrame({"unit": who, "variant": sides[who], "day": day, "value": lost})
    before = covariates(rows.filter(pl.col("day") < days), "value")
    mixing = mixed * float(lost.mean())
    path = effect_path(rows.filter(pl.col("day") >= days), "value", before, mixing=mixing, alpha=0.05)
    return any(one.low is not None and one.high is not None and not one.low <= 0 <= one.high for one in path)


def test_an_a_a_test_read_every_day_is_rarely_decided() -> None:
    rounds = 150
    wrong = sum(stopped(seed) for seed in range(rounds))
    assert binomtest(wrong, rounds, 0.05, alternative="greater").pvalue > 0.01, wrong


def test_the_sample_ratio_of_a_fair_deal_is_rarely_a_mismatch() -> None:
    rng = np.random.default_rng(4)
    found = [sample_ratio(rng.random(4000) < 0.3, 0.3, alpha=0.05).mismatch for _ in range(400)]
    assert binomtest(sum(found), len(found), 0.05, alternative="greater").pvalue > 0.01


def test_a_mismatch_once_found_stays_found() -> None:
    skewed = np.concatenate([np.ones(400, dtype=bool), np.zeros(400, dtype=bool)])
    ratio = sample_ratio(skewed, 0.5)
    assert ratio.observed_ratio == 0.5
    assert ratio.mismatch
    assert ratio.found_at is not None
    assert ratio.found_at < 400


def test_the_interval_is_the_published_one_and_widest_where_little_is_known() -> None:
    """Johari et al. (2022), equation of the always-valid interval: V, tau squared = 1, alpha = 5 %."""
    assert half_width(1.0, 1.0, 0.05) == pytest.approx((2 * (np.log(2) + 2 * np.log(20))) ** 0.5)
    widths = [half_width(variance, 0.1, 0.05) for variance in (1.0, 0.1, 0.01, 0.001, 0.0001)]
    assert widths == sorted(widths, reverse=True)
