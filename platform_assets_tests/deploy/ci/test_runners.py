"""The CI files as both systems read and run them: linters without a finding, and a change on each runner, from checkout to comment.

The runners are act in host mode and gitlab-ci-local with its shell executor: no containers, and in place of published actions simulated
ones (`simulated_actions/`). What the real systems do with services, caches, artifacts and tokens nobody sees here.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from platform_assets.testing.change_world import CODE, DECLARATION, declared, edit_text, git, repository

from .runners import COMPONENT, INCLUDING, ROOT, TOKEN, WORKFLOW, ToolMissing, call_with, github, gitlab, path_of, said

pytestmark = pytest.mark.runners

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
CI_FILES = (
    "deploy/ci/asset-checks.sh", "deploy/ci/post_comment.py", COMPONENT, WORKFLOW, ".github/workflows/change.yml", INCLUDING,
)  # fmt: skip
INPUTS = {"setup": "true", "tests": "tests"}
"""The platform is installed where these tests run."""
YAML_RULES = (
    "{extends: default, rules: {line-length: {max: 200}, document-start: disable, truthy: {check-keys: false}, "
    "comments: {min-spaces-from-content: 1}, braces: disable, brackets: disable}}"
)


def tool(name: str) -> str:
    """A tool of deploy/ci/install-ci-tools.sh; the test ends here where it is missing: skipped on a laptop, failed where `CI` is set."""
    try:
        return path_of(name)
    except ToolMissing as error:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(str(error))


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
    head, _ = yaml.safe_load_all((ROOT / COMPONENT).read_text())
    text = (ROOT / COMPONENT).read_text().partition("\n---\n")[2]
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
        call_with(root, INPUTS)
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


def test_github_stops_a_lowered_floor_and_comments(checkout: Path, tmp_path: Path) -> None:
    tool("act")
    edit_text(DECLARATION, "bound: 0.7", "bound: 0.6")(checkout)
    git(checkout, "commit", "--all", "--quiet", "--message", "Lower a floor")
    verdict = github(checkout, tmp_path / "origin.git", tmp_path / "act")
    assert not verdict.passed, verdict.printed
    assert "1 of 14 gates broken: limits" in verdict.comment
    assert "gates.floors.auc_roc.bound is looser: 0.7 → 0.6" in verdict.comment
    assert "| ✅ | tests |" in verdict.comment
    assert "Job 'checks' failed" in verdict.printed
    assert TOKEN not in verdict.printed


def test_gitlab_lets_a_good_change_pass_and_comments(checkout: Path, tmp_path: Path) -> None:
    tool("gitlab-ci-local")
    declared(lambda document: document.update(description="Who leaves without paying."))(checkout)
    git(checkout, "commit", "--all", "--quiet", "--message", "Say who")
    verdict = gitlab(checkout, tmp_path / "origin.git", tmp_path / "gitlab")
    assert verdict.passed, verdict.printed
    assert "all 14 gates kept" in verdict.comment
    assert "| ✅ | tests |" in verdict.comment
