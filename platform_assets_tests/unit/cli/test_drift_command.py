"""`platform-assets drift`: a window again, the worst column first, and Evidently's report only for who asks."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from platform_assets.cli import app
from platform_assets.monitoring.drift import DriftLimits, drift_report
from platform_assets.monitoring.watched_window import WatchedWindow
from platform_assets.pipelines import watch
from platform_assets.registry.base import RegisteredVersion

DAY = date(2024, 3, 8)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PLATFORM_ASSETS_HOME", str(tmp_path))
    (tmp_path / "lake").mkdir()
    return tmp_path


def window(moved: float) -> tuple[WatchedWindow, RegisteredVersion]:
    reference = pl.DataFrame(
        {"feature__amount": [float(one) for one in range(500)], "feature__steady": [float(one) for one in range(500)]}
    )
    current = reference.with_columns(pl.col("feature__amount") + moved)
    result = drift_report(reference, current, reference.columns, DriftLimits(max_ks=0.1, max_psi=0.2, min_rows=100))
    return WatchedWindow(date(2024, 3, 2), DAY, reference, current, result), RegisteredVersion(
        "card_fraud", "7", "", {}
    )


@pytest.mark.parametrize(("moved", "code"), [(0.0, 0), (400.0, 1)])
def test_a_window_is_printed_the_worst_column_first_and_the_exit_code_is_its_verdict(
    home: Path, monkeypatch: pytest.MonkeyPatch, moved: float, code: int
) -> None:
    monkeypatch.setattr(watch, "compare_window", lambda *_: window(moved))
    shown = CliRunner().invoke(app, ["drift", "card_fraud", str(DAY)])
    assert shown.exit_code == code, shown.output
    assert "version 7" in shown.output
    if moved:
        assert shown.output.index("feature__amount: drift") < shown.output.index("feature__steady: ok")


def test_evidentlys_report_is_made_for_who_asks(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "compare_window", lambda *_: window(400.0))
    target = home / "evidently.html"
    shown = CliRunner().invoke(app, ["drift", "card_fraud", str(DAY), "--evidently", str(target)])
    assert target.is_file(), shown.output
    assert "Evidently" in shown.output


def test_no_window_yet_is_said_with_what_to_do(home: Path) -> None:
    shown = CliRunner().invoke(app, ["drift", "card_fraud"])
    assert shown.exit_code != 0
    assert "no window of card_fraud was judged yet" in " ".join(shown.output.split())
