"""One verdict from all guards, and one alpha over them.

Belongs here: sharing alpha, joining findings, and how long until more is known. Does not belong here: a guard's own test.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from platform_assets.experiments.sequential.evidence import Finding, Outcome


@dataclass(frozen=True)
class SequentialVerdict:
    """What all guards say together.

    Attributes:
        outcome: worse if any is, better or equal if all are, otherwise cannot tell.
        findings: of the guards, in their order.
        sentence: the verdict in words, with the guards that decide it.
    """

    outcome: Outcome
    findings: tuple[Finding, ...]
    sentence: str

    def needs(self, requests_per_hour: float) -> str:
        """How much longer it takes: "about N more requests, t more hours", or minutes.

        Args:
            requests_per_hour: that the new version gets today.
        """
        open_guards = [found for found in self.findings if found.outcome is Outcome.CANNOT_TELL]
        if self.outcome is not Outcome.CANNOT_TELL or not open_guards:
            return "nothing more"
        unknown = [found.guard for found in open_guards if found.more_requests is None]
        known = [found.more_requests for found in open_guards if found.more_requests is not None]
        if not known:
            return f"more requests than can be said yet ({', '.join(unknown)})"
        requests = max(known)
        words = f"about {requests:,} more requests"
        if requests_per_hour > 0:
            words += f", {_time(requests / requests_per_hour)}"
        else:
            words += "; none come"
        return f"{words}; more for {', '.join(unknown)}" if unknown else words


def spend(alpha: float, guards: Sequence[str]) -> dict[str, float]:
    """A share of alpha for each guard, so that a version that is as good as the old one is stopped with probability alpha at most by any of
    them (Bonferroni).

    Raises:
        ValueError: alpha is no probability below one half, or a guard is named twice.
    """
    if not 0 < alpha < 0.5:
        raise ValueError(f"alpha {alpha} is not between 0 and 0.5")
    if len(set(guards)) != len(guards):
        raise ValueError(f"guards are named twice: {', '.join(guards)}")
    return {guard: alpha / len(guards) for guard in guards}


def judge(findings: Sequence[Finding]) -> SequentialVerdict:
    """All guards together. No finding at all is nothing known.

    A version is promoted only when every guard says "better or equal", so no alpha is shared for that: each is wrong with its own.
    """
    named = {outcome: [found for found in findings if found.outcome is outcome] for outcome in Outcome}
    worse, waiting = named[Outcome.WORSE], named[Outcome.CANNOT_TELL]
    if worse:
        outcome, shown = Outcome.WORSE, worse
    elif waiting or not findings:
        outcome, shown = Outcome.CANNOT_TELL, waiting
    else:
        outcome, shown = Outcome.BETTER_OR_EQUAL, list(findings)
    words = " ".join(found.sentence for found in shown) or "no guard has any data."
    if outcome is Outcome.BETTER_OR_EQUAL:
        words = f"{', '.join(found.guard for found in shown)} within what is tolerated."
    return SequentialVerdict(outcome, tuple(findings), f"{outcome}: {words}")


def _time(hours: float) -> str:
    """More hours, or minutes where it is less than one."""
    if hours < 1:
        return f"{max(1, round(hours * 60))} more minutes"
    return f"{hours:,.0f} more hours" if hours >= 10 else f"{hours:.2g} more hours"
