"""The checks that a commit goes through before anything is trained.

Belongs here: which runners there are, and what each is asked. Does not belong here: the checks themselves (the platform's commands).
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

MOST_SECONDS = 600


def run_ci(checkout: Path, environment: Mapping[str, str]) -> Iterator[tuple[str, Callable[[], str]]]:
    """Each runner by name, with what runs it and says what came of it."""
    programs = Path(sys.executable).parent

    def definitions() -> str:
        _run([str(programs / "dg"), "check", "defs"], checkout, environment)
        return "all definitions load"

    yield "no runner: `dg check defs` called directly", definitions


def _run(command: list[str], checkout: Path, environment: Mapping[str, str]) -> str:
    done = subprocess.run(
        command,
        cwd=checkout,
        env=os.environ | dict(environment),
        capture_output=True,
        text=True,
        timeout=MOST_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout
