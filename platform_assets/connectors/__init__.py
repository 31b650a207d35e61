"""Connectors: rows as the world delivers them, and the same rows in declared columns and types.

Belongs here: finding and reading what a source names (simulator, files, databases, tables and topics of others), the
place each row came from, the day it was delivered for or what is new since a cursor, and the cast to the declaration,
where a text cell that does not fit is kept with its row. Does not belong here: judging values (`validation`), storing
rows (`lake`), and drawing simulated rows (`simulation`).

A further kind of connector is a folder here with an object of `base.Reader`, a model that names it
(`declaration/sections/connectors/`), and a line in the list of models.
"""

from platform_assets.connectors.access import Access
from platform_assets.connectors.base import ChangeBatch
from platform_assets.connectors.conforming import Conformed, conform
from platform_assets.connectors.errors import ColumnProblem, SchemaMismatch, SourceError
from platform_assets.connectors.reading import read_changes, read_source
from platform_assets.declaration.delivered_columns import (
    CHANGE_OPERATION,
    CHANGE_SEQUENCE,
    DELETE,
    DELIVERED_DAY,
    EXTRA,
    SOURCE_LINE,
    SOURCE_POSITION,
    SOURCE_PROBLEM,
    UNCAST,
    UPSERT,
)
from platform_assets.declaration.delivered_columns import row_positions as positions

__all__ = [
    "CHANGE_OPERATION",
    "CHANGE_SEQUENCE",
    "DELETE",
    "DELIVERED_DAY",
    "EXTRA",
    "SOURCE_LINE",
    "SOURCE_POSITION",
    "SOURCE_PROBLEM",
    "UNCAST",
    "UPSERT",
    "Access",
    "ChangeBatch",
    "ColumnProblem",
    "Conformed",
    "SchemaMismatch",
    "SourceError",
    "conform",
    "positions",
    "read_changes",
    "read_source",
]
