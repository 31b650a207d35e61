"""The door through which MLflow opens a model folder, without pickle.

Belongs here: only MLflow's loader protocol. Save with
`mlflow.pyfunc.save_model(path, loader_module="platform_assets.training.pyfunc", data_path=folder, pip_requirements=[...])`.
Does not belong here: serving; a service uses `artifact.load`, which is a hundred times faster for one row.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from platform_assets.training.artifact import load
from platform_assets.training.learners.base import Vector
from platform_assets.training.predictor import InputError, Predictor

LOADER_MODULE = __name__


class PyfuncModel:
    """A `Predictor` behind MLflow's `predict(frame)`: columns are taken by name."""

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> Vector:
        """Predict the rows of a pandas frame with the model's features as columns, or of an array in the model's order.

        Raises:
            InputError: a feature is not among the columns.
        """
        if not hasattr(model_input, "columns"):
            return self.predictor.predict(np.asarray(model_input, dtype=np.float64))
        missing = [name for name in self.predictor.features if name not in model_input.columns]
        if missing:
            raise InputError(f"the input lacks the features {missing}; it has {list(model_input.columns)}")
        columns = [np.asarray(model_input[name], dtype=np.float64) for name in self.predictor.features]
        return self.predictor.predict(np.column_stack(columns))


def _load_pyfunc(path: str) -> PyfuncModel:
    """Called by MLflow with the folder that was given as `data_path`, or the one file in it."""
    return PyfuncModel(load(Path(path)))
