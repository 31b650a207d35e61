"""What the proxy counted of the arms of a rollout, kept in a file beside the target's state.

Belongs here: the file's form, appending and reading. Does not belong here: asking the proxy (`envoy.py`), or deciding anything by it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from platform_assets.deployment.local.host import make_directory
from platform_assets.deployment.rollout.view import CounterBlock

KEPT_FILES = 10


def counters_file(root: Path, use_case: str, new_arm: str) -> Path:
    """Where the blocks of one rollout are."""
    return root / "rollouts" / f"{use_case}.{new_arm}.counters.jsonl"


def append_counters(root: Path, use_case: str, new_arm: str, blocks: Sequence[CounterBlock]) -> None:
    """Add blocks to the end of the file; files of the use case's oldest rollouts go."""
    path = counters_file(root, use_case, new_arm)
    if not path.exists():
        make_directory(path.parent)
        earlier = sorted(path.parent.glob(f"{use_case}.*.counters.jsonl"), key=lambda file: file.stat().st_mtime)
        for old in earlier[: max(0, len(earlier) - KEPT_FILES + 1)]:
            old.unlink(missing_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write("".join(json.dumps(asdict(block)) + "\n" for block in blocks))


def read_counters(root: Path, use_case: str, new_arm: str) -> tuple[CounterBlock, ...]:
    """Every block, oldest first; a last line that a killed watcher left unfinished is left out."""
    try:
        text = counters_file(root, use_case, new_arm).read_text(encoding="utf-8")
    except FileNotFoundError:
        return ()
    blocks = []
    for line in text.splitlines():
        try:
            blocks.append(CounterBlock(**json.loads(line)))
        except (ValueError, TypeError):
            continue
    return tuple(blocks)
