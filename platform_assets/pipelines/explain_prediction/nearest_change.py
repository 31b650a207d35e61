"""The smallest change to a request that flips its decision, checked by scoring it.

Belongs here: the search over what the declaration calls changeable. Does not belong here: computing features of a changed request
(`state_then.py`).

A changed request is computed as the request was: the same moment, the same state, its own features anew. Candidates are values that events
of the days around it had; next to the nearest one that flips, the search goes on between it and the nearest one that does not, down to a
small part of the distance. What is found was scored, alone, as a service scores. That there is nothing smaller is not proven: a model
need not be monotone, and values in between are a sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from platform_assets.pipelines.explain_prediction.answer_again import as_row, model_answer
from platform_assets.pipelines.explain_prediction.model_then import AnsweringModel
from platform_assets.pipelines.explain_prediction.state_then import StateThen
from platform_assets.tasks.registry import task_of

CANDIDATES = 64
"""Values of a column that are tried at first."""
ROUNDS = 2
"""Times that the search looks between two neighbours, at `BETWEEN` values each."""
BETWEEN = 20


@dataclass(frozen=True)
class NearestChange:
    """A changed request that is decided otherwise.

    Attributes:
        column: what is changed.
        value: what it was.
        changed: what it would be.
        score: of the changed request.
        decision: of the changed request, scored alone.
        tried: how many changed requests were scored.
    """

    column: str
    value: Any
    changed: Any
    score: float
    decision: str | None
    tried: int


@dataclass(frozen=True)
class ChangeSearch:
    """What the search found.

    Attributes:
        changes: for each column that can flip the decision the smallest change found, the smallest part of the column's spread first.
        sentence: what was searched, and what it means that nothing was found.
    """

    changes: Sequence[NearestChange]
    sentence: str


def search_changes(
    model: AnsweringModel, state: StateThen, columns: Sequence[str], decision: str | None
) -> ChangeSearch:
    """Search, for each column by itself, the smallest change that flips the model's decision.

    Args:
        model: that answered.
        state: as it was.
        columns: of the request, which the declaration calls changeable.
        decision: the model's, of the request as it was.
    """
    if not columns:
        return ChangeSearch(
            (), "the declaration names nothing that a person could change (`monitoring.explanations.changeable`)"
        )
    known = [name for name in columns if name in state.request.columns]
    search = _Search(model, state, decision)
    found = [(change, size) for name in known for change, size in search.nearest(name)]
    found.sort(key=lambda each: each[1])
    changes = tuple(change for change, _ in found)
    where = f"{', '.join(known)}, each by itself; {search.tried} changed requests were scored"
    if changes:
        return ChangeSearch(
            changes, f"searched: {where}. Each change that is named was scored alone; smaller ones are not ruled out"
        )
    return ChangeSearch((), f"no change flips the decision, of {where}")


class _Search:
    """Changed requests, scored."""

    def __init__(self, model: AnsweringModel, state: StateThen, decision: str | None) -> None:
        self._model, self._state, self.tried = model, state, 0
        self._answers = task_of(model.use_case).answers(model.use_case)
        names = model.predictor.features
        self._names = names
        self._decision = decision

    def nearest(self, column: str) -> list[tuple[NearestChange, float]]:
        """The smallest change of a column that was found, with its size as a part of the column's spread; or nothing."""
        own, values = self._state.request[column][0], self._state.spread.get(column)
        if values is None or own is None or values.len() < 2:
            return []
        numeric = values.dtype.is_numeric()
        tried = _some(values.filter(values != own))
        flips = self._flips(column, tried)
        if not any(flips):
            return []
        if not numeric:
            chosen = tried.filter(pl.Series(flips))[0]
            return [(self._change(column, own, chosen), 1.0)]
        width = float(np.std(values.cast(pl.Float64).to_numpy())) or 1.0
        best: list[float] = []
        for side in (tried < own, tried > own):
            beside = tried.filter(side).to_list()
            outcome = [flip for flip, there in zip(flips, side.to_list(), strict=True) if there]
            ordered = sorted(zip(beside, outcome, strict=True), key=lambda each: abs(each[0] - own))
            place = next((place for place, (_, flip) in enumerate(ordered) if flip), None)
            if place is not None:
                before = own if place == 0 else ordered[place - 1][0]
                best.append(self._between(column, before, ordered[place][0], values.dtype))
        chosen = min(best, key=lambda value: abs(value - own))
        change = self._change(column, own, chosen)
        return [] if change.decision == self._decision else [(change, abs(chosen - own) / width)]

    def _between(self, column: str, stays: float, flips: float, dtype: pl.DataType) -> Any:
        """The value nearest to one that does not flip, of those tried between it and one that does."""
        for _ in range(ROUNDS):
            steps = np.linspace(stays, flips, BETWEEN + 1)[1:]
            digits = max(0, 2 - int(np.floor(np.log10(max(abs(flips - stays) / BETWEEN, 1e-12)))))
            series = pl.Series(np.round(steps, digits)).cast(dtype, strict=False)
            tried = series.filter(series != stays).unique(maintain_order=True)
            outcome = self._flips(column, tried) if tried.len() else []
            place = next((place for place, flip in enumerate(outcome) if flip), None)
            if place is None:
                break
            stays, flips = (stays if place == 0 else tried[place - 1]), tried[place]
            if tried.len() < 2:
                break
        return flips

    def _flips(self, column: str, values: pl.Series) -> list[bool]:
        changed = self._requests(column, values)
        return [decision != self._decision for decision in self._decisions(changed)]

    def _requests(self, column: str, values: pl.Series) -> pl.DataFrame:
        one = self._state.request
        return pl.concat([one] * values.len()).with_columns(values.cast(one.schema[column]).alias(column))

    def _decisions(self, requests: pl.DataFrame) -> list[str | None]:
        self.tried += requests.height
        features = self._state.features(requests)
        X = features.select(pl.col(name).cast(pl.Float64).fill_null(np.nan) for name in self._names).to_numpy()
        usable = ~np.isinf(X).any(axis=1)
        decisions: list[str | None] = [self._decision] * len(X)
        for place, output in zip(
            np.flatnonzero(usable), self._model.predictor.predict(X[usable]).tolist(), strict=True
        ):
            decisions[place] = self._answers(output).decision
        return decisions

    def _change(self, column: str, own: Any, value: Any) -> NearestChange:
        """The changed request scored alone."""
        features = self._state.features(self._requests(column, pl.Series([value])))
        values = features.select(self._names).row(0, named=True)
        row = as_row(values, self._names)
        answer = model_answer(self._model, values) if np.isfinite(row[~np.isnan(row)]).all() else None
        assert answer is not None, "infinite features never flip a decision"
        return NearestChange(column, own, value, answer.score, answer.decision, self.tried)


def _some(values: pl.Series) -> pl.Series:
    """At most so many values, evenly over their order."""
    if values.len() <= CANDIDATES:
        return values
    places = np.unique(np.linspace(0, values.len() - 1, CANDIDATES).astype(np.int64))
    return values.gather(places)
