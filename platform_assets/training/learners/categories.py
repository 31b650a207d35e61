"""Inputs that are codes, not amounts: one column for each known value, or its index for an embedding.

Belongs here: learning which values there are from the training rows, and telling them apart later; a value that was never seen in
training has no column and index 0. Does not belong here: what a learner makes of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from platform_assets.training.learners.base import Matrix, TrainingError, Vector

MOST_VALUES = 1000
"""Values of a category that are told apart: the most frequent ones; the others are like one never seen."""


@dataclass(frozen=True, eq=False)
class Categories:
    """The inputs that are codes, and the values of each that are known, in order.

    Attributes:
        columns: indices among the inputs.
        values: for each of them float64 [k], rising.
    """

    columns: tuple[int, ...]
    values: tuple[Vector, ...]

    def codes(self, X: Matrix) -> NDArray[np.int64]:
        """int64 [n, c]: for each code 1 to k, or 0 for a value that is not known."""
        codes = np.zeros((len(X), len(self.columns)), dtype=np.int64)
        for number, (column, values) in enumerate(zip(self.columns, self.values, strict=True)):
            position = np.minimum(np.searchsorted(values, X[:, column]), len(values) - 1)
            codes[:, number] = np.where(values[position] == X[:, column], position + 1, 0)
        return codes

    def amounts(self, X: Matrix) -> Matrix:
        """The other inputs, in their order."""
        return np.delete(X, self.columns, axis=1) if self.columns else X

    def spread(self, X: Matrix) -> Matrix:
        """The other inputs, then a column of 0 and 1 for each known value of each code; `X` itself without codes."""
        if not self.columns:
            return X
        codes = self.codes(X)
        known = [
            (codes[:, [number]] == np.arange(1, len(values) + 1)).astype(np.float64)
            for number, values in enumerate(self.values)
        ]
        return np.ascontiguousarray(np.column_stack([self.amounts(X), *known]))

    def inputs_of(self, width: int) -> NDArray[np.int64]:
        """For each column of `spread` the input that it comes from, of so many inputs."""
        amounts = np.delete(np.arange(width), list(self.columns))
        return np.concatenate(
            [amounts, np.repeat(np.array(self.columns, dtype=np.int64), [len(one) for one in self.values])]
        )

    def document(self) -> dict[str, Any]:
        """What JSON can hold, with all digits."""
        return {"columns": list(self.columns), "values": [values.tolist() for values in self.values]}


NO_CATEGORIES = Categories((), ())
"""All inputs are amounts."""


def fit_categories(X: Matrix, columns: tuple[int, ...]) -> Categories:
    """The values of the codes in the training rows; the `MOST_VALUES` most frequent of each.

    Raises:
        TrainingError: an index lies beyond the inputs.
    """
    wrong = [column for column in columns if not 0 <= column < X.shape[1]]
    if wrong:
        raise TrainingError(f"category in column {wrong[0]} of {X.shape[1]} inputs; the first one is 0")
    return Categories(tuple(columns), tuple(_frequent(X[:, column]) for column in columns))


def _frequent(column: Vector) -> Vector:
    values, counts = np.unique(column, return_counts=True)
    kept = np.sort(np.argsort(-counts, kind="stable")[:MOST_VALUES])
    return np.asarray(values[kept], dtype=np.float64)


def read_categories(document: Mapping[str, Any]) -> Categories:
    """Read back what `Categories.document` gave."""
    values = tuple(np.array(values, dtype=np.float64) for values in document["values"])
    return Categories(tuple(document["columns"]), values)
