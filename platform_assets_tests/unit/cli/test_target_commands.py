"""`platform-assets target`, as somebody types it."""

from collections.abc import Sequence
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from platform_assets.cli import app
from platform_assets.deployment.release import ProcessStatus, TargetStatus, UseCaseStatus
from platform_assets.installation import Installation

POD = ProcessStatus("churn-ab-2-x", "2", "CRASHLOOPBACKOFF", None, 3000, False, 4.0, 0, "its container ended with 1")


class Target:
    def __init__(self, problems: tuple[str, ...] = ()) -> None:
        self.left, self.problems, self.started = ["Secret churn-ab-1"], problems, 0

    def ensure_running(self) -> TargetStatus:
        self.started += 1
        return self.status()

    def status(self) -> TargetStatus:
        use_case = UseCaseStatus("churn", "1", "http://ml/v1/churn", {"1": 80, "2": 20}, (POD,), "observing")
        return TargetStatus(True, "http://ml", {}, {"churn": use_case}, problems=self.problems)

    def prune(self, *, remove: bool) -> Sequence[str]:
        left = list(self.left)
        if remove:
            self.left.clear()
        return left


def typed(monkeypatch: pytest.MonkeyPatch, target: Target, *words: str, code: int = 0) -> str:
    installation = SimpleNamespace(
        serving=SimpleNamespace(target=lambda: target),
        settings=SimpleNamespace(target="kubernetes", prepare=lambda: None),
    )
    monkeypatch.setattr(Installation, "from_environment", lambda: installation)
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == code, result.output
    return " ".join(result.output.split())


def test_the_status_shows_versions_pods_and_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = typed(monkeypatch, Target(), "target", "status")
    assert "target kubernetes at http://ml: running" in shown
    assert "2: 20 % of the requests" in shown
    assert "CRASHLOOPBACKOFF, up 4 s, not ready: its container ended with 1" in shown
    wrong = typed(monkeypatch, Target(("the Gateway x does not exist: create it",)), "target", "status", code=1)
    assert "problem: the Gateway x does not exist: create it" in wrong


def test_what_was_deployed_is_brought_back_and_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    target = Target()
    assert "target kubernetes at http://ml: running" in typed(monkeypatch, target, "target", "start")
    assert target.started == 1
    typed(monkeypatch, Target(("it is down",)), "target", "start", code=1)


def test_what_is_left_over_is_named_first_and_removed_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    target = Target()
    assert "Secret churn-ab-1 Nothing was removed" in typed(monkeypatch, target, "target", "prune")
    assert typed(monkeypatch, target, "target", "prune", "--yes") == "removed Secret churn-ab-1"
    assert "Nothing is left over" in typed(monkeypatch, target, "target", "prune")
