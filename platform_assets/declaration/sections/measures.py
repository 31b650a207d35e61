"""Business measures: what a model's answers are worth to those who pay for it.

Belongs here: what is measured of an answered request once its label is known, and what it has to keep. Does not belong here: metrics of
predictions (`tasks/`), an experiment's measure (`experiments.py`).
"""

from typing import Literal

from pydantic import Field

from platform_assets.declaration.base import Declaration, Identifier


class BusinessMeasure(Declaration):
    """A figure of answered requests whose labels are known, as a series with a bound."""

    name: Identifier = Field(description="What it is called in checks, metrics and pages.")
    expression: str = Field(
        description="Its value for one request, in polars' SQL dialect over the columns of the request, `score`, `decision`, features and "
        "the label: a number, or a condition. `CASE WHEN decision = 'refuse' AND outcome = 0 THEN 1 ELSE 0 END` counts false alarms."
    )
    unit: str = Field(min_length=1, description="What it is counted in: EUR, alarms, minutes.")
    per: Literal["day", "request"] = Field(
        default="day", description="`day`: the sum of a day's requests, on average. `request`: the mean over requests."
    )
    direction: Literal["increase", "decrease"] = Field(description="Which change is the good one.")
    bound: float | None = Field(
        default=None,
        description="What it has to keep: the smallest value where an increase is good, else the largest. Absent: only a series.",
    )
