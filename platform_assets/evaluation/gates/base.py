"""A gate, and what it may look at.

Belongs here: the form that every gate has. Does not belong here: the gates themselves, or which there are (`declaration/gate_kinds.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
import polars as pl

from platform_assets.declaration.sections.gates import Gates
from platform_assets.evaluation.judged_model import JudgedModel, SameRows
from platform_assets.evaluation.recipe import with_features
from platform_assets.tasks.base import Task
from platform_assets.tasks.gate_result import GateResult
from platform_assets.tasks.metric import Vector
from platform_assets.tasks.registry import task_of


@dataclass(frozen=True, eq=False)
class GateInputs:
    """What a gate may look at.

    Attributes:
        model: the model with its rows.
        same_rows: the model and the champion on the same rows.
        has_champion: whether there is a champion to be no worse than.
    """

    model: JudgedModel
    same_rows: SameRows
    has_champion: bool

    @property
    def gates(self) -> Gates:
        """The declared bounds."""
        return self.model.use_case.gates

    @property
    def task(self) -> Task:
        """What depends on the kind of task."""
        return task_of(self.model.use_case)

    @property
    def select_by(self) -> str:
        """The metric that picked the winner."""
        return self.model.use_case.training.select_by

    @cached_property
    def feature_rows(self) -> pl.DataFrame:
        """The features of the judged rows; what is missing is null."""
        rows = with_features(self.model.judged, self.model.predictor.features)
        columns = {name: rows.X[:, column] for column, name in enumerate(rows.features)}
        return pl.DataFrame(columns).fill_nan(None)

    def predict(self, frame: pl.DataFrame) -> Vector:
        """The model's outputs for rows with these features."""
        predictor = self.model.predictor
        values = frame.select(pl.col(name).cast(pl.Float64).fill_null(np.nan) for name in predictor.features)
        return predictor.predict(np.ascontiguousarray(values.to_numpy()))


Judgement: TypeAlias = Callable[[GateInputs, str], GateResult]
"""A gate: the result under one of the names that the declaration gives it; whatever it raises of `judging.COULD_NOT_RUN` is red."""
