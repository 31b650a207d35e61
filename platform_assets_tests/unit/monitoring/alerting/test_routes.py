"""Who is told of what: routes as Alertmanager reads them, keys that do not change, receivers that lack nothing."""

import subprocess
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from platform_assets.monitoring.alerting.receivers import (
    JIRA_SERVICE_MANAGEMENT,
    OPSGENIE_ENDS,
    RECEIVER_KINDS,
    ReceiverUnusable,
    receivers_of,
)
from platform_assets.monitoring.alerting.routes import alertmanager

from .promtool import tool
from .worlds import shop

EVERY_KIND: dict[str, dict[str, Any]] = {
    "pager": {"kind": "pagerduty", "routing_key_file": "/etc/keys/pagerduty"},
    "genie": {"kind": "opsgenie", "api_key_file": "/etc/keys/opsgenie"},
    "chat": {"kind": "slack", "api_url_file": "/etc/keys/slack", "channel": "#alerts"},
    "hook": {"kind": "webhook", "url": "http://127.0.0.1:1/hook"},
    "mail": {
        "kind": "mail", "to": "on-call@example.com", "sender": "alerts@example.com", "smarthost": "mail.example.com:587",
        "username": "alerts", "password_file": "/etc/keys/mail",
    },
}  # fmt: skip


def routed(**alerts: Any) -> dict[str, Any]:
    return alertmanager([shop(alerts=alerts)], receivers_of(EVERY_KIND))


def test_every_kind_of_receiver_is_read_by_alertmanagers_own_tool(tmp_path: Path) -> None:
    assert {fields["kind"] for fields in EVERY_KIND.values()} == set(RECEIVER_KINDS)
    amtool = tool("amtool", "prometheus-alertmanager")
    path = tmp_path / "alertmanager.yaml"
    path.write_text(yaml.safe_dump(routed(page=["pager", "genie", "chat", "hook", "mail"], ticket=["mail"])))
    done = subprocess.run([amtool, "check-config", path], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

    def told(**labels: str) -> str:
        command = [amtool, "config", "routes", "test", f"--config.file={path}"]
        command += [f"{name}={value}" for name, value in labels.items()]
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout.strip()

    assert told(alertname="QualityLost", use_case="shop", severity="page") == "shop_page"
    assert told(alertname="Drift", use_case="shop", severity="ticket") == "shop_ticket"
    assert told(alertname="DaemonDead", severity="page") == "unrouted"
    assert told(alertname="Watchdog", severity="none") == "unrouted"


def test_a_use_case_without_receivers_falls_back_to_those_of_the_installation() -> None:
    found = alertmanager([shop()], receivers_of({"page": EVERY_KIND["pager"], "watchdog": EVERY_KIND["hook"]}))
    assert [route["receiver"] for route in found["route"]["routes"]] == ["watchdog", "page"]
    assert {one["name"] for one in found["receivers"]} == {"unrouted", "page", "watchdog"}


def test_what_makes_the_key_of_an_incident_stays_as_it_is() -> None:
    """Alertmanager's key is made of these; a change leaves open incidents open for ever: it belongs into the changelog."""
    route = routed(page=["pager"], ticket=["mail"])["route"]
    assert route["group_by"] == ["alertname", "use_case"]
    assert [one["matchers"] for one in route["routes"]] == [
        ['alertname="Watchdog"'],
        ['use_case="shop"', 'severity="page"'],
        ['use_case="shop"', 'severity="ticket"'],
    ]


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"kind": "pigeon"}, "there are pagerduty, opsgenie, slack, webhook, mail"),
        ({"kind": "pagerduty"}, "routing_key_file: Field required"),
        ({"kind": "pagerduty", "routing_key": "secret-key-itself"}, "routing_key: Extra inputs are not permitted"),
    ],
)
def test_a_receiver_that_lacks_something_is_named(fields: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ReceiverUnusable, match=complaint) as raised:
        receivers_of({"pager": fields})
    assert "'pager'" in str(raised.value)
    assert "secret-key-itself" not in str(raised.value)


def test_a_declared_receiver_that_the_installation_has_not_is_named() -> None:
    with pytest.raises(ReceiverUnusable, match=r"shop declares the receiver 'nobody' \(monitoring.alerts.page\)"):
        routed(page=["nobody"])


def test_no_secret_can_stand_in_a_receiver() -> None:
    for kind in RECEIVER_KINDS:
        names = set(RECEIVER_KINDS[kind].model_fields)
        assert not names & {"routing_key", "api_key", "password", "token", "api_url_secret"}


def test_opsgenie_says_when_it_ends_and_its_successor_does_not() -> None:
    genie = receivers_of(EVERY_KIND)["genie"]
    assert "Opsgenie ends on 2027-04-05" in genie.notice(date(2026, 11, 30))
    assert "Opsgenie ended on 2027-04-05" in genie.notice(OPSGENIE_ENDS)
    moved = receivers_of({"genie": {**EVERY_KIND["genie"], "api_url": JIRA_SERVICE_MANAGEMENT}})["genie"]
    assert moved.notice(date(2028, 1, 1)) == ""
