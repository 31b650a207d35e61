"""The checks that a change goes through before it is merged: a branch, both CI runners, and a protected `main`.

Belongs here: giving a runner a checkout of the branch, as a forge does, and what a protected branch makes of the verdicts. Does not belong
here: the checks themselves (`deploy/ci/asset-checks.sh`), or how a runner is started (`ci/runners.py`).

The git server is a bare repository on disk. What merges is simulated, and does what both forges call auto-merge: a branch goes to `main` by
itself once every required check is green, and never otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from platform_assets_tests.deploy.ci.runners import RUNNERS, RunnerVerdict, call_with
from platform_assets_tests.unit.deployment.gitops_files import git

ADDRESS = "https://git.example/team/platform-assets.git"
INPUTS: dict[str, Any] = {"setup": "true", "tests": "platform_assets_tests/unit/declaration/test_use_case.py"}
"""The platform is installed where the chain runs; of the tests those of what the team changes."""


class MergeRefused(RuntimeError):
    """A branch stays where it is, because a required check is red or lacking."""


def use_ci(work: Path) -> None:
    """Let the team's repository call the checks."""
    call_with(work, INPUTS)
    git(work, "commit", "-qam", "What our CI is given")


def push_branch(work: Path, branch: str) -> None:
    """Push what was committed as a branch of that name, for review."""
    git(work, "push", "-q", "--force", "origin", f"HEAD:refs/heads/{branch}")


def checked_by(runner: str, branch: str, origin: Path, folder: Path) -> RunnerVerdict:
    """What a runner says of a branch, which it checks out from the server."""
    place = folder / "runners" / f"{branch}-{runner}"
    place.mkdir(parents=True)
    checkout = place / "checkout"
    git(place, "clone", "-q", "--no-hardlinks", "--branch", branch, str(origin), str(checkout))
    # gitlab-ci-local reads the project's name from an address; git follows it to the folder.
    git(checkout, "remote", "set-url", "origin", ADDRESS)
    git(checkout, "config", f"url.{origin}.insteadOf", ADDRESS)
    return RUNNERS[runner](checkout, origin, place / "scratch")


def outcome(verdict: RunnerVerdict) -> str:
    """The line of the comment that says whether the gates were kept."""
    return next(
        (line.strip("# ") for line in verdict.comment.splitlines() if "gates" in line), "no comment of the gates"
    )


def merge_by_itself(branch: str, verdicts: Mapping[str, RunnerVerdict], origin: Path, folder: Path) -> str:
    """What a protected branch does: merge where every runner is green; the commit that `main` is at.

    Raises:
        MergeRefused: a runner is red, or has not run.
    """
    against = [name for name in RUNNERS if name not in verdicts or not verdicts[name].passed]
    if against:
        words = [f"{name}: {outcome(verdicts[name]) if name in verdicts else 'did not run'}" for name in against]
        raise MergeRefused(f"{branch} is not merged. {'; '.join(words)}")
    clone = folder / "merging"
    if not clone.exists():
        git(folder, "clone", "-q", str(origin), str(clone))
    git(clone, "fetch", "-q", "origin")
    git(clone, "checkout", "-q", "-B", "main", "origin/main")
    git(clone, "merge", "-q", "--no-ff", "-m", f"Merge {branch}", f"origin/{branch}")
    git(clone, "push", "-q", "origin", "main")
    return git(clone, "rev-parse", "--short", "HEAD").strip()
