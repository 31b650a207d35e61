"""`platform-assets quarantine accept|undo`: a refused day is published by a decision, and withdrawn again."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
from typer.testing import CliRunner

from platform_assets.cli import app
from platform_assets.declaration.loader import DeclaredUseCase
from platform_assets.installation import Installation
from platform_assets_tests.unit.pipelines.file_days import MONDAY, FileDays, sales

CLOSED = MONDAY + timedelta(days=3)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileDays]:
    """Four days of files, of which the last is missing."""
    monkeypatch.setenv("PLATFORM_ASSETS_HOME", str(tmp_path / "home"))
    shop = FileDays(tmp_path)
    declared = DeclaredUseCase(shop.use_case, tmp_path)
    monkeypatch.setattr("platform_assets.declaration.loader.declared_use_cases", lambda name: [declared])
    object.__setattr__(shop, "catalog", Installation.from_environment().catalog(shop.use_case))
    with dg.DagsterInstance.ephemeral() as instance:
        monkeypatch.setattr(dg.DagsterInstance, "get", lambda: instance)
        shop.deliver(MONDAY, [6, 6, 6])
        shop.load_and_publish(MONDAY, CLOSED)
        yield shop


def call(command: str, *arguments: str, day: str = CLOSED.isoformat()) -> tuple[int, str]:
    result = CliRunner().invoke(
        app, ["quarantine", command, "small", "events", "--day", day, "--why", "flood", *arguments]
    )
    return result.exit_code, " ".join(result.output.split())


def test_a_day_without_a_file_is_accepted_loaded_published_and_taken_back(shop: FileDays) -> None:
    code, shown = call("accept", "--who", "ann")
    assert code == 0, shown
    assert "although: 2024-03-07: no rows were delivered" in shown
    assert "quarantine undo small events --day 2024-03-07" in shown
    assert "accept events of 2024-03-07 by ann: flood" in CliRunner().invoke(app, ["quarantine", "list"]).output
    assert shop.publish(MONDAY, CLOSED).passed
    code, shown = call("undo", "--who", "bob")
    assert code == 0, shown
    assert "is refused: 2024-03-07: no rows were delivered" in shown
    assert "Traceback" not in shown
    assert not shop.publish(CLOSED).passed


@pytest.mark.parametrize(
    ("day", "message"),
    [
        ("2024-03-05", "no rule refuses events of 2024-03-05"),
        ("2023-12-31", "lies outside of the history"),
        ("2024-03-08", "has 5 rows of 2024-03-08 that were never loaded"),
    ],
)
def test_a_day_that_cannot_be_accepted_is_refused_with_the_reason(shop: FileDays, day: str, message: str) -> None:
    shop.write("2024-03-08.csv", sales(MONDAY + timedelta(days=4), 5))
    code, shown = call("accept", day=day)
    assert code != 0
    assert message in shown
