"""The CI files as they are written: pinned, with the least rights, and one place for what they run."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
USES = re.compile(r"uses: (?P<action>[^@\s]+)@(?P<commit>\S+)(?P<comment> # v\d+\.\d+\.\d+)?$")


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_action_is_named_by_commit_with_its_version(path: Path) -> None:
    for line in path.read_text().splitlines():
        if "uses:" in line and "./" not in line:
            found = USES.search(line)
            assert found, line
            assert re.fullmatch(r"[0-9a-f]{40}", found["commit"]), line
            assert found["comment"], line


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_no_job_may_more_than_it_says(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {}
    for name, job in workflow["jobs"].items():
        assert isinstance(job.get("permissions"), dict), f"{name} of {path.name} says not what it may"
        if "uses" not in job:
            assert job["timeout-minutes"] <= 360


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_no_value_reaches_a_shell_as_text(path: Path) -> None:
    for job in yaml.safe_load(path.read_text())["jobs"].values():
        for step in job.get("steps", []):
            assert "${{" not in step.get("run", ""), step


def test_who_may_comment_runs_nothing_of_the_change() -> None:
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "asset-checks.yml").read_text())["jobs"]
    assert jobs["checks"]["permissions"] == {"contents": "read"}
    [checkout] = [step for step in jobs["comment"]["steps"] if "checkout" in step.get("uses", "")]
    assert checkout["with"]["ref"] == "${{ github.event.pull_request.base.sha }}"


def test_both_runners_run_the_same_script_for_the_same_tests() -> None:
    github = yaml.safe_load((ROOT / ".github" / "workflows" / "asset-checks.yml").read_text())
    head, component = yaml.safe_load_all((ROOT / "deploy" / "ci" / "gitlab" / "asset-checks.yml").read_text())
    inputs = github[True]["workflow_call"]["inputs"]  # YAML 1.1 takes `on` for true
    for name in ("setup", "tests"):
        assert inputs[name]["default"] == head["spec"]["inputs"][name]["default"]
    calls = [step.get("run", "") for step in github["jobs"]["checks"]["steps"]] + component["asset-checks"]["script"]
    assert sum("deploy/ci/asset-checks.sh" in call for call in calls) == 2
