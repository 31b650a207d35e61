"""The commit before, in a folder of its own, for topics that measure both sides in one run.

Belongs here: which commit that is, and its files. Does not belong here: what is measured in it.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from pathlib import Path

from platform_assets.testing.child_process import ROOT

BEFORE_COMMIT = "5d5dab2"


def tree_before(root: Path, topic: str) -> Path:
    """The commit before below `root`, with the measuring modules of one topic of ours put into it.

    Raises:
        subprocess.CalledProcessError: there is no git here, or its history does not reach back so far.
    """
    tree = root / "tree_before"
    archive = subprocess.run(["git", "archive", BEFORE_COMMIT], cwd=ROOT, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(tree, filter="data")
    shutil.copytree(ROOT / "benchmarks" / topic, tree / "benchmarks" / topic, dirs_exist_ok=True)
    return tree
