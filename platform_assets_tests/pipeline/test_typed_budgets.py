"""`platform-assets run` as it is typed: a budget refuses it before any work, and usage that cannot be written costs no run its result."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import platform_assets
from platform_assets.cli import app
from platform_assets.cli.run import steps
from platform_assets.cli.run.journey import Journey
from platform_assets.declaration import loader
from platform_assets.declaration.loader import declared_use_cases
from platform_assets.installation import Installation
from platform_assets.monitoring.cost.usage import Quantities, RunUsage, run_rows, usage_frame
from platform_assets.orchestration.dagster_folder import environment_kept
from platform_assets.orchestration.in_process import InProcess
from platform_assets.pipelines.jobs import JOBS

DEFS = Path(platform_assets.__file__).parent / "defs"
BUDGET = "  history: {first_day"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home and a folder of declarations in which bike_demand has a budget of a ten-thousandth of a euro for a run."""
    folder = tmp_path / "defs" / "bike_demand"
    shutil.copytree(DEFS / "bike_demand", folder, ignore=shutil.ignore_patterns("__pycache__"))
    text = (folder / "defs.yaml").read_text()
    (folder / "defs.yaml").write_text(text.replace(BUDGET, f"  budget: {{per_run: 0.0001}}\n{BUDGET}", 1))
    monkeypatch.setattr(loader, "DEFINITIONS_FOLDER", tmp_path / "defs")
    with environment_kept():
        monkeypatch.delenv("DAGSTER_HOME", raising=False)
        monkeypatch.setenv("PLATFORM_ASSETS_HOME", str(tmp_path / "home"))
        monkeypatch.setenv("COLUMNS", "400")
        yield tmp_path / "home"


def test_a_run_above_its_budget_is_refused_and_a_write_that_fails_is_counted(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = Installation.from_environment().catalog(declared_use_cases("bike_demand")[0].use_case)
    now = datetime.now(UTC)
    recorded = [RunUsage(job, "bike_demand", job, "", now, {"raw/hours": Quantities(1.0, 3600.0)}) for job in JOBS]
    catalog.usage.append(usage_frame(row for run in recorded for row in run_rows(run)))
    usage, done = Path(catalog.usage.uri), list[str]()

    def work(journey: Journey) -> None:
        """A run whose work succeeds, and in the middle of which the table of usage is gone."""
        done.append(journey.use_case.name)
        shutil.move(usage, home / "usage_kept")
        usage.write_text("planted: a file where the table should be")

    jobs, load = dict[str, InProcess](), InProcess.of

    def loaded_once(*given: Any) -> InProcess:
        jobs["loaded"] = jobs.get("loaded") or load(*given)
        return jobs["loaded"]

    monkeypatch.setattr(InProcess, "of", loaded_once)
    monkeypatch.setattr(steps, "run_one", work)
    monkeypatch.setattr(steps, "print_summary", lambda *given: done.append("summary"))

    refused = CliRunner().invoke(app, ["run", "bike_demand"])
    assert refused.exit_code == 1, refused.output
    assert "jobs that are due are forecast to cost" in refused.output
    assert "`budget.per_run` is 0.0001. `platform-assets run bike_demand --beyond-budget` does it" in refused.output
    assert done == [], "nothing was begun"

    ran = CliRunner().invoke(app, ["run", "bike_demand", "--beyond-budget"])
    assert ran.exit_code == 0, ran.output
    assert done == ["bike_demand", "summary"], "the run's result stands"
    assert "warning: what this command took" in ran.output
    assert "counts the miss" in ran.output
    usage.unlink()
    shutil.move(home / "usage_kept", usage)
    (shown,) = json.loads(CliRunner().invoke(app, ["cost", "show", "bike_demand", "--json"]).output)["use_cases"]
    (miss,) = shown["not_recorded"]
    assert miss["cpu_seconds"] > 0
    assert "1 commands could not record what they took" in CliRunner().invoke(app, ["cost", "show"]).output
