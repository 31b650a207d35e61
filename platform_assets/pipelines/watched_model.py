"""The model whose predictions are watched: one that was trained here, or one of somebody else whose scores are delivered.

Belongs here: what monitoring asks of a model, and both kinds of it: rows that it is compared with, and what it promised. Does not belong
here: judging a window (`watch.py`, `estimate_quality.py`), or taking scores in (`take_in_scores.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from platform_assets.declaration import EVENT_DAY, UseCase
from platform_assets.declaration.contract import feature_contract_hash
from platform_assets.declaration.prediction_log import FEATURE_PREFIX
from platform_assets.declaration.sections.predictions import ReferenceDays
from platform_assets.lake.catalog import Catalog, predictions_path
from platform_assets.monitoring.estimates.change import WindowChange, window_change, without_prefix
from platform_assets.monitoring.estimates.estimate import ScoredRows
from platform_assets.monitoring.estimates.window import LabelledRows, scored_rows
from platform_assets.monitoring.quality import join_labels, measured
from platform_assets.monitoring.second_look import KnownRows, same_weekdays
from platform_assets.monitoring.watched_window import panel_column, reference_frame
from platform_assets.pipelines.labelled_events import label_rows, loaded_label_days
from platform_assets.pipelines.required_days import require_days
from platform_assets.pipelines.take_in_scores import DELIVERED
from platform_assets.registry.base import CHAMPION, ModelRegistry, RegisteredVersion
from platform_assets.registry.training_run import CLASS_ROWS_TAG, ModelRun, registered_run
from platform_assets.tasks.base import TrainingLabels
from platform_assets.tasks.registry import task_of
from platform_assets.training.dataset import read_dataset
from platform_assets.training.predictor import Predictor

ONE_DAY = timedelta(days=1)


class MonitoringError(RuntimeError):
    """A window cannot be judged; the message says what is missing and what to do next."""


class WatchedModel(Protocol):
    """What monitoring asks of the model whose predictions it judges."""

    @property
    def version(self) -> RegisteredVersion:
        """The version that is watched; one of somebody else's has no run and no tags."""
        ...

    @property
    def versions(self) -> set[str] | None:
        """Whose predictions are judged; None for all."""
        ...

    @property
    def inputs(self) -> tuple[str, ...]:
        """Features that stand beside its scores, in its order."""
        ...

    def reference(self) -> pl.DataFrame:
        """Rows that a window is compared with, under the prediction log's column names."""
        ...

    def known(self, day: date) -> KnownRows:
        """What may explain that a window which ends with a day has moved."""
        ...

    def promised(self) -> Mapping[str, float]:
        """What it achieved before, by metric."""
        ...

    def labels(self) -> TrainingLabels:
        """The labels that those of a window are held to."""
        ...

    def labelled(self) -> LabelledRows | None:
        """Labelled rows that it has not learned, with its own scores; None where there are none."""
        ...

    def change(self, window: pl.DataFrame) -> WindowChange:
        """What is different about the rows of a window."""
        ...


def watched_model(
    catalog: Catalog, registry: ModelRegistry | None, log: pl.DataFrame, as_of: date, *, newest: bool = False
) -> WatchedModel:
    """The model that made most of the predictions of a window.

    Args:
        catalog: the tables.
        registry: where models that were trained here are; None where scores are delivered.
        log: predictions of the window.
        as_of: the day as of which the window is judged.
        newest: of a window in which another model took over, the new one once it has rows enough.

    Raises:
        MonitoringError: the window has no predictions, and there is no champion.
        DaysMissing: the reference days of delivered scores were never stored.
        ArtifactError: the model's files were damaged or replaced.
    """
    use_case = catalog.use_case
    if use_case.predictions is not None:
        name = DELIVERED if log.is_empty() else version_of_most(log)
        return DeliveredScores(
            catalog, RegisteredVersion(use_case.name, name, "", {}), use_case.predictions.reference, as_of
        )
    assert registry is not None, "a model that was trained here is registered"
    version = (answering_model_of if newest else model_of)(use_case, log, registry)
    return RegisteredModel(catalog, version, registered_run(registry, version))


