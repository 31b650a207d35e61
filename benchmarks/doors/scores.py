"""Scores as every door gives them.

Belongs here: their type, and reading one out of an answer. Does not belong here: any door (`asking.py`, `batch_and_stream.py`).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

Scores = np.ndarray[Any, np.dtype[np.float64]]


def score_of(answer: Mapping[str, Any]) -> float:
    """The score of an answer, whatever the task calls it."""
    if "probabilities" in answer:
        return float(max(answer["probabilities"].values()))
    return float(answer["probability"] if "probability" in answer else answer["value"])
