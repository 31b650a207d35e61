"""Prometheus: rule files, its own configuration, and that of Alertmanager.

Belongs here: their text. Does not belong here: conditions (`alerts.py`), routes (`routes.py`), or running either.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from platform_assets.monitoring.alerting.alerts import Alert, RuleGroup
from platform_assets.monitoring.alerting.routes import alertmanager
from platform_assets.monitoring.alerting.stacks.base import (
    INSTALLATION,
    AlertedWorld,
    Rendered,
    runbook_url,
    scrape_jobs,
)

ALERTMANAGER_ADDRESS = "127.0.0.1:9093"
RULES = "*.rules.yaml"
QUICK_SCRAPE = {"scrape_interval": "5s"}
"""Of the platform's own metrics, most of which are kept for longer: a daemon's last sign of life is seen sooner."""


class Prometheus:
    """Prometheus 2.42 and later (`keep_firing_for`), Alertmanager 0.25 and later (`routing_key_file`)."""

    def render(self, world: AlertedWorld) -> Rendered:
        """Rules by whom they are about, scrape jobs, and routes."""
        files = {f"{name}.rules.yaml": rule_file(groups, world.runbooks) for name, groups in world.groups().items()}
        files["prometheus-rules.yaml"] = kubernetes_rules(world)
        files["prometheus.yaml"] = prometheus_file(world)
        files["alertmanager.yaml"] = _text(alertmanager(world.use_cases, world.receivers))
        notes = ["prometheus-rules.yaml is for the Prometheus operator; no cluster has read it."]
        notes += [one.notice(date.today()) for one in world.receivers.values()]
        return Rendered(files, notes=tuple(dict.fromkeys(filter(None, notes))))


def rule_file(groups: list[RuleGroup], runbooks: str) -> str:
    """A rule file."""
    return _text({"groups": [_group(group, runbooks) for group in groups]})


def kubernetes_rules(world: AlertedWorld) -> str:
    """The same rules as objects of the Prometheus operator."""
    import yaml

    objects = [
        {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "PrometheusRule",
            "metadata": {
                "name": f"platform-assets-{name.replace('_', '-')}",
                "labels": {"app.kubernetes.io/part-of": "platform-assets"},
            },
            "spec": {"groups": [_group(group, world.runbooks) for group in groups]},
        }
        for name, groups in world.groups().items()
    ]
    text: str = yaml.safe_dump_all(objects, sort_keys=False, width=140, allow_unicode=True)
    return text


def prometheus_file(world: AlertedWorld, alertmanager_address: str = ALERTMANAGER_ADDRESS) -> str:
    """Prometheus' own configuration: what it asks, which rules it reads, and whom it tells."""
    return _text(
        {
            "global": {"scrape_interval": "15s", "evaluation_interval": "15s"},
            "rule_files": [RULES],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager_address]}]}]},
            "scrape_configs": [
                *(job | QUICK_SCRAPE if job["job_name"] == INSTALLATION else job for job in scrape_jobs(world)),
                {"job_name": "alertmanager", "static_configs": [{"targets": [alertmanager_address]}]},
            ],
        }
    )


def _text(content: Any) -> str:
    import yaml

    text: str = yaml.safe_dump(content, sort_keys=False, width=140, allow_unicode=True)
    return text


def _group(group: RuleGroup, runbooks: str) -> dict[str, Any]:
    recordings = [
        {"record": one.name, "expr": one.expression, "labels": {"use_case": group.labels["use_case"]}}
        for one in group.recordings
    ]
    alerts = [_alert(alert, group, runbooks) for alert in group.alerts]
    return {"name": group.name, "interval": group.interval, "rules": recordings + alerts}


def _alert(alert: Alert, group: RuleGroup, runbooks: str) -> dict[str, Any]:
    rule: dict[str, Any] = {"alert": alert.name, "expr": alert.promql}
    if alert.hold != "0s":
        rule["for"] = alert.hold
    if alert.keep:
        rule["keep_firing_for"] = alert.keep
    rule["labels"] = {"severity": alert.severity, **group.labels, **alert.labels}
    rule["annotations"] = {
        "summary": alert.summary,
        "description": alert.description,
        "action": alert.action,
        "runbook_url": runbook_url(runbooks, alert),
    }
    return rule


STACK = Prometheus()