def model_of(use_case: UseCase, log: pl.DataFrame, registry: ModelRegistry) -> RegisteredVersion:
    """The version that made most of the window's predictions; of a window without any the champion, whom nobody asked.

    A window without predictions has no verdict, which counts as failed; it is no reason for everything after it to stand still.

    Raises:
        MonitoringError: there is neither a prediction nor a champion.
    """
    if not log.is_empty():
        return registry.get(use_case.name, version_of_most(log))
    champion = registry.by_alias(use_case.name, CHAMPION)
    if champion is None:
        raise MonitoringError(
            f"{use_case.name}: no predictions in the window, and no champion that could have made any; train a model, then materialize "
            f"{'/'.join((use_case.name, *predictions_path(use_case)))} for its days"
        )
    return champion


def answering_model_of(use_case: UseCase, log: pl.DataFrame, registry: ModelRegistry) -> RegisteredVersion:
    """The version that made most of the newest day's predictions, once the window has `min_rows` of it; else the one of most of the window.

    A model that was promoted within the window is so watched days before it has made most of the window's predictions.
    """
    if not log.is_empty():
        newest = version_of_most(log.filter(pl.col(EVENT_DAY) == log[EVENT_DAY].max()))
        if (log["model_version"] == newest).sum() >= use_case.monitoring.min_rows:
            return registry.get(use_case.name, newest)
    return model_of(use_case, log, registry)


def version_of_most(log: pl.DataFrame) -> str:
    """The version that made most predictions, of which there are some."""
    counts = log.group_by("model_version").len().sort("len", "model_version", descending=True)
    return str(counts["model_version"][0])


