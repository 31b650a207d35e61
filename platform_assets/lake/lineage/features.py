"""Lineage of features: feature tables, the online store, the training set and the model come from clean columns.

Belongs here: which columns a feature is computed from, wherever it is stored. Does not belong here: computing features (`features/`),
or the graph (`graph.py`).
"""

from collections.abc import Iterable

from platform_assets.declaration import EVENT_DAY, FeatureView, UseCase
from platform_assets.declaration.checks.features import lookup_keys
from platform_assets.declaration.expressions import columns_of
from platform_assets.declaration.names import TRAINING_SET
from platform_assets.lake.layout import CLEAN, FEATURES, TRAINING
from platform_assets.lake.lineage.graph import PLATFORM, WHOLE_ROW, ColumnOf, Origins
from platform_assets.lake.schemas import AS_OF, training_set_schema


def view_origins(use_case: UseCase, view: FeatureView) -> Origins:
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
        conditions = [root for text in window.expressions.values() for root in columns_of(text)]
        for column in (*([] if window.column is None else [window.column]), *conditions):
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
    made_of = {row.name: tuple(columns_of(row.expression)) for row in view.rows}
    for name, roots in (made_of | {item.name: item.columns for item in view.functions}).items():
        known = looked_up | origins
        above = [origin for root in roots for origin in known.get(root, (ColumnOf(CLEAN, events, root),))]
        origins[name] = tuple(dict.fromkeys(above)) or (ColumnOf(CLEAN, events, WHOLE_ROW),)
    return origins | {name: above for name, above in looked_up.items() if name in view.feature_names}


def feature_origins(use_case: UseCase) -> Origins:
    """What each feature is made from, over all views."""
    return {
        name: origins
        for view in use_case.features
        for name, origins in view_origins(use_case, view).items()
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


def online_store_origins(use_case: UseCase) -> Origins:
    """The online store keeps clean columns as they are."""
    return {name: (column,) for name, column in online_columns(use_case).items()}


def training_set_origins(use_case: UseCase) -> Origins:
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


def model_origins(use_case: UseCase) -> Origins:
    """A model reads its features, and has learned from the label."""
    names = (*use_case.feature_names, use_case.label.column)
    return {name: (ColumnOf(TRAINING, TRAINING_SET, name),) for name in names}


def is_windowed(use_case: UseCase, feature: str) -> bool:
    """Whether a feature needs stored events besides the request's own; a row feature may read a window of its view."""
    stored = {name for view in use_case.features for name in view.computed_from}
    made_of: dict[str, Iterable[str]] = {}
    for view in use_case.features:
        made_of |= {row.name: columns_of(row.expression) for row in view.rows}
        made_of |= {item.name: item.columns for item in view.functions}
    return feature in stored or any(
        root in stored or (root != feature and root in made_of and bool(stored & set(made_of[root])))
        for root in made_of[feature]
    )
