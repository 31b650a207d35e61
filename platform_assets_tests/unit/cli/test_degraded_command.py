"""`platform-assets degraded`: what is in force, and a person's word that ends it."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from platform_assets.cli import app
from platform_assets.declaration.standing_order import StandingOrder, read_order, write_order
from platform_assets.deployment.serving_home import ServingHome


def test_an_order_is_shown_and_lifted_with_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLATFORM_ASSETS_HOME", str(tmp_path))
    folder = ServingHome(str(tmp_path), 0).log_folder("card_fraud")
    runner = CliRunner()
    assert "no standing order" in runner.invoke(app, ["degraded", "card_fraud"]).output
    given = {"then": "refuse", "cause": "drift@2", "why": "drift for 3 days", "tell": "#risk", "since": "2024-03-12"}
    write_order(folder, StandingOrder.model_validate(given))
    shown = runner.invoke(app, ["degraded", "card_fraud"]).output
    assert "refuse since 2024-03-12: drift for 3 days. Told: #risk." in shown
    without = runner.invoke(app, ["degraded", "card_fraud", "--lift"])
    assert without.exit_code == 1
    assert "say why" in without.output
    assert runner.invoke(app, ["degraded", "card_fraud", "--lift", "--why", "mended"]).exit_code == 0
    order = read_order(folder)
    assert order is not None
    assert not order.is_in_force
    assert order.lifted_because == "mended"
