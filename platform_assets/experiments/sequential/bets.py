"""Bets on which arm the bad events fall, unit by unit: e-values that no dependence inside of a unit can inflate.

Belongs here: gains of each unit, and their mixture. Does not belong here: what an event is (`errors.py`, `latency.py`, `shifts.py`).

A block of time is seen by both arms. Were the new version like the old one, the bad events of `n` of its requests would have the law of
those of any `n` requests of the old version in that block: exchange the two, and nothing changes, whatever happened to a process or a
customer in that block. So the larger arm is thinned to the size of the smaller one, and the sign of the difference `d` is bet on:
`1 + tanh(step * d)` has mean 1 under each exchangeable law, and at most 1 when the new version's events are stochastically fewer
(de la Pena, A general class of exponential inequalities, 1999, for the symmetry argument; Waudby-Smith, Ramdas, Estimating means of
bounded random variables by betting, 2024, for products of bets). The thinning is not drawn but averaged over (hypergeometric), and the
steps are mixed (Robbins 1970), which makes products of the means the e-value. Base rates may drift and weights may change between blocks.
A bad moment that lasts over the end of a block makes neighbours alike. The product of all blocks to the power of one half is an e-value
even then, since that of every second block is (Cauchy-Schwarz); so the power is between one and one half or less, as the blocks' measured
correlation says (the variance inflation of a mean of serially correlated values), with what is uncertain about it added.

An entity is seen by the arm that its lot chose, with probability `share`. Each entity that has a bad event casts one vote, whatever number
it has: 'new' with probability `share` were the versions alike. The mixture over what the probability may be instead is the beta-binomial
test's (Howard, Ramdas, McAuliffe, Sekhon, Time-uniform, nonparametric, nonasymptotic confidence sequences, 2021), with points in place
of a beta density.

A margin is added to the smaller side as independent bad events of that probability, again averaged over: the comparison is then with the
old version as it would be if it had the tolerated events on top.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.special import gammaln

from platform_assets.experiments.sequential.evidence import Counts, Floats, Ints

STEPS: Floats = np.asarray(4.0 * 0.5 ** np.arange(8), dtype=np.float64)
"""Sizes of bets, for one event in a block up to some dozens of them; half of the logarithm of the ratio of rates they are best for."""
CHUNK_CELLS = 2_000_000


WEIGHTS: Floats = np.arange(len(STEPS), 0, -1, dtype=np.float64) / (len(STEPS) * (len(STEPS) + 1) / 2)
"""Of the steps in the mixture: what is seen soon needs few events, and pays most for each further step."""


def mixture(log_products: Floats) -> Floats:
    """Logarithm of the weighted mean over steps, float64[..., steps] to float64[...]."""
    weighted = log_products + np.log(WEIGHTS)
    largest = weighted.max(axis=-1)
    return np.asarray(largest + np.log(np.exp(weighted - largest[..., None]).sum(axis=-1)))


def block_products(gains: Floats) -> Floats:
    """Logarithm of the product of bets after each block, float64[..., units, steps], to the power that their correlation leaves.

    Args:
        gains: of `block_gains`, or their negative for the opposite bet.
    """
    by_step = np.ascontiguousarray(np.moveaxis(gains, -2, -1))
    number = np.arange(1, by_step.shape[-1] + 1)
    total = by_step.cumsum(axis=-1)
    mean = total / number
    spread = (by_step**2).cumsum(axis=-1) - total * mean
    alike = np.zeros_like(by_step)
    np.cumsum(by_step[..., 1:] * by_step[..., :-1], axis=-1, out=alike[..., 1:])
    alike -= mean * (2 * total - by_step[..., :1] - by_step) - (number - 1) * mean**2
    correlation = np.divide(alike, spread, out=np.zeros_like(spread), where=spread > 1e-12)
    inflation = np.maximum(1.0, 1.0 + 2.0 * correlation + 1.0 / np.sqrt(number))
    return np.asarray(np.moveaxis(np.log1p(by_step).cumsum(axis=-1) / inflation, -1, -2))


def closed_blocks(old: Counts, new: Counts) -> tuple[Counts, Counts]:
    """Consecutive units put together until both arms have requests in each; a last one that lacks an arm waits.

    Only totals decide, so that what happened in a block has no part in where it ends.
    """
    both = (old.total > 0) & (new.total > 0)
    if both.all():
        return old, new
    group, number, seen_old, seen_new = np.full(len(both), -1, dtype=np.int64), 0, False, False
    for unit in range(len(both)):
        group[unit] = number
        seen_old, seen_new = seen_old or old.total[unit] > 0, seen_new or new.total[unit] > 0
        if seen_old and seen_new:
            number, seen_old, seen_new = number + 1, False, False
    kept = group < number

    def together(values: Ints) -> Ints:
        summed = np.bincount(group[kept], weights=values[kept], minlength=number)
        return summed.astype(np.int64)

    return Counts(together(old.bad), together(old.total)), Counts(together(new.bad), together(new.total))


def block_gains(old: Counts, new: Counts, margin: float) -> Floats:
    """Mean of tanh(step * d) for each block, float64[units, steps]; d is new minus (old plus margin) after thinning.

    Args:
        old: blocks that both arms saw.
        new: likewise.
        margin: added to the old version as independent events; a negative one is added to the new version.
    """
    rows, where = _different(np.stack([old.bad, old.total, new.bad, new.total], axis=1))
    gains = np.empty((len(rows), len(STEPS)))
    for part in _chunks(rows, margin):
        gains[part] = _gains(rows[part], margin)
    return gains[where]


def _different(rows: Ints) -> tuple[Ints, Ints]:
    """Different rows, and which of them each row is: many blocks are alike, above all those without a bad event."""
    radix = rows.max(axis=0, initial=0).astype(np.uint64) + 1
    if float(np.prod(radix.astype(np.float64))) >= 2.0**63:
        return rows, np.arange(len(rows))
    key = np.zeros(len(rows), dtype=np.uint64)
    for column in range(rows.shape[1]):
        key = key * radix[column] + rows[:, column].astype(np.uint64)
    _, first, where = np.unique(key, return_index=True, return_inverse=True)
    return rows[first], where.reshape(-1)


def _chunks(rows: Ints, margin: float) -> Iterator[Ints]:
    """Indices of rows of alike support, so that the padding costs little."""
    if not len(rows):
        return
    size = np.minimum(rows[:, 1], rows[:, 3])
    thinned = np.where(rows[:, 1] >= rows[:, 3], rows[:, 0], rows[:, 2])
    support = np.minimum(thinned, size) + _most_added(size, margin) + 1
    order = np.argsort(support, kind="stable")
    start = 0
    while start < len(order):
        stop = min(len(order), start + max(1, CHUNK_CELLS // int(support[order[start]])))
        while stop > start + 1 and (stop - start) * int(support[order[stop - 1]]) > 2 * CHUNK_CELLS:
            stop = start + (stop - start) // 2
        yield order[start:stop]
        start = stop


def _most_added(size: Ints, margin: float) -> Ints:
    """Added events beyond which the probability is nothing: Bernstein's inequality leaves less than 1e-12."""
    expected = size * min(1.0, abs(margin))
    return np.minimum(size, np.ceil(expected + 8 * np.sqrt(expected) + 20)).astype(np.int64) if margin else 0 * size


