"""Alerts that fire, as Alertmanager knows them.

Belongs here: which Alertmanager is asked, and its answer. Does not belong here: rules and routes (`monitoring/alerting/`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from platform_assets.monitoring.use_case_page.state import OpenAlert

ASK_SECONDS = 2.0
OBSERVED = Path("observe") / "prometheus.yaml"
"""What `make observe` writes below the home: it says where its Alertmanager listens."""
TOLD = ("page", "ticket")
"""Severities that somebody is told of; the others say that the chain lives."""


def alertmanager_of(home: Path, setting: str | None) -> str | None:
    """Address of the Alertmanager: the one that is set, else the one that `make observe` started last; None without either."""
    if setting is not None:
        return setting.rstrip("/")
    try:
        text = (home / OBSERVED).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    import yaml

    for one in (yaml.safe_load(text).get("alerting") or {}).get("alertmanagers", []):
        for configured in one.get("static_configs", []):
            for target in configured.get("targets", []):
                return f"http://{target}"
    return None


def open_alerts(use_case: str, address: str) -> tuple[OpenAlert, ...] | None:
    """Alerts that fire for a use case, or for the whole installation; None where Alertmanager does not answer."""
    import httpx

    wanted = {"active": "true", "silenced": "false", "inhibited": "false"}
    try:
        answer = httpx.get(f"{address}/api/v2/alerts", params=wanted, timeout=ASK_SECONDS, trust_env=False)
        answer.raise_for_status()
        found = answer.json()
    except (httpx.HTTPError, ValueError):
        return None
    alerts = [one for one in found if one["labels"].get("use_case") in (None, use_case)]
    return tuple(_alert(one) for one in alerts if one["labels"].get("severity") in TOLD)


def _alert(alert: Mapping[str, Any]) -> OpenAlert:
    labels, notes = alert["labels"], alert.get("annotations", {})
    return OpenAlert(
        name=labels.get("alertname", "unnamed"),
        severity=labels["severity"],
        since=datetime.fromisoformat(alert["startsAt"]) if alert.get("startsAt") else None,
        summary=notes.get("summary", ""),
        runbook=notes.get("runbook_url", ""),
    )
