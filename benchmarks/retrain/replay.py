"""A year day by day: a model answers, its windows are judged, a rule asks for a model, and the new one answers from then on.

Belongs here: models, windows by the platform's own functions, and what was lost against an oracle. Does not belong here: the world
(`world.py`), the rules (`rules.py`), the report (`topic.py`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl

from benchmarks.retrain.world import HISTORY_DAYS, LABEL_DELAY_DAYS, YEAR_DAYS, Kind, Rows, World, date_of, frame_of
from platform_assets.declaration import UseCase
from platform_assets.declaration.contract import feature_contract_hash
from platform_assets.monitoring.intervals import RESAMPLES
from platform_assets.monitoring.quality import MIN_CLASS_ROWS, quality_bound
from platform_assets.monitoring.retrain_verdict import window_verdict
from platform_assets.monitoring.second_look import KnownRows
from platform_assets.monitoring.watched_window import watch_window
from platform_assets.tasks.base import TrainingLabels
from platform_assets.tasks.registry import task_of

TRAIN_DAYS, REFERENCE_DAYS, WINDOW_DAYS = 28, 7, 7
JUDGING_ROWS, ORACLE_ROWS = 20_000, 20_000
TOLERANCE = 0.02
"""A new model whose average precision on the newest labelled week is worse by more than this share is not promoted."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Model:
    """A model as of a day.

    Attributes:
        name: what tells it from others; equal for equal rows.
        as_of: the day.
        first: first day that it was fitted on.
        last: last day.
        score: scores of rows.
        promised: average precision on days that it was not fitted on.
        label_rate: of the days it was fitted on.
    """

    name: str
    as_of: int
    first: int
    last: int
    score: Callable[[Rows], np.ndarray]
    promised: float
    label_rate: float


@dataclass
class Year:
    """What became of a year under one rule.

    Attributes:
        asked: days as of which a model was asked for.
        noticed: first day after the drift, as of which anything was said of it; None when nothing was.
        told: days as of which a fault of the data was told.
        said: quiet days as of which something was said although nothing had changed.
        lost: of each day, the share of the oracle's average precision that the model lacks.
        oracle: of each day, the oracle's average precision.
        answered: first day that a model serves which was asked for after the drift.
    """

    asked: list[int] = field(default_factory=list)
    noticed: int | None = None
    told: list[int] = field(default_factory=list)
    said: int = 0
    lost: list[float] = field(default_factory=list)
    oracle: list[float] = field(default_factory=list)
    answered: int | None = None


@dataclass
class Memory:
    """What one seed's worlds have in common: days, models, windows."""

    world: World
    use_case: UseCase
    frames: dict[tuple[Kind, int], tuple[Rows, pl.DataFrame]] = field(default_factory=dict)
    models: dict[tuple[Any, ...], Model] = field(default_factory=dict)
    judged: dict[tuple[Any, ...], Any] = field(default_factory=dict)

    def day(self, kind: Kind, day: int) -> tuple[Rows, pl.DataFrame]:
        """A day's rows, as arrays and as a frame."""
        key = self.world.regime(kind, day), day
        if key not in self.frames:
            rows = self.world.day(kind, day)
            self.frames[key] = rows, frame_of(rows, day)
        return self.frames[key]

    def rows(self, kind: Kind, first: int, last: int) -> Rows:
        """The rows of some days."""
        days = [self.day(kind, day)[0] for day in range(first, last + 1)]
        return Rows(np.concatenate([one.X for one in days]), np.concatenate([one.y for one in days]))

    def seen(self, kind: Kind, last: int) -> Kind:
        """Which world a day's past belongs to: before the drift all are the same."""
        return kind if last >= self.world.drift_day else "quiet"

    def model(self, kind: Kind, as_of: int) -> Model:
        """The model of the newest labelled days as of a day, and what it promises by the week before them."""
        last = as_of - LABEL_DELAY_DAYS - 1
        first = last - TRAIN_DAYS + 1
        key = self.seen(kind, last), as_of
        if key not in self.models:
            fitted = self.rows(kind, first, last)
            score, earlier = fit(fitted), self.rows(kind, first - REFERENCE_DAYS, first - 1)
            promised = precision(earlier.y, score(earlier))
            self.models[key] = Model(f"{key[0]}-{as_of}", as_of, first, last, score, promised, float(fitted.y.mean()))
        return self.models[key]

    def loss(self, model: Model, regime: Kind) -> tuple[float, float]:
        """What a model lacks of the oracle's average precision in a regime, and that of the oracle.

        The oracle has learned from many rows of the regime itself; of a fault of the data, what the model would have been without it.
        """
        key = "loss", model.name, regime
        if key not in self.judged:
            rows = self.world.sample(regime, JUDGING_ROWS)
            self.judged[key] = precision(rows.y, model.score(rows))
        best = self.oracle(regime)
        return max(0.0, best - self.judged[key]), best

    def oracle(self, regime: Kind) -> float:
        """Average precision of the best model of a regime."""
        key = "oracle", regime
        if key not in self.judged:
            known = "quiet" if regime == "upstream" else regime
            rng_rows = World(self.world.seed + 10_000).sample(known, ORACLE_ROWS)
            rows = self.world.sample(known, JUDGING_ROWS)
            self.judged[key] = precision(rows.y, fit(rng_rows)(rows))
        return float(self.judged[key])


def fit(rows: Rows) -> Callable[[Rows], np.ndarray]:
    """A small boosted model."""
    import xgboost

    matrix = xgboost.DMatrix(rows.X, rows.y)
    settings = {"max_depth": 3, "eta": 0.15, "nthread": 1, "objective": "binary:logistic", "seed": 0, "base_score": 0.5}
    booster = xgboost.train({**settings, "tree_method": "hist"}, matrix, 60)

    def score(asked: Rows) -> np.ndarray:
        return np.asarray(booster.inplace_predict(asked.X), dtype=np.float64)

    return score


def precision(y: np.ndarray, scores: np.ndarray) -> float:
    """Average precision, ties in the order of rows; the same figure as scikit-learn's without ties."""
    order = np.argsort(-scores, kind="stable")
    hits = y[order]
    if not hits.any():
        return 0.0
    ranks = np.arange(1, len(hits) + 1)
    return float((np.cumsum(hits) / ranks)[hits == 1.0].mean())


def drift_row(memory: Memory, kind: Kind, served: Mapping[int, Model], day: int) -> Row | None:
    """The stored drift verdict of the window that ends with a day, by the platform's own functions."""
    days = range(day - WINDOW_DAYS + 1, day + 1)
    if days[0] not in served:
        return None
    models = [served[each] for each in days]
    version = max(models, key=lambda model: (sum(model is one for one in models), model.as_of))
    key = "drift", memory.seen(kind, day), day, tuple(model.name for model in models)
    if key not in memory.judged:
        log = _log(memory, kind, served, days)
        reference = _known(memory, kind, version, version.first - REFERENCE_DAYS, version.first - 1, scored=True)
        window = watch_window(
            log,
            reference,
            memory.use_case,
            date_of(day),
            {version.name},
            lambda: KnownRows(learned=_known(memory, kind, version, version.first, version.last, scored=False)),
        )
        causes = window_verdict(date_of(day), window.result, None).causes
        memory.judged[key] = _row(day, version, causes, json.dumps(window.result.to_dict(), default=str))
    found: Row = memory.judged[key]
    return found


def quality_row(memory: Memory, kind: Kind, served: Mapping[int, Model], day: int) -> Row | None:
    """The stored quality verdict of the window that ends with a day."""
    days = range(day - WINDOW_DAYS + 1, day + 1)
    if days[0] not in served:
        return None
    models = [served[each] for each in days]
    version = max(models, key=lambda model: (sum(model is one for one in models), model.as_of))
    key = "quality", memory.seen(kind, day), day, tuple(model.name for model in models)
    if key not in memory.judged:
        log = _log(memory, kind, served, days).filter(pl.col("model_version") == version.name)
        causes, newest_day_lost = _quality(memory.use_case, log, version)
        memory.judged[key] = _row(day, version, causes, json.dumps({"newest_day_lost": newest_day_lost}))
    found: Row = memory.judged[key]
    return found


