"""Release files and bare repositories that tests begin with."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from platform_assets.deployment.gitops.release_file import (
    ReleasedCode,
    ReleaseDecision,
    ReleasedModel,
    ReleasedService,
    ReleaseEvidence,
    ReleaseFile,
)

DECIDED = ReleaseDecision(by="head of risk", why="better", at=datetime(2026, 3, 1, 10, tzinfo=UTC))


def digest(number: str) -> str:
    """A digest that names a number."""
    return f"sha256:{int(number):064x}"


def release(version: str = "1", **fields: Any) -> ReleaseFile:
    """The release of a version of `fraud` in production."""
    given: dict[str, Any] = {
        "use_case": "fraud",
        "environment": "production",
        "model": ReleasedModel(version=version, digest=f"model-{version}", as_of=f"2026-02-{int(version):02d}"),
        "service": ReleasedService(digest=digest(version)),
        "code": ReleasedCode(version="c0de"),
        "evidence": ReleaseEvidence(digest=digest(version), passed=True, reason="It is better.", gates=3),
        "decided": DECIDED,
    }
    return ReleaseFile(**{**given, **fields})


def git(folder: Path, *arguments: str) -> str:
    """What git prints, as a person who has no settings."""
    who = ["-c", "user.name=A person", "-c", "user.email=person@example.com", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        ["git", "-C", str(folder), *who, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def bare_repository(path: Path) -> Path:
    """A repository with one commit on `main`."""
    path.mkdir(parents=True)
    git(path, "init", "-q", "--bare", "-b", "main")
    tree = git(path, "mktree").strip()  # of nothing: what standard input says
    commit = git(path, "commit-tree", tree, "-m", "Begin").strip()
    git(path, "update-ref", "refs/heads/main", commit)
    return path
