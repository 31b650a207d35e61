"""What a request's entity is given in a running A/B test, as the service sees it.

Belongs here: holding what the proxy says against the parsed event. Does not belong here: the assignment itself
(`platform_assets/experiments/assignment.py`), or splitting traffic (the proxy's).

The service is the judge: a variant is logged only where the proxy sent the request to the version that the parsed event's entity has. What
the proxy could not read went to control whatever the entity has, and is part of neither side.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from platform_assets.declaration.names import EXPERIMENT_HEADER, VARIANT_HEADER
from platform_assets.experiments.assignment import (
    NO_ENTITY,
    OUTSIDE,
    UNDECIDED,
    Variant,
    assign,
    canonical_text,
    split_from_header,
)

logger = logging.getLogger(__name__)

DISAGREED = "disagreed"
"""The proxy assigned another version than the parsed event's entity has: never seen, and counted if it is."""
OUTCOMES = (*Variant, OUTSIDE, NO_ENTITY, UNDECIDED, DISAGREED)


@dataclass(frozen=True, slots=True)
class Exposure:
    """One request while an A/B test runs.

    Attributes:
        experiment: its name.
        outcome: one of `OUTCOMES`, for the count.
    """

    experiment: str
    outcome: str

    @property
    def variant(self) -> str | None:
        """What the entity was given; None where the request is part of neither side."""
        return self.outcome if self.outcome in (Variant.CONTROL, Variant.TREATMENT) else None


def exposure_of(use_case: str, headers: Mapping[str, str], event: Mapping[str, Any]) -> Exposure | None:
    """What the proxy said of a request, once the event is parsed; None while no test runs."""
    line = headers.get(EXPERIMENT_HEADER)
    split = None if line is None else split_from_header(use_case, line)
    if split is None:
        return None
    text, claimed = canonical_text(event.get(split.column)), headers.get(VARIANT_HEADER)
    own = NO_ENTITY if text is None else assign(split, text) or OUTSIDE
    if claimed == own:
        return Exposure(split.name, own)
    if claimed == UNDECIDED:
        return Exposure(split.name, own if own in (OUTSIDE, NO_ENTITY) else UNDECIDED)
    logger.warning(
        "experiment %s: the proxy assigned %s, the event's %s has %s", split.name, claimed, split.column, own
    )
    return Exposure(split.name, DISAGREED)
