"""A model's answer to one row as a sum over its inputs.

Belongs here: that sum, and how sums of several models become one. Does not belong here: how a kind of model comes to it (`tree_shapley.py`,
`linear.py`), models that have no such sum (`training/attribution.py`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np

from platform_assets.training.learners.base import Vector

OUTPUT = "output"
"""The space of sums that are the model's output themselves."""


@dataclass(frozen=True, eq=False)
class AdditiveAnswer:
    """One output of a model for one row: `base`, what each input adds, and rounding.

    Attributes:
        method: how the contributions were found, with its source.
        exact: whether they are what the method defines, to rounding in double precision; a sample is not.
        space: what the sum is: `output`, or `log-odds` and the like.
        base: the sum without any input.
        contributions: float64 [f], by input.
        rounding: what the model's own arithmetic adds: single precision, for some.
        total: the sum as the model computes it.
        onward: how the output comes from the sum, in words; empty where the sum is the output.
    """

    method: str
    exact: bool
    space: str
    base: float
    contributions: Vector
    rounding: float
    total: float
    onward: str = ""

    @property
    def gap(self) -> float:
        """How far the parts miss the total."""
        return abs(math.fsum([self.base, *self.contributions.tolist(), self.rounding, -self.total]))

    def among(self, columns: Sequence[int], width: int) -> AdditiveAnswer:
        """The same among all inputs, of a model that has some columns of them only."""
        spread = np.zeros(width)
        np.add.at(spread, list(columns), self.contributions)
        return replace(self, contributions=spread)

    def then(self, onward: str) -> AdditiveAnswer:
        """The same sum of a model whose output is mapped on."""
        inside = f"{self.onward}, then " if self.onward else ""
        return replace(
            self, space="member's output" if self.space == OUTPUT else self.space, onward=f"{inside}{onward}"
        )


@runtime_checkable
class Additive(Protocol):
    """A fitted model whose answer is a sum over its inputs."""

    def additive(self, row: Vector, output: int) -> AdditiveAnswer | None:
        """The sum for a row float64 [f] without missing values; None where this model has none.

        Args:
            row: the model's inputs.
            output: which output, of a model of several classes; 0 else.
        """
        ...


def additive_answer(fitted: object, row: Vector, output: int) -> AdditiveAnswer | None:
    """The sum of a fitted model for a row; None where it has none."""
    return fitted.additive(row, output) if isinstance(fitted, Additive) else None


def weighted(parts: Sequence[AdditiveAnswer | None], weights: Vector, intercept: float) -> AdditiveAnswer | None:
    """The weighted sum of models whose sums are their outputs; None where one of them has none."""
    known = [part for part in parts if part is not None and part.space == OUTPUT]
    if len(known) < len(parts):
        return None
    total, contributions = intercept, np.zeros_like(known[0].contributions)
    for weight, part in zip(weights.tolist(), known, strict=True):
        total += weight * part.total
        contributions = contributions + weight * part.contributions
    return AdditiveAnswer(
        method="; ".join(dict.fromkeys(part.method for part in known)) + "; members weighted",
        exact=all(part.exact for part in known),
        space=OUTPUT,
        base=intercept + math.fsum(weight * part.base for weight, part in zip(weights.tolist(), known, strict=True)),
        contributions=contributions,
        rounding=math.fsum(weight * part.rounding for weight, part in zip(weights.tolist(), known, strict=True)),
        total=total,
    )
