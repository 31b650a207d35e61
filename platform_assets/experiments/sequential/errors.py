"""Does the new version fail more often?

Belongs here: the guard on the ratio of errors. Does not belong here: what counts as an error (`pipelines/`), single bets (`bets.py`).
"""

from __future__ import annotations

from platform_assets.experiments.sequential.comparing import Compared, interval, one_sided
from platform_assets.experiments.sequential.evidence import Counts, Finding, finding

GUARD = "error_ratio"


def error_ratio(
    old: Counts, new: Counts, *, share_new: float, margin: float, alpha: float, sticky: bool = False
) -> Finding:
    """Whether errors of the new version exceed those of the old one by more than the margin; may be asked at any time, any number of times.

    In blocks of time the arms are compared within each block after the larger one was thinned to the size of the smaller one: neither a
    drift of the base rate, nor changing weights, nor errors that come in clusters within a block raise the probability of a false stop.
    With entities each counts once. See `bets.py` for methods and sources.

    Args:
        old: errors and requests by unit. Units are closed blocks of time (longer than a process's bad moment lasts, 10 s) where requests
            go to an arm by lot or to both; with `sticky` they are entities.
        new: the same units of the new arm; a unit that an arm did not see has a total of 0.
        share_new: probability of the lot for 'new'; used with `sticky` only.
        margin: tolerated difference of the two ratios, absolute.
        alpha: of a wrong "worse", over all looks.
        sticky: whether units are entities that stay in their arm.

    Raises:
        EvidenceError: the arms do not number the same units, or the share is no probability.
    """
    compared = Compared.of(old, new, share_new, sticky=sticky)
    estimate = compared.estimate
    bounds = (None, None) if estimate is None else interval(compared, estimate, alpha, -1.0, 1.0)
    return finding(
        GUARD,
        one_sided(compared(margin)),
        (estimate, *bounds),
        margin=margin,
        alpha=alpha,
        units=compared.units,
        requests_per_unit=compared.requests_per_unit,
    )
