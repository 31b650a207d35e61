"""`platform-assets cost`: what is recorded is shown, and where nothing is, how it would be."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from platform_assets.cli import app
from platform_assets.declaration.loader import declared_use_cases
from platform_assets.installation import Installation
from platform_assets.monitoring.cost.usage import Quantities, RunUsage, run_rows, usage_frame


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PLATFORM_ASSETS_HOME", str(tmp_path))
    return tmp_path


def record(cpu_seconds: float) -> None:
    catalog = Installation.from_environment().catalog(declared_use_cases("card_fraud")[0].use_case)
    run = RunUsage(
        f"r{cpu_seconds}",
        "card_fraud",
        "load",
        "2018-07-01",
        datetime.now(UTC),
        {"clean/transactions": Quantities(1, cpu_seconds)},
    )
    catalog.usage.append(usage_frame(run_rows(run)))


def test_nothing_recorded_says_how_it_is(home: Path) -> None:
    result = CliRunner().invoke(app, ["cost", "show", "card_fraud"])
    assert result.exit_code == 1
    assert "platform-assets run" in result.output


def test_costs_by_kind_as_text_and_json(home: Path) -> None:
    record(3600.0)
    shown = CliRunner().invoke(app, ["cost", "show", "card_fraud"])
    assert shown.exit_code == 0, shown.output
    assert "data" in shown.output
    assert "3,600.0" in shown.output
    plain = json.loads(CliRunner().invoke(app, ["cost", "show", "--json"]).output)
    assert plain["use_cases"][0]["kinds"][0]["money"] == pytest.approx(0.0054)
    machine = plain["machine"]
    assert machine["attributed"] == pytest.approx(0.0054)


def test_a_plan_says_what_it_stands_on(home: Path) -> None:
    record(10.0)
    result = CliRunner().invoke(app, ["cost", "plan", "card_fraud", "load", "--days", "3"])
    assert result.exit_code == 0, result.output
    assert "about 30.0 CPU-seconds" in result.output
    assert "1 earlier runs" in result.output
    missing = CliRunner().invoke(app, ["cost", "plan", "card_fraud", "train"])
    assert missing.exit_code == 1
    assert "recorded are load" in missing.output


def test_advice_of_a_use_case_without_any(home: Path) -> None:
    record(10.0)
    shown = CliRunner().invoke(app, ["cost", "advise", "card_fraud"])
    assert shown.exit_code == 0, shown.output
    assert "nothing that was measured would cost less" in shown.output
    plain = json.loads(CliRunner().invoke(app, ["cost", "advise", "card_fraud", "--json"]).output)
    assert plain["advice"] == []
