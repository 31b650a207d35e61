"""What every orchestrator's project holds: each step once, each edge, the plan's digest, and a README that says what is missing.

Belongs here: every orchestrator of the registry. Does not belong here: running a project, which needs the orchestrator's own environment
(`orchestrators/`).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from platform_assets.declaration import load_use_case
from platform_assets.declaration.options.orchestration import ORCHESTRATION
from platform_assets.pipelines.export.plan import ExportPlan, plan_export
from platform_assets.pipelines.export.registry import ORCHESTRATORS

DEFS = Path(__file__).parents[2] / "platform_assets" / "defs"
PLANS = {name: plan_export(load_use_case(DEFS / name)) for name in ("card_fraud", "bike_demand")}
EVERY = [(orchestrator, name) for orchestrator in ORCHESTRATORS for name in PLANS]


def project(orchestrator: str, name: str) -> tuple[ExportPlan, Mapping[str, str]]:
    return PLANS[name], ORCHESTRATORS[orchestrator].files(PLANS[name])


def steps_in(files: Mapping[str, str]) -> list[tuple[str, list[str], list[str]]]:
    """The literal STEPS of the one file that has it."""
    found = [
        ast.literal_eval(node.value)
        for path, text in files.items()
        if path.endswith(".py")
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "STEPS"
    ]
    assert len(found) == 1
    return [(name, needs, follows) for name, needs, follows, *_ in found[0]]


def test_every_declared_orchestrator_but_dagster_has_a_project() -> None:
    assert {*ORCHESTRATORS} == {*ORCHESTRATION.options} - {"dagster"}


@pytest.mark.parametrize(("orchestrator", "name"), EVERY)
def test_a_project_has_every_step_with_every_edge(orchestrator: str, name: str) -> None:
    plan, files = project(orchestrator, name)
    assert steps_in(files) == [(step.name, list(step.needs), list(step.follows)) for step in plan.steps]


@pytest.mark.parametrize(("orchestrator", "name"), EVERY)
def test_a_project_is_python_that_reads_and_is_written_the_same_again(orchestrator: str, name: str) -> None:
    plan, files = project(orchestrator, name)
    assert ORCHESTRATORS[orchestrator].files(plan) == files
    for path, text in files.items():
        assert "{{" not in text, path
        assert text.endswith("\n"), path
        if path.endswith(".py"):
            compile(text, path, "exec")


@pytest.mark.parametrize(("orchestrator", "name"), EVERY)
def test_a_project_calls_the_platform_in_its_own_interpreter_with_the_plan_it_was_written_from(
    orchestrator: str, name: str
) -> None:
    plan, files = project(orchestrator, name)
    python = "\n".join(text for path, text in files.items() if path.endswith(".py"))
    assert f'PLAN = "{plan.digest}"' in python
    assert '"--export", PLAN' in python
    assert "platform_assets" not in re.findall(r"^(?:from|import) (\w+)", python, re.MULTILINE)


@pytest.mark.parametrize(("orchestrator", "name"), EVERY)
def test_the_readme_says_how_to_run_it_and_what_is_missing(orchestrator: str, name: str) -> None:
    plan, files = project(orchestrator, name)
    readme = files["README.md"]
    for words in ("## What is missing", "Sensors", "Freshness", plan.first_day, "requirements.txt", "--check"):
        assert words in readme, words
    for line in files["requirements.txt"].splitlines():
        assert re.fullmatch(r"[a-z-]+==[0-9.]+", line)


@pytest.mark.parametrize("orchestrator", [one for one in ORCHESTRATORS if one != "kubeflow"])
def test_what_runs_here_reports_to_nobody(orchestrator: str) -> None:
    _, files = project(orchestrator, "bike_demand")
    assert "export DO_NOT_TRACK=1" in files["environment.sh"]
    assert re.search(r"(ANALYTICS_ENABLED|USAGE_DATA_COLLECTION__ENABLED)=false", files["environment.sh"])


@pytest.mark.parametrize("orchestrator", [one for one in ORCHESTRATORS if one != "kubeflow"])
def test_retries_are_those_of_the_automation(orchestrator: str) -> None:
    plan, files = project(orchestrator, "bike_demand")
    python = "\n".join(text for path, text in files.items() if path.endswith(".py"))
    assert f"retries={len(plan.waits_seconds)}," in python
    assert str(plan.waits_seconds[0]) in python
    assert "StepRefused" in python, "a red gate is told from a failure"


def test_kubeflow_tries_less_often_for_it_tells_no_red_gate_from_a_failure() -> None:
    plan, files = project("kubeflow", "bike_demand")
    python = files["bike_demand_pipeline.py"]
    assert "RETRIES = 2" in python
    assert len(plan.waits_seconds) > 2
