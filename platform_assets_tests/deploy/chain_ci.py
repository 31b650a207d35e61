"""The checks that a commit goes through before anything is trained.

Belongs here: calling the script that both CI files run, as a runner does. Does not belong here: the checks themselves
(`deploy/ci/asset-checks.sh`), or the runners: act and gitlab-ci-local run both files in `make ci-test`.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

MOST_SECONDS = 1200


def run_ci(checkout: Path, environment: Mapping[str, str]) -> Iterator[tuple[str, Callable[[], str]]]:
    """Each part of CI by name, with what runs it and says what came of it."""

    def checks() -> str:
        output = checkout.parent / "ci-output"
        done = subprocess.run(
            ["deploy/ci/asset-checks.sh", "HEAD~1", str(output)],
            cwd=checkout,
            env={name: value for name, value in os.environ.items() if name != "CI"} | dict(environment),
            capture_output=True,
            text=True,
            timeout=MOST_SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-3000:]}"
        lines = (output / "comment.md").read_text().splitlines()
        return next((line.strip("# ") for line in lines if "gates" in line), "gates kept")

    yield "the script of both CI files, called without a runner", checks
