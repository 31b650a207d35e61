"""The copies of the prediction log that services write before they answer: what a backup lacks comes from them, and what it holds goes.

Belongs here: taking copies in after a restore, removing those that a backup holds. Does not belong here: writing them
(`serving/prediction_log.py`).
"""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from pathlib import Path

from platform_assets.declaration.prediction_log import COMPRESSED_SUFFIX, SEGMENT_SUFFIX
from platform_assets.recovery.manifest import Manifest
from platform_assets.recovery.taking import LOG
from platform_assets.recovery.trees import FileTree

KEPT_DAYS = 2
"""A copy to which nothing was written for so long goes once a backup holds all of it."""


def take_in_copies(copies: Path, log: Path) -> int:
    """Put lines into the prediction log that only the copies have.

    Args:
        copies: the folder of the setting.
        log: the folder of all use cases' logs.

    Returns:
        How many lines came from the copies.
    """
    count = 0
    for file in FileTree(str(copies)).files():
        target = log / file.path
        compressed = target.with_name(target.name.removesuffix(SEGMENT_SUFFIX) + COMPRESSED_SUFFIX)
        held = target.stat().st_size if target.exists() else 0
        if not file.path.endswith(SEGMENT_SUFFIX) or compressed.exists() or held >= file.size:
            continue
        content = (copies / file.path).read_bytes()
        count += content[held:].count(b"\n")
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        written = target.with_name(f".{target.name}.restored")
        shutil.copyfile(copies / file.path, written)
        written.chmod(0o600)
        written.replace(target)
    return count


def remove_held_copies(copies: Path, manifest: Manifest, now: datetime) -> int:
    """Remove copies that a backup holds whole and that nobody writes to any more; how many."""
    held = {file.path: file.size for file in manifest.of(LOG)}
    before, count = (now - timedelta(days=KEPT_DAYS)).timestamp(), 0
    for file in FileTree(str(copies)).files():
        path = copies / file.path
        packed = file.path.removesuffix(SEGMENT_SUFFIX) + COMPRESSED_SUFFIX
        if path.stat().st_mtime < before and (packed in held or held.get(file.path, -1) >= file.size):
            path.unlink()
            count += 1
    return count
