"""Both CI systems on this machine: GitHub's workflow under act, GitLab's component under gitlab-ci-local.

Belongs here: how a runner is started on a checkout of a branch. Does not belong here: what the CI files say, or what is expected of them
(`test_runners.py`, `../chain.py`).

act runs in host mode and gitlab-ci-local with its shell executor: no containers, and in place of published actions simulated ones
(`simulated_actions/`). Comments go to a simulated server (`simulated_hosts.py`).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import yaml

from .simulated_hosts import SimulatedHost, simulated_host

ROOT = Path(__file__).parents[3]
ACTIONS = Path(__file__).with_name("simulated_actions")
CALLER, WORKFLOW = ".github/workflows/change.yml", ".github/workflows/asset-checks.yml"
COMPONENT, INCLUDING = "deploy/ci/gitlab/asset-checks.yml", ".gitlab-ci.yml"
TOKEN = "not-a-real-one"
RUN_SECONDS = 900


class ToolMissing(RuntimeError):
    """A runner is not installed."""


@dataclass(frozen=True)
class RunnerVerdict:
    """What a runner said of a branch.

    Attributes:
        passed: whether it ended well, which is what a protected branch asks.
        comment: on the request.
        printed: everything it wrote.
    """

    passed: bool
    comment: str
    printed: str


class Runner(Protocol):
    """Runs the asset checks of a branch."""

    def __call__(self, checkout: Path, origin: Path, scratch: Path) -> RunnerVerdict:
        """Run them.

        Args:
            checkout: of the branch, with `origin/main` fetched.
            origin: the bare repository that the branch is to go to.
            scratch: an empty folder for what the runner keeps.
        """
        ...


def path_of(name: str) -> str:
    """Path of a tool of deploy/ci/install-ci-tools.sh.

    Raises:
        ToolMissing: it is not there.
    """
    path = Path(os.environ.get("CI_TOOLS", ROOT / ".venv-ci")) / "bin" / name
    needed = [path, *([shutil.which("rsync")] if name == "gitlab-ci-local" else [])]
    if not all(item is not None and Path(item).exists() for item in needed):
        raise ToolMissing(f"{name} (or rsync) is missing: run deploy/ci/install-ci-tools.sh (`make ci-test` does)")
    return str(path)


def said(*command: str, cwd: Path = ROOT, **environment: str) -> tuple[int, str]:
    """Exit code and output of a command, without what this process knows of an installation."""
    own = {name: value for name, value in os.environ.items() if name not in ("CI", "DAGSTER_HOME", "PYTHONPATH")}
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**{name: value for name, value in own.items() if not name.startswith("PLATFORM_ASSETS")}, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
    )
    return done.returncode, done.stdout


def call_with(root: Path, inputs: dict[str, Any]) -> None:
    """Let both CI files of a repository call the checks with these inputs, as its team would write it."""
    caller = yaml.safe_dump({"with": inputs}).replace("\n", "\n    ")
    with (root / CALLER).open("a") as workflow:
        workflow.write(f"    {caller.rstrip()}\n")
    (root / INCLUDING).write_text(
        yaml.safe_dump({"stages": ["test"], "include": [{"local": COMPONENT, "inputs": inputs}]})
    )


def _on_this_python(scratch: Path) -> dict[str, str]:
    home = scratch / "home"
    home.mkdir(parents=True, exist_ok=True)
    return {"HOME": str(home), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def _commented(host: SimulatedHost) -> str:
    return "\n".join(host.comments.values())


def github(checkout: Path, origin: Path, scratch: Path) -> RunnerVerdict:
    """GitHub's workflow, by act, for a pull request of the checkout's commit."""
    revisions = ["git", "-C", str(checkout), "rev-parse", "origin/main"]
    base = subprocess.run(revisions, capture_output=True, text=True, check=True).stdout.strip()
    request = {"number": 7, "base": {"ref": "main", "sha": base}, "head": {"ref": "feature"}}
    scratch.mkdir(parents=True, exist_ok=True)
    (scratch / "event.json").write_text(json.dumps({"pull_request": request}))
    command = [path_of("act"), "pull_request", "-W", CALLER, "-P", "ubuntu-latest=-self-hosted"]
    command += ["--eventpath", str(scratch / "event.json"), "-s", f"GITHUB_TOKEN={TOKEN}"]
    for line in (checkout / WORKFLOW).read_text().splitlines():
        if "uses: actions/" in line:
            action = line.partition("uses: ")[2].split()[0]
            command += ["--local-repository", f"{action}={ACTIONS / action.partition('/')[2].partition('@')[0]}"]
    command += ["--env", f"SIMULATED_ARTIFACTS={scratch / 'artifacts'}", "--env", f"SIMULATED_ORIGIN={origin}"]
    with simulated_host(TOKEN) as host:
        command += ["--env", f"GITHUB_API_URL={host.address}"]
        code, printed = said(*command, cwd=checkout, **_on_this_python(scratch))
        return RunnerVerdict(code == 0, _commented(host), printed)


def gitlab(checkout: Path, origin: Path, scratch: Path) -> RunnerVerdict:
    """GitLab's component, by gitlab-ci-local, for a merge request of the checkout's commit; `origin` is what its remote leads to."""
    with simulated_host(TOKEN) as host:
        predefined = {
            "GITLAB_CI": "true",
            "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
            "CI_MERGE_REQUEST_IID": "7",
            "CI_API_V4_URL": host.address,
            "CI_PROJECT_ID": "3",
        }
        variables = {**predefined, "CHANGE_COMMENT_TOKEN": TOKEN}
        command = [path_of("gitlab-ci-local"), "--force-shell-executor", "--no-color"]
        command += [f"--ignore-predefined-vars={','.join(predefined)}"]
        command += [f"--variable={name}={value}" for name, value in variables.items()]
        code, printed = said(*command, cwd=checkout, **_on_this_python(scratch))
        return RunnerVerdict(code == 0, _commented(host), printed)


RUNNERS: dict[str, Runner] = {"act": github, "gitlab-ci-local": gitlab}
