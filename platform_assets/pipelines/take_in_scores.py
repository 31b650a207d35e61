"""Take in the scores of somebody else's model: as predictions of each day, in the columns of a prediction log.

Belongs here: bringing delivered scores, events and features together. Does not belong here: reading what is delivered (`ingest.py`), or
watching the predictions (`watch.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from platform_assets.declaration import EVENT_DAY, UseCase, feature_contract_hash
from platform_assets.declaration.days import DayRange
from platform_assets.declaration.prediction_log import FEATURE_PREFIX, PREDICTION_COLUMNS, prediction_log_schema
from platform_assets.declaration.sections.predictions import Predictions
from platform_assets.features.offline.training_set import join_views
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.commits import Commit
from platform_assets.pipelines.required_days import require_days, require_source_days

DELIVERED = "delivered"
"""Version of a model whose scores come without one."""

_GIVEN = "given__"
"""Stands before what was delivered: events and features may have columns of the same names."""


@dataclass(frozen=True)
class DayOfScores:
    """What was delivered for a day.

    Attributes:
        events: published events.
        without_score: events without a finite score.
        without_event: scores that name no event of the day.
    """

    events: int
    without_score: int
    without_event: int

    @property
    def is_complete(self) -> bool:
        """Whether every event has a score, and every score an event."""
        return not self.without_score and not self.without_event


@dataclass(frozen=True)
class TakenScores:
    """Delivered scores of some days, as they were stored.

    Attributes:
        by_day: what was delivered for each day.
        versions: rows of each version of the model.
        commit: of the table.
        uri: its address.
    """

    by_day: Mapping[date, DayOfScores]
    versions: Mapping[str, int]
    commit: Commit
    uri: str

    @property
    def rows(self) -> int:
        """Stored predictions."""
        return sum(day.events - day.without_score for day in self.by_day.values())


def take_in_scores(catalog: Catalog, days: DayRange) -> TakenScores:
    """Store the delivered scores of some days beside the events and features that they are about.

    An event without a score is no prediction, and is counted; so is a score that names no event of its day.

    Args:
        catalog: the tables.
        days: event days.

    Raises:
        DaysMissing: days of the events, the scores or a feature table were never written.
    """
    use_case = catalog.use_case
    given = use_case.predictions
    assert given is not None, "scores are delivered"
    what = f"predictions of {use_case.name} for {days}"
    for name in dict.fromkeys((use_case.events, given.source)):
        require_source_days(catalog, use_case.source(name), days.first, days.last, what)
    for view in use_case.features:
        require_days(catalog, catalog.features(view), days.first, days.last, what)
    events = catalog.events.read(days.first, days.last)
    views = {view.name: catalog.features(view).read(days.first, days.last) for view in use_case.features}
    scores = _scores(use_case, given, events, catalog.clean(given.source).read(days.first, days.last))
    keys = list(use_case.event_source.primary_key)
    joined = join_views(events, views, use_case, days.first, days.last)
    rows = joined.join(scores, on=[*keys, EVENT_DAY], how="inner").filter(pl.col(_GIVEN + "score").is_finite())
    frame = _as_logged(rows.sort(use_case.event_time, *keys), use_case, given)
    table = catalog.predictions
    commit = table.write_partitions(frame, days.first, days.last, allow_empty=True)
    strangers = scores.join(events, on=[*keys, EVENT_DAY], how="anti")
    counts = [dict(one.group_by(EVENT_DAY).len().iter_rows()) for one in (events, frame, strangers)]
    by_day = {}
    for day in days.days:
        of_events, scored, unknown = (count.get(day, 0) for count in counts)
        by_day[day] = DayOfScores(of_events, of_events - scored, unknown)
    versions = dict(frame["model_version"].value_counts().sort("model_version").iter_rows())
    return TakenScores(by_day, versions, commit, table.uri)


def _scores(use_case: UseCase, given: Predictions, events: pl.DataFrame, delivered: pl.DataFrame) -> pl.DataFrame:
    """Delivered scores under the prediction log's names, one for each key and day: the latest, where a table repeats it."""
    source = use_case.source(given.source)
    keys = list(use_case.event_source.primary_key)
    text = {"decision": given.decision, "model_version": given.model_version}
    made = given.scored_at or source.event_time
    assert made is not None, "a table of scores has an event time"
    found = delivered.select(
        *keys,
        EVENT_DAY,
        (pl.col(given.score).cast(pl.Float64) / given.highest).alias(_GIVEN + "score"),
        pl.col(made).cast(PREDICTION_COLUMNS["scored_at"]).alias(_GIVEN + "scored_at"),
        *(
            (pl.lit(None) if column is None else pl.col(column)).cast(pl.String).alias(_GIVEN + name)
            for name, column in text.items()
        ),
    )
    ordered = found.sort(_GIVEN + "scored_at", nulls_last=False)
    return ordered.unique(subset=[*keys, EVENT_DAY], keep="last", maintain_order=True)


def _as_logged(rows: pl.DataFrame, use_case: UseCase, given: Predictions) -> pl.DataFrame:
    """Events with features and scores in the columns of `prediction_log_schema`."""
    keys = use_case.event_source.primary_key
    names = [pl.col(key).cast(pl.String) for key in keys]
    rule = use_case.serving.decision
    score, decided = pl.col(_GIVEN + "score"), pl.col(_GIVEN + "decision")
    if rule is not None and given.decision is None:
        decided = pl.when(score >= rule.threshold).then(pl.lit(rule.above)).otherwise(pl.lit(rule.below))
    columns: dict[str, Any] = {
        "request_id": pl.concat_str(*names, separator="."),
        "score": score,
        "scored_at": pl.coalesce(_GIVEN + "scored_at", use_case.event_time),
        "decision": decided,
        "model_version": pl.col(_GIVEN + "model_version").fill_null(DELIVERED),
        "feature_contract": pl.lit(feature_contract_hash(use_case)),
        "unknown_entities": pl.lit(""),
        **{FEATURE_PREFIX + name: pl.col(name) for name in use_case.feature_names},
    }
    schema = prediction_log_schema(use_case)
    carried = {*use_case.serving.request, EVENT_DAY}
    lacking = [name for name in schema if name not in columns and name not in carried]
    columns |= dict.fromkeys(lacking, pl.lit(None))
    return rows.with_columns(**columns).select(pl.col(name).cast(dtype) for name, dtype in schema.items())