def _gains(rows: Ints, margin: float) -> Floats:
    bad_old, total_old, bad_new, total_new = rows.T
    size, old_is_larger = np.minimum(total_old, total_new), total_old >= total_new
    thinned_bad, thinned_total = np.where(old_is_larger, bad_old, bad_new), np.maximum(total_old, total_new)
    law = _hypergeometric(thinned_total, thinned_bad, size)
    added = _binomial(size, _most_added(size, margin), abs(margin)) if margin else np.ones((len(rows), 1))
    gains = np.zeros((len(rows), len(STEPS)))
    for is_old, bad_whole in ((True, bad_new), (False, -bad_old)):
        chosen = np.flatnonzero(old_is_larger == is_old)
        if len(chosen):
            signs = -1 if is_old else 1, -1 if margin > 0 else 1
            gains[chosen] = _expected(law[chosen], added[chosen], bad_whole[chosen], *signs)
    return np.clip(gains, -1 + 1e-12, 1 - 1e-12)


def _expected(law: Floats, added: Floats, whole: Ints, sign_thinned: int, sign_added: int) -> Floats:
    """Mean of tanh(step * (whole + sign * thinned + sign * added)), float64[rows, steps], where either part has its own law."""
    events, extra = law.shape[1], added.shape[1]
    total = np.zeros((len(law), events + extra - 1))
    for number in range(extra):
        # Where the two signs differ, added events are counted from the far end, so that one index says the sum.
        place = number if sign_thinned == sign_added else extra - 1 - number
        total[:, place : place + events] += law * added[:, number][:, None]
    drawn = sign_thinned * np.arange(total.shape[1])
    start = whole if sign_thinned == sign_added else whole + sign_added * (extra - 1)
    counts, which = np.unique(start, return_inverse=True)
    if len(start) < 4 * len(counts):
        return np.asarray(np.einsum("rw,rws->rs", total, np.tanh((start[:, None] + drawn)[:, :, None] * STEPS)))
    gains = np.empty((len(law), len(STEPS)))
    for number, count in enumerate(counts):
        # Few different counts stand against many blocks: one product of matrices for each.
        chosen = which == number
        gains[chosen] = total[chosen] @ np.tanh((count + drawn)[:, None] * STEPS)
    return gains


