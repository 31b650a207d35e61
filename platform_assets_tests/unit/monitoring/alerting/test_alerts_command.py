"""`platform-assets alerts`: what it writes, and what it finds wrong."""

from pathlib import Path

import yaml
from typer.testing import CliRunner

from platform_assets.cli import app


def test_rules_of_every_use_case_are_written(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        app, ["alerts", "render", "--output", str(tmp_path), "--runbooks", "https://wiki/runbooks"]
    )
    assert result.exit_code == 0, result.output
    written = {path.name for path in tmp_path.iterdir()}
    assert {"platform.rules.yaml", "card_fraud.rules.yaml", "bike_demand.rules.yaml"} <= written
    rules = yaml.safe_load((tmp_path / "card_fraud.rules.yaml").read_text())["groups"][0]["rules"]
    alert = next(rule for rule in rules if rule.get("alert") == "ErrorBudgetBurning")
    assert alert["annotations"]["runbook_url"] == "https://wiki/runbooks#errorbudgetburning"
    assert alert["labels"]["owner"] == "team:payments-risk"
