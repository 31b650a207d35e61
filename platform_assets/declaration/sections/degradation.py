"""Degradation: what becomes of a model's answers while they cannot be trusted.

Belongs here: what a team declares about it. Does not belong here: when a new model is asked for (`serving.py`, `RetrainRule`).
"""

from typing import Literal

from pydantic import Field

from platform_assets.declaration.base import Declaration


class DegradeRule(Declaration):
    """What is done while something lasts, until a person lifts it."""

    when: Literal["quality_lost", "drift", "data_fault", "stale_features"] = Field(
        description="`quality_lost`: the followed metric or the label rate is past its bound. `drift`: a column drifts. `data_fault`: a "
        "column is broken, or lies where no model of this world has seen it. `stale_features`: the online store lacks the newest days."
    )
    days: int = Field(
        default=3,
        ge=1,
        description="So many days one after the other; of `stale_features` at least 2, for the newest day may still be under way.",
    )
    then: Literal["previous_champion", "review", "rule", "refuse"] = Field(
        description="`previous_champion`: the champion before answers again, once for each champion. `review`: each answer's decision is "
        "`review`. `rule`: it is what `rule` says. `refuse`: requests get status 503."
    )
    rule: str = Field(
        default="",
        description="Of `then: rule`: a condition in SQL over features. Where it holds the decision is `serving.decision.above`, and "
        "`below` where it does not or a value lacks.",
    )
    tell: str = Field(min_length=1, description="Who has to know: a person, a team or a channel.")
