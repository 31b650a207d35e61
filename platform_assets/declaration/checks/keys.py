"""Cross-checks of keys: the scored table's is one column, and where a key that is made from what a row holds is enough.

Belongs here: rules about `primary_key` of the scored table and about columns with `digest_of`. Does not belong here: computing digests
(`connectors/row_digests.py`).
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
    """Problems of the scored table's key, and of columns that are digests of others; paths start at the use case."""
    yield from _key_of_events(use_case)
    yield from _digests(use_case)


def _key_of_events(use_case: UseCase) -> Iterator[Problem]:
    key = use_case.event_source.primary_key
    if len(key) > 1:
        texts = ", ':', ".join(f"CAST({name} AS VARCHAR)" for name in key)
        column = f'{{name: row_key, type: string, description: What names a row, expression: "CONCAT({texts})"}}'
        message = f"training sets, predictions and the service name an event by one column: declare {column} and make row_key the key"
        yield ("sources", use_case.sources.index(use_case.event_source), "primary_key"), list(key), message


def _digests(use_case: UseCase) -> Iterator[Problem]:
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
