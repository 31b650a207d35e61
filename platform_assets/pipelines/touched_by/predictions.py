"""The predictions that a file touched: through their features, or through their model alone.

Belongs here: reading the log, what each prediction was computed from, and the two lists. Does not belong here: whether a row stands in a
window (`marked.py`), what would have been answered without the file (`again.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from platform_assets.declaration import EVENT_DAY, feature_contract_hash
from platform_assets.declaration.names import TRAINING_SET
from platform_assets.declaration.prediction_log import SHADOW
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.features.consistency.replay import SCORED_AT, replayed_features
from platform_assets.features.entities import with_entity_columns
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.errors import LakeError, LakeVersionMissing
from platform_assets.lake.layout import TRAINING
from platform_assets.monitoring.prediction_log import read_segments
from platform_assets.pipelines.build_training_set import starts_from_events
from platform_assets.pipelines.known_then import NO_VERSION, events_then, reached_days, rows_then, versions_then
from platform_assets.pipelines.touched_by.file_rows import DeliveredFileRows, NotTraced
from platform_assets.pipelines.touched_by.marked import (
    counting_case,
    label_marks,
    mark_events,
    touched_features,
    with_mark,
)
from platform_assets.pipelines.touched_by.stored_days import (
    TouchedTrainingSet,
    counted_days,
    event_days_reached,
    touched_training_set,
)
from platform_assets.registry.base import ModelRegistry
from platform_assets.registry.errors import RegistryError
from platform_assets.registry.pins import DATA_VERSIONS

ACCOUNT = ("request_id", "model_version", SCORED_AT, "score", "decision")


@dataclass(frozen=True)
class ModelFromFile:
    """A model that answered, and whether the file is in what it was trained on.

    Attributes:
        version: of the model.
        training_set: what it was trained on; None where that cannot be told.
        why_not: why it cannot be told.
        predictions: that it answered.
    """

    version: str
    training_set: TouchedTrainingSet | None
    why_not: str | None
    predictions: int

    @property
    def is_touched(self) -> bool:
        """Whether a row of its training set comes from the file."""
        return self.training_set is not None and self.training_set.touched > 0


@dataclass(frozen=True)
class GroupThen:
    """Predictions that saw the same versions of all tables.

    Attributes:
        rows: as they were logged.
        versions: of the clean tables, by source.
        days: first and last day of events that their features read.
    """

    rows: pl.DataFrame
    versions: Mapping[str, int]
    days: tuple[date, date]


@dataclass(frozen=True, eq=False)
class TouchedPredictions:
    """What a file touched.

    Attributes:
        file: its rows.
        by_features: predictions with a row of the file behind a feature: the event's key and day, `request_id`, `model_version`,
            `scored_at`, `score`, `decision`, and `features`, the names of these.
        by_model_alone: likewise, of the others those that a touched model answered.
        untold: likewise, those of which it cannot be told, with `why`.
        models: every model that answered.
        searched: predictions that were looked at.
    """

    file: DeliveredFileRows
    by_features: pl.DataFrame
    by_model_alone: pl.DataFrame
    untold: pl.DataFrame
    models: tuple[ModelFromFile, ...]
    searched: int


def touched_predictions(file: DeliveredFileRows, serving: ServingHome, registry: ModelRegistry) -> TouchedPredictions:
    """Every prediction that a file touched; those of versions in the shadow, which were given to nobody, are left out.

    Raises:
        NotTraced: what features were computed from was not recorded.
        LakeError: a table cannot be read.
    """
    log = logged_predictions(file.catalog, serving)
    candidates = _candidates(file, log)
    own = pl.col("feature_contract") == feature_contract_hash(file.catalog.use_case)
    counts, untold = _counts(file, candidates.filter(own))
    why = pl.lit("answered under an earlier declaration, whose features are others", pl.String).alias("why")
    untold = pl.concat([untold, candidates.filter(~own).with_columns(why)])
    keys = _account_columns(file.catalog)
    touched = _named(file, counts, keys)
    models = tuple(_model(file, registry, version, log) for version in sorted(log["model_version"].unique().to_list()))
    of_models = [one.version for one in models if one.is_touched]
    others = log.join(
        pl.concat([touched.select("request_id"), untold.select("request_id")]), on="request_id", how="anti"
    )
    by_model = others.filter(pl.col("model_version").is_in(of_models)).select(keys)
    return TouchedPredictions(file, touched, by_model, untold.select(*keys, "why"), models, log.height)


def logged_predictions(catalog: Catalog, serving: ServingHome) -> pl.DataFrame:
    """Every prediction that was answered: the stored ones, and those of the services' log that are not stored yet."""
    table, use_case = catalog.predictions, catalog.use_case
    frames = [table.read() if table.exists() else pl.DataFrame(schema=table.schema)]
    if use_case.is_realtime:
        waiting = read_segments(serving.log_folder(use_case.name), use_case).frame
        names = [name for name in table.schema if name in waiting.columns]
        frames.append(waiting.filter(pl.col("role").ne_missing(SHADOW)).select(names))
    return pl.concat(frames, how="diagonal").unique("request_id", keep="first", maintain_order=True)


