"""A store of release files in memory: for tests that are about what is done with releases.

Belongs here: a store that passes the contract of all of them (`platform_assets_tests/contracts/test_release_repositories.py`). Does not
belong here: releases of any test.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from platform_assets.deployment.gitops.errors import GitFailed, ReleaseChanged
from platform_assets.deployment.gitops.release_file import (
    ReleaseFile,
    ReleaseFileError,
    read_release_file,
    write_release_file,
)
from platform_assets.deployment.gitops.repository import FoundRelease, PushedBranch


@dataclass
class MemoryReleases:
    """A `ReleaseRepository` in memory.

    Attributes:
        files: text of each release, by environment and use case.
        companions: files beside a release, by name.
        branches: proposals by branch: the text and its companions.
        messages: of commits on the branch that deploys, oldest first.
        is_reachable: whether it answers.
    """

    files: dict[tuple[str, str], str] = field(default_factory=dict)
    companions: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    branches: dict[str, tuple[ReleaseFile, dict[str, str]]] = field(default_factory=dict)
    messages: list[str] = field(default_factory=lambda: ["begin"])
    is_reachable: bool = True

    def read(self, environment: str, use_case: str) -> FoundRelease:
        """What stands there now."""
        self._reach()
        text, commit = self.files.get((environment, use_case)), str(len(self.messages))
        if text is None:
            return FoundRelease(None, None, commit=commit)
        where = f"{environment}/{use_case}"
        try:
            file = read_release_file(text, where)
        except ReleaseFileError as error:
            return FoundRelease(None, text, str(error), commit)
        if (file.environment, file.use_case) != (environment, use_case):
            return FoundRelease(None, text, f"{where} is about {file.use_case}: it lies in the wrong folder", commit)
        return FoundRelease(file, text, commit=commit)

    def write(
        self, file: ReleaseFile, instead_of: str | None, message: str, companions: Mapping[str, str] | None = None
    ) -> str:
        """Write a file."""
        self._reach()
        key, text = (file.environment, file.use_case), write_release_file(file)
        if self.files.get(key) != instead_of:
            raise ReleaseChanged(f"{'/'.join(key)} was changed since it was read; look again")
        if text != instead_of or companions:
            self.files[key] = text
            self.companions.setdefault(key, {}).update(companions or {})
            self.messages.append(message)
        return str(len(self.messages))

    def propose(
        self, file: ReleaseFile, branch: str, message: str, companions: Mapping[str, str] | None = None
    ) -> PushedBranch:
        """Keep a proposal."""
        self._reach()
        if self.files.get((file.environment, file.use_case)) == write_release_file(file):
            return PushedBranch(branch, "main", str(len(self.messages)), changed=False)
        self.branches[branch] = (file, dict(companions or {}))
        return PushedBranch(branch, "main", branch)

    def merge(self, branch: str) -> None:
        """What a person does."""
        file, companions = self.branches.pop(branch)
        key = (file.environment, file.use_case)
        self.files[key] = write_release_file(file)
        self.companions.setdefault(key, {}).update(companions)
        self.messages.append(f"Merge {branch}")

    def _reach(self) -> None:
        if not self.is_reachable:
            raise GitFailed("the repository in memory did not answer; nothing was changed")
