"""Running git.

Belongs here: the command with the settings that make it the same on every machine, and its errors. Does not belong here: what is done with
a repository (`git_repository.py`).
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from platform_assets.deployment.gitops.errors import GitFailed

_ENVIRONMENT = (
    *(part for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY") for part in ("-u", name)),
    "GIT_TERMINAL_PROMPT=0",
    "LC_ALL=C",
)
"""Nobody is there to type a password, and a hook's own repository is not meant."""
_SETTINGS = (
    "commit.gpgsign=false",
    "core.hooksPath=/dev/null",
    "core.autocrlf=false",
    "gc.auto=0",
    "advice.detachedHead=false",
)
_CREDENTIALS = re.compile(r"://[^/@\s'\"]+@")


class Git:
    """Git in one folder."""

    def __init__(self, folder: Path, author: tuple[str, str], timeout_seconds: float) -> None:
        self.folder, self.timeout_seconds = folder, timeout_seconds
        self._settings = [*_SETTINGS, f"user.name={author[0]}", f"user.email={author[1]}"]

    def __call__(self, *arguments: str, within: bool = True) -> str:
        """Run git; what it printed.

        Raises:
            GitFailed: it ended with an error, is not installed, or took too long.
        """
        place = ["-C", str(self.folder)] if within else []
        settings = [part for setting in self._settings for part in ("-c", setting)]
        command: Sequence[str] = ["env", *_ENVIRONMENT, "git", *place, *settings, *arguments]
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                encoding="utf-8",
                errors="replace",
                timeout=self.timeout_seconds,
                check=False,
                start_new_session=True,  # without a terminal ssh cannot ask for a password
            )
        except subprocess.TimeoutExpired as error:
            raise GitFailed(
                f"git {arguments[0]} did not end within {self.timeout_seconds:.0f} s; is the GitOps repository reachable?"
            ) from error
        if done.returncode != 0:
            said = without_credentials(" ".join((done.stderr.strip() or done.stdout.strip()).split()))[-1500:]
            raise GitFailed(f"git {arguments[0]} failed: {said or f'exit code {done.returncode}'}")
        return done.stdout


def without_credentials(text: str) -> str:
    """A text whose addresses carry no user and password."""
    return _CREDENTIALS.sub("://", text)
