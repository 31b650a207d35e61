"""Cross-checks of keys that are made from what a row holds: where such a key is enough, and where it is not.

Belongs here: rules about columns with `digest_of`. Does not belong here: computing them (`connectors/row_digests.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from platform_assets.declaration.sections.columns import Column
    from platform_assets.declaration.sections.sources import Source
    from platform_assets.declaration.use_case import UseCase

Problem = tuple[tuple[int | str, ...], Any, str]
"""A path in the declaration, the value there, and the message."""


def key_problems(use_case: UseCase) -> Iterator[Problem]:
    """Problems of columns that are digests of others; paths start at the use case."""
    for i, source in enumerate(use_case.sources):
        for j, column in enumerate(source.columns):
            if column.digest_of is not None:
                for message in _column(source, column):
                    yield ("sources", i, "columns", j, "digest_of"), column.digest_of, message
    events = use_case.event_source
    made = [
        key for key in events.primary_key if key in events.column_names and events.column(key).digest_of is not None
    ]
    if not made:
        return
    name = made[0]
    if use_case.is_realtime:
        message = (
            f"{name} is made from the whole row, label included, which a caller cannot know: declare `mode: batch`"
        )
        yield ("serving", "mode"), use_case.serving.mode, message
    if use_case.label.source != use_case.events:
        message = f"rows of {use_case.label.source!r} cannot name an event whose key {name} is made here: deliver the label with the events"
        yield ("label", "source"), use_case.label.source, message


def _column(source: Source, column: Column) -> Iterator[str]:
    if column.type != "string":
        yield f"is {column.type}: a digest is a string"
    if column.value is not None or column.expression is not None or column.delivered_as:
        yield "is made of other columns: leave `from`, `value` and `expression` out"
    if source.is_incremental:
        yield "changes find their row by its key, which a digest of the changed row is not"
    others = [other.name for other in source.columns if other.digest_of is None]
    unknown = [] if column.digest_of == "row" else [name for name in column.digest_of or () if name not in others]
    if unknown or column.digest_of == ():
        yield f"names {', '.join(unknown) or 'no column'}; there are {', '.join(others)}"
