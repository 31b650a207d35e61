"""Rules that stop a rollout: ours, a z-test that is read each minute, and the published samples of two canary tools.

Belongs here: from traffic to the minute at which each rule stops. Does not belong here: drawing (`traffic.py`).

The samples are those of the tools' own documentation. Argo Rollouts ("Analysis & Progressive Delivery", background analysis): success rate
at least 0.95, measured every 5 minutes, failed with three measurements below, in a rollout of four pauses of 10 minutes. Flagger ("How it
works"): success rate at least 99 % in the last minute, checked each minute, rolled back after 10 failed checks, promoted after 10 passed
ones (steps of 5 % up to 50 %). A rate is taken over the whole interval, which is kinder to them than the `irate` of the first one's sample
query. The canary gets the scene's rate from the first minute on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from benchmarks.verdicts.traffic import BLOCKS_A_MINUTE, Floats, Ints, Scene, Traffic
from platform_assets.experiments.sequential.bets import STEPS, block_gains, block_products, mixture
from platform_assets.experiments.sequential.evidence import Counts

ARGO_MINUTES, ARGO_LEAST, ARGO_FAILURES, ARGO_MEASUREMENTS = 5, 0.95, 3, 8
FLAGGER_LEAST, FLAGGER_FAILURES, FLAGGER_PASSES = 0.99, 10, 10
CELLS_AT_ONCE = 200_000


def first(stopped: npt.NDArray[np.bool_], minutes_each: float) -> Floats:
    """Minute at which each rollout is stopped, float64[rollouts]; infinite where it never is."""
    return np.where(stopped.any(axis=1), (stopped.argmax(axis=1) + 1) * minutes_each, np.inf)


def ours(traffic: Traffic, alphas: Sequence[float], margin: float = 0.0, *, fine: bool = False) -> list[Floats]:
    """Minute at which our e-value, looked at after each block, reaches 1/alpha: float64[rollouts] for each alpha.

    Args:
        traffic: of the rollouts.
        alphas: to be reached.
        margin: tolerated.
        fine: against "worse than the margin" in place of "no worse".
    """
    rollouts, blocks = traffic.bad_old.shape
    times = [np.full(rollouts, np.inf) for _ in alphas]
    least, at_once = math.log(1 / max(alphas)), max(1, CELLS_AT_ONCE // blocks)
    for start in range(0, rollouts, at_once):
        part = slice(start, start + at_once)
        old = Counts(traffic.bad_old[part].reshape(-1), traffic.total_old[part].reshape(-1))
        new = Counts(traffic.bad_new[part].reshape(-1), traffic.total_new[part].reshape(-1))
        gains = block_gains(old, new, margin).reshape(-1, blocks, len(STEPS)) * (-1 if fine else 1)
        # The power that correlation leaves is at most one: where no product gets there by itself, the mixture does not.
        plain = np.log1p(gains).cumsum(axis=1).max(axis=(1, 2))
        near = np.flatnonzero(plain >= least)
        log_wealth = mixture(block_products(gains[near]))
        for time, alpha in zip(times, alphas, strict=True):
            time[start + near] = first(log_wealth >= math.log(1 / alpha), 1 / BLOCKS_A_MINUTE)
    return times


def z_test(traffic: Traffic, alpha: float) -> Floats:
    """Two proportions of everything so far, one-sided, read each minute until it is significant."""
    bad_old, total_old, bad_new, total_new = (_by(values, 1).cumsum(axis=1) for values in _all(traffic))
    pooled = (bad_old + bad_new) / np.maximum(1, total_old + total_new)
    error = np.sqrt(pooled * (1 - pooled) * (1 / np.maximum(1, total_old) + 1 / np.maximum(1, total_new)))
    difference = bad_new / np.maximum(1, total_new) - bad_old / np.maximum(1, total_old)
    z = np.divide(difference, error, out=np.zeros_like(error), where=error > 0)
    return first(z > norm.isf(alpha), 1.0)


def argo(traffic: Traffic) -> Floats:
    """Stopped at the third measurement below; none after the rollout's 40 minutes."""
    bad, total = _by(traffic.bad_new, ARGO_MINUTES), _by(traffic.total_new, ARGO_MINUTES)
    failed = (bad > (1 - ARGO_LEAST) * total)[:, :ARGO_MEASUREMENTS]
    return first(failed.cumsum(axis=1) >= ARGO_FAILURES, ARGO_MINUTES)


def flagger(traffic: Traffic) -> Floats:
    """Stopped at the tenth failed check, unless ten have passed before. A minute without a request is no check."""
    bad, total = _by(traffic.bad_new, 1), _by(traffic.total_new, 1)
    failed = bad > (1 - FLAGGER_LEAST) * total
    failures, passes = failed.cumsum(axis=1), (~failed & (total > 0)).cumsum(axis=1)
    return first((failures >= FLAGGER_FAILURES) & (passes < FLAGGER_PASSES), 1.0)


def least_minutes(scene: Scene, alpha: float) -> float:
    """What no test can be below on average (Wald 1945), were the old version's ratio known and each error independent: log(1/alpha) by the
    information of a request."""
    old, new = scene.base_ratio, scene.base_ratio * scene.factor
    information = new * math.log(new / old) + (1 - new) * math.log((1 - new) / (1 - old))
    return math.log(1 / alpha) / (information * scene.rate * 60)


def _by(values: Ints, minutes: int) -> Ints:
    """Sums of so many minutes."""
    size = minutes * BLOCKS_A_MINUTE
    kept = values[:, : values.shape[1] // size * size]
    return np.asarray(kept.reshape(len(values), -1, size).sum(axis=2))


def _all(traffic: Traffic) -> tuple[Ints, Ints, Ints, Ints]:
    return traffic.bad_old, traffic.total_old, traffic.bad_new, traffic.total_new
