"""`platform-assets run --first-answer`: whom it is for."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from platform_assets.cli.run import first_answer
from platform_assets.cli.run.imported_later import IMPORTED_LATER
from platform_assets.declaration.loader import declared_use_cases
from platform_assets.installation import Installation
from platform_assets.settings import Settings


def test_a_use_case_without_a_service_is_refused_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_answer, "loaded", lambda installation, name: (None, declared_use_cases(name)))
    installation = Installation(Settings.from_environment({"PLATFORM_ASSETS_HOME": str(tmp_path / "home")}))
    with pytest.raises(first_answer.NoAnswers, match="bike_demand answers no requests; leave the option out"):
        first_answer.answer_first(installation, "bike_demand")


def test_what_is_imported_ahead_is_installed() -> None:
    """A name that no longer exists would be passed over in silence, and the first answer would come later."""
    assert [name for name in IMPORTED_LATER if find_spec(name) is None] == []


def test_a_first_answer_that_fails_leaves_nothing_running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What went on running would hold the port against the next run."""
    stopped: list[Installation] = []

    def refused(journey: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(first_answer, "loaded", lambda installation, name: (None, declared_use_cases(name)))
    monkeypatch.setattr(first_answer, "_answer", refused)
    monkeypatch.setattr(first_answer, "stop_services", stopped.append)
    installation = Installation(Settings.from_environment({"PLATFORM_ASSETS_HOME": str(tmp_path / "home")}))
    with pytest.raises(ZeroDivisionError):
        first_answer.answer_first(installation, "card_fraud")
    assert stopped == [installation]
