"""The guards on features name the one that differs, in a shadow and in a canary, and clear those that do not."""

import numpy as np
import pytest

from platform_assets.experiments.sequential.evidence import EvidenceError, Finding, Floats, Outcome
from platform_assets.experiments.sequential.features import changed_features, shifted_features

NAMES = ["amount", "night", "risk"]


def named(findings: tuple[Finding, ...]) -> list[str]:
    return [found.guard for found in findings if found.outcome is Outcome.WORSE]


def values(rng: np.random.Generator, number: int) -> Floats:
    drawn = rng.lognormal(size=(number, 3))
    drawn[:, 1] = rng.random(number) < 0.3
    drawn[rng.random(number) < 0.05, 2] = np.nan
    return drawn


def test_a_shadow_names_the_wrong_feature_and_clears_the_others() -> None:
    rng = np.random.default_rng(0)
    old, unit = values(rng, 1000), np.arange(1000)
    new = old.copy()
    new[rng.random(1000) < 0.1, 2] = 7.0
    found = changed_features(NAMES, old, new, unit, alpha=0.01)
    assert named(found) == ["feature risk"]
    assert [one.outcome for one in found[:2]] == [Outcome.BETTER_OR_EQUAL] * 2
    assert "feature risk: worse" in found[2].sentence


def test_pairs_that_differ_now_and_then_are_tolerated_however_they_come() -> None:
    rng, stopped = np.random.default_rng(1), 0
    for _ in range(200):
        old, unit = values(rng, 500), np.arange(500) // 10
        new = old.copy()
        new[np.isin(unit, np.flatnonzero(rng.random(50) < 0.01)), 0] += 1
        found = [changed_features(NAMES, old[:last], new[:last], unit[:last], alpha=0.05) for last in (100, 300, 500)]
        stopped += any(map(named, found))
    assert stopped / 200 <= 0.05, "all pairs of one unit in a hundred differ"


def test_a_canary_names_the_feature_whose_distribution_differs() -> None:
    rng = np.random.default_rng(2)
    old_unit, new_unit = np.repeat(np.arange(60), 100), np.repeat(np.arange(60), 50)
    old, new = values(rng, 6000), values(rng, 3000)
    like = shifted_features(NAMES, old, old_unit, new, new_unit, margin=0.1, alpha=0.05)
    assert [found.outcome for found in like] == [Outcome.BETTER_OR_EQUAL] * 3
    new[rng.random(3000) < 0.2, 0] = np.nan
    assert named(shifted_features(NAMES, old, old_unit, new, new_unit, margin=0.02, alpha=0.05)) == ["feature amount"]


def test_nothing_is_said_without_data_and_shapes_that_do_not_fit_are_refused() -> None:
    nothing, no_unit = np.zeros((0, 3)), np.zeros(0, dtype=np.int64)
    for found in (
        changed_features(NAMES, nothing, nothing, no_unit, alpha=0.05),
        shifted_features(NAMES, nothing, no_unit, nothing, no_unit, alpha=0.05),
    ):
        assert {one.outcome for one in found} == {Outcome.CANNOT_TELL}
    with pytest.raises(EvidenceError, match="give pairs"):
        changed_features(NAMES, np.zeros((2, 3)), np.zeros((1, 3)), no_unit, alpha=0.05)
    with pytest.raises(EvidenceError, match="new: features of shape"):
        shifted_features(NAMES, nothing, no_unit, np.zeros((1, 2)), no_unit, alpha=0.05)
