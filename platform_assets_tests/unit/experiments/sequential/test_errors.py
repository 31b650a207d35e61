"""The guard on errors: its bets are those of a slow enumeration, false stops stay below alpha, and a bad version is stopped."""

from itertools import product
from math import comb, tanh

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platform_assets.experiments.sequential.bets import (
    STEPS,
    block_gains,
    block_products,
    closed_blocks,
    mixture,
    vote_gains,
)
from platform_assets.experiments.sequential.errors import error_ratio
from platform_assets.experiments.sequential.evidence import Counts, EvidenceError, Outcome


def counts(bad: list[int], total: list[int]) -> Counts:
    return Counts(np.array(bad, dtype=np.int64), np.array(total, dtype=np.int64))


def enumerated(bad_old: int, total_old: int, bad_new: int, total_new: int, margin: float, step: float) -> float:
    """Mean of tanh(step * d) over every subset of the larger arm, by name, and every pattern of added events."""
    size = min(total_old, total_new)

    def thinned(bad: int, total: int) -> dict[int, float]:
        ways = {k: comb(bad, k) * comb(total - bad, size - k) for k in range(min(bad, size) + 1)}
        return {k: way / comb(total, size) for k, way in ways.items() if way}

    chance = abs(margin)
    extra = {k: comb(size, k) * chance**k * (1 - chance) ** (size - k) for k in range(size + 1)}
    sign = -1 if margin >= 0 else 1
    pairs = product(thinned(bad_new, total_new).items(), thinned(bad_old, total_old).items(), extra.items())
    return sum(p * q * r * tanh(step * (new - old + sign * added)) for (new, p), (old, q), (added, r) in pairs)


sizes = st.integers(1, 9).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total)))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(sizes, sizes), min_size=1, max_size=6), st.sampled_from([-0.6, -0.05, 0.0, 0.05, 0.6]))
def test_a_block_gains_what_enumeration_says(
    blocks: list[tuple[tuple[int, int], tuple[int, int]]], margin: float
) -> None:
    old = counts([block[0][0] for block in blocks], [block[0][1] for block in blocks])
    new = counts([block[1][0] for block in blocks], [block[1][1] for block in blocks])
    gains = block_gains(old, new, margin)
    for row, (before, after) in zip(gains, blocks, strict=True):
        expected = [enumerated(*before, *after, margin, step) for step in STEPS]
        assert row == pytest.approx(expected, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30))
def test_blocks_are_put_together_until_both_arms_are_in_them_and_lose_nothing_before_the_last(
    totals: list[tuple[int, int]],
) -> None:
    old, new = counts([0] * len(totals), [t[0] for t in totals]), counts([0] * len(totals), [t[1] for t in totals])
    closed_old, closed_new = closed_blocks(old, new)
    assert (closed_old.total > 0).all()
    assert (closed_new.total > 0).all()
    waiting_old, waiting_new = old.total.sum() - closed_old.total.sum(), new.total.sum() - closed_new.total.sum()
    assert waiting_old == 0 or waiting_new == 0


def burst_blocks(rng: np.random.Generator, rollouts: int, blocks: int, size: int) -> np.ndarray:
    """Errors by block of a version whose process fails for a moment now and then, and some for no reason."""
    burst = rng.random((rollouts, blocks)) < 0.02
    return rng.binomial(size, np.where(burst, 0.5, 0.002))


def test_the_power_is_what_a_plain_loop_over_the_blocks_so_far_says() -> None:
    gains = np.random.default_rng(4).uniform(-0.9, 0.9, (7, len(STEPS)))
    gains[3:5] = 0.5
    found = block_products(gains)
    for last in range(1, 8):
        for step in range(len(STEPS)):
            seen = gains[:last, step]
            apart = seen - seen.mean()
            correlation = (apart[1:] * apart[:-1]).sum() / (apart**2).sum() if last > 1 else 0.0
            inflation = max(1.0, 1 + 2 * correlation + 1 / np.sqrt(last))
            assert found[last - 1, step] == pytest.approx(np.log1p(seen).sum() / inflation)


