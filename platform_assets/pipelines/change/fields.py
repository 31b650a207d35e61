"""Declarations as flat lists of fields, so that two of them can be compared field by field.

Belongs here: the path of a field, and which fields differ. Does not belong here: what a difference means (`limits.py`, `gates/`).

Things that have a name are known by it and not by their place: `sources.transactions.columns.amount.maximum`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

NAMES: Final = ("name", "metric", "gate", "when", "column", "strategy")
"""Fields by which one thing of a list is told from the others, the first that all of them have and in which they differ."""
PROSE: Final = frozenset({"description", "why", "hypothesis"})


@dataclass(frozen=True)
class Field:
    """A field of a declaration.

    Attributes:
        path: names from the top to the field.
        where: the same as keys and places, as the YAML file has them.
        value: what is declared, or what holds where nothing is.
    """

    path: tuple[str, ...]
    where: tuple[int | str, ...]
    value: Any

    def __str__(self) -> str:
        """The path in one word."""
        return ".".join(self.path)


@dataclass(frozen=True)
class Difference:
    """A field that differs; one side is missing where it is new or gone."""

    path: tuple[str, ...]
    before: Field | None
    after: Field | None

    def __str__(self) -> str:
        """The path in one word."""
        return ".".join(self.path)

    @property
    def values(self) -> str:
        """Both values, for people."""
        texts = [
            "nothing" if field is None or field.value is None else str(field.value)
            for field in (self.before, self.after)
        ]
        return f"{texts[0]} → {texts[1]}"


def fields_of(document: Any, path: tuple[str, ...] = (), where: tuple[int | str, ...] = ()) -> Iterator[Field]:
    """Every field of a declaration: values, lists of plain values, and an empty place for each thing of a list.

    Args:
        document: plain values.
        path: of the document itself.
        where: of the document itself.
    """
    if isinstance(document, Mapping):
        for key, value in document.items():
            yield from fields_of(value, (*path, str(key)), (*where, key))
    elif isinstance(document, list) and document and all(isinstance(item, Mapping) for item in document):
        name = _name_of(document)
        for place, item in enumerate(document):
            own = (*path, str(item[name]) if name else str(place))
            yield Field(own, (*where, place), None)
            yield from fields_of(item, own, (*where, place))
    else:
        yield Field(path, where, None if document == [] else document)


def _name_of(items: list[Mapping[str, Any]]) -> str | None:
    for name in NAMES:
        values = [item.get(name) for item in items]
        if None not in values and len(set(map(str, values))) == len(values):
            return name
    return None


def differences(before: Any, after: Any) -> list[Difference]:
    """The fields in which two declarations differ, in their order; prose does not count."""
    old = {field.path: field for field in fields_of(before)}
    new = {field.path: field for field in fields_of(after)}
    found = []
    for path in dict.fromkeys([*old, *new]):
        is_here = path in old, path in new
        if path[-1] not in PROSE and (is_here != (True, True) or old[path].value != new[path].value):
            found.append(Difference(path, old.get(path), new.get(path)))
    return found
