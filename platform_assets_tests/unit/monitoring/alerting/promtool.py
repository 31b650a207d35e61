"""Running Prometheus' own tool; whoever lacks it is told so.

Belongs here: finding and running it. Does not belong here: any rule.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest


def tool(name: str, package: str) -> str:
    """The path of a program of Debian's; the test is skipped without it, and fails in CI."""
    path = shutil.which(name)
    if path is None:
        missing = f"{name} is not installed: apt-get install {package}"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    return path


def complaints(folder: Path, rules: str, tests: str) -> str:
    """What `promtool test rules` says of scenarios; empty when all is as expected."""
    promtool = tool("promtool", "prometheus")
    (folder / "rules.yaml").write_text(rules)
    (folder / "tests.yaml").write_text(tests)
    done = subprocess.run(
        [promtool, "test", "rules", "tests.yaml"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr
