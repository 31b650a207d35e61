"""Behaviour tests: what a model must do with inputs that people understand, whatever its metrics are.

Belongs here: the three kinds of test and what they declare. Does not belong here: asking the model (`evaluation/gates/behaviour.py`).
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from platform_assets.declaration.base import Declaration, Identifier

Change = dict[Identifier, str | float]
"""Feature to its new value: a number, or an expression in polars' SQL dialect over the row's features."""


class _OnRealRows(Declaration):
    """What tests that change real rows have in common."""

    name: Identifier = Field(description="Name of the test; its gate is `behaviour_<name>`.")
    description: str = Field(default="", description="Why the model has to behave so.")
    change: Change = Field(
        min_length=1,
        description="Features and what they become: a number, or an expression in polars' SQL dialect over the features, "
        "for example `amount * 2`.",
    )
    where: str | None = Field(
        default=None, description="Which rows are tried: a condition over the features; absent for all."
    )
    max_violating_ratio: float = Field(
        default=0.0, ge=0, lt=1, description="Share of the tried rows that may behave otherwise."
    )
    min_rows: int = Field(default=20, ge=1, description="With fewer rows to try, the test is red.")


class Invariance(_OnRealRows):
    """Changing these features leaves the score as it is, within a bound."""

    kind: Literal["invariance"] = Field(description="Which kind of test.")
    max_change: float = Field(
        ge=0, description="Largest change of a score, up or down; for a multi-class task, of any class's probability."
    )


class Direction(_OnRealRows):
    """Changing these features may move the score one way only."""

    kind: Literal["direction"] = Field(description="Which kind of test.")
    score: Literal["not_lower", "not_higher"] = Field(description="What the score may not become.")
    of_class: str | None = Field(
        default=None, description="For a multi-class task: the class whose probability is the score."
    )
    tolerance: float = Field(default=0.0, ge=0, description="A move the wrong way up to this much is none.")


class MinimumCase(Declaration):
    """A row that everybody would score the same: its score must lie above or below a bound."""

    kind: Literal["minimum_case"] = Field(description="Which kind of test.")
    name: Identifier = Field(description="Name of the test; its gate is `behaviour_<name>`.")
    description: str = Field(default="", description="Why the model has to behave so.")
    given: dict[Identifier, float] = Field(
        min_length=1, description="Features and their values; the others have their median over the real rows."
    )
    at_least: float | None = Field(default=None, description="Smallest score.")
    at_most: float | None = Field(default=None, description="Largest score.")
    of_class: str | None = Field(
        default=None, description="For a multi-class task: the class whose probability is the score."
    )

    @model_validator(mode="after")
    def _has_a_bound(self) -> Self:
        if self.at_least is None and self.at_most is None:
            raise ValueError(f"minimum case {self.name!r} has no bound: declare at_least or at_most")
        return self


BehaviourTest = Annotated[Invariance | Direction | MinimumCase, Field(discriminator="kind")]
