"""The command: it writes what it found and fails when a promise was not kept or could not be looked at."""

import re
from contextlib import ExitStack
from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks.common.deployed import DeployedUseCase, NotRunning
from benchmarks.common.report import Bar, Topic
from platform_assets.testing.child_process import ROOT


def topic(kept: bool) -> Topic:
    return Topic("Loading the definitions", "Counted.", ["", "s"], [["ours", "1"]], [Bar("quick", "1 s", kept)])


@pytest.mark.parametrize(("kept", "code"), [(True, 0), (False, 1)])
def test_a_missed_bar_fails_the_command_after_the_report_is_written(
    kept: bool, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "measure_definitions", lambda rounds, log: topic(kept))
    output = tmp_path / "report.md"
    assert command.main(["--quick", "--only", "definitions", "--output", str(output)]) == code
    assert ("**no**" in output.read_text()) is not kept


def test_without_a_deployed_service_the_rest_is_measured_and_the_command_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing() -> DeployedUseCase:
        raise NotRunning("card_fraud was never deployed: run `make run` first")

    monkeypatch.setattr(command, "find_installation", nothing)
    monkeypatch.setattr(command, "measure_definitions", lambda rounds, log: topic(True))
    output = tmp_path / "report.md"
    assert command.main(["--only", "latency", "definitions", "--output", str(output)]) == 1
    text = output.read_text()
    assert "| Scoring latency is measured | card_fraud was never deployed: run `make run` first | **no** |" in text
    assert "| quick | 1 s | yes |" in text


def test_a_part_or_a_quick_run_leaves_the_kept_report_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(command, "TARGET", tmp_path / "benchmarks.md")
    monkeypatch.setattr(command, "measure_definitions", lambda rounds, log: topic(True))
    assert command.main(["--only", "definitions"]) == 0
    assert not (tmp_path / "benchmarks.md").exists()


def test_every_run_that_a_document_shows_names_topics_that_there_are() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    shown = [
        words for page in pages for words in re.findall(r"python -m benchmarks --only ([a-z -]+)`", page.read_text())
    ]
    assert len(shown) >= 8
    topics = set(command.Plan(ExitStack()).topics)
    assert {topic for words in shown for topic in words.split()} <= topics
