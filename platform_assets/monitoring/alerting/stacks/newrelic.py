"""New Relic: NRQL conditions as NerdGraph's `alertsNrqlConditionStaticCreate` takes them.

Belongs here: conditions in NRQL. Does not belong here: which alerts there are. Rendered, never sent from here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from platform_assets.monitoring.alerting.alerts import PAGE, Alert, Reading, RuleGroup, ShareRule, Threshold
from platform_assets.monitoring.alerting.stacks.base import AlertedWorld, Rendered, collector, monitor_name, runbook_url

EXPORTER = {
    "otlphttp": {"endpoint": "https://otlp.nr-data.net", "headers": {"api-key": "${env:NEW_RELIC_LICENSE_KEY}"}}
}
_SELECTED: Mapping[Reading, str] = {
    "value": "max({metric})",
    "lowest": "min({metric})",
    "increase": "sum({metric})",
    "age": "max(timestamp) / 1000 - max({metric})",
    "difference": "filter(max({metric}), WHERE {where}) - filter(min({minus}), WHERE {minus_where})",
    "absent": "count({metric})",
}
_OPERATORS = {">": "ABOVE", "<": "BELOW", "==": "EQUALS"}
_SECONDS = {"1m": 60, "1h": 3600, "6h": 21_600}


class NewRelic:
    """Static NRQL conditions."""

    def render(self, world: AlertedWorld) -> Rendered:
        """A file of conditions for each use case and for the installation, and the collector."""
        files, left_out, done = {}, {}, set()
        for name, groups in world.groups().items():
            conditions = []
            for group in groups:
                for alert in group.alerts:
                    condition = _condition(alert, group, world)
                    if condition is None:
                        left_out[alert.name] = "its condition is no metric past a bound"
                    else:
                        conditions.append(condition)
                        done.add(alert.name)
            files[f"{name}.conditions.json"] = json.dumps(conditions, indent=2, ensure_ascii=False) + "\n"
        files["otel-collector.yaml"] = collector(world, EXPORTER)
        notes = (
            "Rendered and checked for form; no New Relic has read them, and there is no schema to check them by.",
            "Service levels page at a number of failures that suffices at any traffic: later than the exact rule, never without cause.",
        )
        return Rendered(files, {name: why for name, why in left_out.items() if name not in done}, notes)


def _condition(alert: Alert, group: RuleGroup, world: AlertedWorld) -> dict[str, Any] | None:
    if alert.share is not None:
        query, operator, bound, seconds = (
            _share(alert.share),
            "ABOVE_OR_EQUALS",
            alert.share.share,
            _SECONDS[alert.share.window],
        )
    elif alert.threshold is not None:
        query, operator, bound, seconds = *_threshold(alert.threshold), 60
    else:
        return None
    absent = alert.threshold is not None and alert.threshold.reading == "absent"
    return {
        "name": monitor_name(alert, group),
        "enabled": True,
        "description": f"{alert.description}\n{alert.action}",
        "runbookUrl": runbook_url(world.runbooks, alert),
        "nrql": {"query": query},
        "terms": [
            {
                "operator": operator,
                "priority": "CRITICAL" if alert.severity == PAGE else "WARNING",
                "threshold": bound,
                "thresholdDuration": 60,
                "thresholdOccurrences": "AT_LEAST_ONCE",
            }
        ],
        "signal": {
            "aggregationWindow": min(seconds, 21_600),
            "aggregationMethod": "EVENT_FLOW",
            "aggregationDelay": 60,
        },
        "expiration": {
            "expirationDuration": 600,
            "openViolationOnExpiration": absent,
            "closeViolationsOnExpiration": False,
        },
    }


def _where(labels: Mapping[str, str]) -> str:
    return " AND ".join(f"{name} = '{value}'" for name, value in labels.items())


def _threshold(threshold: Threshold) -> tuple[str, str, float]:
    values = {"metric": threshold.metric, "where": _where(threshold.labels)}
    where = f" WHERE {_where(threshold.labels)}" if threshold.labels else ""
    if threshold.minus is not None:
        metric, labels = threshold.minus
        values |= {"minus": metric, "minus_where": _where(labels)}
        where = ""
    facet = f" FACET {', '.join(threshold.by)}" if threshold.by else ""
    query = f"SELECT {_SELECTED[threshold.reading].format(**values)} FROM Metric{where}{facet}"
    if threshold.reading == "absent":
        return query, "BELOW", 1
    return query, _OPERATORS[threshold.operator], threshold.bound


def _share(share: ShareRule) -> str:
    def count(one: Threshold) -> str:
        return f"filter(sum({one.metric}), WHERE {_where(one.labels)})"

    everything = " + ".join(count(one) for one in share.counted)
    failed = count(share.failed)
    return f"SELECT if({failed} >= {share.failures}, {failed} / ({everything}), 0) FROM Metric"


STACK = NewRelic()
