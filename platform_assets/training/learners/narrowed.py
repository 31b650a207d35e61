"""A learner that looks at some of the features only.

Belongs here: handing a learner its own columns, when it is fitted and when it predicts. Does not belong here: which columns these are
(`candidates`), missing values and clipping (`predictor`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from platform_assets.training.learners.additive import AdditiveAnswer, additive_answer
from platform_assets.training.learners.base import Days, FittedModel, Learner, LearnerKind, Matrix, Setting, Vector
from platform_assets.training.learners.composite import Composite, Member, load_members, refuse_alone, save_members
from platform_assets.training.learners.registry import learner_kind


@dataclass(frozen=True, eq=False)
class NarrowedModel:
    """A model of some columns.

    Attributes:
        member: the model.
        columns: indices of its inputs among all of them, in its own order.
    """

    member: Member
    columns: tuple[int, ...]

    def predict(self, X: Matrix) -> Vector:
        """What the model predicts from its columns of float64 [n, f]."""
        return self.member.fitted.predict(_own(X, self.columns))

    def additive(self, row: Vector, output: int) -> AdditiveAnswer | None:
        """The model's own, among all inputs."""
        own = additive_answer(self.member.fitted, row[list(self.columns)], output)
        return None if own is None else own.among(self.columns, len(row))

    def save(self, folder: Path) -> tuple[str, ...]:
        """The model's archive and the columns as JSON."""
        return save_members([self.member], folder, {"columns": list(self.columns)})


@dataclass(frozen=True, slots=True)
class Narrowed(Composite):
    """A learner that fits its only member on some columns."""

    columns: tuple[int, ...] = ()

    def fit(self, X: Matrix, y: Vector, seed: int, event_day: Days | None = None) -> FittedModel:
        """As `Learner.fit`, on the learner's own columns."""
        [learner] = self.members
        fitted = learner.fit(_own(X, self.columns), y, seed, event_day)
        return NarrowedModel(Member(learner.name, fitted), self.columns)


def narrowed(learner: Learner, columns: Sequence[int]) -> Narrowed:
    """`learner` with these columns as its inputs, in this order.

    Args:
        learner: whose settings speak of its own columns: the first of `columns` is its column 0.
        columns: indices among all inputs.
    """
    settings = {"columns": tuple(columns), "learner": learner.name, **learner.settings}
    return Narrowed(KIND, learner.objective, MappingProxyType(settings), (learner,), columns=tuple(columns))


def _made_of(members: Sequence[Learner], settings: Mapping[str, Any]) -> Narrowed:
    return narrowed(members[0], settings["columns"])


def load(folder: Path) -> FittedModel:
    """Read back what `NarrowedModel.save` wrote."""
    [member], document = load_members(folder, learner_kind)
    return NarrowedModel(member, tuple(document["columns"]))


def _own(X: Matrix, columns: tuple[int, ...]) -> Matrix:
    return np.ascontiguousarray(X[:, list(columns)])


KIND = LearnerKind(
    name="narrowed",
    description="Another learner on some of the features.",
    settings=MappingProxyType(
        {
            "columns": Setting((0,), "Places of its inputs among all of them.", least=0),
            "learner": Setting("", "Kind of the learner; its settings follow."),
        }
    ),
    fit=refuse_alone("learner 'narrowed' is made from another learner: declare `inputs` on that one"),
    load=load,
    libraries=("numpy",),
    open_settings=True,
    made_of=_made_of,
)