def _account_columns(catalog: Catalog) -> list[str]:
    return [*catalog.use_case.event_source.primary_key, EVENT_DAY, *ACCOUNT]


def _candidates(file: DeliveredFileRows, log: pl.DataFrame) -> pl.DataFrame:
    """Predictions whose features can hold a row of the file at all: of days in reach and, for a file of events, of its entities."""
    use_case, days = file.catalog.use_case, event_days_reached(file)
    near = log if days is None else log.filter(pl.col(EVENT_DAY).is_between(days.first, days.last))
    if near.is_empty() or file.source.name != use_case.events or not use_case.is_realtime:
        return near
    if any(lookup.source == file.source.name for view in use_case.features for lookup in view.lookups):
        return near
    rows = with_entity_columns(file.ever_published(), use_case, use_case.features)
    wide = with_entity_columns(near, use_case, use_case.features)
    entities = [use_case.entity(name).key for name in use_case.entities_with_history]
    own = [pl.col(key).is_in(rows[key].unique().implode()) for key in entities]
    return wide.filter(pl.any_horizontal(own)).select(near.columns) if own else near.clear()


def _counts(file: DeliveredFileRows, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Candidates with counts and `own`, and those of which a version is gone, with `why`."""
    counted, untold = [rows.clear()], [rows.clear().with_columns(pl.lit(None, pl.String).alias("why"))]
    if not file.catalog.use_case.is_realtime:
        return _counts_of_stored_days(file, rows), untold[0]
    for group in groups_then(file.catalog, rows):
        try:
            counted.append(_counts_of_requests(file, group))
        except LakeVersionMissing as error:
            untold.append(group.rows.with_columns(pl.lit(str(error)).alias("why")))
    return pl.concat(counted, how="diagonal"), pl.concat(untold)


def groups_then(catalog: Catalog, rows: pl.DataFrame) -> Iterator[GroupThen]:
    """Predictions of a service by the versions that were current when each was scored."""
    if rows.is_empty():
        return
    versions = versions_then(catalog, rows[SCORED_AT])
    marks = {name: f"#{name}" for name in versions}
    placed = rows.with_columns(numbers.alias(marks[name]) for name, numbers in versions.items())
    together = [*marks.values(), *([EVENT_DAY] if starts_from_events(catalog.use_case) else [])]
    for _, group in placed.group_by(together, maintain_order=True):
        numbers = {name: int(group[mark][0]) for name, mark in marks.items()}
        yield GroupThen(group.drop(*marks.values()), numbers, reached_days(catalog, group[EVENT_DAY]))


def answered_before(catalog: Catalog, days: tuple[date, date]) -> pl.DataFrame:
    """Requests that a service may have answered before those of a group."""
    return (
        catalog.predictions.read(*days)
        if catalog.predictions.exists()
        else pl.DataFrame(schema=catalog.predictions.schema)
    )


def _counts_of_requests(file: DeliveredFileRows, group: GroupThen) -> pl.DataFrame:
    """Requests with the number of the file's rows behind each feature, as their service computed them."""
    catalog, source = file.catalog, file.source.name
    counting = counting_case(catalog.use_case, source)
    version = group.versions.get(source, NO_VERSION)
    if counting is None or version == NO_VERSION:
        return group.rows.clear()
    rows = file.published(version)
    if rows.is_empty():
        return group.rows.clear()
    tables = rows_then(catalog, group.versions, group.days)
    if any(lookup.source == source for view in catalog.use_case.features for lookup in view.lookups):
        tables[source] = with_mark(tables[source], rows, file.place)
    day: date = group.rows[EVENT_DAY][0]
    events = events_then(catalog, tables, day)
    if source == catalog.use_case.label.source and source != catalog.use_case.events:
        labels = with_mark(tables[source].drop("touched_by_row", strict=False), rows, file.place)
        as_of = day if starts_from_events(catalog.use_case) else None
        events = label_marks(events, labels, catalog.use_case, as_of)
    marked = mark_events(events.drop("touched_by_row", strict=False), rows, file)
    counts = replayed_features(group.rows, marked, answered_before(catalog, group.days), counting, tables)
    names = list(counting.feature_names)
    return group.rows.with_columns(counts.select(names).rename({name: f"#{name}" for name in names}).get_columns())


def _counts_of_stored_days(file: DeliveredFileRows, rows: pl.DataFrame) -> pl.DataFrame:
    """Predictions that were made from feature tables, with the number of the file's rows behind each feature."""
    catalog = file.catalog
    keys = [*catalog.use_case.event_source.primary_key, EVENT_DAY]
    found = rows.with_columns(pl.lit(0.0).alias("#own"))
    if rows.is_empty():
        return found
    for view in catalog.use_case.features:
        table = catalog.features(view)
        scored = rows.group_by(EVENT_DAY).agg(pl.col(SCORED_AT).max()).sort(EVENT_DAY)
        versions = {day: table.version_at(moment) for day, moment in scored.iter_rows()}
        counts = counted_days(file, view, versions)
        names = [name for name in counts.columns if name not in (*keys, "own")]
        found = found.join(
            counts.select(*keys, "own", *names).rename({name: f"#{name}" for name in names}), on=keys, how="left"
        )
        found = found.with_columns(pl.max_horizontal("#own", pl.col("own").fill_null(0.0)).alias("#own")).drop("own")
    return found


def _named(file: DeliveredFileRows, counts: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    """Of counted predictions the touched ones, with the names of the features that a row of the file stands behind."""
    use_case = file.catalog.use_case
    marks = {name: name.removeprefix("#") for name in counts.columns if name.startswith("#")}
    plain = counts.select(list(marks)).rename(marks).cast(pl.Float64)
    flags = touched_features(plain.drop("own", strict=False), use_case)
    if (
        "own" in plain.columns
    ):  # predictions of a table: the event itself may be a row of the file, and all of its features are then
        flags = flags.with_columns(pl.all() | (plain["own"].fill_null(0.0) > 0))
    names = pl.concat_list([pl.when(pl.col(name)).then(pl.lit(name)) for name in flags.columns]).list.drop_nulls()
    with_names = counts.select(keys).with_columns(flags.select(names.alias("features")).to_series())
    return with_names.filter(pl.col("features").list.len() > 0).sort(EVENT_DAY, SCORED_AT, "request_id")


def _model(file: DeliveredFileRows, registry: ModelRegistry, version: str, log: pl.DataFrame) -> ModelFromFile:
    """Whether a model that answered was trained on rows of the file."""
    catalog = file.catalog
    answered = log.filter(pl.col("model_version") == version).height
    try:
        registered = registry.get(catalog.use_case.name, version)
        made_from: Mapping[str, Any] = registered.tag_json(DATA_VERSIONS) or {}
        number = made_from.get(catalog.path(catalog.training_sets))
        if number is None:
            return ModelFromFile(
                version, None, f"version {version} does not record {TRAINING}/{TRAINING_SET}", answered
            )
        found = touched_training_set(file, int(number), date.fromisoformat(registered.tags["as_of"]))
    except (RegistryError, LakeError, NotTraced) as error:
        return ModelFromFile(version, None, str(error), answered)
    return ModelFromFile(version, found, None, answered)
