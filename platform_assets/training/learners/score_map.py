"""A map from scores to how often they came true.

Belongs here: learning and applying the isotonic and the sigmoid map. Does not belong here: which scores it is learned from
(`composite.forward_predictions`), models (`calibration`, `class_joins`).
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from platform_assets.training.learners.base import Vector
from platform_assets.training.learners.linear import sigmoid

Method = Literal["isotonic", "sigmoid"]
_LEAST_PROBABILITY = 1e-12


def log_odds(probability: Vector) -> Vector:
    """log(p / (1 - p)), with p kept away from 0 and 1."""
    kept = np.clip(probability, _LEAST_PROBABILITY, 1.0 - _LEAST_PROBABILITY)
    return np.asarray(np.log(kept) - np.log1p(-kept), dtype=np.float64)


def learned_map(score: Vector, y: Vector, method: Method) -> tuple[Vector, Vector]:
    """The map from scores float64 [r] and outcomes 0 or 1 [r].

    Returns:
        For "isotonic" rising scores and their probabilities; for "sigmoid" slope and intercept on the log-odds, and nothing.
    """
    if method == "isotonic":
        from sklearn.isotonic import IsotonicRegression

        fitted = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(score, y)
        return fitted.X_thresholds_.astype(float), fitted.y_thresholds_.astype(float)
    from sklearn.linear_model import LogisticRegression

    line = LogisticRegression(C=1e6, max_iter=1000).fit(log_odds(score).reshape(-1, 1), y)
    return np.array([line.coef_[0, 0], line.intercept_[0]]), np.empty(0)


def mapped(score: Vector, method: Method, x: Vector, y: Vector) -> Vector:
    """Scores float64 [n] through a map that `learned_map` gave."""
    if method == "sigmoid":
        return sigmoid(x[0] * log_odds(score) + x[1])
    return np.asarray(np.interp(score, x, y), dtype=np.float64)
