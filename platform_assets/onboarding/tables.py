"""The tables of a folder: which files belong together, and by which path a declaration reaches each table.

Belongs here: putting files of one format and the same columns together. Does not belong here: reading a file (`files.py`), what a table
holds (`facts.py`), and how tables belong together (`outcomes.py`).
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from platform_assets.onboarding.facts import OnboardingError, TableFacts, look_at_files
from platform_assets.onboarding.files import find_files, format_of_file, header_of
from platform_assets.onboarding.naming import declared_names

EVENTS = "events"
"""Name of a table that stands alone."""
MOST_TABLES = 12
"""A folder of more tables than this is somebody's whole disk."""


@dataclass(frozen=True)
class FoundTable:
    """A table that was found, under the name that its source gets."""

    name: str
    facts: TableFacts


def tables_at(path: str) -> tuple[FoundTable, ...]:
    """The tables at a path, the one with most rows first.

    A file or a glob is one table, named `events`; a folder has as many as its files have formats and headers.

    Raises:
        OnboardingError: there is nothing, it cannot be read, or files of two tables lie so that no path tells them apart.
    """
    files = find_files(path)
    groups: dict[tuple[object, ...], list[Path]] = {}
    for file in files if Path(path).is_dir() else ():
        format_ = format_of_file(file)
        if format_ is not None:
            groups.setdefault((format_, header_of(file, format_)), []).append(file)
    if len(groups) < 2:
        return (FoundTable(EVENTS, look_at_files(files, path)),)
    if len(groups) > MOST_TABLES:
        raise OnboardingError(
            f"{path} has files of {len(groups)} tables: give the folder of those that belong together"
        )
    found = [(members, _path_of(members, Path(path))) for members in groups.values()]
    names = _names([_stem(members, Path(path)) for members, _ in found])
    tables = [
        FoundTable(name, look_at_files(members, where)) for name, (members, where) in zip(names, found, strict=True)
    ]
    return tuple(sorted(tables, key=lambda table: -table.facts.rows))


def _path_of(files: Sequence[Path], folder: Path) -> str:
    """A path that means these files and no others: the file, its folder, or a glob.

    Raises:
        OnboardingError: there is none.
    """
    if len(files) == 1:
        return str(files[0])
    common = Path(os.path.commonpath([file.parent for file in files]))
    if common != folder and find_files(str(common)) == sorted(files):
        return str(common)
    if all(file.parent == common for file in files):
        begin = _beginning([file.name for file in files])
        end = _beginning([file.name[::-1] for file in files])[::-1]
        pattern = str(common / f"{begin}*{end}")
        if sorted(glob.glob(pattern)) == sorted(map(str, files)):
            return pattern
    names = ", ".join(file.name for file in files[:3])
    raise OnboardingError(
        f"{names} are one table by their columns, and lie between files of another: move each table into a folder of its own"
    )


def _beginning(texts: Sequence[str]) -> str:
    """What all texts begin with."""
    shortest = min(texts, key=len)
    same = (place for place, sign in enumerate(shortest) if any(text[place] != sign for text in texts))
    return shortest[: next(same, len(shortest))]


def _stem(files: Sequence[Path], folder: Path) -> str:
    """What the files are called: their own name, or the folder's, or what their names have in common."""
    if len(files) == 1:
        return files[0].name.partition(".")[0]
    common = Path(os.path.commonpath([file.parent for file in files]))
    begin = _beginning([file.name for file in files])
    return common.name if common != folder else begin


def _names(stems: Sequence[str]) -> list[str]:
    """A name for each, without the dates that files carry."""
    names: list[str] = []
    for stem in stems:
        word = re.sub(r"[\d_\W]+$", "", stem) or "table"
        name = next(iter(declared_names([word]).values()))
        number = 1
        while (unique := name if number == 1 else f"{name}_{number}") in names:
            number += 1
        names.append(unique)
    return names
