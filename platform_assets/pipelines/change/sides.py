"""The two sides of a change, each described by its own code.

Belongs here: a fresh process for each side, and what it answers. Does not belong here: what a description holds
(`orchestration/described_definitions.py`), or comparing two.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from platform_assets.declaration.yaml_text import line_of, load_yaml
from platform_assets.pipelines.change.git import (
    ChangeError,
    FileChange,
    changed_files,
    checked_out,
    commit_before,
    git,
    top_of,
)
from platform_assets.settings import environment_variables

DESCRIBER = Path(__file__).parents[2] / "orchestration" / "described_definitions.py"
_DESCRIBE_SECONDS = 180.0
_PREFIX = "PLATFORM_ASSETS_"
_KEPT_LINES = 12


@dataclass(frozen=True)
class ChangeSide:
    """One side of a change.

    Attributes:
        root: its checkout.
        document: its description: `use_cases`, `assets`, `triggers`, `problems`.
    """

    root: Path
    document: Mapping[str, Any]

    @property
    def use_cases(self) -> Mapping[str, Any]:
        """Each use case by name."""
        found: Mapping[str, Any] = self.document["use_cases"]
        return found

    @property
    def assets(self) -> Mapping[str, Any]:
        """Each asset by key."""
        found: Mapping[str, Any] = self.document["assets"]
        return found

    def file(self, use_case: str) -> str:
        """The declaration of a use case, below the root."""
        return f"{self.use_cases[use_case]['folder']}/defs.yaml"

    def line(self, use_case: str, where: tuple[int | str, ...]) -> int:
        """The line that a part of a declaration stands in; that of the nearest part around it where it is not written."""
        path = self.root / self.file(use_case)
        if path not in self._nodes:
            self._nodes[path] = load_yaml(path.read_text(encoding="utf-8-sig"))[1]
        return line_of(self._nodes[path], ("attributes", *where))

    @cached_property
    def _nodes(self) -> dict[Path, Any]:
        return {}


@dataclass(frozen=True)
class RepositoryChange:
    """What a commit changes.

    Attributes:
        before: the side that it grew from.
        after: the working tree.
        files: the files that it touches.
        base: the name that it was asked to be compared with.
        commit: the commit of the side before.
        samples: what came of a small world of each use case, before and after; None where none was asked for.
    """

    before: ChangeSide
    after: ChangeSide
    files: tuple[FileChange, ...] = ()
    base: str = ""
    commit: str = ""
    samples: Mapping[str, tuple[Mapping[str, Any] | None, Mapping[str, Any]]] | None = None
    touched: Mapping[str, FileChange] = field(init=False)

    def __post_init__(self) -> None:
        """Index the files."""
        object.__setattr__(self, "touched", {change.path: change for change in self.files})

    @property
    def kept_use_cases(self) -> tuple[str, ...]:
        """Use cases that both sides declare."""
        return tuple(name for name in self.after.use_cases if name in self.before.use_cases)

    @property
    def broken_folders(self) -> frozenset[str]:
        """Folders of use cases whose declaration cannot be read any more: they are not gone."""
        files = (Path(problem["file"]) for problem in self.after.document["problems"])
        return frozenset(path.parent.as_posix() for path in files)


@contextmanager
def opened_change(folder: Path, base: str) -> Iterator[RepositoryChange]:
    """The change from what `base` and the working tree have in common to the working tree; the checkout before lives as long as the block.

    Args:
        folder: somewhere in the checkout.
        base: a branch, tag or commit.

    Raises:
        ChangeError: there is no such commit, or the side before cannot be described.
    """
    root = top_of(folder).resolve()
    commit = commit_before(root, base)
    with checked_out(root, commit) as before, ThreadPoolExecutor(max_workers=2) as both:
        sides = [both.submit(described, side) for side in (before, root)]
        described_before, described_after = (side.result() for side in sides)
        yield RepositoryChange(
            before=ChangeSide(before, described_before),
            after=ChangeSide(root, described_after),
            files=tuple(changed_files(root, commit)),
            base=base,
            commit=git(root, "rev-parse", "--short", commit).strip(),
        )


def described(root: Path) -> Mapping[str, Any]:
    """The definitions of a checkout, read by its own code in a fresh process.

    Raises:
        ChangeError: the process ended without an answer: its code cannot be imported.
    """
    with tempfile.TemporaryDirectory(prefix="platform-assets-described-") as scratch:
        output = Path(scratch) / "description.json"
        command = [sys.executable, "-P", str(DESCRIBER), str(root), str(output)]
        try:
            done = subprocess.run(
                command,
                cwd=root,
                env=clean_environment(root, Path(scratch)),
                capture_output=True,
                text=True,
                timeout=_DESCRIBE_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise ChangeError(f"the definitions of {root} did not load within {_DESCRIBE_SECONDS:.0f} s") from error
        if done.returncode != 0 or not output.exists():
            said = "\n".join(done.stderr.strip().splitlines()[-_KEPT_LINES:])
            raise ChangeError(f"the code of {root} cannot be loaded: repair it first.\n{said}")
        document: Mapping[str, Any] = json.loads(output.read_text(encoding="utf-8"))
        return document


def clean_environment(root: Path, home: Path) -> dict[str, str]:
    """An environment in which a checkout's own code is imported, and no setting of this installation counts.

    Args:
        root: the checkout.
        home: a folder for what it writes.
    """
    kept = {
        name: value for name, value in environment_variables().items() if not name.startswith((_PREFIX, "DAGSTER_"))
    }
    kept.pop("PYTHONPATH", None)
    own = {"PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1", f"{_PREFIX}HOME": str(home / "home")}
    return kept | own | {"DAGSTER_HOME": str(home), "DAGSTER_IS_DEFS_VALIDATION_CLI": "1"}
