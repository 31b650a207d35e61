"""`platform-assets step` and `platform-assets export`, as another orchestrator and a person type them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from platform_assets.cli import app
from platform_assets.declaration import load_use_case
from platform_assets.pipelines.export.plan import plan_export

DEFS = Path(__file__).parents[3] / "platform_assets" / "defs"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PLATFORM_ASSETS_HOME", str(tmp_path / "home"))
    return tmp_path


def step(*arguments: str) -> tuple[int, dict[str, object]]:
    result = CliRunner().invoke(app, ["step", "bike_demand", *arguments, "--json"])
    return result.exit_code, json.loads(result.stdout)


def test_a_step_answers_in_one_document() -> None:
    plan = plan_export(load_use_case(DEFS / "bike_demand"))
    code, answer = step("raw/rentals", "--as-of", "2018-04-03", "--run", "manual__1", "--export", plan.digest)
    assert code == 0
    assert (answer["step"], answer["due"], answer["days"]) == ("raw/rentals", True, ["2018-04-02"])
    assert answer["checks"] == [{"name": "schema", "passed": True, "explanation": "3 columns", "blocking": True}]


def test_a_step_that_cannot_succeed_says_that_trying_again_does_not_help() -> None:
    code, answer = step("clean/rentals", "--as-of", "2018-04-03")
    assert code == 1
    assert "error" in answer
    code, answer = step("raw/rentals", "--export", "0" * 16)
    assert code == 1
    assert "out of date" in str(answer["error"])
    assert answer["again"] is False
    code, answer = step("raw/rental")
    assert code == 2
    assert "did you mean 'raw/rentals'" in str(answer["error"])


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (["--as-of", "yesterday"], "--as-of 'yesterday' is no day"),
        (["--until", "2018-04-02"], "--until needs --day"),
        (["--day", "2018-04-03", "--until", "2018-04-02"], "lies before"),
    ],
)
def test_days_that_mean_nothing_are_named(typed: list[str], words: str) -> None:
    code, answer = step("raw/rentals", *typed)
    assert code == 1
    assert words in str(answer["error"])


def test_the_steps_are_listed_in_their_order() -> None:
    code, answer = step()
    assert code == 0
    steps = answer["steps"]
    assert isinstance(steps, list)
    names = [one["step"] for one in steps]
    assert names.index("raw/hours") < names.index("clean/hours") < names.index("model/champion")


def test_a_use_case_is_exported_and_a_stale_export_is_named(home: Path) -> None:
    runner, folder = CliRunner(), home / "project"
    arguments = ["export", "airflow", "bike_demand", "--into", str(folder)]
    written = runner.invoke(app, arguments)
    assert written.exit_code == 0
    assert "airflow dags test bike_demand" in written.output
    assert runner.invoke(app, [*arguments, "--check"]).exit_code == 0
    record = json.loads((folder / "export.json").read_text())
    (folder / "export.json").write_text(json.dumps(record | {"plan": "0" * 16}))
    stale = runner.invoke(app, [*arguments, "--check"])
    assert stale.exit_code == 1
    assert "out of date" in stale.stderr
    assert "platform-assets export airflow bike_demand" in stale.stderr
    unknown = runner.invoke(app, ["export", "airflo", "bike_demand", "--into", str(home / "other")])
    assert unknown.exit_code == 2
    assert "did you mean 'airflow'" in unknown.stderr
