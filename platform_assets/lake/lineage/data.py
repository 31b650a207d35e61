"""Lineage of the data layers: raw, clean, history and quarantine come from the declared sources.

Belongs here: which columns the tables of a source are made from. Does not belong here: the graph (`graph.py`).
"""

from platform_assets.declaration import EVENT_DAY, Source
from platform_assets.declaration.sections.changes import (
    CHANGE_OPERATION,
    CHANGE_SEQUENCE,
    IS_DELETED,
    OPERATION,
    VALID_FROM,
    VALID_TO,
)
from platform_assets.lake.layout import RAW
from platform_assets.lake.lineage.graph import SOURCE, WHOLE_ROW, ColumnOf, Origins
from platform_assets.lake.schemas import history_schema, keeps_deleted, raw_schema


def raw_origins(source: Source) -> Origins:
    """Declared columns come from the source's; what travels with a row comes from its delivery as such."""
    return {
        name: (ColumnOf(SOURCE, source.name, name if name in source.column_names else WHOLE_ROW),)
        for name in raw_schema(source)
    }


def clean_origins(source: Source) -> Origins:
    """A published column is the delivered one; the event day is that of the event time."""
    origins: Origins = {name: (ColumnOf(RAW, source.name, name),) for name in source.column_names}
    if source.event_time is not None:
        origins[EVENT_DAY] = (ColumnOf(RAW, source.name, source.event_time),)
    if keeps_deleted(source):
        origins[IS_DELETED] = (ColumnOf(RAW, source.name, CHANGE_OPERATION),)
    return origins


def history_origins(source: Source) -> Origins:
    """Each version is a change as it is in the raw table; when it was valid comes from the sequences."""
    of_version = {OPERATION: CHANGE_OPERATION, VALID_FROM: CHANGE_SEQUENCE, VALID_TO: CHANGE_SEQUENCE}
    return {name: (ColumnOf(RAW, source.name, of_version.get(name, name)),) for name in history_schema(source)}


def quarantine_origins(source: Source) -> Origins:
    """Where a refused row came from; all else can come from any of its columns."""
    return {name: (ColumnOf(RAW, source.name, name),) for name in raw_schema(source) if name not in source.column_names}
