"""Kubeflow's own compiler reads the exported pipeline, and its edges, retries and triggers are those of the steps.

Belongs here: compiling. Does not belong here: a run, which needs a cluster with Kubeflow: none was seen.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from platform_assets.declaration.loader import declared_use_cases
from platform_assets.pipelines.steps.graph import steps_of
from platform_assets_tests.orchestrators.projects import ExportedProject, tool

pytestmark = pytest.mark.orchestrators


@pytest.mark.parametrize("name", ["card_fraud", "bike_demand"])
def test_the_pipeline_compiles_with_every_edge(name: str, tmp_path: Path) -> None:
    project = ExportedProject(tmp_path / "project", tmp_path / "home", name)
    assert project.export("kubeflow").returncode == 0
    python = str(tool(".venv-prefect", "python"))
    subprocess.run([python, f"{name}_pipeline.py"], cwd=project.folder, check=True, timeout=300)
    document = (project.folder / f"{name}.yaml").read_text(encoding="utf-8")
    tasks = yaml.safe_load(document)["root"]["dag"]["tasks"]
    titles = {key: task["taskInfo"]["name"] for key, task in tasks.items()}
    edges = {titles[key]: {titles[one] for one in task.get("dependentTasks", [])} for key, task in tasks.items()}
    steps = steps_of(declared_use_cases(name)[0].use_case)
    for step in steps:
        assert edges[step.name] == {*step.needs, *(f"after {one}" for one in step.follows)}, step.name
    for other in {one for step in steps for one in step.follows}:
        assert edges[f"after {other}"] == {other}
    by_title = {titles[key]: task for key, task in tasks.items()}
    for title, task in by_title.items():
        whatever = task.get("triggerPolicy", {}).get("strategy") == "ALL_UPSTREAM_TASKS_COMPLETED"
        assert whatever == title.startswith("after "), title
    assert by_title["model/champion"]["retryPolicy"]["maxRetryCount"] == 2
    load = "from kfp import components; import sys; components.load_component_from_file(sys.argv[1])"
    subprocess.run([python, "-c", load, f"{name}.yaml"], cwd=project.folder, check=True, timeout=300)
