"""A change of the small repository, described in this process: no change of the platform's own code among them.

Belongs here: making and undoing it. Does not belong here: what is expected of it.
"""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from platform_assets.orchestration.described_definitions import describe_checkout
from platform_assets.pipelines.change.git import changed_files
from platform_assets.pipelines.change.sides import ChangeSide, RepositoryChange
from platform_assets.testing.change_world import git
from platform_assets.testing.planted_changes import PlantedChange


def described_here(root: Path) -> ChangeSide:
    """A checkout, whose functions are looked for in it."""
    sys.path.insert(0, str(root))
    importlib.invalidate_caches()
    try:
        return ChangeSide(root, describe_checkout(root))
    finally:
        sys.path.remove(str(root))


@contextmanager
def planted_in(root: Path, before: ChangeSide, planted: PlantedChange) -> Iterator[RepositoryChange]:
    """The change, made in a checkout for as long as the block runs."""
    try:
        planted.make(root)
        yield change_of(root, before)
    finally:
        git(root, "reset", "--hard", "--quiet")
        git(root, "clean", "-fdq")


def change_of(root: Path, before: ChangeSide, **more: Any) -> RepositoryChange:
    """From a side to what a checkout holds now."""
    return RepositoryChange(
        before, described_here(root), tuple(changed_files(root, "HEAD")), base="main", commit="0000000", **more
    )
