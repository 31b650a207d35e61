"""`platform-assets init` as a person meets it: on a terminal of its own, stopped in the middle, and up to what the gates would say."""

import json
import os
import sys
from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner

import platform_assets
from platform_assets.cli import app
from platform_assets.declaration import load_use_case
from platform_assets.pipelines.first_verdict import first_verdict
from platform_assets.testing.child_process import ROOT
from platform_assets.testing.team_folders import claims
from platform_assets.testing.terminal import ELSEWHERE, Terminal


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    claims(folder, 2500, 100)
    return folder


def on_a_terminal(tmp_path: Path, *words: str) -> Terminal:
    environment = {
        **os.environ,
        "TERM": "dumb",
        "COLUMNS": "160",
        "PYTHONPATH": str(ROOT),
        "PLATFORM_ASSETS_HOME": str(tmp_path / "home"),
    }
    beside = str(tmp_path / "__init__.py")
    return Terminal([sys.executable, "-c", ELSEWHERE, beside, "init", *words], environment, str(tmp_path))


def test_on_a_terminal_it_asks_again_and_writes_what_was_said_with_its_question(tmp_path: Path, files: Path) -> None:
    said = [
        ("row", "A claim of one customer"),
        ("label", ""),
        ("known_after_days", "soon"),
        ("known_after_days", "14"),
        ("not_known_then", ""),
        ("missed", "2500"),
        ("false_alarm", "60"),
        ("purpose", "Claims that somebody looks at before they are paid: first the dear ones"),
        ("owner", "team:claims"),
    ]
    with on_a_terminal(tmp_path, "claims", "--from", str(files), "--no-try") as terminal:
        terminal.wait_for("schadenhohe_eur")
        for key, answer in said:
            terminal.wait_for(f"  {key} ")
            terminal.type(f"{answer}\n")
        assert terminal.end() == 0, terminal.screen
    assert "'soon' is no number of days" in terminal.screen
    assert "left out auszahlung" in terminal.screen
    path = tmp_path / "defs" / "claims" / "defs.yaml"
    use_case, text = load_use_case(path), path.read_text()
    assert use_case.owner == "team:claims"
    assert use_case.label_delay_days == 14
    assert "# answer: How many days after the event is the answer known? 14" in text
    assert "# answer: What is one row? A claim of one customer" in text


def test_what_was_answered_before_ctrl_c_is_kept_and_goes_on(tmp_path: Path, files: Path) -> None:
    with on_a_terminal(tmp_path, "claims", "--from", str(files), "--no-try") as terminal:
        terminal.wait_for("  row ")
        terminal.type("A claim\n")
        terminal.wait_for("  label ")
        terminal.type("\x03")
        assert terminal.end() == 130, terminal.screen
    draft = tmp_path / "home" / "onboarding" / "claims" / "answers.yaml"
    assert "row: A claim" in draft.read_text()
    assert f"--answers {draft}" in " ".join(terminal.screen.split())
    assert not (tmp_path / "defs").exists()
    with on_a_terminal(tmp_path, "claims", "--from", str(files), "--no-try", "--answers", str(draft)) as terminal:
        assert "  row " not in terminal.wait_for("  label ")


def test_a_program_reads_that_the_gates_stop_a_leak_somebody_let_in(
    tmp_path: Path, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a terminal nothing is asked; the payment that knows the fraud is learned from, because the file of answers says so."""
    monkeypatch.setattr(platform_assets, "__file__", str(tmp_path / "__init__.py"))
    monkeypatch.setenv("PLATFORM_ASSETS_HOME", str(tmp_path / "home"))
    answers = tmp_path / "answers.yaml"
    answers.write_text('not_known_then: ""\n')
    words = ["init", "claims", "--from", str(files), "--answers", str(answers), "--json"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["loads"] is True
    assert found["sources"][0]["refused_days"] == []
    assert found["passed"] is False
    failed = {gate["gate"] for gate in found["gates"] if not gate["passed"]}
    assert "plausible_auc_roc" in failed
    page = Path(found["page"])
    assert "Schadenhöhe" in page.read_text()


def test_days_that_the_rules_refuse_are_named_and_nothing_is_trained(
    tmp_path: Path, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform_assets, "__file__", str(tmp_path / "__init__.py"))
    monkeypatch.setenv("PLATFORM_ASSETS_HOME", str(tmp_path / "home"))
    result = CliRunner().invoke(app, ["init", "claims", "--from", str(files), "--no-try", "--yes"])
    assert result.exit_code == 0, result.output
    path = tmp_path / "defs" / "claims" / "defs.yaml"
    lines = path.read_text().splitlines()
    path.write_text(
        "\n".join(line.replace("minimum: 0", "minimum: 1") if "vorschaden" in line else line for line in lines)
    )
    found = first_verdict(load_use_case(path), path.parent, date(2026, 6, 1))
    assert found.verdict is None
    assert not found.data_fits
    assert "days were refused" in found.problem
    assert any("refused_ratio" in why for why in found.sources[0].why)
