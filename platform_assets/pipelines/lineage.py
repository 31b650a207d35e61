"""Lineage: for every column of every table, the columns it is made from; derived from the declaration alone.

Belongs here: the graph, and the questions asked of it. Does not belong here: dagster's form of it (`common.py`), versions
of tables (`registry/pins.py`), or printing (`cli/lineage.py`).

A column is made either from other columns of the use case or by something outside of its tables: what a source delivers,
what a caller asks, what the platform itself notes. Those are origins: `source/<table>/<column>`,
`request/<use case>/<column>` and `platform/<what>/<column>`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from platform_assets.declaration import EVENT_DAY, FeatureView, Source, UseCase
from platform_assets.declaration.checks.features import lookup_keys
from platform_assets.declaration.names import (
    DAILY_PREDICTIONS,
    DRIFT,
    FEATURE_QUALITY,
    ONLINE_STORE,
    PARITY,
    PREDICTION_LOG,
    QUALITY,
    TABLES,
    TRAINING_SET,
)
from platform_assets.declaration.prediction_log import FEATURE_PREFIX, PROBABILITIES, prediction_log_schema
from platform_assets.declaration.sections.changes import (
    CHANGE_OPERATION,
    CHANGE_SEQUENCE,
    IS_DELETED,
    OPERATION,
    VALID_FROM,
    VALID_TO,
)
from platform_assets.features.offline.training_set import AS_OF, training_set_schema
from platform_assets.lake.layout import (
    CLEAN,
    FEATURES,
    HISTORY,
    MAINTENANCE,
    MODEL,
    MONITORING,
    PREDICTIONS,
    QUARANTINE,
    RAW,
    RELEASES,
    SERVING,
    TRAINING,
)
from platform_assets.monitoring.watched_window import watched_columns
from platform_assets.pipelines.tables import history_schema, keeps_deleted, raw_schema

SOURCE = "source"
REQUEST = "request"
PLATFORM = "platform"
ORIGINS = (SOURCE, REQUEST, PLATFORM)
"""Layers outside of the use case's tables, at which lineage ends."""

PROFILE = "profile"

WHOLE_ROW = "*"
"""Stands for a delivery or a row as such, not for one of its columns."""


@dataclass(frozen=True, order=True)
class ColumnOf:
    """A column of a table.

    Attributes:
        layer: of the table, or one of `ORIGINS`.
        table: its name.
        column: name of the column.
    """

    layer: str
    table: str
    column: str

    def __str__(self) -> str:
        """The column in one word."""
        return f"{self.layer}/{self.table}.{self.column}"

    @property
    def is_origin(self) -> bool:
        """Whether lineage ends here."""
        return self.layer in ORIGINS


Origins = dict[str, tuple[ColumnOf, ...]]
"""For each column of a table, the columns it is made from."""


@dataclass(frozen=True)
class Lineage:
    """The graph of a use case.

    Attributes:
        made_from: for each column of each table, the columns it is made from.
        otherwise: for a table of which every further column has the same origins, those.
    """

    made_from: Mapping[ColumnOf, tuple[ColumnOf, ...]]
    otherwise: Mapping[tuple[str, str], tuple[ColumnOf, ...]]

    def origins(self, node: ColumnOf) -> tuple[ColumnOf, ...]:
        """The columns that a column is made from; none for an origin, and for a column that the graph does not know."""
        return self.made_from.get(node) or self.otherwise.get((node.layer, node.table), ())

    def table(self, layer: str, table: str, columns: Iterable[str]) -> Origins:
        """The origins of these columns of a table."""
        return {column: self.origins(ColumnOf(layer, table, column)) for column in columns}

    @cached_property
    def nodes(self) -> frozenset[ColumnOf]:
        """Every column that the graph names, origins included."""
        named = {*self.made_from, *(origin for origins in self.made_from.values() for origin in origins)}
        return frozenset(named | {origin for origins in self.otherwise.values() for origin in origins})

    @cached_property
    def goes_into(self) -> Mapping[ColumnOf, tuple[ColumnOf, ...]]:
        """For each column, the columns that are made from it."""
        found: dict[ColumnOf, list[ColumnOf]] = {}
        whole = {ColumnOf(layer, table, WHOLE_ROW): origins for (layer, table), origins in self.otherwise.items()}
        for node, origins in {**self.made_from, **whole}.items():
            for origin in origins:
                found.setdefault(origin, []).append(node)
        return {node: tuple(below) for node, below in found.items()}

    def upstream(self, node: ColumnOf) -> set[ColumnOf]:
        """Everything that a column comes from."""
        return _reached(node, self.origins)

    def downstream(self, node: ColumnOf) -> set[ColumnOf]:
        """Everything that a column goes into."""
        return _reached(node, lambda node: self.goes_into.get(node, ()))

    def find(self, name: str) -> list[ColumnOf]:
        """Columns called `column`, `table.column` or `layer/table.column`, in the order in which data flows."""
        place, _, column = name.rpartition(".")
        layer, _, table = place.rpartition("/")
        return [
            node
            for node in sorted(self.nodes, key=lambda node: (_rank(node.layer), node))
            if node.column == column and table in ("", node.table) and layer in ("", node.layer)
        ]