@pytest.mark.parametrize("size_new", [10, 50, 200])
def test_false_stops_stay_below_alpha_though_errors_come_in_bursts(size_new: int) -> None:
    rng, rollouts, blocks, alpha = np.random.default_rng(1), 400, 60, 0.05
    bad_old, bad_new = burst_blocks(rng, rollouts, blocks, 190), burst_blocks(rng, rollouts, blocks, size_new)
    flat = [np.full(rollouts * blocks, size) for size in (190, size_new)]
    gains = block_gains(Counts(bad_old.reshape(-1), flat[0]), Counts(bad_new.reshape(-1), flat[1]), 0.0)
    wealth = mixture(block_products(gains.reshape(rollouts, blocks, -1)))
    stopped = (wealth.max(axis=1) >= np.log(1 / alpha)).mean()
    assert stopped <= alpha, "read after every block"


def test_false_stops_stay_below_alpha_with_customers_who_always_fail() -> None:
    rng, alpha, stopped = np.random.default_rng(2), 0.05, 0
    for _ in range(300):
        total = rng.integers(1, 20, size=400)
        bad = np.where(rng.random(400) < 0.03, total, 0)
        arm = rng.random(400) < 0.2
        old, new = Counts(bad * ~arm, total * ~arm), Counts(bad * arm, total * arm)
        wealth = mixture(vote_gains(old, new, 0.0, 0.2, upwards=True).cumsum(axis=0))
        stopped += wealth.max() >= np.log(1 / alpha)
    assert stopped / 300 <= alpha


@pytest.mark.parametrize("sticky", [False, True])
def test_a_version_that_fails_ten_times_as_often_is_worse_and_a_like_one_is_fine(sticky: bool) -> None:
    rng = np.random.default_rng(3)
    if sticky:
        arm = rng.random(4000) < 0.25
        total_old, total_new = 2 * ~arm, 2 * arm
    else:
        total_old, total_new = np.full(60, 150), np.full(60, 50)
    old = Counts(rng.binomial(total_old, 0.005), total_old.astype(np.int64))
    for ratio, expected in ((0.05, Outcome.WORSE), (0.005, Outcome.BETTER_OR_EQUAL)):
        new = Counts(rng.binomial(total_new, ratio), total_new.astype(np.int64))
        found = error_ratio(old, new, share_new=0.25, margin=0.01, alpha=0.05, sticky=sticky)
        assert found.outcome is expected, found.sentence
        assert found.low is not None
        assert found.high is not None
        assert found.estimate is not None
        assert found.low <= found.estimate <= found.high


def test_little_data_says_that_nothing_can_be_told_and_how_much_is_needed() -> None:
    old, new = counts([0, 1], [100, 100]), counts([0, 0], [50, 50])
    found = error_ratio(old, new, share_new=0.3, margin=0.01, alpha=0.05)
    assert found.outcome is Outcome.CANNOT_TELL
    assert found.more_units is not None
    assert found.more_requests == found.more_units * 50
    nothing = error_ratio(counts([], []), counts([], []), share_new=0.3, margin=0.01, alpha=0.05)
    assert (nothing.outcome, nothing.estimate, nothing.more_units) == (Outcome.CANNOT_TELL, None, None)


def test_arms_that_number_other_units_and_counts_that_cannot_be_are_refused() -> None:
    with pytest.raises(EvidenceError, match="2 units of the old arm and 1 of the new"):
        error_ratio(counts([0, 0], [1, 1]), counts([0], [1]), share_new=0.5, margin=0, alpha=0.05)
    with pytest.raises(EvidenceError, match="between 0 and all events"):
        counts([2], [1])
    with pytest.raises(EvidenceError, match="share_new 1"):
        error_ratio(counts([0], [1]), counts([0], [1]), share_new=1, margin=0, alpha=0.05)
