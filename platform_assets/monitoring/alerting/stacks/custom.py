"""A stack of one's own: metrics by OTLP, alerts as plain data or through a template.

Belongs here: the data, and the collector's configuration. Does not belong here: any product.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from platform_assets.monitoring.alerting.stacks.base import AlertedWorld, Rendered, collector, runbook_url

EXPORTER = {"otlphttp": {"endpoint": "${env:OTEL_EXPORTER_OTLP_ENDPOINT}"}}


class Custom:
    """Every alert with its portable condition and its PromQL; a Jinja template turns `alerts` into what the stack reads."""

    def render(self, world: AlertedWorld) -> Rendered:
        """One file of all alerts, and the collector."""
        alerts = alert_data(world)
        if world.template is None:
            text = json.dumps(alerts, indent=2, ensure_ascii=False) + "\n"
            files = {"alerts.json": text}
        else:
            from jinja2 import Environment, StrictUndefined

            environment = Environment(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True)
            files = {"alerts.txt": environment.from_string(world.template).render(alerts=alerts)}
        files["otel-collector.yaml"] = collector(world, EXPORTER)
        return Rendered(
            files, notes=("The collector sends metrics to OTEL_EXPORTER_OTLP_ENDPOINT; it was not run here.",)
        )


def alert_data(world: AlertedWorld) -> list[dict[str, Any]]:
    """Every alert as plain values."""
    return [
        {
            "name": alert.name,
            "severity": alert.severity,
            "labels": {**group.labels, **alert.labels},
            "summary": alert.summary,
            "description": alert.description,
            "action": alert.action,
            "runbook_url": runbook_url(world.runbooks, alert),
            "hold": alert.hold,
            "promql": alert.promql,
            "threshold": asdict(alert.threshold) if alert.threshold is not None else None,
            "share": asdict(alert.share) if alert.share is not None else None,
        }
        for group, alert in world.alerts()
    ]


STACK = Custom()
