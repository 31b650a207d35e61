"""When errors are more than an objective lets chance explain: exact for five requests an hour, and for fifty a second.

Belongs here: the rule, its thresholds, and its expression in PromQL. Does not belong here: which metrics are counted or who is told.

A window with `n` requests of which `k` failed is more than chance when the binomial tail P(X >= k | n, error budget) is at most `alpha`
(the test of Clopper and Pearson, Biometrika 26, 1934). PromQL has no binomial, so the largest `n` at which `k` failures still are more than
chance is worked out beforehand, for each `k` up to `EXACT_FAILURES`; beyond them stands Chernoff's bound, exp(-n KL(k/n || budget)), which
is never less than the tail: what it fires on, the exact test would have fired on as well.

A window has to show trouble of a size too (`factor` times the budget): over millions of requests everything is significant.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

EXACT_FAILURES = 30
"""Up to so many failures the exact test decides; beyond them Chernoff's bound."""
LEAST_SHARE = 1e-12
RECOVERY_EVIDENCE = 3.0
"""A shorter window means recovery where so few failures would have a probability of at most exp(-3), 5 %, had the trouble gone on."""


@dataclass(frozen=True)
class BurnWindow:
    """A window that is judged.

    Attributes:
        length: in PromQL's words: `1h`.
        factor: the observed share of failures is at least so many times the budget.
        alpha: largest probability of so many failures under the objective.
        severity: `page` or `ticket`.
        recovery: shorter window that ends the alert once it shows that the trouble is over; none where the window itself is short.
    """

    length: str
    factor: float
    alpha: float
    severity: str
    recovery: str | None = None


WINDOWS = (
    BurnWindow("1m", 5.0, 1e-6, "page"),
    BurnWindow("1h", 6.0, 1e-6, "page", "5m"),
    BurnWindow("6h", 3.0, 1e-6, "page", "30m"),
    BurnWindow("3d", 1.0, 1e-3, "ticket"),
)
"""Windows of every objective. With alpha = 1e-6, fifty requests a second that fail exactly at the budget page about once a year."""


