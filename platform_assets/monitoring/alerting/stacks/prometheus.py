"""Prometheus: rule files, and the configuration of its Alertmanager.

Belongs here: their text. Does not belong here: conditions (`alerts.py`), routes (`routes.py`), or running either.
"""

from __future__ import annotations

from typing import Any

from platform_assets.monitoring.alerting.alerts import Alert, RuleGroup
from platform_assets.monitoring.alerting.stacks.base import runbook_url


def rule_file(groups: list[RuleGroup], runbooks: str) -> str:
    """A rule file of Prometheus 2.42 and later (`keep_firing_for`)."""
    import yaml

    content = {"groups": [_group(group, runbooks) for group in groups]}
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
