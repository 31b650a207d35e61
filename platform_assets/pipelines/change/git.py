"""Two sides of a change in a git repository: the files as they were at a commit, and the working tree.

Belongs here: asking git. Does not belong here: what the files mean.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from platform_assets.settings import environment_variables

_HUNK = re.compile(r"^@@ -\d+(?:,\d+)? \+(\d+)")
_GIT_SECONDS = 120.0
_QUIET: Mapping[str, str] = {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}


class ChangeError(RuntimeError):
    """A change cannot be looked at; the message says why and what to do."""


@dataclass(frozen=True)
class FileChange:
    """A file that a change touches.

    Attributes:
        path: below the root, as it is now, or as it was where it is gone.
        status: `A` added, `M` modified, `D` deleted.
        added: the lines that are new, by their number.
    """

    path: str
    status: str
    added: Mapping[int, str] = field(default_factory=dict)


def git(root: Path, *arguments: str) -> str:
    """What git prints.

    Raises:
        ChangeError: git is missing, or refuses; with its own words.
    """
    try:
        done = subprocess.run(
            ["git", "-C", str(root), "-c", "core.quotepath=off", *arguments],
            capture_output=True,
            env={**environment_variables(), **_QUIET},
            timeout=_GIT_SECONDS,
            check=False,
        )
    except FileNotFoundError as error:
        raise ChangeError("git is not on the PATH: install it") from error
    except subprocess.TimeoutExpired as error:
        raise ChangeError(f"git {arguments[0]} took longer than {_GIT_SECONDS:.0f} s in {root}") from error
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip() or f"exit code {done.returncode}"
        raise ChangeError(f"git {' '.join(arguments)} in {root}: {said}")
    return done.stdout.decode("utf-8", errors="replace")


def top_of(folder: Path) -> Path:
    """The root of the checkout that a folder lies in.

    Raises:
        ChangeError: it lies in none.
    """
    return Path(git(folder, "rev-parse", "--show-toplevel").strip())


def commit_before(root: Path, base: str) -> str:
    """The commit that a change grew from: the newest that the working tree's commit and `base` have in common.

    What came to `base` since is no part of the change.

    Args:
        root: the checkout.
        base: a branch, tag or commit: where the change is to go.

    Raises:
        ChangeError: there is no such commit here, or the two have none in common.
    """
    try:
        commit = git(root, "rev-parse", "--verify", "--quiet", f"{base}^{{commit}}").strip()
    except ChangeError as error:
        raise ChangeError(
            f"{base!r} is no commit of {root}: fetch it (`git fetch origin {base.removeprefix('origin/')}`), and in CI check out the "
            "whole history (fetch-depth: 0, GIT_DEPTH: 0)"
        ) from error
    try:
        return git(root, "merge-base", commit, "HEAD").strip()
    except ChangeError as error:
        raise ChangeError(
            f"{base!r} and the working tree have no commit in common: the history is cut off (fetch-depth: 0, GIT_DEPTH: 0)"
        ) from error


@contextmanager
def checked_out(root: Path, commit: str) -> Iterator[Path]:
    """The files of a commit in a temporary folder.

    Raises:
        ChangeError: git cannot check them out.
    """
    with tempfile.TemporaryDirectory(prefix="platform-assets-change-") as scratch:
        folder = Path(scratch).resolve() / "base"
        git(root, "worktree", "add", "--detach", "--quiet", str(folder), commit)
        try:
            yield folder
        finally:
            git(root, "worktree", "remove", "--force", str(folder))


def changed_files(root: Path, commit: str) -> list[FileChange]:
    """What the working tree, files included that git does not know yet, has otherwise than a commit.

    A renamed file is one that is gone and one that is new.

    Raises:
        ChangeError: git refuses.
    """
    names = git(root, "diff", "--name-status", "--no-renames", "-z", commit, "--").split("\0")
    statuses = dict(zip(names[1::2], names[0::2], strict=False))
    added = _added_lines(git(root, "diff", "--unified=0", "--no-renames", "--no-color", "--no-ext-diff", commit, "--"))
    changes = [FileChange(path, status[0], added.get(path, {})) for path, status in statuses.items()]
    unknown = git(root, "ls-files", "--others", "--exclude-standard", "-z").split("\0")
    changes += [FileChange(path, "A", _lines(root / path)) for path in unknown if path]
    return sorted(changes, key=lambda change: change.path)


def _added_lines(diff: str) -> dict[str, dict[int, str]]:
    found: dict[str, dict[int, str]] = {}
    lines: dict[int, str] = {}
    number = 0
    for line in diff.split("\n"):
        if line.startswith("+++ "):
            lines = found.setdefault(line.removeprefix("+++ ").removeprefix("b/").rstrip("\t"), {})
        elif hunk := _HUNK.match(line):
            number = int(hunk[1])
        elif line.startswith("+"):
            lines[number] = line[1:]
            number += 1
    return found


def _lines(path: Path) -> dict[int, str]:
    try:
        return dict(enumerate(path.read_text(encoding="utf-8").split("\n"), start=1))
    except (OSError, UnicodeDecodeError):
        return {}
