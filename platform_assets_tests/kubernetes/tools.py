"""Where the tests find helm, kubectl and the other tools of `deploy/ci/install-k8s-tools.sh`.

Belongs here: looking on the PATH and in `.venv-k8s`, and what happens where a tool is missing. Does not belong here: what
tests do with them.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HOME_OF_TOOLS = ROOT / ".venv-k8s"


def find_tool(name: str) -> Path | None:
    """The tool's path: from `.venv-k8s`, whose versions are pinned, or from the PATH; none where it is in neither."""
    pinned = HOME_OF_TOOLS / "bin" / name
    found = str(pinned) if pinned.exists() else shutil.which(name)
    return Path(found) if found else None


def missing(what: str) -> None:
    """End this test for want of a tool: skipped on a laptop, failed where `CI` is set."""
    reason = f"{what} is missing: run deploy/ci/install-k8s-tools.sh (`make k8s-test` does)"
    if os.environ.get("CI"):
        pytest.fail(f"{reason}; with CI set a missing tool is a failure")
    pytest.skip(reason)


def tool(name: str) -> Path:
    """The tool's path; the test ends here where it is missing."""
    path = find_tool(name)
    if path is None:
        missing(name)
    assert path is not None
    return path


def tools_python() -> Path:
    """The interpreter of `.venv-k8s`, which has the packages of `deploy/ci/k8s-tools.txt`; the test ends here where it is missing."""
    path = HOME_OF_TOOLS / "bin" / "python"
    if not path.exists():
        missing(".venv-k8s")
    return path


def own_python(name: str) -> Path:
    """The interpreter of `.venv-k8s/NAME`, with the packages of `deploy/ci/k8s-tools-NAME.txt`; ends the test where it is missing."""
    path = HOME_OF_TOOLS / name / "bin" / "python"
    if not path.exists():
        missing(f".venv-k8s/{name}")
    return path


def run_tool(
    name: str, *arguments: str, kubeconfig: Path | None = None, timeout_seconds: float = 120, text: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a tool to its end, in a clean environment, and return what it said; a non-zero exit is not an exception.

    Args:
        name: of the tool.
        arguments: for it.
        kubeconfig: the cluster to talk to.
        timeout_seconds: after which it is killed and the test fails.
        text: for its standard input.
    """
    home = kubeconfig.parent if kubeconfig else ROOT / ".platform"
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "KUBECONFIG": str(kubeconfig) if kubeconfig else "/dev/null",
    }
    return subprocess.run(
        [str(tool(name)), *arguments],
        env=environment,
        input=text,
        capture_output=True,
        text=True,
        timeout=timeout_seconds,
        check=False,
    )
