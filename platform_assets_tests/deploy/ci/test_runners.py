"""The CI files as both systems read and run them: linters without a finding, and a change on each runner, from checkout to comment.

The runners are act in host mode and gitlab-ci-local with its shell executor: no containers, and in place of published actions simulated
ones (`simulated_actions/`). What the real systems do with services, caches, artifacts and tokens nobody sees here.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from platform_assets.testing.change_world import CODE, DECLARATION, declared, edit_text, git, repository

from .simulated_hosts import SimulatedHost, simulated_host

pytestmark = pytest.mark.runners

ROOT = Path(__file__).parents[3]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
COMPONENT = ROOT / "deploy" / "ci" / "gitlab" / "asset-checks.yml"
ACTIONS = Path(__file__).with_name("simulated_actions")
CI_FILES = (
    "deploy/ci/asset-checks.sh", "deploy/ci/post_comment.py", "deploy/ci/gitlab/asset-checks.yml",
    ".github/workflows/asset-checks.yml", ".github/workflows/change.yml", ".gitlab-ci.yml",
)  # fmt: skip
INPUTS = {"setup": "true", "tests": "tests"}
"""The platform is installed where these tests run."""
TOKEN = "not-a-real-one"
RUN_SECONDS = 600
YAML_RULES = (
    "{extends: default, rules: {line-length: {max: 200}, document-start: disable, truthy: {check-keys: false}, "
    "comments: {min-spaces-from-content: 1}, braces: disable, brackets: disable}}"
)


def tool(name: str) -> str:
    """A tool of deploy/ci/install-ci-tools.sh; the test ends here where it is missing: skipped on a laptop, failed where `CI` is set."""
    path = Path(os.environ.get("CI_TOOLS", ROOT / ".venv-ci")) / "bin" / name
    needed = [path, *([shutil.which("rsync")] if name == "gitlab-ci-local" else [])]
    if not all(item is not None and Path(item).exists() for item in needed):
        reason = f"{name} (or rsync) is missing: run deploy/ci/install-ci-tools.sh (`make ci-test` does)"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    return str(path)


def said(*command: str, cwd: Path = ROOT, **environment: str) -> tuple[int, str]:
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**{name: value for name, value in os.environ.items() if name != "CI"}, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    "command",
    [
        ("actionlint", *map(str, WORKFLOWS)),
        ("zizmor", "--offline", "--no-progress", *map(str, WORKFLOWS)),
        ("yamllint", "--strict", "-d", YAML_RULES, ".github", ".gitlab-ci.yml", "deploy/ci"),
        ("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *map(str, WORKFLOWS)),
        ("check-jsonschema", "--builtin-schema", "vendor.gitlab-ci", ".gitlab-ci.yml"),
    ],
    ids=lambda command: f"{command[0]} {command[2]}" if "schema" in command[0] else command[0],
)
def test_linters_find_nothing(command: tuple[str, ...]) -> None:
    code, printed = said(tool(command[0]), *command[1:])
    assert code == 0, printed


def test_the_component_is_what_gitlab_reads_once_its_inputs_are_in(tmp_path: Path) -> None:
    head, _ = yaml.safe_load_all(COMPONENT.read_text())
    text = COMPONENT.read_text().partition("\n---\n")[2]
    for name, field in head["spec"]["inputs"].items():
        text = text.replace(f"$[[ inputs.{name} ]]", field["default"])
    assert "$[[" not in text
    (tmp_path / "component.yml").write_text(text)
    code, printed = said(
        tool("check-jsonschema"), "--builtin-schema", "vendor.gitlab-ci", str(tmp_path / "component.yml")
    )
    assert code == 0, printed


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Path]:
    """The small repository with the CI files, on a branch `feature`; what it came from stands in a bare repository."""
    with repository(tmp_path / "work", {name: ROOT / name for name in CODE}) as root:
        for file in CI_FILES:
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / file, root / file)
        caller = yaml.safe_dump({"with": INPUTS}).replace("\n", "\n    ")
        with (root / ".github/workflows/change.yml").open("a") as workflow:
            workflow.write(f"    {caller.rstrip()}\n")
        included = {"local": "deploy/ci/gitlab/asset-checks.yml", "inputs": INPUTS}
        (root / ".gitlab-ci.yml").write_text(yaml.safe_dump({"stages": ["test"], "include": [included]}))
        git(root, "add", "--all")
        git(root, "commit", "--quiet", "--message", "CI")
        git(tmp_path, "clone", "--quiet", "--bare", str(root), str(tmp_path / "origin.git"))
        git(tmp_path / "origin.git", "config", "uploadpack.allowAnySHA1InWant", "true")
        address = "https://gitlab.example.com/team/parking.git"
        git(root, "remote", "add", "origin", address)
        git(root, "config", f"url.{tmp_path / 'origin.git'}.insteadOf", address)
        git(root, "fetch", "--quiet", "origin")
        git(root, "switch", "--quiet", "--create", "feature")
        yield root


def path_of_this_python() -> str:
    return f"{Path(sys.executable).parent}:{os.environ['PATH']}"


def test_github_stops_a_lowered_floor_and_comments(checkout: Path, tmp_path: Path) -> None:
    edit_text(DECLARATION, "bound: 0.7", "bound: 0.6")(checkout)
    git(checkout, "commit", "--all", "--quiet", "--message", "Lower a floor")
    base = subprocess.run(["git", "-C", str(checkout), "rev-parse", "main"], capture_output=True, text=True, check=True)
    event = {
        "pull_request": {"number": 7, "base": {"ref": "main", "sha": base.stdout.strip()}, "head": {"ref": "feature"}}
    }
    (tmp_path / "event.json").write_text(json.dumps(event))
    command = [tool("act"), "pull_request", "-W", ".github/workflows/change.yml", "-P", "ubuntu-latest=-self-hosted"]
    command += ["--eventpath", str(tmp_path / "event.json"), "-s", f"GITHUB_TOKEN={TOKEN}"]
    for line in (ROOT / ".github/workflows/asset-checks.yml").read_text().splitlines():
        if "uses: actions/" in line:
            action = line.partition("uses: ")[2].split()[0]
            command += ["--local-repository", f"{action}={ACTIONS / action.partition('/')[2].partition('@')[0]}"]
    command += [
        "--env",
        f"SIMULATED_ARTIFACTS={tmp_path / 'artifacts'}",
        "--env",
        f"SIMULATED_ORIGIN={tmp_path / 'origin.git'}",
    ]
    with simulated_host(TOKEN) as host:
        command += ["--env", f"GITHUB_API_URL={host.address}"]
        code, printed = said(*command, cwd=checkout, HOME=str(tmp_path / "home"), PATH=path_of_this_python())
        assert code != 0, printed
        [comment] = host.comments.values()
    assert "1 of 14 gates broken: limits" in comment
    assert "gates.floors.auc_roc.bound is looser: 0.7 → 0.6" in comment
    assert "| ✅ | tests |" in comment
    assert "Job 'checks' failed" in printed
    assert TOKEN not in printed


def test_gitlab_lets_a_good_change_pass_and_comments(checkout: Path, tmp_path: Path) -> None:
    declared(lambda document: document.update(description="Who leaves without paying."))(checkout)
    git(checkout, "commit", "--all", "--quiet", "--message", "Say who")
    with simulated_host(TOKEN) as host:
        code, printed = said(*gitlab(host), cwd=checkout, HOME=str(tmp_path), PATH=path_of_this_python())
        assert code == 0, printed
        [comment] = host.comments.values()
    assert "all 14 gates kept" in comment
    assert "| ✅ | tests |" in comment


def gitlab(host: SimulatedHost) -> list[str]:
    predefined = {
        "GITLAB_CI": "true",
        "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
        "CI_MERGE_REQUEST_IID": "7",
        "CI_API_V4_URL": host.address,
        "CI_PROJECT_ID": "3",
    }
    variables = [f"--variable={name}={value}" for name, value in {**predefined, "CHANGE_COMMENT_TOKEN": TOKEN}.items()]
    ignored = f"--ignore-predefined-vars={','.join(predefined)}"
    return [tool("gitlab-ci-local"), "--force-shell-executor", "--no-color", ignored, *variables]