@dataclass(frozen=True)
class BurnRule:
    """One window of one objective.

    Attributes:
        budget: share of requests that may fail: 0.001 for an objective of 0.999.
        window: what is judged.
    """

    budget: float
    window: BurnWindow

    @cached_property
    def largest_counts(self) -> tuple[int, ...]:
        """For k = 1 .. `EXACT_FAILURES`: the largest number of requests among which k failures are more than chance; 0 for none."""
        found: list[int] = []
        for failures in range(1, EXACT_FAILURES + 1):
            found.append(largest_count(failures, self.budget, self.window.alpha, at_least=found[-1] if found else 0))
        return tuple(found)

    def smallest_failures(self, requests: int) -> int:
        """The fewest failures that are more than chance, as the expression works it out; one more than exact where there is none."""
        return 1 + sum(requests > largest for largest in self.largest_counts)

    def fires(self, failures: int, requests: int) -> bool:
        """Whether the window shows trouble: what the expression says, for simulations and tests."""
        if requests == 0 or failures < self.window.factor * self.budget * requests:
            return False
        if failures <= EXACT_FAILURES:
            return failures >= self.smallest_failures(requests)
        return chernoff_exponent(failures, requests, self.budget) > -math.log(self.window.alpha)

    def recovered(self, failures: int, requests: int, recent_failures: int, recent_requests: int) -> bool:
        """Whether a shorter window shows that the trouble of the whole one is over: silence alone does not."""
        earlier_failures, earlier_requests = failures - recent_failures, requests - recent_requests
        if self.window.recovery is None or not recent_requests or earlier_failures <= 0:
            return False
        if recent_failures >= self.window.factor * self.budget * recent_requests:
            return False
        return (
            chernoff_exponent(recent_failures, recent_requests, earlier_failures / earlier_requests) > RECOVERY_EVIDENCE
        )

    @cached_property
    def sufficient_failures(self) -> int:
        """So many failures, at `factor` times the budget or more, are more than chance at any number of requests.

        For stacks that cannot compare with a threshold for each count: what this fires on, the exact test fires on.
        """
        failures = 1
        while _tail(failures, int(failures / (self.window.factor * self.budget)), self.budget) > self.window.alpha:
            failures += 1
            if failures > 10_000:
                raise ValueError(f"at {self.window.factor} times the budget no number of failures is more than chance")
        return failures

    def expression(self, failed: str, counted: str, recovered: str = "") -> str:
        """The rule in PromQL; its value is the number of failures.

        Args:
            failed: series with the failures in the window.
            counted: series with all requests in the window.
            recovered: series that is there once the trouble is over, where the window has a shorter one.
        """
        steps = "".join(f" + ({counted} > bool {largest})" for largest in self.largest_counts)
        distance = _distance(f"({failed} / {counted})", f"{self.budget!r}", f"{1 - self.budget!r}")
        text = (
            f"(\n  ({failed} <= {EXACT_FAILURES} and {failed} >= (1{steps}))\n"
            f"  or\n  ({failed} > {EXACT_FAILURES} and {counted} * ({distance}) > {-math.log(self.window.alpha):.6g})\n)\n"
            f"and {failed} >= {self.window.factor * self.budget:.12g} * {counted}"
        )
        return f"(\n{text}\n)\nunless {recovered}" if recovered else text

    def recovery_expression(
        self, record: str, whole: tuple[str, str], recent: tuple[str, str], failed_last_minute: str
    ) -> str:
        """What `record` is recorded by: there from the moment that shows recovery until something fails again.

        The memory is for few requests: one answer after an hour of failures shows recovery, and the silence after it shows no trouble.

        Args:
            record: the series itself.
            whole: failures and all requests in the window.
            recent: failures and all requests in the shorter one.
            failed_last_minute: failures in the last minute.
        """
        failed, counted = recent
        expected = f"(({whole[0]} - {failed}) / ({whole[1]} - {counted}))"  # before
        distance = _distance(f"({failed} / {counted})", expected, f"clamp_min(1 - {expected}, {LEAST_SHARE!r})")
        few = f"{failed} < {self.window.factor * self.budget:.12g} * {counted}"
        shown = f"(({few}) and {counted} * ({distance}) > {RECOVERY_EVIDENCE:g}) * 0 + 1"
        return f"({shown})\nor ({record} unless {failed_last_minute} > 0)"


def _distance(share: str, expected: str, rest: str) -> str:
    """KL(share || expected) of two shares, in PromQL; `rest` is what the expected one lacks of 1."""
    least = repr(LEAST_SHARE)
    return (
        f"{share} * ln(clamp_min({share}, {least}) / {expected}) + "
        f"(1 - {share}) * ln(clamp_min(1 - {share}, {least}) / {rest})"
    )


def largest_count(failures: int, budget: float, alpha: float, at_least: int = 0) -> int:
    """The largest number of requests among which so many failures have at most the probability `alpha`.

    Args:
        failures: number of them.
        budget: probability of each under the objective.
        alpha: the bound.
        at_least: a number that is known not to be larger.
    """
    low = max(failures, at_least)  # fewer requests than failures cannot be
    if _tail(failures, low, budget) > alpha:
        return at_least
    step = 1
    while _tail(failures, low + step, budget) <= alpha:
        low, step = low + step, step * 2
    high = low + step
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _tail(failures, middle, budget) <= alpha else (low, middle)
    return low


def chernoff_exponent(failures: int, requests: int, expected: float) -> float:
    """n KL(k/n || expected): minus the logarithm of Chernoff's bound on the tail (Annals of Mathematical Statistics 23, 1952)."""
    share = failures / requests
    rest = math.log(max(1 - share, LEAST_SHARE) / max(1 - expected, LEAST_SHARE))
    return requests * (share * math.log(max(share, LEAST_SHARE) / expected) + (1 - share) * rest)


def _tail(failures: int, requests: int, budget: float) -> float:
    from scipy.stats import binom

    return float(binom.sf(failures - 1, requests, budget))
