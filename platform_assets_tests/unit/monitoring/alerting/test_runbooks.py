"""Every alert has its part of the runbooks, and no part is about an alert that is none."""

import re
from pathlib import Path

from platform_assets.monitoring.alerting.rules import installation_group, use_case_groups
from platform_assets.monitoring.alerting.stacks.base import RUNBOOKS

from .worlds import shop

PAGE = Path(__file__).parents[4] / RUNBOOKS


def test_each_alert_has_its_runbook_and_each_runbook_its_alert() -> None:
    text = PAGE.read_text(encoding="utf-8").partition("\n## Alerts\n")[2].partition("\n## ")[0]
    alerts = {alert.name: alert for group in [*use_case_groups(shop()), installation_group()] for alert in group.alerts}
    headings = re.findall(r"^### (\S+)$", text, re.MULTILINE)
    assert len(headings) == len(set(headings))
    assert set(headings) == set(alerts)
    for name, alert in alerts.items():
        assert alert.runbook == name.lower()  # as renderers of Markdown make anchors