@dataclass(frozen=True)
class RegisteredModel:
    """A model of ours: compared with labelled days before its own training days, which it scores itself.

    Attributes:
        catalog: the tables.
        version: its registry entry.
        run: its artifacts.
    """

    catalog: Catalog
    version: RegisteredVersion
    run: ModelRun

    @property
    def versions(self) -> set[str] | None:
        """Its own."""
        return {self.version.version}

    @cached_property
    def _predictor(self) -> Predictor:
        return self.run.predictor()

    @property
    def inputs(self) -> tuple[str, ...]:
        """Those it was trained with."""
        return tuple(self._predictor.features)

    @property
    def _as_of(self) -> date:
        return date.fromisoformat(self.version.tags["as_of"])

    def reference(self) -> pl.DataFrame:
        """The labelled days before the model's own training days, scored by the model itself: rows it has not learned."""
        use_case = self.catalog.use_case
        last = date.fromisoformat(self.version.tags["trained_on_first_day"]) - ONE_DAY
        first = last - timedelta(days=use_case.training.splits.test_days - 1)
        rows = with_members(self.catalog, training_rows(self.catalog, self._as_of, first, last))
        task = task_of(use_case)
        outputs = self._predictor.predict(read_dataset(use_case, rows).X)
        answers = task.log_columns(use_case, outputs, self._predictor.classes)
        # read_dataset orders by event time and key; the frame has to follow before the scores are put next to it.
        ordered = rows.sort(use_case.event_time, *use_case.event_source.primary_key)
        decisions = answers["decision"] if "decision" in task.drift_columns else None
        return reference_frame(ordered, use_case, answers["score"], decisions)

    def known(self, day: date) -> KnownRows:
        """The model's training days, earlier years, and what it would have answered before it served."""
        use_case, as_of = self.catalog.use_case, self._as_of
        first, last = (date.fromisoformat(self.version.tags[f"trained_on_{end}_day"]) for end in ("first", "last"))
        rows = with_members(self.catalog, training_rows(self.catalog, as_of, date.min, day))
        known = reference_frame(rows, use_case)
        learned = known.filter(pl.col(EVENT_DAY).is_between(first, last))
        return KnownRows(learned, known, self._unlearned(last + ONE_DAY, as_of - ONE_DAY))

    def _unlearned(self, first: date, last: date) -> pl.DataFrame | None:
        """Requests after the training days and before the model was made, with what it would have answered."""
        use_case = self.catalog.use_case
        if last < first:
            return None
        log = self.catalog.predictions.read(first, last).filter(
            pl.col("feature_contract") == feature_contract_hash(use_case), pl.col("fallback").is_null()
        )
        if log.is_empty():
            return None
        values = log.select(pl.col(FEATURE_PREFIX + name).fill_null(float("nan")) for name in self.inputs)
        outputs = self._predictor.predict(np.ascontiguousarray(values.to_numpy()))
        answers = task_of(use_case).log_columns(use_case, outputs, self._predictor.classes)
        return log.with_columns(answers[name].alias(name) for name in ("score", "decision"))

    def promised(self) -> Mapping[str, float]:
        """Its figures over the folds."""
        figures: Mapping[str, float] = self.run.comparison["candidates"][self.version.tags["learner"]]["mean"]
        return figures

    def labels(self) -> TrainingLabels:
        """Those it was trained on."""
        mean = float(self.version.tags["label_mean"]) if "label_mean" in self.version.tags else None
        return TrainingLabels(0, mean, self.version.tag_json(CLASS_ROWS_TAG) or {})

    @cached_property
    def _known_frame(self) -> pl.DataFrame | None:
        """Labelled rows of the training set from before the days that the model learned, with keys of entities, in order; None without."""
        use_case = self.catalog.use_case
        last = date.fromisoformat(self.version.tags["trained_on_first_day"]) - ONE_DAY
        frame = training_rows(self.catalog, self._as_of, date.min, last)
        if frame.is_empty():
            return None
        primary = list(use_case.event_source.primary_key)
        ordered = frame.sort(use_case.event_time, *primary)  # as read_dataset orders
        wanted = [name for name in entity_keys(use_case) if name not in ordered.columns]
        if not wanted or not self.catalog.events.exists():
            return ordered
        first, last_there = ordered[EVENT_DAY].min(), ordered[EVENT_DAY].max()
        assert isinstance(first, date)
        assert isinstance(last_there, date)
        events = self.catalog.events.read(first, last_there, [*primary, *wanted])
        return ordered.join(events, on=primary, how="left", maintain_order="left")

    def labelled(self) -> LabelledRows | None:
        """Rows from before its training days, scored by itself."""
        if self._known_frame is None:
            return None
        data = read_dataset(self.catalog.use_case, self._known_frame)
        rows = ScoredRows(self._predictor.predict(data.X), data.X, data.event_day, data.group)
        return LabelledRows(data.y, rows, clusters_of(self.catalog.use_case, self._known_frame))

    def change(self, window: pl.DataFrame) -> WindowChange:
        """Where the window moved, and which inputs its answers depend on."""
        if self._known_frame is None or window.is_empty():
            return WindowChange()
        now = without_prefix(window)
        before = same_weekdays(self._known_frame, now)
        return window_change(self.catalog.use_case, self._predictor.predict, self.inputs, before, now)


