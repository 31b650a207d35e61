"""The guard on latency: slow versions are found, like ones are cleared, and the threshold never comes from what it judges."""

import numpy as np
import pytest

from platform_assets.experiments.sequential.evidence import EvidenceError, Finding, Outcome
from platform_assets.experiments.sequential.latency import latency_quantile


def compared(factor: float, blocks: int = 90, margin_ratio: float = 0.1, seed: int = 1) -> Finding:
    """A log-normal latency, 150 answers a block of the old version and 50 of the new one, which takes `factor` times as long."""
    rng = np.random.default_rng(seed)
    old_unit, new_unit = np.repeat(np.arange(blocks), 150), np.repeat(np.arange(blocks), 50)
    old, new = rng.lognormal(1, 0.4, len(old_unit)), rng.lognormal(1, 0.4, len(new_unit)) * factor
    return latency_quantile(old, old_unit, new, new_unit, margin_ratio=margin_ratio, alpha=0.05)


def test_a_slower_version_is_worse_and_a_like_one_is_fine() -> None:
    slow, like = compared(1.6), compared(1.0, margin_ratio=0.4)
    assert slow.outcome is Outcome.WORSE, slow.sentence
    assert like.outcome is Outcome.BETTER_OR_EQUAL, like.sentence
    for found in (slow, like):
        assert found.low is not None
        assert found.high is not None
        assert found.estimate is not None
        assert found.low <= found.estimate <= found.high
    assert slow.guard == "latency_p99"
    assert "%" in slow.sentence


def test_false_stops_stay_below_alpha_at_a_margin_of_nothing() -> None:
    stopped = 0
    for seed in range(20):
        stopped += any(compared(1.0, blocks, 0.0, seed).outcome is Outcome.WORSE for blocks in (15, 30, 45))
    assert stopped / 20 <= 0.05


def test_before_the_old_version_has_shown_its_quantile_nothing_is_said() -> None:
    found = compared(5.0, blocks=1)
    assert (found.outcome, found.estimate, found.more_units) == (Outcome.CANNOT_TELL, None, None)
    nothing, no_unit = np.zeros(0), np.zeros(0, dtype=np.int64)
    empty = latency_quantile(nothing, no_unit, nothing, no_unit, margin_ratio=0.2, alpha=0.05)
    assert empty.outcome is Outcome.CANNOT_TELL


def test_latencies_that_are_no_numbers_or_have_no_unit_are_refused() -> None:
    one = np.ones(1, dtype=np.int64)
    with pytest.raises(EvidenceError, match="new: 1 latencies are not finite"):
        latency_quantile(np.ones(1), one, np.array([np.nan]), one, margin_ratio=0.2, alpha=0.05)
    with pytest.raises(EvidenceError, match="old: 2 latencies and 1 units"):
        latency_quantile(np.ones(2), one, np.ones(1), one, margin_ratio=0.2, alpha=0.05)
