"""Simulated rollouts: requests and errors of both arms, in blocks of 10 s, with errors that come one by one or in clusters.

Belongs here: drawing. Does not belong here: deciding (`rules.py`), or tables (`topic.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
BLOCK_SECONDS = 10
BLOCKS_A_MINUTE = 60 // BLOCK_SECONDS
BURST_SECONDS, BURST_ERRORS = 5.0, 0.5
"""A bad moment of one arm's process: mean length, and share of requests that fail."""
CUSTOMER_REQUESTS, CUSTOMER_SECONDS = 20, 120
"""A customer who always fails: so many requests within so long, each sent to an arm by lot."""
BURST_PART, CUSTOMER_PART = 0.5, 0.3
"""Of the errors, where they are clustered; the rest comes one by one."""


@dataclass(frozen=True)
class Scene:
    """What is simulated.

    Attributes:
        rate: requests of the new version in a second.
        base_ratio: errors of a good version.
        clustered: whether errors come in bursts of a process and by customers who always fail.
        share_new: of the requests.
        factor: errors of the new version by those of the old one.
    """

    rate: float
    base_ratio: float
    clustered: bool = False
    share_new: float = 0.25
    factor: float = 1.0


@dataclass(frozen=True)
class Traffic:
    """Requests and errors, int64[rollouts, blocks] each."""

    bad_old: Ints
    total_old: Ints
    bad_new: Ints
    total_new: Ints


def simulated(scene: Scene, rollouts: int, minutes: int, rng: np.random.Generator) -> Traffic:
    """Rollouts of one scene. Requests come evenly: alike blocks are weighed once, and ten thousand rollouts take seconds."""
    blocks = minutes * BLOCKS_A_MINUTE
    rates = scene.rate * (1 - scene.share_new) / scene.share_new, scene.rate
    totals = [np.full((rollouts, blocks), round(rate * BLOCK_SECONDS)) for rate in rates]
    ratios = scene.base_ratio, min(1.0, scene.base_ratio * scene.factor)
    if not scene.clustered:
        bad = [rng.binomial(total, ratio) for total, ratio in zip(totals, ratios, strict=True)]
        return Traffic(bad[0], totals[0], bad[1], totals[1])
    failed = _customers(rng, scene, rollouts, blocks, sum(rates) * scene.base_ratio * CUSTOMER_PART)
    bad = []
    for arm in range(2):
        apart = ratios[arm] - scene.base_ratio * (BURST_PART + CUSTOMER_PART)
        single = rng.binomial(totals[arm], max(0.0, apart))
        burst = _bursts(rng, totals[arm], single, scene.base_ratio * BURST_PART)
        bad.append(np.minimum(single + burst + failed[arm], totals[arm]))
    return Traffic(bad[0], totals[0], bad[1], totals[1])


def _bursts(rng: np.random.Generator, total: Ints, bad: Ints, ratio: float) -> Ints:
    """Errors of the moments at which the arm's process fails; they last over the ends of blocks."""
    rollouts, blocks = total.shape
    seconds = blocks * BLOCK_SECONDS
    number = rng.poisson(rollouts * seconds * ratio / BURST_ERRORS / BURST_SECONDS)
    rollout, start = rng.integers(0, rollouts, number), rng.random(number) * seconds
    end = start + rng.exponential(BURST_SECONDS, number)
    part = np.zeros(total.shape)
    for step in range(int(8 * BURST_SECONDS / BLOCK_SECONDS) + 2):
        block = (start // BLOCK_SECONDS).astype(np.int64) + step
        overlap = np.minimum(end, (block + 1) * BLOCK_SECONDS) - np.maximum(start, block * BLOCK_SECONDS)
        kept = (overlap > 0) & (block < blocks)
        np.add.at(part, (rollout[kept], block[kept]), overlap[kept] / BLOCK_SECONDS)
    return np.asarray(rng.binomial(total - bad, np.minimum(1.0, part) * BURST_ERRORS), dtype=np.int64)


def _customers(rng: np.random.Generator, scene: Scene, rollouts: int, blocks: int, rate: float) -> tuple[Ints, Ints]:
    """Failed requests, by arm, of customers who always fail; so many a second together. Each request goes to an arm by lot."""
    number = rng.poisson(rollouts * blocks * BLOCK_SECONDS * rate / CUSTOMER_REQUESTS)
    rollout, start = rng.integers(0, rollouts, number), rng.random(number) * blocks * BLOCK_SECONDS
    failed = np.zeros((rollouts, blocks), dtype=np.int64), np.zeros((rollouts, blocks), dtype=np.int64)
    for _ in range(CUSTOMER_REQUESTS):
        block = ((start + rng.random(number) * CUSTOMER_SECONDS) // BLOCK_SECONDS).astype(np.int64)
        is_new = rng.random(number) < scene.share_new
        for arm, chosen in enumerate((~is_new & (block < blocks), is_new & (block < blocks))):
            np.add.at(failed[arm], (rollout[chosen], block[chosen]), 1)
    return failed