@dataclass(frozen=True)
class DeliveredScores:
    """A model of somebody else: compared with the declared days on which its scores were right.

    Attributes:
        catalog: the tables.
        version: the version that made most of the scores of the window, as it was delivered.
        days: the reference days.
        as_of: the day as of which the window is judged.
    """

    catalog: Catalog
    version: RegisteredVersion
    days: ReferenceDays
    as_of: date

    versions = None
    """A new version of somebody else's model is watched from its first day on, and by what was promised before it came."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """The declared features."""
        return self.catalog.use_case.feature_names

    @cached_property
    def _rows(self) -> pl.DataFrame:
        use_case, first, last = self.catalog.use_case, self.days.first_day, self.days.last_day
        require_days(self.catalog, self.catalog.predictions, first, last, f"the reference of {use_case.name}")
        log = self.catalog.predictions.read(first, last)
        return log.filter(pl.col("feature_contract") == feature_contract_hash(use_case), pl.col("score").is_finite())

    def reference(self) -> pl.DataFrame:
        """The scores of the reference days, with what stood beside them."""
        if self._rows.is_empty():
            raise MonitoringError(
                f"{self.catalog.use_case.name}: the reference days {self.days.first_day} .. {self.days.last_day} have no scores; declare "
                "`predictions.reference` with days that have, and materialize predictions/daily for them"
            )
        return self._rows

    def known(self, day: date) -> KnownRows:
        """Earlier years, for what follows the calendar; without scores, which a season does not explain."""
        first = day - timedelta(days=self.catalog.use_case.monitoring.window_days)
        return KnownRows(history=self.catalog.predictions.read(None, first).drop("score", "decision"))

    @cached_property
    def _joined(self) -> pl.DataFrame:
        use_case = self.catalog.use_case
        labels = label_rows(self.catalog, self.days.first_day, self.as_of)
        joined = join_labels(self._rows, labels, use_case, self.as_of, None, loaded_label_days(self.catalog))
        return joined.filter(pl.col(use_case.label.column).is_not_null())

    def promised(self) -> Mapping[str, float]:
        """What its scores achieved on the reference days."""
        return measured(self._joined, self.catalog.use_case)

    def labels(self) -> TrainingLabels:
        """Those of the reference days."""
        task, use_case = task_of(self.catalog.use_case), self.catalog.use_case
        y = task.labels(self._joined[use_case.label.column], use_case.classes)
        return TrainingLabels(len(y), task.label_rate(y))

    def labelled(self) -> LabelledRows | None:
        """Scores of the reference days with their labels."""
        use_case = self.catalog.use_case
        if self._joined.is_empty():
            return None
        y = task_of(use_case).labels(self._joined[use_case.label.column], use_case.classes)
        return LabelledRows(y, scored_rows(self._joined, use_case, self.inputs), clusters_of(use_case, self._joined))

    def change(self, window: pl.DataFrame) -> WindowChange:
        """Nothing: what answers depend on is asked of a model, and it is not here."""
        return WindowChange()


def training_rows(catalog: Catalog, as_of: date, first: date, last: date) -> pl.DataFrame:
    """Rows of the training set as of a day, of some event days."""
    return catalog.training_sets.read(as_of, as_of).filter(pl.col(EVENT_DAY).is_between(first, last))


def with_members(catalog: Catalog, rows: pl.DataFrame) -> pl.DataFrame:
    """Rows with the column of what they belong to, which a training set has only where it is declared as its group."""
    column, keys = panel_column(catalog.use_case), list(catalog.use_case.event_source.primary_key)
    if column is None or column in rows.columns or rows.is_empty() or not catalog.events.exists():
        return rows
    first, last = rows[EVENT_DAY].min(), rows[EVENT_DAY].max()
    assert isinstance(first, date)
    assert isinstance(last, date)
    return rows.join(catalog.events.read(first, last, [*keys, column]), on=keys, how="left")


def entity_keys(use_case: UseCase) -> list[str]:
    """The columns by which rows belong to entities."""
    return list(dict.fromkeys(entity.key_columns[0] for entity in use_case.entities))


def clusters_of(use_case: UseCase, rows: pl.DataFrame) -> dict[str, NDArray[np.generic]]:
    """What rows may share, by name: every entity that they belong to."""
    present = [name for name in entity_keys(use_case) if name in rows.columns]
    return {name: rows[name].cast(pl.String).fill_null("").to_numpy() for name in present}
