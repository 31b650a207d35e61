"""Planted changes to a small repository: which gates stop the bad ones, and whether anybody is kept from a good one.

Belongs here: making each change in a repository with the platform's code, and asking the gates of `platform-assets change check`, each
side read by its own code in a fresh process. Does not belong here: the changes (`platform_assets/testing/planted_changes.py`), the gates
(`platform_assets/pipelines/change/`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from time import process_time

from benchmarks.common.report import Bar, Topic
from platform_assets.pipelines.change.check import check_change
from platform_assets.pipelines.change.git import changed_files
from platform_assets.pipelines.change.sides import ChangeSide, RepositoryChange, described
from platform_assets.testing.change_world import git, repository
from platform_assets.testing.planted_changes import BAD, GOOD, PlantedChange

TITLE = "Changes and their gates"


def red_gates(root: Path, before: ChangeSide, planted: PlantedChange) -> list[str]:
    """The gates that a change breaks, once it is made in the repository; it is undone afterwards."""
    planted.make(root)
    try:
        change = RepositoryChange(
            before, ChangeSide(root, described(root)), tuple(changed_files(root, "HEAD")), base="main"
        )
        return [outcome.name for outcome in check_change(change) if not outcome.passed]
    finally:
        git(root, "reset", "--hard", "--quiet")
        git(root, "clean", "-fdq")


def measure_changes(log: Callable[[str], None], most: int) -> Topic:
    """Each planted change.

    Args:
        log: told of every change.
        most: so many bad ones, and so many good ones.
    """
    rows: list[Sequence[str]] = []
    stopped = meant = kept_from = 0
    bad, good = list(BAD.items())[:most], list(GOOD.items())[:most]
    began = process_time()
    with (
        tempfile.TemporaryDirectory(prefix="platform-assets-changes-") as scratch,
        repository(Path(scratch).resolve() / "before") as root,
        repository(Path(scratch).resolve() / "after") as checkout,
    ):
        before = ChangeSide(root, described(root))
        for name, planted in [*bad, *good]:
            red = red_gates(checkout, before, planted)
            log(f"{name}: {', '.join(red) or 'passes'}")
            rows.append([name, planted.gate or "none", ", ".join(red) or "none"])
            stopped += bool(planted.gate and red)
            meant += bool(planted.gate and planted.gate in red)
            kept_from += bool(not planted.gate and red)
    log(f"{process_time() - began:.0f} CPU seconds in this process")
    return Topic(
        TITLE,
        "A small repository of one use case (simulated), with the platform's code beside it. Each change is made in it, both sides are "
        "described in fresh processes by their own code, and every gate of `platform-assets change check` is asked. A bad change may break "
        "more gates than the one that is meant for it.",
        ["what was changed", "gate meant for it", "red"],
        rows,
        [
            Bar("bad changes are stopped", f"{stopped} of {len(bad)}", stopped == len(bad)),
            Bar("by the gate that is meant for each", f"{meant} of {len(bad)}", meant == len(bad)),
            Bar("good changes are stopped never", f"{kept_from} of {len(good)}", kept_from == 0),
        ],
    )
