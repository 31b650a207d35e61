"""What is said of a name that nothing has, or that may not be used: of a column, a feature, a metric.

Belongs here: the message, which knows the names that it is about. Does not belong here: any rule about names (`checks/`).

A column that is missing breaks everything that names it. A message that knows its names lets the loader tell of it once, with all places.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from platform_assets.members import meant_and_known


class AboutNames(str):
    """A message about names that are wrong wherever they stand.

    Attributes:
        mistake: what is wrong with them; the same mistake with the same names is told once.
    """

    __slots__ = ("mistake",)
    mistake: tuple[str, frozenset[str]]

    @classmethod
    def of(cls, message: str, kind: str, names: Iterable[str]) -> Self:
        """The message with the kind of mistake and its names."""
        made = cls(message)
        made.mistake = kind, frozenset(names)
        return made


def unknown_name(message: str, names: str | Iterable[str], known: Iterable[str]) -> str:
    """A message with what was probably meant and what there is.

    Args:
        message: such as `no such column in 'payments'`.
        names: that nothing has.
        known: the names that there are.
    """
    all_names = (names,) if isinstance(names, str) else tuple(names)
    first = all_names[0] if all_names else ""
    return AboutNames.of(f"{message}; {meant_and_known(first, known)}", "unknown", all_names)
