"""The other guards, by the functions that a rollout calls: latency, answers, features, and all of them together.

Belongs here: simulated answers of two versions, and the section of the report. Does not belong here: errors (`topic.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks.common.report import Bar, Topic
from benchmarks.verdicts.traffic import BLOCKS_A_MINUTE, Floats, Ints
from platform_assets.experiments.sequential.errors import error_ratio
from platform_assets.experiments.sequential.evidence import Counts, Finding, Outcome
from platform_assets.experiments.sequential.features import changed_features, shifted_features
from platform_assets.experiments.sequential.latency import latency_quantile
from platform_assets.experiments.sequential.shifts import mean_shift
from platform_assets.experiments.sequential.verdict import judge, spend

Log = Callable[[str], None]
ALPHA = 0.05
GUARDS = ("errors", "latency", "score", "decision", "features")
ROLLOUTS, MINUTES = 100, 30
LOOKS = (2, 5, 10)
"""Minutes at which all guards together are asked."""
NEW_A_BLOCK, OLD_A_BLOCK = 50, 150
"""Requests in 10 s: 5 a second for the new version, a quarter of the traffic."""
FEATURES, WRONG_FEATURE, WRONG_RATIO = 10, 3, 0.1
SHADOWED, SHADOW_STEP, CUSTOMER_REQUESTS = 1000, 25, 3
EXCUSED_RATIO = 0.002
"""Of a shadow's pairs: features that differ for a good reason (an event in between)."""


@dataclass(frozen=True)
class Answers:
    """Answers of one version: unit, latency, score and features of each request."""

    unit: Ints
    milliseconds: Floats
    score: Floats
    features: Floats
    failed: Ints

    def until(self, block: int) -> Answers:
        """Those of the first blocks."""
        kept = self.unit < block
        return Answers(
            self.unit[kept], self.milliseconds[kept], self.score[kept], self.features[kept], self.failed[kept]
        )


def answers(
    rng: np.random.Generator, blocks: int, a_block: int, *, slower: float = 1.0, wrong: bool = False
) -> Answers:
    """Requests at a Poisson rate; latency is log-normal, the score depends on the features, one in 200 requests fails.

    Args:
        rng: source of chance.
        blocks: of 10 s.
        a_block: requests in each, on average.
        slower: factor on the latency.
        wrong: whether one feature is 0 for a tenth of the requests.
    """
    unit = np.repeat(np.arange(blocks), rng.poisson(a_block, blocks))
    features = rng.lognormal(size=(len(unit), FEATURES))
    if wrong:
        features[rng.random(len(unit)) < WRONG_RATIO, WRONG_FEATURE] = 0.0
    score = 1 / (1 + np.exp(3 - 0.5 * np.log1p(features).sum(axis=1) / 2 - rng.normal(0, 0.5, len(unit))))
    failed = (rng.random(len(unit)) < 0.005).astype(np.int64)
    return Answers(unit, rng.lognormal(2, 0.4, len(unit)) * slower, score, features, failed)


def all_guards(old: Answers, new: Answers, alpha: float, margins: tuple[float, float, float, float]) -> list[Finding]:
    """What each guard says."""
    alphas, blocks = spend(alpha, GUARDS), int(max(old.unit.max(), new.unit.max())) + 1

    def counts(of: Answers) -> Counts:
        bad, total = np.bincount(of.unit, of.failed, blocks), np.bincount(of.unit, minlength=blocks)
        return Counts(bad.astype(np.int64), total.astype(np.int64))

    errors, latency, score, decision = margins
    units = old.unit, new.unit
    return [
        error_ratio(counts(old), counts(new), share_new=0.25, margin=errors, alpha=alphas["errors"]),
        latency_quantile(
            old.milliseconds, units[0], new.milliseconds, units[1], margin_ratio=latency, alpha=alphas["latency"]
        ),
        mean_shift("score", old.score, units[0], new.score, units[1], margin=score, alpha=alphas["score"]),
        mean_shift(
            "decision",
            (old.score > 0.5) * 1.0,
            units[0],
            (new.score > 0.5) * 1.0,
            units[1],
            margin=decision,
            alpha=alphas["decision"],
        ),
        *shifted_features(_names(), old.features, units[0], new.features, units[1], alpha=alphas["features"]),
    ]


