"""Predict in batch: a table of predictions for each day, where no service is asked.

Belongs here: which model may predict a day, and its predictions as rows of a prediction log. Does not belong here: how a prediction is
made (`training/predictor.py`), or the service's log (`watch.py`).
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import numpy as np
import polars as pl

from platform_assets.declaration import EVENT_DAY, UseCase, feature_contract_hash
from platform_assets.declaration.days import DayRange
from platform_assets.declaration.prediction_log import FEATURE_PREFIX, OPTIONAL_COLUMNS, prediction_log_schema
from platform_assets.features.infinite import refuse_infinite
from platform_assets.features.offline.training_set import join_views
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.commits import Commit
from platform_assets.pipelines.acceptances import days_without_events
from platform_assets.pipelines.required_days import require_days, require_source_days
from platform_assets.registry.base import CHAMPION, ModelRegistry, RegisteredVersion
from platform_assets.registry.training_run import MODEL_DIGEST_TAG, registered_run
from platform_assets.tasks.registry import task_of
from platform_assets.training.predictor import Predictor


class PredictionError(RuntimeError):
    """A day cannot be predicted; the message says what is missing and what to do next."""


@dataclass(frozen=True)
class DailyPredictions:
    """Predictions of some days.

    Attributes:
        version: the model that made them.
        events: how many events the days have.
        without_prediction: events without a finite prediction.
        mean: of all predictions.
        commit: of the table; None where nothing was written, because a prediction is lacking, or there is no event on days that must
            have some.
        uri: the table's address.
        by_day: events of each day, and how many of them have no finite prediction.
    """

    version: RegisteredVersion
    events: int
    without_prediction: int
    mean: float
    commit: Commit | None
    uri: str
    by_day: Mapping[date, tuple[int, int]]


def predict(catalog: Catalog, registry: ModelRegistry, days: DayRange) -> DailyPredictions:
    """Predict every published event of some days with the champion, and write the predictions if none is lacking.

    Args:
        catalog: the tables.
        registry: where the champion is.
        days: event days.

    Raises:
        PredictionError: there is no champion, or it does not fit the days or the declaration.
        DaysMissing: days of the events or of a feature table were never written.
        LakeTableMissing: events or features were never written.
        ArtifactError: the champion's files were damaged or replaced.
    """
    use_case = catalog.use_case
    version = champion_for(use_case, registry, days)
    predictor = registered_run(registry, version).predictor()
    what = f"predictions of {use_case.name} for {days}"
    require_source_days(catalog, use_case.event_source, days.first, days.last, what)
    for view in use_case.features:
        require_days(catalog, catalog.features(view), days.first, days.last, what)
    events = catalog.events.read(days.first, days.last)
    views = {view.name: catalog.features(view).read(days.first, days.last) for view in use_case.features}
    joined = join_views(events, views, use_case, days.first, days.last)
    frame = predict_rows(use_case, joined, predictor, version)
    lacking = frame.filter(~pl.col("score").is_finite()).height + events.height - frame.height
    table = catalog.predictions
    is_complete = lacking == 0 and (events.height > 0 or set(days.days) <= set(days_without_events(catalog, days)))
    commit = table.write_partitions(frame, days.first, days.last, allow_empty=True) if is_complete else None
    mean = frame["score"].mean()
    return DailyPredictions(
        version,
        events.height,
        lacking,
        float(str(mean)) if mean is not None else float("nan"),
        commit,
        table.uri,
        _by_day(events, frame, days),
    )


def _by_day(events: pl.DataFrame, predicted: pl.DataFrame, days: DayRange) -> dict[date, tuple[int, int]]:
    """Events of each day, and how many of them have no finite prediction."""
    counts = dict(events.group_by(EVENT_DAY).len().iter_rows())
    finite = dict(predicted.filter(pl.col("score").is_finite()).group_by(EVENT_DAY).len().iter_rows())
    return {day: (counts.get(day, 0), counts.get(day, 0) - finite.get(day, 0)) for day in days.days}


def champion_for(use_case: UseCase, registry: ModelRegistry, days: DayRange) -> RegisteredVersion:
    """The champion, if it knows nothing of these days.

    Raises:
        PredictionError: there is none, or it was trained as of a later day.
    """
    version = registry.by_alias(use_case.name, CHAMPION)
    if version is None:
        raise PredictionError(
            f"{use_case.name}: there is no champion to predict with; run the job {use_case.name}__train for a day"
        )
    as_of = date.fromisoformat(version.tags["as_of"])
    if days.first < as_of:
        raise PredictionError(
            f"{use_case.name}: the champion, version {version.version}, knows data up to {as_of}: predicting {days.first} "
            f"with it would use the future. Predict days from {as_of} on."
        )
    return version


def predict_rows(
    use_case: UseCase, rows: pl.DataFrame, predictor: Predictor, version: RegisteredVersion
) -> pl.DataFrame:
    """Predictions in the columns of `prediction_log_schema`, ordered by event time and key.

    Args:
        use_case: the declaration.
        rows: events with their columns, features and `event_day`.
        predictor: the champion.
        version: its registry entry.

    Raises:
        PredictionError: the champion tells other classes apart than the declared ones.
        FeatureError: a feature is infinite.
    """
    if predictor.classes != use_case.classes:
        raise PredictionError(
            f"{use_case.name}: the champion, version {version.version}, tells {', '.join(predictor.classes) or 'no classes'} apart, but "
            f"{', '.join(use_case.classes) or 'none'} are declared; train and promote a model for this declaration"
        )
    keys = use_case.event_source.primary_key
    rows = rows.sort(use_case.event_time, *keys)
    refuse_infinite(rows, use_case, f"predictions of {use_case.name!r}")
    X = rows.select(pl.col(name).cast(pl.Float64).fill_null(np.nan) for name in predictor.features).to_numpy()
    started = time.perf_counter()
    answers = predictor.predict(np.ascontiguousarray(X))
    each_ms = (time.perf_counter() - started) * 1e3 / max(1, rows.height)
    names = [".".join(map(str, key)) for key in rows.select(keys).iter_rows()]
    columns: dict[str, Any] = {
        "request_id": pl.Series(
            [str(uuid5(NAMESPACE_URL, f"{use_case.name}/{version.version}/{name}")) for name in names]
        ),
        "scored_at": pl.lit(datetime.now(UTC)),
        **task_of(use_case).log_columns(use_case, answers, predictor.classes),
        "model_version": pl.lit(version.version),
        "release": pl.lit(version.tags.get(MODEL_DIGEST_TAG)),
        "feature_contract": pl.lit(feature_contract_hash(use_case)),
        "unknown_entities": pl.lit(""),
        "latency_ms": pl.lit(each_ms),
        **dict.fromkeys(OPTIONAL_COLUMNS, pl.lit(None)),
        **{FEATURE_PREFIX + name: pl.col(name) for name in use_case.feature_names},
    }
    schema = prediction_log_schema(use_case)
    return rows.with_columns(**columns).select(pl.col(name).cast(dtype) for name, dtype in schema.items())