def _hypergeometric(population: Ints, bad: Ints, drawn: Ints) -> Floats:
    """Probability of 0, 1, ... bad ones among those drawn without replacement, float64[rows, most + 1]."""
    events = np.arange(int(np.minimum(bad, drawn).max()) + 1)[None, :]
    good = (population - bad)[:, None]
    others = drawn[:, None] - events
    possible = (events <= bad[:, None]) & (others >= 0) & (others <= good)
    logs = _choose(bad[:, None], events) + _choose(good, np.maximum(others, 0)) - _choose(population, drawn)[:, None]
    return np.where(possible, np.exp(np.where(possible, logs, 0.0)), 0.0)


def _binomial(size: Ints, most: Ints, probability: float) -> Floats:
    counts = np.arange(int(most.max()) + 1)[None, :]
    probability = min(probability, 1 - 1e-12)
    logs = _choose(size[:, None], counts) + counts * np.log(probability)
    possible = counts <= size[:, None]
    return np.where(
        possible, np.exp(np.where(possible, logs + (size[:, None] - counts) * np.log1p(-probability), 0.0)), 0.0
    )


def _choose(whole: Ints, part: Ints) -> Floats:
    """Logarithm of the binomial coefficient; anything where the part is larger, which is left out by the caller."""
    of_factorial = gammaln(np.arange(max(int(whole.max()), int(part.max())) + 1) + 1.0)
    return np.asarray(of_factorial[whole] - of_factorial[part] - of_factorial[np.maximum(whole - part, 0)])


def vote_gains(old: Counts, new: Counts, margin: float, share_new: float, *, upwards: bool) -> Floats:
    """Logarithm of each entity's factor, float64[units, steps]: at most 1 on average where the new one has no more (no fewer).

    Args:
        old: entities of the old arm; one of both arms has one vote, shared as its events are.
        new: of the new arm.
        margin: probability of a further bad event of each request of the old version; of the new one where it is negative.
        share_new: of the lot.
        upwards: whether more votes for 'new' than its share are bet on; fewer otherwise.
    """
    odds = np.exp((2 if upwards else -2) * STEPS) * share_new / (1 - share_new)
    tilted = odds / (1 + odds)
    for_new, for_old = np.log(tilted / share_new), np.log((1 - tilted) / (1 - share_new))
    bad = old.bad + new.bad
    vote = np.divide(new.bad, bad, out=np.zeros(len(bad)), where=bad > 0)[:, None]
    gains = np.where((bad > 0)[:, None], vote * for_new + (1 - vote) * for_old, 0.0)
    if margin:
        total, factor = (old.total, for_old) if margin > 0 else (new.total, for_new)
        added = -np.expm1(total * np.log1p(-min(abs(margin), 1 - 1e-12)))[:, None]
        gains = np.where((bad > 0)[:, None], gains, np.log1p(added * np.expm1(factor)))
    return np.asarray(gains)
