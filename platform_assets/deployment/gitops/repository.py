"""What a store of release files is: read one, write one, propose one.

Belongs here: the narrow Protocol, and what is read. Does not belong here: git (`git_repository.py`), or any decision.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from platform_assets.deployment.gitops.release_file import ReleaseFile


@dataclass(frozen=True)
class FoundRelease:
    """What stands in the repository for a use case in an environment.

    Attributes:
        file: the release; None where there is no file, or where it cannot be read.
        text: the file's text; None where there is none. Whoever writes names it, so that nobody's change is lost.
        problem: why it cannot be read; empty where it can.
        commit: newest commit of the branch; empty in a repository without any.
    """

    file: ReleaseFile | None
    text: str | None
    problem: str = ""
    commit: str = ""


@dataclass(frozen=True)
class PushedBranch:
    """A proposal that was pushed.

    Attributes:
        name: of the branch.
        base: branch that it is to be merged into.
        commit: its newest commit.
        changed: False when the branch held this very proposal already.
    """

    name: str
    base: str
    commit: str
    changed: bool = True


class ReleaseRepository(Protocol):
    """Where release files stand. Every method raises `GitFailed` when the repository does not answer; nothing was changed then."""

    def read(self, environment: str, use_case: str) -> FoundRelease:
        """What stands there now."""

    def write(
        self, file: ReleaseFile, instead_of: str | None, message: str, companions: Mapping[str, str] | None = None
    ) -> str:
        """Write a file on the branch that deploys, in one commit; the commit.

        Args:
            file: what is to stand there.
            instead_of: text that it takes the place of; None for a file that is not there.
            message: of the commit.
            companions: files beside it, by name: the card, the comparison. None leaves those that are there.

        Raises:
            ReleaseChanged: another text stands there; nothing was changed.
        """

    def propose(
        self, file: ReleaseFile, branch: str, message: str, companions: Mapping[str, str] | None = None
    ) -> PushedBranch:
        """Push a branch with that file, made from the branch that deploys as it is now; an older branch of that name is replaced."""
