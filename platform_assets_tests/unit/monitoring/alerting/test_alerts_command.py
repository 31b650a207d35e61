"""`platform-assets alerts`: what it writes, and what it finds wrong."""

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from platform_assets.cli import app
from platform_assets.cli.alerts import checked
from platform_assets.cli.alerts.observe import ProgramMissing, free_port, program

RECEIVERS = {
    "page": {"kind": "pagerduty", "routing_key_file": "/nowhere/key"},
    "ticket": {"kind": "opsgenie", "api_key_file": "/etc/hostname"},
}


def asked(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["alerts", *words])
    return result.exit_code, result.output


def test_rules_of_every_use_case_are_written(tmp_path: Path) -> None:
    code, screen = asked("render", "--output", str(tmp_path), "--runbooks", "https://wiki/runbooks")
    assert code == 0, screen
    written = {path.name for path in (tmp_path / "prometheus").iterdir()}
    assert {"platform.rules.yaml", "card_fraud.rules.yaml", "bike_demand.rules.yaml", "alertmanager.yaml"} <= written
    rules = yaml.safe_load((tmp_path / "prometheus" / "card_fraud.rules.yaml").read_text())["groups"][0]["rules"]
    alert = next(rule for rule in rules if rule.get("alert") == "ErrorBudgetBurning")
    assert alert["annotations"]["runbook_url"] == "https://wiki/runbooks#errorbudgetburning"
    assert alert["labels"]["owner"] == "team:payments-risk"


def test_another_stack_is_written_and_what_it_has_no_words_for_is_said(tmp_path: Path) -> None:
    code, screen = asked("render", "card_fraud", "--stack", "datadog", "--output", str(tmp_path))
    assert code == 0, screen
    assert json.loads((tmp_path / "datadog" / "card_fraud.monitors.json").read_text())
    assert "datadog has no ClocksApart" in screen
    assert "no Datadog has read them" in screen
    code, screen = asked("render", "--stack", "nagios", "--output", str(tmp_path))
    assert (code, "there is no monitoring stack 'nagios'" in screen) == (2, True)


def test_check_is_red_while_nobody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    code, screen = asked("check", "card_fraud")
    assert (code, "card_fraud: nobody is told of a page" in screen) == (1, True)
    monkeypatch.setenv("PLATFORM_ASSETS_ALERT_RECEIVERS", json.dumps(RECEIVERS))
    code, screen = asked("check", "card_fraud")
    assert code == 0, screen
    assert "receiver 'page': routing_key_file /nowhere/key is not on this machine" in screen
    assert "Opsgenie ends on 2027-04-05" in screen


def test_check_says_what_a_tool_cannot_read_and_which_tool_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    assert checked.read_by("false", ["false"], "rules").severity == "red"
    assert checked.read_by("true", ["true"], "rules").severity == "ok"
    assert "no-such-tool is not installed" in checked.read_by("no-such-tool", ["no-such-tool"], "rules").what


def test_observe_names_the_package_that_lacks_and_takes_another_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(ProgramMissing, match="apt-get install prometheus-alertmanager"):
        program("prometheus-alertmanager")
    code, screen = asked("observe")
    assert (code, "apt-get install" in screen) == (1, True)
    assert free_port(0) > 0