def _reached(node: ColumnOf, edges: Callable[[ColumnOf], tuple[ColumnOf, ...]]) -> set[ColumnOf]:
    found: set[ColumnOf] = set()
    waiting = list(edges(node))
    while waiting:
        following = waiting.pop()
        if following not in found:
            found.add(following)
            waiting += edges(following)
    return found


def _rank(layer: str) -> int:
    order = (
        SOURCE,
        RAW,
        CLEAN,
        QUARANTINE,
        HISTORY,
        FEATURES,
        TRAINING,
        MODEL,
        REQUEST,
        SERVING,
        PREDICTIONS,
        MONITORING,
    )
    return order.index(layer) if layer in order else len(order)


def lineage(use_case: UseCase) -> Lineage:
    """The graph of a use case."""
    made_from: dict[ColumnOf, tuple[ColumnOf, ...]] = {}
    for (layer, table), origins in _tables(use_case):
        made_from |= {ColumnOf(layer, table, column): found for column, found in origins.items()}
    otherwise: dict[tuple[str, str], tuple[ColumnOf, ...]] = {}
    for source in use_case.sources:
        otherwise[(RAW, source.name)] = (ColumnOf(SOURCE, source.name, WHOLE_ROW),)
        otherwise[(QUARANTINE, source.name)] = tuple(ColumnOf(RAW, source.name, name) for name in source.column_names)
        otherwise[(PROFILE, source.name)] = otherwise[(QUARANTINE, source.name)]
        otherwise[(RELEASES, source.name)] = (ColumnOf(QUARANTINE, source.name, WHOLE_ROW),)
    judged = (*use_case.feature_names, use_case.label.column)
    otherwise[(FEATURES, FEATURE_QUALITY)] = tuple(ColumnOf(TRAINING, TRAINING_SET, name) for name in judged)
    logged = [ColumnOf(*_log(use_case), FEATURE_PREFIX + name) for name in use_case.feature_names]
    stored = [ColumnOf(FEATURES, view.table, name) for view in use_case.features for name in view.feature_names]
    otherwise[(MONITORING, PARITY)] = (*logged, *stored)
    otherwise[(MAINTENANCE, TABLES)] = (ColumnOf(PLATFORM, "lake", WHOLE_ROW),)
    return Lineage(made_from, otherwise)


def _tables(use_case: UseCase) -> Iterable[tuple[tuple[str, str], Origins]]:
    """Every table whose columns the declaration names, in the order in which data flows."""
    for source in use_case.sources:
        yield (RAW, source.name), _raw(source)
        yield (CLEAN, source.name), _clean(source)
        yield (QUARANTINE, source.name), _quarantine(source)
        if source.changes.deletes == "history":
            yield (HISTORY, source.name), _history(source)
    for view in use_case.stored_views:
        yield (FEATURES, view.table), _view(use_case, view)
    if use_case.is_realtime:
        yield (FEATURES, ONLINE_STORE), _online_store(use_case)
    yield (TRAINING, TRAINING_SET), _training_set(use_case)
    yield (MODEL, use_case.model_name), _model(use_case)
    yield _log(use_case), _prediction_log(use_case) if use_case.is_realtime else _daily_predictions(use_case)
    yield (MONITORING, DRIFT), _drift(use_case)
    yield (MONITORING, QUALITY), _quality(use_case)


def _raw(source: Source) -> Origins:
    """Declared columns come from the source's; what travels with a row comes from its delivery as such."""
    return {
        name: (ColumnOf(SOURCE, source.name, name if name in source.column_names else WHOLE_ROW),)
        for name in raw_schema(source)
    }


def _clean(source: Source) -> Origins:
    origins: Origins = {name: (ColumnOf(RAW, source.name, name),) for name in source.column_names}
    if source.event_time is not None:
        origins[EVENT_DAY] = (ColumnOf(RAW, source.name, source.event_time),)
    if keeps_deleted(source):
        origins[IS_DELETED] = (ColumnOf(RAW, source.name, CHANGE_OPERATION),)
    return origins


