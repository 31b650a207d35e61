"""The screen of a run whose model its gates refused."""

import json
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from platform_assets.cli.console import console
from platform_assets.cli.run import refused, steps
from platform_assets.cli.run.refused import print_refused
from platform_assets.orchestration.in_process import RunFailed
from platform_assets.registry.base import RegisteredVersion
from platform_assets.registry.training_run import COMPARISON_FILE, VERDICT_FILE, read_model_run
from platform_assets.testing.fake_registry import FakeRegistry

NAME = "parcels"
GATE = {"name": "floor_f1", "passed": False, "explanation": "f1 is 0.1000; its floor is 0.5."}


@pytest.fixture
def journey(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What the screen asks: a use case, the days, the registry and the folder of reports."""
    monkeypatch.setattr(refused, "registered_run", lambda registry, version: read_model_run(tmp_path / "run"))
    registry = FakeRegistry()
    folder = tmp_path / "run"
    folder.mkdir()
    folds = [{"test_first": "a", "test_last": "b"}]
    good = {"mean": {"f1": 0.1, "recall": None}, "std": {"f1": 0.02, "recall": None}, "baseline": False, "seconds": 1.0}
    comparison = {"metrics": {"f1": True, "recall": True}, "folds": folds, "candidates": {"good": good}}
    (folder / COMPARISON_FILE).write_text(json.dumps(comparison))
    registry.add(RegisteredVersion(NAME, "1", "run 1", {"as_of": "2024-05-01", "learner": "good"}), folder)
    (tmp_path / "model-card-1.html").write_text("the card")
    return SimpleNamespace(
        folder=folder,
        use_case=SimpleNamespace(name=NAME, model_name="classifier"),
        days=SimpleNamespace(as_of=date(2024, 5, 1)),
        installation=SimpleNamespace(
            models=SimpleNamespace(registry=lambda: registry),
            serving=SimpleNamespace(report_folder=lambda _: tmp_path, kind="kubernetes"),
        ),
    )


def screen(journey: Any) -> str:
    with console.capture() as printed:
        print_refused(journey, journey.days.as_of)
    return " ".join(printed.get().split())


def judged(journey: Any, *, passed: bool) -> None:
    verdict = {"passed": passed, "reason": "x", "gates": [GATE | {"passed": passed}]}
    (journey.folder / VERDICT_FILE).write_text(json.dumps(verdict))


def test_figures_red_gates_card_and_what_to_do_next(journey: Any) -> None:
    judged(journey, passed=False)
    shown = screen(journey)
    for words in ("good * 0.1000 ± 0.0200 - 1.0", "refused version 1: good as of 2024-05-01", GATE["explanation"]):
        assert words in shown
    assert "model-card-1.html" in shown.replace(" ", "")
    assert f"next: platform-assets models compare {NAME}@1" in shown


def test_nothing_is_said_of_a_model_that_passed_was_not_judged_or_is_not_there(journey: Any) -> None:
    assert screen(journey) == ""
    judged(journey, passed=True)
    assert screen(journey) == ""
    journey.days.as_of = date(2024, 5, 2)
    assert screen(journey) == ""


def test_a_run_that_fails_at_training_shows_it_and_still_fails(journey: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    judged(journey, passed=False)

    def catch_up(*_: Any) -> None:
        raise RunFailed("train did not succeed")

    journey.catch_up = catch_up
    journey.days.labels = journey.days.history = SimpleNamespace(last=date(2024, 4, 30))
    monkeypatch.setattr(steps, "polled", lambda _: [])
    with console.capture() as printed, pytest.raises(RunFailed):
        steps.train_on_history(journey)
    assert "refused" in printed.get()
