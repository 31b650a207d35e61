"""What every monitoring stack does with alerts.

Belongs here: the Protocol, and what stacks share. Does not belong here: any stack.
"""

from __future__ import annotations

from platform_assets.monitoring.alerting.alerts import Alert

RUNBOOKS = "docs/operations/runbooks.md"


def runbook_url(runbooks: str, alert: Alert) -> str:
    """Address of the part of the runbooks that is about an alert."""
    return f"{runbooks}#{alert.runbook}"
