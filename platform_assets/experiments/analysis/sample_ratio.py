"""Whether as many entities came to each version as were dealt to it: where not, something loses or doubles them, and no effect can be read.

Belongs here: the test of the sample ratio. Does not belong here: what follows from it (`verdict.py`).

The test may be read after every entity: a Dirichlet-multinomial mixture, here with two versions (Lindon, Malek: Anytime-Valid Inference for
Multinomial Count Data, 2022). The e-value's largest value so far counts, so that a mismatch once found stays found.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

ALPHA = 0.001
"""Chance of a mismatch found where there is none, over all looks: it stops a test for good, so that it is rarer than a wrong verdict."""
CONCENTRATION = 200.0
"""The mixture expects shares some per cent off: that is what lost redirects and broken clients do."""


@dataclass(frozen=True)
class SampleRatio:
    """Entities by version.

    Attributes:
        control: entities that were given the old version.
        treatment: the new one.
        planned_ratio: of treatment among both.
        p_value: valid at any time, over all looks.
        mismatch: whether the counts contradict the plan.
        found_at: after so many entities it was found; None where it was not.
    """

    control: int
    treatment: int
    planned_ratio: float
    p_value: float
    mismatch: bool
    found_at: int | None

    @property
    def observed_ratio(self) -> float | None:
        """Of treatment among both; None without entities."""
        both = self.control + self.treatment
        return self.treatment / both if both else None

    def sentence(self) -> str:
        """In words."""
        share = "none" if self.observed_ratio is None else f"{self.observed_ratio:.2%}"
        words = (
            f"{self.treatment:,} of {self.control + self.treatment:,} entities had the new version: {share}, planned "
            f"{self.planned_ratio:.2%} (p = {self.p_value:.2g}, at any time)"
        )
        if self.found_at is None:
            return f"{words}."
        return (
            f"{words}. Sample ratio mismatch, found after {self.found_at:,} entities: something loses or doubles entities of one version. "
            "Look at which requests are refused, retried or answered by neither; no effect can be read from this test."
        )


def sample_ratio(treated: npt.NDArray[np.bool_], planned_ratio: float, alpha: float = ALPHA) -> SampleRatio:
    """Test the ratio of entities in the order in which they came.

    Args:
        treated: bool [entities], in order of their first request.
        planned_ratio: probability of treatment, between 0 and 1.
        alpha: of a mismatch found where there is none.
    """
    logs = _log_e(treated, planned_ratio)
    largest = float(logs.max(initial=0.0))
    past = np.flatnonzero(logs >= math.log(1 / alpha))
    return SampleRatio(
        control=int((~treated).sum()),
        treatment=int(treated.sum()),
        planned_ratio=planned_ratio,
        p_value=math.exp(-largest),
        mismatch=len(past) > 0,
        found_at=int(past[0]) + 1 if len(past) else None,
    )


def _log_e(treated: npt.NDArray[np.bool_], ratio: float) -> npt.NDArray[np.float64]:
    """Logarithm of the e-value after each entity."""
    from scipy.special import betaln

    new = np.cumsum(treated).astype(np.float64)
    old = np.arange(1, len(treated) + 1) - new
    first, second = CONCENTRATION * ratio, CONCENTRATION * (1 - ratio)
    mixture = betaln(first + new, second + old) - betaln(first, second)
    log_e: npt.NDArray[np.float64] = mixture - new * math.log(ratio) - old * math.log1p(-ratio)
    return log_e