def measure_guards(log: Log, rollouts: int = ROLLOUTS) -> Topic:
    """How soon each guard finds what it is for, and how often all of them together stop a good version."""
    rows = []
    log("all guards, good versions")
    stopped, fine = _good_versions(rollouts)
    rows.append(["good version, all five guards, margins of nothing", f"stopped: {stopped:.1%} of {rollouts}", ""])
    rows.append(
        ["good version, all five guards, declared margins", f"better or equal in {MINUTES} minutes: {fine:.0%}", ""]
    )
    slow = {}
    for slower, margin in ((1.2, 0.0), (1.2, 0.1), (1.5, 0.2)):
        log(f"p99 x{slower}, margin {margin}")
        slow[slower, margin] = _times(rollouts, lambda old, new, m=margin: _slow(old, new, m), slower=slower)
        rows.append([f"p99 {slower - 1:+.0%}, margin {margin:.0%}", *_spread(slow[slower, margin], "minutes")])
    log("a changed feature, canary")
    changed = _times(max(1, rollouts // 2), _changed, wrong=True)
    rows.append(["one of ten features 0 for a tenth of the requests, canary", *_spread(changed, "minutes")])
    log("a changed feature, shadow")
    named, misnamed = _shadows(rollouts * 4)
    rows.append(["the same, shadow", *_spread(named, "requests")])
    rows.append(["good version, shadow", f"a feature named: {misnamed:.1%} of {rollouts * 4}", ""])
    return Topic(
        "Other guards",
        "By the functions that a rollout calls, looked at each half minute (features each minute, a shadow each "
        f"{SHADOW_STEP} requests). 5 canary requests/s, a quarter of the traffic, Poisson arrivals, log-normal latency, ten log-normal "
        f"features. Alpha {ALPHA:.0%} over five guards; each has a fifth, which its ten features share. A shadow's customers have "
        f"{CUSTOMER_REQUESTS} requests each, and {EXCUSED_RATIO:.1%} of its features differ for a good reason. A feature that customers "
        "exchange keeps its distribution: only a shadow sees it.",
        ("what", "median", "90 %"),
        rows,
        [
            Bar(f"all guards together stop at most {ALPHA:.0%} of good versions", f"{stopped:.1%}", stopped <= ALPHA),
            Bar("p99 +20 % is found", _spread(slow[1.2, 0.0], "minutes")[0], bool(np.isfinite(slow[1.2, 0.0]).all())),
            Bar(
                "a changed feature is found in a canary",
                _spread(changed, "minutes")[0],
                bool(np.isfinite(changed).all()),
            ),
            Bar(
                f"a wrong feature is named within {SHADOWED:,} requests of a shadow",
                f"{np.isfinite(named).mean():.1%} of {len(named)}; median {_spread(named, 'requests')[0]}",
                bool(np.isfinite(named).all()),
            ),
            Bar(
                f"a shadow of a good version names a feature in at most {ALPHA:.0%}",
                f"{misnamed:.1%}",
                misnamed <= ALPHA,
            ),
        ],
    )


def _good_versions(rollouts: int) -> tuple[float, float]:
    """Share stopped with margins of nothing, and share found fine at the end with the declared ones."""
    stopped, fine, asked = 0, 0, max(1, rollouts // 4)
    for seed in range(rollouts):
        rng = np.random.default_rng([10, seed])
        blocks = MINUTES * BLOCKS_A_MINUTE
        old, new = answers(rng, blocks, OLD_A_BLOCK), answers(rng, blocks, NEW_A_BLOCK)
        for minute in LOOKS:
            block = minute * BLOCKS_A_MINUTE
            findings = all_guards(old.until(block), new.until(block), ALPHA, (0.0, 0.0, 0.0, 0.0))
            if judge(findings).outcome is Outcome.WORSE:
                stopped += 1
                break
        if seed < asked:
            # Features have a margin of their own; it takes longer than the four that are declared.
            findings = all_guards(old, new, ALPHA, (0.005, 0.2, 0.05, 0.02))[: len(GUARDS) - 1]
            fine += judge(findings).outcome is Outcome.BETTER_OR_EQUAL
    return stopped / rollouts, fine / asked


def _slow(old: Answers, new: Answers, margin: float) -> bool:
    found = latency_quantile(
        old.milliseconds, old.unit, new.milliseconds, new.unit, margin_ratio=margin, alpha=ALPHA / len(GUARDS)
    )
    return found.outcome is Outcome.WORSE


def _changed(old: Answers, new: Answers) -> bool:
    findings = shifted_features(_names(), old.features, old.unit, new.features, new.unit, alpha=ALPHA / len(GUARDS))
    worse = [found.guard for found in findings if found.outcome is Outcome.WORSE]
    return worse == [f"feature {_names()[WRONG_FEATURE]}"]


def _times(
    rollouts: int, is_found: Callable[[Answers, Answers], bool], *, slower: float = 1.0, wrong: bool = False
) -> Floats:
    """Minutes until it is found, in each rollout."""
    times = np.full(rollouts, np.inf)
    step = BLOCKS_A_MINUTE // (1 if wrong else 2)
    for seed in range(rollouts):
        rng = np.random.default_rng([20, seed])
        blocks = MINUTES * BLOCKS_A_MINUTE
        old = answers(rng, blocks, OLD_A_BLOCK)
        new = answers(rng, blocks, NEW_A_BLOCK, slower=slower, wrong=wrong)
        for block in range(step, blocks + 1, step):
            if is_found(old.until(block), new.until(block)):
                times[seed] = block / BLOCKS_A_MINUTE
                break
    return times


def _shadows(rollouts: int) -> tuple[Floats, float]:
    """Requests until only the wrong feature is named, and how often one is named where none is wrong."""
    times, misnamed = np.full(rollouts, np.inf), 0
    wrong_name = f"feature {_names()[WRONG_FEATURE]}"
    for seed in range(rollouts):
        rng = np.random.default_rng([30, seed])
        old = rng.lognormal(size=(SHADOWED, FEATURES))
        excused = rng.random(old.shape) < EXCUSED_RATIO
        good = np.where(excused, old + 1, old)
        wrong = good.copy()
        wrong[rng.random(SHADOWED) < WRONG_RATIO, WRONG_FEATURE] = 0.0
        unit = rng.integers(0, SHADOWED // CUSTOMER_REQUESTS, SHADOWED)
        for last in range(SHADOW_STEP, SHADOWED + 1, SHADOW_STEP):
            if _named(old, wrong, unit, last) == [wrong_name]:
                times[seed] = last
                break
        misnamed += any(_named(old, good, unit, last) for last in range(SHADOW_STEP, SHADOWED + 1, 4 * SHADOW_STEP))
    return times, misnamed / rollouts


def _named(old: Floats, new: Floats, unit: Ints, last: int) -> list[str]:
    findings = changed_features(_names(), old[:last], new[:last], unit[:last], alpha=ALPHA / len(GUARDS))
    return [found.guard for found in findings if found.outcome is Outcome.WORSE]


def _names() -> list[str]:
    return [f"feature_{number}" for number in range(FEATURES)]


def _spread(times: Floats, unit: str) -> tuple[str, str]:
    median, most = (float(np.quantile(times, share, method="higher")) for share in (0.5, 0.9))
    form = "{:.1f}" if unit == "minutes" else "{:.0f}"
    return tuple(f"{form.format(value)} {unit}" if np.isfinite(value) else "never" for value in (median, most))
