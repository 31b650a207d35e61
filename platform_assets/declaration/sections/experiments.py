"""The experiment that is to show what a new version is worth: an A/B test between two versions of the service.

Belongs here: hypothesis, success measure, guardrails, and how sure one wants to be. Does not belong here: sample size and duration, which
follow from the use case's own history (`experiments/design.py`), or running the test.
"""

from typing import Literal

from pydantic import Field

from platform_assets.declaration.base import Declaration, Identifier


class Guardrail(Declaration):
    """What must not become worse while the measure becomes better."""

    name: Identifier = Field(description="What it is called in the report.")
    measure: str = Field(description="Of one event, as the experiment's measure.")
    harm: Literal["increase", "decrease"] = Field(description="Which change of it does harm.")
    margin: float = Field(gt=0, description="How far its mean may move in that direction, in the measure's own units.")


class Experiment(Declaration):
    """An A/B test, as it is planned before anything runs."""

    name: Identifier = Field(
        default="experiment",
        description="Who gets which version follows from it and the value of `assign_by`. A running test keeps it; a changed one is "
        "another test and needs another name, which deals anew.",
    )
    hypothesis: str = Field(min_length=20, description="What is expected to change, for whom, and why.")
    measure: str = Field(
        description="The success measure of one event, in polars' SQL dialect over the event's columns and the label: a number, or a "
        "condition. The test compares its mean between the two versions."
    )
    direction: Literal["increase", "decrease"] = Field(description="Which change of the measure is the success.")
    minimum_effect_ratio: float = Field(
        gt=0, le=10, description="Smallest change that is worth having, as a share of the measure's mean in the past."
    )
    assign_by: Identifier | None = Field(
        default=None,
        description="Column of the event table whose values are assigned as a whole, such as the customer; absent: each event for "
        "itself, which is wrong where events of one customer depend on each other.",
    )
    traffic_ratio: float = Field(default=1.0, gt=0, le=1, description="Share of the traffic that takes part.")
    treatment_ratio: float = Field(
        default=0.5, gt=0, lt=1, description="Share of the participants that get the new version."
    )
    power: float = Field(default=0.8, gt=0.5, lt=1, description="Chance of seeing the minimum effect if it is there.")
    significance: float = Field(
        default=0.05, gt=0, lt=0.5, description="Chance of seeing an effect that is not there; the test is two-sided."
    )
    history_days: int = Field(
        default=56,
        ge=14,
        le=366,
        description="So many of the latest labelled days tell what to expect, and what was known of each entity before the test.",
    )
    guardrails: tuple[Guardrail, ...] = Field(
        default=(), description="What must not become worse; a version that harms one of them does not win."
    )
