"""A history and a first model by Airflow and by Prefect, beside the same by Dagster: every row, the model's bytes, the champion.

Belongs here: whole runs of a declared use case. Does not belong here: what goes wrong (`test_red_and_stale.py`).
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from platform_assets.installation import Installation
from platform_assets_tests.orchestrators.projects import MOST_SECONDS, ROOT, ExportedProject
from platform_assets_tests.orchestrators.what_was_made import what_was_made

pytestmark = pytest.mark.orchestrators
USE_CASE, AS_OF, SINCE = "bike_demand", "2018-09-17", "2018-04-01"


def made_in(home: Path) -> dict[str, Any]:
    return what_was_made(Installation.from_environment({"PLATFORM_ASSETS_HOME": str(home)}), USE_CASE)


@pytest.fixture(scope="module")
def by_dagster(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    folder = tmp_path_factory.mktemp("dagster")
    project = ExportedProject(folder / "none", folder / "home", USE_CASE)
    command = [sys.executable, "-m", "platform_assets_tests.orchestrators.dagster_run", USE_CASE, AS_OF]
    environment = project.environment({"PYTHONPATH": str(ROOT)})
    subprocess.run(command, env=environment, check=True, cwd=ROOT, timeout=MOST_SECONDS)
    return made_in(folder / "home")


def exported(folder: Path, orchestrator: str) -> ExportedProject:
    project = ExportedProject(folder / "project", folder / "home", USE_CASE)
    written = project.export(orchestrator)
    assert written.returncode == 0, written.stderr
    return project


def test_airflow_makes_the_same_tables_model_and_champion(tmp_path: Path, by_dagster: Mapping[str, Any]) -> None:
    project = exported(tmp_path, "airflow")
    ran = project.run_airflow(AS_OF, SINCE)
    assert project.run_state_in_airflow() == "success", ran.stdout[-3000:]
    states = project.states_in_airflow()
    assert states["model/champion"] == states["monitoring/parity"] == "success"
    assert states["monitoring/quality"] == "skipped", "no window has ended yet"
    assert made_in(project.home) == by_dagster


def test_prefect_makes_the_same_tables_model_and_champion(tmp_path: Path, by_dagster: Mapping[str, Any]) -> None:
    project = exported(tmp_path, "prefect")
    ran = project.run_prefect(AS_OF, SINCE)
    assert ran.returncode == 0, ran.stdout[-3000:]
    assert made_in(project.home) == by_dagster
