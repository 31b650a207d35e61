"""Connectors: rows as the world delivers them, and the same rows in declared columns and types.

What belongs here: finding and reading what a source names (simulator, files), the place each row came from, the day
it was delivered for, and the cast to the declaration, where a text cell that does not fit is kept with its row. What
does not: judging values (`validation`), storing rows (`lake`), and drawing simulated rows (`simulation`). A further
kind of connector is one module with a function like `read_files`, and one line in `read`.
"""

from platform_assets.sources.conform import Conformed, conform
from platform_assets.sources.delivery import DELIVERED_DAY, SOURCE_POSITION, SOURCE_PROBLEM, UNCAST
from platform_assets.sources.errors import ColumnProblem, SchemaMismatch, SourceError
from platform_assets.sources.read import read_source

__all__ = [
    "DELIVERED_DAY",
    "SOURCE_POSITION",
    "SOURCE_PROBLEM",
    "UNCAST",
    "ColumnProblem",
    "Conformed",
    "SchemaMismatch",
    "SourceError",
    "conform",
    "read_source",
]
