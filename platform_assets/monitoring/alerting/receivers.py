"""Who is told: receivers of an installation, each of a kind that Alertmanager knows.

Belongs here: the kinds, their fields, and their words in Alertmanager's configuration. Does not belong here: who is told of what
(`routes.py`), or any secret: keys and addresses that are secret stand in files, which are named.

A further kind is a class here and a line in the list.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError

from platform_assets.deprecations import DEPRECATIONS
from platform_assets.members import MemberRegistry

OPSGENIE_ENDS = DEPRECATIONS["opsgenie"].ends
JIRA_SERVICE_MANAGEMENT = "https://api.atlassian.com/jsm/ops/integration/"
SUMMARY = "{{ .CommonLabels.use_case }} {{ .CommonLabels.alertname }}: {{ (index .Alerts 0).Annotations.summary }}"
ACTION = "{{ range .Alerts }}{{ .Annotations.summary }}\n{{ .Annotations.action }}\n{{ .Annotations.runbook_url }}\n{{ end }}"
URGENT = '{{ if eq .CommonLabels.severity "page" }}critical{{ else }}warning{{ end }}'


class ReceiverUnusable(ValueError):
    """A receiver lacks something, or has a kind that there is none of; the message names it."""


class Receiver(BaseModel):
    """A receiver. Every kind tells when an alert is over as well."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    section: ClassVar[str]

    def configuration(self) -> dict[str, Any]:
        """Its entry in Alertmanager's section of that kind."""
        raise NotImplementedError

    def notice(self, today: date) -> str:
        """What whoever uses it has to know; empty for nothing."""
        return ""


class PagerDuty(Receiver):
    """PagerDuty, Events API v2."""

    section = "pagerduty_configs"
    routing_key_file: str
    url: str = "https://events.pagerduty.com/v2/enqueue"

    def configuration(self) -> dict[str, Any]:
        """Its entry."""
        return {
            "send_resolved": True,
            "routing_key_file": self.routing_key_file,
            "url": self.url,
            "severity": URGENT,
            "description": SUMMARY,
            "component": "{{ .CommonLabels.use_case }}",
            "group": "{{ .CommonLabels.owner }}",
            "details": {"what to do": ACTION, "owner": "{{ .CommonLabels.owner }}"},
            "links": [{"href": "{{ (index .Alerts 0).Annotations.runbook_url }}", "text": "Runbook"}],
        }


class Opsgenie(Receiver):
    """Opsgenie, or by another address its successor, Jira Service Management."""

    section = "opsgenie_configs"
    api_key_file: str
    api_url: str = "https://api.opsgenie.com/"

    def configuration(self) -> dict[str, Any]:
        """Its entry."""
        return {
            "send_resolved": True,
            "api_key_file": self.api_key_file,
            "api_url": self.api_url,
            "message": SUMMARY,
            "description": ACTION,
            "priority": '{{ if eq .CommonLabels.severity "page" }}P1{{ else }}P3{{ end }}',
        }

    def notice(self, today: date) -> str:
        """That it ends."""
        if "opsgenie.com" not in self.api_url:
            return ""
        ends = "ended" if today >= OPSGENIE_ENDS else "ends"
        return (
            f"Opsgenie {ends} on {OPSGENIE_ENDS}. Its successor takes the same calls: make an API integration in Jira Service Management "
            f"(Operations, Integrations), put its key into {self.api_key_file}, and set `api_url` to {JIRA_SERVICE_MANAGEMENT}"
        )


class Slack(Receiver):
    """A channel of Slack, by an incoming webhook."""

    section = "slack_configs"
    api_url_file: str
    channel: str

    def configuration(self) -> dict[str, Any]:
        """Its entry."""
        return {
            "send_resolved": True,
            "api_url_file": self.api_url_file,
            "channel": self.channel,
            "title": SUMMARY,
            "text": ACTION,
        }


class Webhook(Receiver):
    """Any program that takes Alertmanager's own JSON."""

    section = "webhook_configs"
    url: str
    token_file: str | None = None

    def configuration(self) -> dict[str, Any]:
        """Its entry."""
        found: dict[str, Any] = {"send_resolved": True, "url": self.url}
        if self.token_file is not None:
            found["http_config"] = {"authorization": {"credentials_file": self.token_file}}
        return found


class Mail(Receiver):
    """Mail by SMTP."""

    section = "email_configs"
    to: str
    sender: str
    smarthost: str
    username: str | None = None
    password_file: str | None = None

    def configuration(self) -> dict[str, Any]:
        """Its entry."""
        found: dict[str, Any] = {
            "send_resolved": True,
            "to": self.to,
            "from": self.sender,
            "smarthost": self.smarthost,
            "headers": {"Subject": SUMMARY},
            "text": ACTION,
        }
        if self.username is not None:
            found |= {"auth_username": self.username, "auth_password_file": self.password_file}
        return found


_HERE = "platform_assets.monitoring.alerting.receivers"
RECEIVER_KINDS: MemberRegistry[type[Receiver]] = MemberRegistry(
    "kind of receiver",
    {
        "pagerduty": f"{_HERE}:PagerDuty",
        "opsgenie": f"{_HERE}:Opsgenie",
        "slack": f"{_HERE}:Slack",
        "webhook": f"{_HERE}:Webhook",
        "mail": f"{_HERE}:Mail",
    },
)


def receivers_of(settings: Mapping[str, Mapping[str, Any]]) -> dict[str, Receiver]:
    """The receivers that an installation names.

    Args:
        settings: `PLATFORM_ASSETS_ALERT_RECEIVERS`: fields by the receivers' names, `kind` among them.

    Raises:
        ReceiverUnusable: a receiver has no kind that is known, or lacks a field.
    """
    found = {}
    for name, fields in settings.items():
        kind = str(fields.get("kind"))
        if kind not in RECEIVER_KINDS:
            raise ReceiverUnusable(f"receiver {name!r} has kind {kind!r}; there are {', '.join(RECEIVER_KINDS.names)}")
        try:
            found[name] = RECEIVER_KINDS[kind](**{key: value for key, value in fields.items() if key != "kind"})
        except ValidationError as error:
            problems = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
            raise ReceiverUnusable(f"receiver {name!r} ({kind}) is not usable: {problems}") from error
    return found
