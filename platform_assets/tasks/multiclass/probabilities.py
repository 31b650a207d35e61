"""Classes of a multi-class label: their indices, and probabilities of classes that a model has not seen.

Belongs here: arithmetic on class indices and on probabilities by class. Does not belong here: the classes' names (`training/predictor`),
learners.
Only numpy is imported: a service needs this module to answer.

A label is the index of its class among the declared ones. A learner is only ever given the classes that its rows have, as 0 to k - 1:
what it has never seen has no probability, whichever learner it is.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Matrix: TypeAlias = NDArray[np.float64]
Vector: TypeAlias = NDArray[np.float64]
Indices: TypeAlias = NDArray[np.int64]


def seen(y: Vector) -> tuple[Indices, Vector]:
    """The indices of the classes that occur, int64 [k] rising, and the labels as 0 to k - 1, float64 [n]."""
    indices, own = np.unique(y, return_inverse=True)
    return indices.astype(np.int64), own.astype(np.float64)


def spread(prediction: Matrix, indices: Indices, classes: int) -> Matrix:
    """Probabilities of the classes that were seen as probabilities of all: 0 for the others.

    Args:
        prediction: float64 [n, k]; of two classes that were seen also [n], the probability of the second.
        indices: int64 [k], the classes that were seen, rising.
        classes: how many there are.

    Returns:
        float64 [n, classes].
    """
    known = np.column_stack([1.0 - prediction, prediction]) if prediction.ndim == 1 else prediction
    if len(indices) == classes:
        return known
    result = np.zeros((len(known), classes))
    result[:, indices] = known
    return result


def one_hot(y: Vector, classes: int) -> Matrix:
    """float64 [n, classes] with 1 in the column of each row's class."""
    return np.asarray(y[:, np.newaxis] == np.arange(classes), dtype=np.float64)


def softmax(scores: Matrix) -> Matrix:
    """Probabilities from scores [n, k], without overflow."""
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True), dtype=np.float64)


def normalised(weights: Matrix) -> Matrix:
    """Rows [n, k] that add up to 1; a row of zeros becomes the same for every class."""
    total = weights.sum(axis=1, keepdims=True)
    even = 1.0 / weights.shape[1]
    return np.asarray(np.divide(weights, total, out=np.full_like(weights, even), where=total > 0.0), dtype=np.float64)


def weight_of_each_class(class_weight: str, y: Vector) -> Vector:
    """How much a row of each class weighs, float64 [k]; `balanced` gives all classes the same sum, and the rows a mean of 1."""
    counts = np.bincount(y.astype(np.int64))
    if class_weight == "none":
        return np.ones(len(counts))
    return len(y) / (len(counts) * np.maximum(counts, 1))