def _quality(use_case: UseCase, log: pl.DataFrame, version: Model) -> tuple[tuple[str, ...], bool]:
    """The causes that `production_quality` names, and whether the newest day alone lost the metric, with an average precision that is
    computed faster."""
    y, scores = log["is_bad"].to_numpy(), log["score"].to_numpy()
    if len(y) < use_case.monitoring.min_rows:
        return (), False
    bound = quality_bound(use_case, version.promised)
    trained_on = TrainingLabels(0, version.label_rate, {})
    causes = [f"label_rate:{name}" for name, _ in task_of(use_case).moved_labels(y, use_case, trained_on)]
    if is_lost(y, scores, bound):
        causes.insert(0, "quality:average_precision")
    newest = (log["event_day"] == log["event_day"].max()).to_numpy()
    return tuple(causes), bool(is_lost(y[newest], scores[newest], bound))


def is_lost(y: np.ndarray, scores: np.ndarray, bound: float) -> bool:
    """Whether the 90 % interval of average precision (200 resamples within each class, as `metric_interval` has it) lies below a bound."""
    value = precision(y, scores)
    strata = [np.flatnonzero(y == label) for label in (0.0, 1.0)]
    if value >= bound or min(stratum.size for stratum in strata) < MIN_CLASS_ROWS:
        return False
    random = np.random.default_rng(0)
    values = []
    for _ in range(RESAMPLES):
        chosen = np.concatenate([random.choice(stratum, stratum.size) for stratum in strata])
        values.append(precision(y[chosen], scores[chosen]))
    high = float(np.quantile(values, 0.95))
    return high < bound


def is_promoted(memory: Memory, kind: Kind, champion: Model, new: Model) -> bool:
    """Whether a new model is no worse than the champion on the newest labelled week, which it was fitted on only in part."""
    rows = memory.rows(kind, new.last - WINDOW_DAYS + 1, new.last)
    return precision(rows.y, new.score(rows)) >= (1 - TOLERANCE) * precision(rows.y, champion.score(rows))


def years() -> range:
    """The days of a year, as of which something may be decided."""
    return range(HISTORY_DAYS + 1, HISTORY_DAYS + YEAR_DAYS + 1)


def _row(day: int, version: Model, causes: tuple[str, ...], result: str) -> Row:
    return {"event_day": date_of(day), "causes": list(causes), "model_version": version.name, "result": result}


def _log(memory: Memory, kind: Kind, served: Mapping[int, Model], days: range) -> pl.DataFrame:
    parts = []
    for day in days:
        model = served[day]
        key = "log", memory.world.regime(kind, day), day, model.name
        if key not in memory.judged:
            rows, frame = memory.day(kind, day)
            memory.judged[key] = frame.with_columns(
                score=pl.Series(model.score(rows)),
                model_version=pl.lit(model.name),
                feature_contract=pl.lit(feature_contract_hash(memory.use_case)),
                fallback=pl.lit(None, dtype=pl.String),
            )
        parts.append(memory.judged[key])
    return pl.concat(parts)


def _known(memory: Memory, kind: Kind, model: Model, first: int, last: int, *, scored: bool) -> pl.DataFrame:
    key = "known", memory.seen(kind, last), model.name, first, last, scored
    if key not in memory.judged:
        frame = pl.concat([memory.day(kind, day)[1] for day in range(first, last + 1)]).drop("is_bad")
        if scored:
            frame = frame.with_columns(score=pl.Series(model.score(memory.rows(kind, first, last))))
        memory.judged[key] = frame
    found: pl.DataFrame = memory.judged[key]
    return found


def known_as_of(row: Row, *, labelled: bool) -> Any:
    """The date as of which a row is known."""
    return row["event_day"] + timedelta(days=LABEL_DELAY_DAYS if labelled else 1)
