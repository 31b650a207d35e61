"""What every connector hands over.

Belongs here: names that all connectors share. Does not belong here: any one kind of connector, and choosing one.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True)
class ChangeBatch:
    """What is new in a source since a cursor."""

    frame: pl.DataFrame
    """Columns as found, then `source_position`, `delivered_day` (null: changes are delivered for no day),
    `source_problem`, `change_operation` (String, `upsert` or `delete`) and `change_sequence` (Int64, larger is newer
    among the changes of one key; the same key and sequence is the same change delivered twice)."""
    cursor: str
    """JSON text: where the next read starts. Equal to the one passed in when nothing is new; kept with the data, in the
    same commit. It may have some hundred thousand characters (a long folder, a wide overlap)."""
    more: bool
    """Whether another read would find more now."""
