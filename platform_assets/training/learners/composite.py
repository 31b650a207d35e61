"""Learners made of other learners, and how their models lie in one folder.

Belongs here: the learner with members, predictions for rows that a member has not seen, and packing. Does not belong here: what is
made of the members' predictions (`calibration`, `ensemble`).
"""

from __future__ import annotations

import itertools
import json
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from platform_assets.tasks.multiclass.probabilities import seen, spread
from platform_assets.training.learners.base import (
    Days,
    FitFunction,
    FittedModel,
    Learner,
    LearnerKind,
    LearnerSettingsError,
    Matrix,
    Objective,
    TrainingError,
    Vector,
    check_rows,
    objective_of,
    resolve_settings,
)

MEMBERS = "members.json"
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Member:
    """A fitted member with the name of its kind."""

    kind: str
    fitted: FittedModel


class Join(Protocol):
    """Make one model of fitted members, from what they predicted for rows that they had not seen."""

    def __call__(
        self, members: Sequence[Member], unseen: Matrix, y: Vector, objective: str, settings: Mapping[str, Any]
    ) -> FittedModel:
        """The model: `unseen` is float64 [r, m], a column for each member; y float64 [r].

        Of more than two classes `unseen` is float64 [r, m, k].
        """
        ...


@dataclass(frozen=True, slots=True)
class Composite(Learner):
    """A learner that fits its members and joins them.

    Attributes:
        members: what is joined.
        join: how.
        blocks: into how many periods the training rows fall: members learn from the first and predict the next, then from the
            first two, and so on; 1 for a join that needs no such predictions.
    """

    members: tuple[Learner, ...] = ()
    join: Join | None = None
    blocks: int = 3

    def fit(self, X: Matrix, y: Vector, seed: int, event_day: Days | None = None) -> FittedModel:
        """As `Learner.fit`: members on all rows, the join on rows that members of earlier rows predicted."""
        check_rows(self.name, X, y, self.objective)
        assert self.join is not None, "made by `calibrated`, `blend` or `stack`"
        rows, unseen = (np.empty(0, dtype=np.int64), np.empty((0, len(self.members))))
        if self.blocks > 1:
            rows, unseen = forward_predictions(self.members, X, y, seed, event_day, self.blocks, self.objective)
        fitted = [Member(member.name, member.fit(X, y, seed, event_day)) for member in self.members]
        return self.join(fitted, unseen, y[rows], objective_of(self.objective, y), self.settings)

    @property
    def libraries(self) -> tuple[str, ...]:
        """Its own and its members'."""
        names = [*self.kind.libraries, *(name for member in self.members for name in member.libraries)]
        return tuple(dict.fromkeys(names))

    @property
    def fit_libraries(self) -> tuple[str, ...]:
        """Its own and its members'."""
        names = [*self.kind.fit_libraries, *(name for member in self.members for name in member.fit_libraries)]
        return tuple(dict.fromkeys(names))

    def document(self) -> dict[str, Any]:
        """As `Learner.document`."""
        return {**Learner.document(self), "members": [member.document() for member in self.members]}

    def with_settings(self, changes: Mapping[str, Any]) -> Learner:
        """The same with settings of its only member changed."""
        if len(self.members) != 1:
            return replace(self, settings=resolve_settings(self.kind, {**self.settings, **changes}))
        [member] = self.members
        changed = member.with_settings(changes)
        own = {name: value for name, value in self.settings.items() if name not in member.settings}
        return replace(self, settings={**own, **changed.settings}, members=(changed,))


def forward_predictions(
    members: Sequence[Learner],
    X: Matrix,
    y: Vector,
    seed: int,
    event_day: Days | None,
    blocks: int,
    objective: Objective = "binary",
) -> tuple[NDArray[np.int64], Matrix]:
    """Predictions for training rows by members that were fitted on earlier rows only.

    Args:
        members: what is fitted.
        X: float64 [n, f], in time order.
        y: float64 [n].
        seed: of every fit.
        event_day: datetime64[D] [n]; a day is never divided. Without, or with fewer days than blocks, rows are counted instead.
        blocks: the rows fall into so many parts; the first is never predicted.
        objective: of the members.

    Returns:
        The predicted rows int64 [r], and float64 [r, m]; of more than two classes float64 [r, m, k].

    Raises:
        TrainingError: a member cannot be fitted on a part, for example because it holds one class only.
    """
    edges, classes = _edges(len(X), event_day, blocks), int(y.max()) + 1
    rows, predicted = [], []
    for start, stop in itertools.pairwise(edges[1:]):
        days = None if event_day is None else event_day[:start]
        target, known = y[:start], None
        if objective == "multiclass":  # the first days may lack a class that comes later
            known, target = seen(target)
        parts = [member.fit(X[:start], target, seed, days).predict(X[start:stop]) for member in members]
        if known is not None:
            parts = [spread(part, known, classes) for part in parts]
        if known is not None and classes == 2:
            parts = [part[:, 1] for part in parts]
        rows.append(np.arange(start, stop))
        predicted.append(np.stack(parts, axis=1))
    return np.concatenate(rows), np.concatenate(predicted)


def _edges(rows: int, event_day: Days | None, blocks: int) -> list[int]:
    """Where the parts begin, 0 first and the number of rows last."""
    if rows < blocks:
        raise TrainingError(f"{rows} training rows cannot fall into {blocks} periods; train on more days")
    if event_day is not None:
        first = np.flatnonzero(np.concatenate(([True], event_day[1:] != event_day[:-1])))
        if len(first) >= blocks:
            return [int(first[(place * len(first)) // blocks]) for place in range(blocks)] + [rows]
    return [(place * rows) // blocks for place in range(blocks)] + [rows]


def save_members(members: Sequence[Member], folder: Path, document: Mapping[str, Any]) -> tuple[str, ...]:
    """Each member as an archive of its payload, and a document that names them; always the same bytes.

    Returns:
        Names of the files.
    """
    names = []
    for number, member in enumerate(members):
        with tempfile.TemporaryDirectory() as scratch:
            files = member.fitted.save(Path(scratch))
            name = f"member_{number:02d}.zip"
            with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_STORED) as archive:
                for file in sorted(files):
                    archive.writestr(zipfile.ZipInfo(file, date_time=_EPOCH), (Path(scratch) / file).read_bytes())
        names.append(name)
    text = json.dumps({**document, "members": [member.kind for member in members]}, indent=2, sort_keys=True) + "\n"
    (folder / MEMBERS).write_text(text, encoding="utf-8")
    return (MEMBERS, *names)


def load_members(
    folder: Path, kind_named: Callable[[str], LearnerKind]
) -> tuple[tuple[Member, ...], Mapping[str, Any]]:
    """Read back what `save_members` wrote."""
    document = json.loads((folder / MEMBERS).read_text(encoding="utf-8"))
    members = []
    for number, kind in enumerate(document["members"]):
        with tempfile.TemporaryDirectory() as scratch:
            with zipfile.ZipFile(folder / f"member_{number:02d}.zip") as archive:
                for name in archive.namelist():
                    (Path(scratch) / Path(name).name).write_bytes(archive.read(name))
            members.append(Member(kind, kind_named(kind).load(Path(scratch))))
    return tuple(members), document


def refuse_alone(message: str) -> FitFunction:
    """The `fit` of a kind that is made from other learners: declared by itself, it says what to declare.

    Args:
        message: the error, for people.
    """

    def fit(
        X: Matrix, y: Vector, event_day: Days | None, objective: Objective, settings: Mapping[str, Any], seed: int
    ) -> FittedModel:
        raise LearnerSettingsError(message)

    return fit
