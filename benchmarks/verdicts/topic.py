"""False stops of good versions, and how soon bad ones are stopped: our test of errors beside a z-test and two canary tools' samples.

Belongs here: the cells, and the two sections of the report. Does not belong here: drawing (`traffic.py`), rules (`rules.py`), other guards
(`guards.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from benchmarks.common.report import Bar, Topic
from benchmarks.verdicts.rules import argo, flagger, least_minutes, ours, z_test
from benchmarks.verdicts.traffic import BLOCKS_A_MINUTE, Floats, Scene, Traffic, simulated
from platform_assets.experiments.sequential.comparing import Compared, one_sided
from platform_assets.experiments.sequential.evidence import Counts

Log = Callable[[str], None]
ALPHA, GUARD_ALPHA = 0.05, 0.01
"""Of one guard that has all of it, and of one of five guards that share it."""
ROLLOUTS = 10_000
RATES = {0.5: 60, 5.0: 60, 50.0: 20}
"""Canary requests in a second, and how many minutes such a rollout is watched."""
BASES = (0.001, 0.005, 0.02)
DETECTION_SHARES = (0.05, 0.25)
LIMITS = {10.0: 2.0, 2.0: 10.0}
"""Minutes within which a rise by such a factor is to be stopped."""
DETECTION_MINUTES = {10.0: 20, 2.0: 90}
PATIENCE_MINUTES = 240
MARGIN = 0.005
"""Of the errors, as declared by default: what "better or equal" is judged by here."""


def measure_false_stops(log: Log, rollouts: int = ROLLOUTS) -> Topic:
    """Good versions, in 18 cells, and the worst of them at other shares of the traffic."""
    rows, worst = [], 0.0
    for scene, minutes in _good():
        log(f"{_words(scene)}, {minutes} minutes")
        stopped = _false_stops(scene, minutes, rollouts)
        worst = max(worst, stopped[0])
        rows.append([_words(scene), str(minutes), *(f"{share:.1%}" for share in stopped)])
    others = []
    for share in (0.05, 0.5):
        scene = Scene(5.0, BASES[-1], clustered=True, share_new=share)
        traffic = simulated(scene, max(1, rollouts // 5), RATES[5.0], np.random.default_rng(1))
        others.append((share, _share(ours(traffic, [ALPHA])[0])))
    shares = " and ".join(f"{stopped:.1%} with {share:.0%} of the traffic" for share, stopped in others)
    others_worst = max(stopped for _, stopped in others)
    return Topic(
        "Good versions that are stopped",
        f"{rollouts:,} simulated rollouts in each cell of a version that is like the old one; the canary has a quarter of the traffic and "
        "the rate that the cell names; requests come evenly. A rollout counts when the rule stops it at any look. Ours: errors at alpha "
        f"{ALPHA:.0%} with a margin of nothing, looked at after each block of 10 s. z-test: two proportions, one-sided at the same alpha, "
        "read each minute. Tools: the settings of their published samples (Argo Rollouts: three measurements of 5 minutes below 95 %, of "
        "eight; Flagger: ten checks of a minute below 99 % before ten above). Clustered: half of the errors come in bursts of one arm's "
        "process (5 s on average, half of its requests fail; they last over the ends of blocks), three tenths by customers whose every "
        "request fails (20 in two minutes, each sent by lot), the rest one by one.",
        ("cell", "minutes", "ours", "z-test each minute", "Argo's sample", "Flagger's sample"),
        rows,
        [
            Bar(f"false stops at most {ALPHA:.0%} in every cell", f"worst cell {worst:.1%}", worst <= ALPHA),
            Bar("likewise with 5 % and 50 % of the traffic", shares, others_worst <= ALPHA),
        ],
    )


def measure_detection(log: Log, rollouts: int = ROLLOUTS) -> Topic:
    """Versions that fail more often, at 5 canary requests a second, and how long "better or equal" takes."""
    number = max(1, rollouts // 10)
    rows, medians = [], {}
    for factor in LIMITS:
        for base in BASES:
            for share in DETECTION_SHARES:
                scene = Scene(5.0, base, share_new=share, factor=factor)
                log(f"{_words(scene)}, errors x{factor:g}, {share:.0%} of the traffic")
                cells, median = _detected(scene, number)
                medians[factor, base, share] = median
                rows.append(cells)
    return Topic(
        "Bad versions that are stopped",
        f"{number:,} simulated rollouts in each row, 5 canary requests/s, independent errors, a margin of nothing; median and 90th "
        "percentile of the minutes until the stop. `all alpha`: one guard has 5 %; `one of five`: it has 1 %, as when five guards share. "
        "`no test below`: expected time of the best test for exactly this rise at 1 %, were the old ratio known and errors known to be "
        "independent (Wald 1945); ours does not take them for independent: what happens within 10 s at most doubles the evidence. Tools: "
        f"share of rollouts that the sample settings stop within {DETECTION_MINUTES[10.0]} and {DETECTION_MINUTES[2.0]} minutes, and their "
        f"median. {_patience(number)}",
        (
            "base ratio, rise, share of traffic",
            "all alpha: median (90 %)",
            "one of five: median (90 %)",
            "no test below",
            "Argo's sample",
            "Flagger's sample",
        ),
        rows,
        [_bar(factor, base, medians) for factor in LIMITS for base in BASES],
    )


def _bar(factor: float, base: float, medians: dict[tuple[float, float, float], float]) -> Bar:
    limit = LIMITS[factor]
    found = [medians[factor, base, share] for share in DETECTION_SHARES]
    least = least_minutes(Scene(5.0, base, factor=factor), ALPHA)
    note = "" if least <= limit else f"; no test at this alpha can be below {least:.0f} minutes on average"
    times = " and ".join(_minutes(value) for value in found)
    shares = " and ".join(f"{share:.0%}" for share in DETECTION_SHARES)
    return Bar(
        f"errors x{factor:g} at {base:.1%} stopped in {limit:g} minutes (median, all alpha)",
        f"{times} minutes with {shares} of the traffic{note}",
        max(found) <= limit,
    )


def _good() -> Iterator[tuple[Scene, int]]:
    for rate, minutes in RATES.items():
        for base in BASES:
            for clustered in (False, True):
                yield Scene(rate, base, clustered), minutes


def _false_stops(scene: Scene, minutes: int, rollouts: int) -> list[float]:
    """Share of rollouts that each rule stops; drawn a thousand at a time, for the memory."""
    counts, drawn = np.zeros(4), 0
    rng = np.random.default_rng(0)
    while drawn < rollouts:
        part = min(1000, rollouts - drawn)
        traffic = simulated(scene, part, minutes, rng)
        times = ours(traffic, [ALPHA])[0], z_test(traffic, ALPHA), argo(traffic), flagger(traffic)
        counts += [np.isfinite(time).sum() for time in times]
        drawn += part
    return [float(count) / rollouts for count in counts]


def _detected(scene: Scene, number: int) -> tuple[list[str], float]:
    traffic = simulated(scene, number, DETECTION_MINUTES[scene.factor], np.random.default_rng(2))
    whole, part = ours(traffic, [ALPHA, GUARD_ALPHA])
    tools = argo(traffic), flagger(traffic)
    name = f"{scene.base_ratio:.1%}, x{scene.factor:g}, {scene.share_new:.0%}"
    cells = [name, _spread(whole), _spread(part), f"{least_minutes(scene, GUARD_ALPHA):.1f}"]
    cells += [
        f"{_share(times):.0%}" + (f", {_minutes(_quantile(times, 0.5))}" if _share(times) else "") for times in tools
    ]
    return cells, _quantile(whole, 0.5)


def _patience(number: int) -> str:
    """How long a good version takes to be called so, and how well that was foreseen after five minutes."""
    words = []
    for base in BASES:
        scene = Scene(5.0, base)
        traffic = simulated(scene, max(10, number // 10), PATIENCE_MINUTES, np.random.default_rng(3))
        (taken,) = ours(traffic, [GUARD_ALPHA], MARGIN, fine=True)
        foreseen = []
        for row in range(len(taken)):
            if taken[row] > 5 and np.isfinite(taken[row]):
                more = _more_minutes(traffic, row, 30)
                if more is not None:
                    foreseen.append((5 + more) / taken[row])
        ahead = f"; foreseen after 5 minutes: {np.median(foreseen):.1f} times that" if len(foreseen) >= 5 else ""
        words.append(f"{base:.1%} {_spread(taken)}{ahead}")
    return (
        f"A good version is called better or equal within a margin of {MARGIN:.1%} at alpha {GUARD_ALPHA:.0%}, a quarter of the traffic, "
        f"after minutes: {', '.join(words)}."
    )


def _more_minutes(traffic: Traffic, row: int, blocks: int) -> float | None:
    old = Counts(traffic.bad_old[row, :blocks], traffic.total_old[row, :blocks])
    new = Counts(traffic.bad_new[row, :blocks], traffic.total_new[row, :blocks])
    more = one_sided(Compared.of(old, new, 0.25, sticky=False)(MARGIN)).more_units(GUARD_ALPHA)
    return None if more is None else more / BLOCKS_A_MINUTE


def _share(times: Floats) -> float:
    return float(np.isfinite(times).mean())


def _quantile(times: Floats, share: float) -> float:
    return float(np.quantile(times, share, method="higher"))


def _spread(times: Floats) -> str:
    return f"{_minutes(_quantile(times, 0.5))} ({_minutes(_quantile(times, 0.9))})"


def _minutes(value: float) -> str:
    return f"{value:.1f}" if np.isfinite(value) else "never"


def _words(scene: Scene) -> str:
    return f"{scene.rate:g}/s, {scene.base_ratio:.1%}, {'clustered' if scene.clustered else 'independent'}"
