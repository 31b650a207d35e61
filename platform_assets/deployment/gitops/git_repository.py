"""Release files in a git repository, through a clone of one's own.

Belongs here: reading, committing, pushing. Does not belong here: the git command (`git.py`), what stands in a file (`release_file.py`).

The clone is only a copy: each call first makes it what the repository is now, so that a process that ended anywhere leaves nothing behind
that the next one would take for true. A push that somebody overtook is tried again on what is there then, unless the file itself changed.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from filelock import FileLock, Timeout

from platform_assets.deployment.gitops.errors import GitFailed, ReleaseChanged
from platform_assets.deployment.gitops.git import Git, without_credentials
from platform_assets.deployment.gitops.release_file import (
    FILE_NAME,
    ReleaseFile,
    ReleaseFileError,
    read_release_file,
    release_folder,
    write_release_file,
)
from platform_assets.deployment.gitops.repository import FoundRelease, PushedBranch
from platform_assets.deployment.gitops.settings import GitOpsSettings

_PUSHES = 5
_LOCK_SECONDS = 300.0


class GitRepository:
    """A `ReleaseRepository` in git."""

    def __init__(self, settings: GitOpsSettings, folder: Path) -> None:
        """Take settings; nothing is cloned yet.

        Args:
            settings: which repository, and as whom.
            folder: where the clone lies.
        """
        self.settings = settings
        name = hashlib.sha256(settings.repository.encode()).hexdigest()[:12]
        self._clone, self._lock = folder / name, folder / f"{name}.lock"
        self._git = Git(self._clone, settings.named_author, settings.timeout_seconds)

    def read(self, environment: str, use_case: str) -> FoundRelease:
        """What stands on the branch that deploys."""
        with self._fresh():
            return self._read(environment, use_case)

    def write(
        self, file: ReleaseFile, instead_of: str | None, message: str, companions: Mapping[str, str] | None = None
    ) -> str:
        """Commit a file to the branch that deploys, and push it."""
        for _ in range(_PUSHES):
            with self._fresh():
                found = self._read(file.environment, file.use_case)
                if found.text != instead_of:
                    raise ReleaseChanged(
                        f"{self._path(file.environment, file.use_case) / FILE_NAME} was changed since it was read; look again"
                    )
                if not self._commit(file, message, companions or {}):
                    return found.commit
                try:
                    self._git("push", "--quiet", "origin", f"HEAD:refs/heads/{self.settings.branch}")
                except GitFailed as error:
                    if not _was_overtaken(error):
                        raise
                    continue
                return self._head()
        raise GitFailed(
            f"{without_credentials(self.settings.repository)}: others pushed to {self.settings.branch} {_PUSHES} times meanwhile; ask again"
        )

    def propose(
        self, file: ReleaseFile, branch: str, message: str, companions: Mapping[str, str] | None = None
    ) -> PushedBranch:
        """Commit a file on a branch of its own, and push it."""
        with self._fresh():
            base = self._head()
            if not base:
                raise GitFailed(
                    f"{without_credentials(self.settings.repository)} has no branch {self.settings.branch} to merge into. "
                    "Push a first commit to it"
                )
            if not self._commit(file, message, companions or {}):
                return PushedBranch(branch, self.settings.branch, base, changed=False)
            self._git("push", "--quiet", "--force", "origin", f"HEAD:refs/heads/{branch}")
            return PushedBranch(branch, self.settings.branch, self._head())

    @contextmanager
    def _fresh(self) -> Iterator[None]:
        """The clone as the repository is now, for one process at a time.

        Raises:
            GitFailed: the repository does not answer, or another process kept the clone for minutes.
        """
        self._lock.parent.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(str(self._lock), timeout=_LOCK_SECONDS):
                self._refresh()
                yield
        except Timeout as error:
            raise GitFailed(
                f"another process has used {self._clone} for {_LOCK_SECONDS:.0f} s; end it, or wait"
            ) from error

    def _refresh(self) -> None:
        if not (self._clone / ".git").is_dir():
            self._make_clone()
        try:
            self._take_over()
        except GitFailed:
            # What a process left that was killed in the middle of a command, such as a lock of git's own.
            shutil.rmtree(self._clone, ignore_errors=True)
            self._make_clone()
            self._take_over()

    def _make_clone(self) -> None:
        shutil.rmtree(self._clone, ignore_errors=True)
        self._clone.mkdir(parents=True)
        try:
            self._git("init", "--quiet")
            self._git("remote", "add", "origin", self.settings.repository)
        except GitFailed:
            shutil.rmtree(self._clone, ignore_errors=True)
            raise

    def _take_over(self) -> None:
        branch = self.settings.branch
        listed = self._git("ls-remote", "--heads", "origin", f"refs/heads/{branch}")
        if listed.strip():
            self._git("fetch", "--quiet", "--no-tags", "origin", f"+refs/heads/{branch}:refs/remotes/origin/{branch}")
            self._git("checkout", "--quiet", "--force", "--detach", f"refs/remotes/origin/{branch}")
        else:
            self._git("checkout", "--quiet", "--orphan", f"empty-{hashlib.sha256(branch.encode()).hexdigest()[:6]}")
            self._git("rm", "-r", "--quiet", "--cached", "--force", "--ignore-unmatch", ".")
        self._git("clean", "--quiet", "-ffdx")

    def _read(self, environment: str, use_case: str) -> FoundRelease:
        path, head = self._path(environment, use_case) / FILE_NAME, self._head()
        file = self._clone / path
        if not file.is_file():
            return FoundRelease(None, None, commit=head)
        text = file.read_text(encoding="utf-8", errors="replace")
        try:
            release = read_release_file(text, str(path))
        except ReleaseFileError as error:
            return FoundRelease(None, text, str(error), head)
        if (release.environment, release.use_case) != (environment, use_case):
            problem = f"{path} is about {release.use_case} in {release.environment}: it lies in the wrong folder"
            return FoundRelease(None, text, problem, head)
        return FoundRelease(release, text, commit=head)

    def _commit(self, file: ReleaseFile, message: str, companions: Mapping[str, str]) -> bool:
        """Commit the file; False when the repository says so already."""
        folder = self._path(file.environment, file.use_case)
        (self._clone / folder).mkdir(parents=True, exist_ok=True)
        for name, text in {FILE_NAME: write_release_file(file), **companions}.items():
            (self._clone / folder / name).write_text(text, encoding="utf-8")
        self._git("add", "--force", "--", str(folder))
        if not self._git("status", "--porcelain", "--", str(folder)).strip():
            return False
        self._git("commit", "--quiet", "--message", message)
        return True

    def _head(self) -> str:
        try:
            return self._git("rev-parse", "--verify", "--quiet", "HEAD").strip()
        except GitFailed:
            return ""

    def _path(self, environment: str, use_case: str) -> PurePosixPath:
        return PurePosixPath(self.settings.path) / release_folder(environment, use_case)


def _was_overtaken(error: GitFailed) -> bool:
    """Whether somebody pushed first: git's own words for it, in the language that it is run in here."""
    return any(
        words in str(error) for words in ("non-fast-forward", "fetch first", "cannot lock ref", "incorrect old value")
    )
