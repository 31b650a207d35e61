"""The guards on answers: shifts beyond the margin are found on either side, like answers are cleared, false stops are rare."""

import numpy as np
import pytest

from platform_assets.experiments.sequential.evidence import EvidenceError, Finding, Floats, Outcome
from platform_assets.experiments.sequential.shifts import mean_shift, paired_shift

BLOCKS = 60


def scores(rng: np.random.Generator, number: int) -> Floats:
    """Mostly nothing, now and then nearly one: what a model of something rare answers."""
    return np.where(rng.random(number) < 0.02, 0.9, rng.beta(1, 60, number))


def shifted(by: float, margin: float, seed: int = 0, *, binary: bool = False, size: int = 30) -> Finding:
    rng = np.random.default_rng(seed)
    old_unit, new_unit = np.repeat(np.arange(BLOCKS), 90), np.repeat(np.arange(BLOCKS), size)
    if binary:
        old, new = (rng.random(len(old_unit)) < 0.2) * 1.0, (rng.random(len(new_unit)) < 0.2 + by) * 1.0
    else:
        old, new = scores(rng, len(old_unit)), np.clip(scores(rng, len(new_unit)) + by, 0, 1)
    return mean_shift("score", old, old_unit, new, new_unit, margin=margin, alpha=0.05)


@pytest.mark.parametrize("binary", [False, True])
def test_a_shift_is_found_on_either_side_and_its_absence_too(binary: bool) -> None:
    signs = (0.12, -0.12) if binary else (0.12,)
    for by in signs:
        found = shifted(by, 0.03, binary=binary)
        assert found.outcome is Outcome.WORSE, found.sentence
        assert found.estimate == pytest.approx(by, abs=0.04)
    like = shifted(0.0, 0.08, binary=binary)
    assert like.outcome is Outcome.BETTER_OR_EQUAL, like.sentence
    assert like.low is not None
    assert like.high is not None
    assert -0.1 < like.low <= 0 <= like.high < 0.1


@pytest.mark.parametrize("size", [3, 30])
def test_false_stops_stay_below_alpha_where_what_counts_is_rare(size: int) -> None:
    stopped = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        old_unit, new_unit = np.repeat(np.arange(BLOCKS), 90), np.repeat(np.arange(BLOCKS), size)
        old, new = scores(rng, len(old_unit)), scores(rng, len(new_unit))
        stopped += any(
            mean_shift(
                "score",
                old[old_unit < last],
                old_unit[old_unit < last],
                new[new_unit < last],
                new_unit[new_unit < last],
                margin=0.0,
                alpha=0.05,
            ).outcome
            is Outcome.WORSE
            for last in (12, 24, 36, 48, 60)
        )
    assert stopped / 100 <= 0.05


def test_entities_that_stay_in_their_arm_are_compared_between_them() -> None:
    rng = np.random.default_rng(1)
    level, arm = rng.beta(2, 8, 600), rng.random(600) < 0.5
    unit = np.repeat(np.arange(600), 5)
    value = np.clip(level[unit] + rng.normal(0, 0.02, len(unit)), 0, 1)
    is_new = arm[unit]
    for by, expected in ((0.0, Outcome.BETTER_OR_EQUAL), (0.2, Outcome.WORSE)):
        new = np.clip(value[is_new] + by, 0, 1)
        found = mean_shift(
            "score", value[~is_new], unit[~is_new], new, unit[is_new], margin=0.06, alpha=0.05, sticky=True
        )
        assert found.outcome is expected, found.sentence
        assert found.units_new == arm.sum()


def test_two_answers_to_one_request_tell_with_few_requests_what_two_arms_take_many_for() -> None:
    rng = np.random.default_rng(2)
    old, unit = rng.random(400), np.arange(400) // 4
    same = paired_shift("paired score", old, old, unit, margin=0.02, alpha=0.05)
    changed = np.where(rng.random(400) < 0.3, np.clip(old + 0.3, 0, 1), old)
    other = paired_shift("paired score", old, changed, unit, margin=0.02, alpha=0.05)
    assert same.outcome is Outcome.BETTER_OR_EQUAL, same.sentence
    assert other.outcome is Outcome.WORSE, other.sentence
    few = paired_shift("paired score", old[:8], changed[:8], unit[:8], margin=0.02, alpha=0.05)
    assert few.outcome is Outcome.CANNOT_TELL


def test_values_that_are_no_probabilities_are_refused() -> None:
    one = np.ones(1, dtype=np.int64)
    with pytest.raises(EvidenceError, match="values of the new version are not all numbers in"):
        mean_shift("score", np.ones(1), one, np.array([1.5]), one, margin=0.1, alpha=0.05)
    with pytest.raises(EvidenceError, match="1 old answers, 2 new ones, 1 units: give pairs"):
        paired_shift("score", np.ones(1), np.ones(2), one, margin=0.1, alpha=0.05)
    with pytest.raises(EvidenceError, match="answers are not all numbers"):
        paired_shift("score", np.ones(1), np.array([np.nan]), one, margin=0.1, alpha=0.05)
