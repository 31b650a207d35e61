"""`platform-assets cost`: what is recorded is shown, and where nothing is, how it would be."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from platform_assets.cli import app
from platform_assets.declaration.loader import declared_use_cases
from platform_assets.installation import Installation
from platform_assets.monitoring.cost.usage import PartUsage, Quantities, RunUsage, run_rows, usage_frame


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


def test_a_training_is_its_trials_and_folds(home: Path) -> None:
    missing = CliRunner().invoke(app, ["cost", "training", "card_fraud"])
    assert missing.exit_code == 1
    assert "no training of card_fraud is recorded" in missing.output
    parts = [
        PartUsage("boosted/trial 0/fold 0", 1.0, 1.0),
        PartUsage("boosted/trial 0/fold 1", 1.0, 2.0),
        PartUsage("boosted/fold 0", 2.0, 3.0),
        PartUsage("boosted/fitted again", 1.0, 1.5),
    ]
    steps = {"model/classifier": Quantities(10.0, 8.0, 2.0), "model/evaluation": Quantities(1.0, 1.0)}
    run = RunUsage(
        "r1", "card_fraud", "train", "2018-07-01", datetime.now(UTC), steps, None, {"model/classifier": parts}
    )
    Installation.from_environment().catalog(declared_use_cases("card_fraud")[0].use_case).usage.append(
        usage_frame(run_rows(run))
    )
    shown = CliRunner().invoke(app, ["cost", "training", "card_fraud"])
    assert shown.exit_code == 0, shown.output
    found = json.loads(CliRunner().invoke(app, ["cost", "training", "card_fraud", "--json"]).output)["training"]
    of = {(one["candidate"], one["what"]): one for one in found["parts"]}
    assert {key: (one["folds"], one["cpu_seconds"]) for key, one in of.items()} == {
        ("boosted", "trial 0"): (2, 3.0),
        ("boosted", "folds"): (1, 3.0),
        ("boosted", "fitted again"): (1, 1.5),
        ("", "beside them"): (0, 0.5),
    }
    assert list(of)[-1] == ("", "beside them"), "what no part took comes last"
    assert sum(one["money"] for one in found["parts"]) == pytest.approx(found["money"])
    assert (found["cpu_seconds"], len(found["each"])) == (8.0, 4)
    assert found["other_steps"] > 0


def test_an_answer_of_a_cluster_is_recorded(home: Path) -> None:
    pod = {
        "properties": {"namespace": "n", "pod": "p", "labels": {"platform_assets_use_case": "card_fraud"}},
        **{"start": "2026-12-01T00:00:00Z", "end": "2026-12-01T01:00:00Z", "minutes": 60},
        **{"cpuCoreUsageAverage": 1, "cpuCoreRequestAverage": 2, "ramByteUsageAverage": 1, "ramByteRequestAverage": 1},
    }
    (home / "answer.json").write_text(json.dumps({"data": [{"p": pod}]}))
    shown = CliRunner().invoke(app, ["cost", "cluster", "card_fraud", str(home / "answer.json")])
    assert shown.exit_code == 0, shown.output
    assert "1 of 1 pods are recorded" in shown.output
    assert "3,600 core-seconds, 7,200 of them reserved" in " ".join(shown.output.split())
    odd = CliRunner().invoke(app, ["cost", "cluster", "card_fraud", str(home / "answer.json"), "--source", "nobody"])
    assert odd.exit_code == 2


def test_prices_are_those_of_the_sheet_that_is_named(home: Path) -> None:
    record(3600.0)
    shown = CliRunner().invoke(app, ["cost", "show", "card_fraud", "--sheet", "aws"])
    assert shown.exit_code == 0, shown.output
    assert "0.0394 USD" in shown.output
    assert "No GPU was seen" in shown.output
    assert "Prices: aws as of 2026-01-01" in " ".join(shown.output.split())


def test_advice_of_a_use_case_without_any(home: Path) -> None:
    record(10.0)
    shown = CliRunner().invoke(app, ["cost", "advise", "card_fraud"])
    assert shown.exit_code == 0, shown.output
    assert "nothing that was measured would cost less" in shown.output
    plain = json.loads(CliRunner().invoke(app, ["cost", "advise", "card_fraud", "--json"]).output)
    assert plain["advice"] == []
