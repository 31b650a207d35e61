"""Programs run in fresh processes, which answer with a JSON object in the last line that they print.

Belongs here: running one, and reading its result. Does not belong here: what is run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import platform_assets

ROOT = Path(platform_assets.__file__).resolve().parents[1]
"""The folder that the packages stand in."""
CHILD_TIMEOUT_SECONDS = 900.0


class ChildFailed(RuntimeError):
    """A process that was to measure something ended with an error; the message carries the end of what it said."""


def run_child(
    module: str,
    *arguments: str,
    environment: dict[str, str] | None = None,
    timeout_seconds: float = CHILD_TIMEOUT_SECONDS,
) -> dict[str, Any]:
    """Run `python -m module arguments` in a fresh process; the JSON object it prints as its last line.

    Raises:
        ChildFailed: it ended with an error or printed no object.
    """
    command = [sys.executable, "-m", module, *arguments]
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ChildFailed(f"{module} {' '.join(arguments)} took longer than {timeout_seconds:.0f} s") from error
    return child_result(module, done.returncode, done.stdout, done.stderr)


def child_result(module: str, returncode: int, output: str, errors: str) -> dict[str, Any]:
    """The JSON object in the last line of a child's output.

    Raises:
        ChildFailed: it ended with an error or printed no object.
    """
    lines = output.strip().splitlines()
    try:
        result = json.loads(lines[-1]) if returncode == 0 and lines else None
    except ValueError:
        result = None
    if not isinstance(result, dict):
        message = "\n".join((output + errors).strip().splitlines()[-15:])
        raise ChildFailed(f"{module} ended with {returncode} and without a result:\n{message}")
    return result