def _history(source: Source) -> Origins:
    """Each version is a change as it is in the raw table; when it was valid comes from the sequences."""
    of_version = {OPERATION: CHANGE_OPERATION, VALID_FROM: CHANGE_SEQUENCE, VALID_TO: CHANGE_SEQUENCE}
    return {name: (ColumnOf(RAW, source.name, of_version.get(name, name)),) for name in history_schema(source)}


def _quarantine(source: Source) -> Origins:
    """Where a refused row came from; all else can come from any of its columns."""
    return {name: (ColumnOf(RAW, source.name, name),) for name in raw_schema(source) if name not in source.column_names}


def _view(use_case: UseCase, view: FeatureView) -> Origins:
    """A feature comes from the clean columns that its window or expression reads."""
    events, label = use_case.events, use_case.label
    origins: Origins = {
        name: (ColumnOf(CLEAN, events, name),)
        for name in use_case.feature_schema(view)
        if name == EVENT_DAY or name in use_case.event_source.column_names
    }
    for window in view.windows:
        read = [ColumnOf(CLEAN, events, use_case.event_time)]
        if view.entity is not None:
            read += [ColumnOf(CLEAN, events, key) for key in use_case.entity(view.entity).key_columns]
        asked = [root for text in window.expressions.values() for root in pl.sql_expr(text).meta.root_names()]
        for column in (*([] if window.column is None else [window.column]), *asked):
            read.append(ColumnOf(CLEAN, label.source if column == label.column else events, column))
        origins |= {name: tuple(dict.fromkeys(read)) for name in window.feature_names}
    looked_up: Origins = {
        name: (
            *(ColumnOf(CLEAN, events, key) for key in lookup_keys(use_case, lookup)),
            ColumnOf(CLEAN, lookup.source, column),
        )
        for lookup in view.lookups
        for name, column in lookup.names.items()
    }
    made_of = {row.name: tuple(pl.sql_expr(row.expression).meta.root_names()) for row in view.rows}
    for name, roots in (made_of | {item.name: item.columns for item in view.functions}).items():
        known = looked_up | origins
        found = [origin for root in roots for origin in known.get(root, (ColumnOf(CLEAN, events, root),))]
        origins[name] = tuple(dict.fromkeys(found)) or (ColumnOf(CLEAN, events, WHOLE_ROW),)
    return origins | {name: found for name, found in looked_up.items() if name in view.feature_names}


def _features(use_case: UseCase) -> Origins:
    """What each feature is made from, over all views."""
    return {
        name: origins
        for view in use_case.features
        for name, origins in _view(use_case, view).items()
        if name in view.feature_names
    }


def online_columns(use_case: UseCase) -> dict[str, ColumnOf]:
    """Clean columns of recent events that the online store keeps: keys, times, and what windows aggregate."""
    events, label = use_case.event_source, use_case.label
    names: dict[str, ColumnOf] = {}
    for view in use_case.features:
        for lookup in view.lookups:
            names |= {name: ColumnOf(CLEAN, lookup.source, column) for name, column in lookup.names.items()}
        if not view.windows or view.entity is None:
            continue
        for name in (*use_case.entity(view.entity).key_columns, use_case.event_time, *events.primary_key):
            names[name] = ColumnOf(CLEAN, events.name, name)
        for column in (window.column for window in view.windows if window.column is not None):
            names[column] = ColumnOf(CLEAN, label.source if column == label.column else events.name, column)
    return names


def _online_store(use_case: UseCase) -> Origins:
    return {name: (column,) for name, column in online_columns(use_case).items()}


def _training_set(use_case: UseCase) -> Origins:
    """Keys, label and day come from the labels; features, time and group from the feature tables."""
    label, schema = use_case.label, training_set_schema(use_case)
    origins: Origins = {
        name: (ColumnOf(FEATURES, view.table, name),)
        for view in reversed(use_case.features)
        for name in use_case.feature_schema(view)
        if name in schema
    }
    for name in (*use_case.event_source.primary_key, label.column, EVENT_DAY):
        origins[name] = (ColumnOf(CLEAN, label.source, name),)
    origins[AS_OF] = (ColumnOf(PLATFORM, "run", AS_OF),)
    return {name: origins[name] for name in schema if name in origins}


def _model(use_case: UseCase) -> Origins:
    """A model reads its features, and has learned from the label."""
    names = (*use_case.feature_names, use_case.label.column)
    return {name: (ColumnOf(TRAINING, TRAINING_SET, name),) for name in names}


def _log(use_case: UseCase) -> tuple[str, str]:
    """Layer and name of the table with the predictions."""
    return (SERVING, PREDICTION_LOG) if use_case.is_realtime else (PREDICTIONS, DAILY_PREDICTIONS)


def _model_columns(use_case: UseCase) -> tuple[ColumnOf, ...]:
    return tuple(ColumnOf(MODEL, use_case.model_name, name) for name in _model(use_case))


def _prediction_log(use_case: UseCase) -> Origins:
    """What a caller asked, the features computed from it and from the online store, and what the model said."""
    request = {name: ColumnOf(REQUEST, use_case.name, name) for name in use_case.serving.request}
    origins: Origins = {
        name: (ColumnOf(PLATFORM, "service", name),) for name in prediction_log_schema(use_case) if name not in request
    }
    origins |= {name: (column,) for name, column in request.items()}
    online = online_columns(use_case)
    for name, read in _features(use_case).items():
        asked = [
            request[origin.column] for origin in read if origin.table == use_case.events and origin.column in request
        ]
        kept = (ColumnOf(FEATURES, ONLINE_STORE, origin.column) for origin in read if origin.column in online)
        stored = tuple(kept) if _is_windowed(use_case, name) else ()
        origins[FEATURE_PREFIX + name] = (*asked, *stored)
    inputs = tuple(ColumnOf(SERVING, PREDICTION_LOG, FEATURE_PREFIX + name) for name in use_case.feature_names)
    origins["score"] = (*inputs, *_model_columns(use_case))
    origins["decision"] = (ColumnOf(SERVING, PREDICTION_LOG, "score"),)
    origins |= _by_class(use_case, origins["score"])
    keys = [key for entity in use_case.entities for key in entity.key_columns if key in request]
    origins["unknown_entities"] = tuple(request[key] for key in dict.fromkeys(keys)) or origins["unknown_entities"]
    if use_case.event_time in request:
        origins[EVENT_DAY] = (request[use_case.event_time],)
    return origins


def _daily_predictions(use_case: UseCase) -> Origins:
    """The events of a day, their features from the feature tables, and what the model said."""
    day = ColumnOf(CLEAN, use_case.events, EVENT_DAY)
    origins: Origins = {name: (ColumnOf(PLATFORM, "run", name),) for name in prediction_log_schema(use_case)}
    origins |= {name: (ColumnOf(CLEAN, use_case.events, name),) for name in use_case.serving.request}
    views = {name: view.table for view in use_case.features for name in view.feature_names}
    origins |= {FEATURE_PREFIX + name: (ColumnOf(FEATURES, view, name),) for name, view in views.items()}
    inputs = tuple(ColumnOf(*_log(use_case), FEATURE_PREFIX + name) for name in use_case.feature_names)
    origins["score"] = (*inputs, *_model_columns(use_case))
    if use_case.serving.decision is not None:
        origins["decision"] = (ColumnOf(*_log(use_case), "score"),)
    return {**origins, **_by_class(use_case, origins["score"]), EVENT_DAY: (day,)}


def _by_class(use_case: UseCase, model: tuple[ColumnOf, ...]) -> Origins:
    """The model gives the probabilities; the score and the predicted class are read from them."""
    given = (ColumnOf(*_log(use_case), PROBABILITIES),)
    return {PROBABILITIES: model, "score": given, "decision": given} if use_case.is_multiclass else {}


def _is_windowed(use_case: UseCase, feature: str) -> bool:
    """Whether a feature needs stored events besides the request's own; a row feature may read a window of its view."""
    stored = {name for view in use_case.features for name in view.computed_from}
    made_of: dict[str, Iterable[str]] = {}
    for view in use_case.features:
        made_of |= {row.name: pl.sql_expr(row.expression).meta.root_names() for row in view.rows}
        made_of |= {item.name: item.columns for item in view.functions}
    return feature in stored or any(
        root in stored or (root != feature and root in made_of and bool(stored & set(made_of[root])))
        for root in made_of[feature]
    )


def _verdict(use_case: UseCase, judged: tuple[ColumnOf, ...]) -> Origins:
    verdict: Origins = dict.fromkeys(("status", "passed", "causes", "result"), judged)
    return verdict | {name: (ColumnOf(*_log(use_case), name),) for name in ("model_version", EVENT_DAY)}


def _drift(use_case: UseCase) -> Origins:
    """Logged features and scores, next to those of the training set."""
    logged = watched_columns(use_case)
    reference = tuple(ColumnOf(TRAINING, TRAINING_SET, name) for name in use_case.feature_names)
    return _verdict(use_case, (*(ColumnOf(*_log(use_case), name) for name in logged), *reference))


def _quality(use_case: UseCase) -> Origins:
    """Logged scores, next to the labels that arrived."""
    label = ColumnOf(CLEAN, use_case.label.source, use_case.label.column)
    return _verdict(use_case, (ColumnOf(*_log(use_case), PROBABILITIES if use_case.is_multiclass else "score"), label))
