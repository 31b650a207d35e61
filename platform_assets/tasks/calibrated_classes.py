"""Classes that outputs will turn out to be: probabilities calibrated where labels are known, and labels drawn from them.

This is what confidence-based performance estimation (CBPE) rests on: NannyML's documentation, "Estimation of performance of the monitored
model"; Bialek et al., Estimating Model Performance Under Covariate Shift Without Labels (2024). There, the expected cells of the confusion
matrix are added up; here labels are drawn, so that a metric of any form has its expected value and its spread at once. It holds while
P(label | score) is what it was, which is tested once labels come (`monitoring/estimates/belief`).

Classes are calibrated by z_k = a_k ln p_k + b_k and softmax, the diagonal form of Dirichlet calibration (Kull and others, 2019); of two
classes that is the beta calibration of Kull, Silva Filho and Flach (2017). A weak pull to "as promised" (a = 1, b = 0) decides where labels
of a class are few.

Belongs here: calibration of classes, and drawing them. Does not belong here: metrics, intervals (`monitoring/estimates`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from platform_assets.tasks.metric import Counts, Matrix, Vector
from platform_assets.tasks.outcomes import OutcomeModel, Redraw, Residuals

_PULL = 0.25
_LEAST = 1e-6
_MOST_STEPS = 50


@dataclass(frozen=True, eq=False)
class ClassOutcomes:
    """Calibrated probabilities of every class; of a binary task of 0 and 1.

    Attributes:
        coefficients: float64 [k, 2]: slope and offset of each class.
        logs: float64 [n, k], logarithms of the probabilities that it was fitted on.
        observed: float64 [n, k], 1 where the row is of the class.
    """

    coefficients: Matrix
    logs: Matrix
    observed: Matrix

    def probabilities(self, prediction: Vector) -> Matrix:
        """Calibrated probabilities, float64 [n, k], that add up to 1."""
        return _calibrated(self.coefficients, _logs(prediction))

    def draw(self, prediction: Vector, X: Matrix, random: np.random.Generator) -> Vector:
        """Class indices; 0 or 1 of a binary task."""
        reached = np.cumsum(self.probabilities(prediction), axis=1)[:, :-1]
        return np.asarray((random.random((len(reached), 1)) > reached).sum(axis=1), dtype=np.float64)

    def residuals(self, y: Vector, prediction: Vector, X: Matrix) -> Residuals:
        """Whether each row is of each class, less its calibrated probability; of two classes the second says all."""
        first = 1 if prediction.ndim == 1 else 0
        p = self.probabilities(prediction)[:, first:]
        observed = y[:, np.newaxis] == np.arange(first, first + p.shape[1])
        return Residuals(observed - p, p * (1.0 - p), p)

    def uncertainty(self, cluster: Counts) -> Redraw:
        """Coefficients drawn from their cluster-robust covariance (Liang and Zeger, 1986)."""
        p, terms = _calibrated(self.coefficients, self.logs), _terms(self.logs)
        bread = np.linalg.inv(_curvature(p, terms))
        scores = ((p - self.observed)[:, :, np.newaxis] * terms).reshape(len(p), -1)
        sums = np.column_stack([np.bincount(cluster, scores[:, j]) for j in range(scores.shape[1])])
        covariance = bread @ (sums.T @ sums) @ bread
        values, vectors = np.linalg.eigh((covariance + covariance.T) / 2.0)
        root = vectors * np.sqrt(np.maximum(values, 0.0))

        def again(random: np.random.Generator) -> OutcomeModel:
            moved = root @ random.standard_normal(len(root))
            return ClassOutcomes(self.coefficients + moved.reshape(-1, 2), self.logs, self.observed)

        return again


def calibrate_classes(y: Vector, prediction: Vector) -> ClassOutcomes:
    """Fit the calibration of a model's outputs, by Newton's method; a step that makes it worse is halved.

    Args:
        y: float64 [n], 0 or 1, or class indices.
        prediction: float64 [n], or [n, k] the probability of each class.
    """
    logs = _logs(prediction)
    terms, observed = _terms(logs), np.asarray(y[:, np.newaxis] == np.arange(logs.shape[1]), dtype=np.float64)
    coefficients = _as_promised(logs.shape[1])
    loss = _loss(coefficients, logs, observed)
    for _ in range(_MOST_STEPS):
        p = _calibrated(coefficients, logs)
        off = coefficients - _as_promised(len(coefficients))
        gradient = np.einsum("nk,nka->ka", p - observed, terms) + _PULL * off
        step = np.linalg.solve(_curvature(p, terms), gradient.ravel()).reshape(-1, 2)
        size = 1.0
        while (after := _loss(coefficients - size * step, logs, observed)) > loss and size > 1e-4:
            size /= 2.0
        if loss - after < 1e-9 * max(1.0, loss):
            break
        coefficients, loss = coefficients - size * step, after
    return ClassOutcomes(coefficients, logs, observed)


def _loss(coefficients: Matrix, logs: Matrix, observed: Matrix) -> float:
    z = logs * coefficients[:, 0] + coefficients[:, 1]
    pull = _PULL / 2.0 * ((coefficients - _as_promised(len(coefficients))) ** 2).sum()
    return float((np.logaddexp.reduce(z, axis=1) - (z * observed).sum(axis=1)).sum() + pull)


def _curvature(p: Matrix, terms: Matrix) -> Matrix:
    """Second derivatives of the loss, float64 [2 k, 2 k]."""
    classes = p.shape[1]
    weighted = (p[:, :, np.newaxis] * terms).reshape(len(p), -1)
    curvature = -weighted.T @ weighted
    for k in range(classes):
        block = slice(2 * k, 2 * k + 2)
        curvature[block, block] += (p[:, k, np.newaxis] * terms[:, k]).T @ terms[:, k]
    return np.asarray(curvature + _PULL * np.eye(2 * classes), dtype=np.float64)


def _calibrated(coefficients: Matrix, logs: Matrix) -> Matrix:
    z = logs * coefficients[:, 0] + coefficients[:, 1]
    raised = np.exp(z - z.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True), dtype=np.float64)


def _logs(prediction: Vector) -> Matrix:
    p = np.column_stack([1.0 - prediction, prediction]) if prediction.ndim == 1 else prediction
    return np.asarray(np.log(np.clip(p, _LEAST, 1.0)), dtype=np.float64)


def _terms(logs: Matrix) -> Matrix:
    """What slope and offset are multiplied by, float64 [n, k, 2]."""
    return np.stack([logs, np.ones_like(logs)], axis=2)


def _as_promised(classes: int) -> Matrix:
    return np.tile([1.0, 0.0], (classes, 1))
