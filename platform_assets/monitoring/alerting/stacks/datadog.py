"""Datadog: metric monitors as its API takes them.

Belongs here: conditions in Datadog's query language. Does not belong here: which alerts there are. Rendered, never sent from here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from platform_assets.monitoring.alerting.alerts import PAGE, Alert, Reading, RuleGroup, ShareRule, Threshold
from platform_assets.monitoring.alerting.stacks.base import AlertedWorld, Rendered, collector, monitor_name, runbook_url

EXPORTER = {"datadog": {"api": {"key": "${env:DD_API_KEY}", "site": "${env:DD_SITE}"}}}
CLOCK = "platform_assets_clock_timestamp_seconds"
_QUERIES: Mapping[Reading, str] = {
    "value": "max(last_5m):max:{metric}{{{tags}}}{by} {operator} {bound}",
    "lowest": "min(last_5m):min:{metric}{{{tags}}}{by} {operator} {bound}",
    "increase": "sum(last_5m):sum:{metric}{{{tags}}}{by}.as_count() {operator} {bound}",
    "age": f"max(last_5m):max:{CLOCK}{{{{*}}}} - max:{{metric}}{{{{{{tags}}}}}}{{by}} {{operator}} {{bound}}",
    "difference": "max(last_5m):max:{metric}{{{tags}}} - min:{minus} {operator} {bound}",
    "absent": "max(last_5m):max:{metric}{{{tags}}} < -1",
}
_WINDOWS = {"1m": "last_1m", "1h": "last_1h", "6h": "last_4h"}
"""Windows that metric monitors know; six hours are four."""


class Datadog:
    """Metric monitors: `POST /api/v1/monitor` takes each."""

    def render(self, world: AlertedWorld) -> Rendered:
        """A file of monitors for each use case and for the installation, and the collector."""
        files, left_out = {}, {}
        for name, groups in world.groups().items():
            monitors = []
            for group in groups:
                for alert in group.alerts:
                    query = _query(alert)
                    if query is None:
                        left_out[alert.name] = "its condition is no metric past a bound"
                    else:
                        monitors.append(_monitor(alert, group, query, world))
            files[f"{name}.monitors.json"] = json.dumps(monitors, indent=2, ensure_ascii=False) + "\n"
        files["otel-collector.yaml"] = collector(world, EXPORTER)
        notes = (
            "Rendered and checked for form; no Datadog has read them.",
            "Service levels page at a number of failures that suffices at any traffic: later than the exact rule, never without cause.",
        )
        return Rendered(files, {name: why for name, why in left_out.items() if not _rendered(name, files)}, notes)


def _rendered(name: str, files: Mapping[str, str]) -> bool:
    return any(f'"alert:{name}"' in text for text in files.values())


def _query(alert: Alert) -> str | None:
    if alert.share is not None:
        return _share_query(alert.share)
    return None if alert.threshold is None else _threshold_query(alert.threshold)


def _tags(labels: Mapping[str, str]) -> str:
    return ",".join(f"{name}:{value}" for name, value in labels.items()) or "*"


def _threshold_query(threshold: Threshold) -> str:
    by = f" by {{{','.join(threshold.by)}}}" if threshold.by else ""
    values = {"metric": threshold.metric, "tags": _tags(threshold.labels), "operator": threshold.operator}
    if threshold.minus is not None:
        metric, labels = threshold.minus
        values["minus"] = f"{metric}{{{_tags(labels)}}}"
    return _QUERIES[threshold.reading].format(**values, by=by, bound=f"{threshold.bound:g}")


def _share_query(share: ShareRule) -> str:
    """The share of failures, or 0 while they are fewer than suffice."""

    def count(one: Threshold) -> str:
        return f"sum:{one.metric}{{{_tags(one.labels)}}}.as_count()"

    everything = " + ".join(count(one) for one in share.counted)
    failed = count(share.failed)
    enough = f"clamp_min({failed} - {share.failures - 1}, 0) / clamp_min({failed} - {share.failures - 1}, 1)"
    return f"sum({_WINDOWS[share.window]}):({failed}) / ({everything}) * ({enough}) >= {share.share:g}"


def _monitor(alert: Alert, group: RuleGroup, query: str, world: AlertedWorld) -> dict[str, Any]:
    absent = alert.threshold is not None and alert.threshold.reading == "absent"
    tags = [f"alert:{alert.name}", f"severity:{alert.severity}"]
    tags += [f"{name}:{value}" for name, value in group.labels.items()]
    return {
        "name": monitor_name(alert, group),
        "type": "query alert",
        "query": query,
        "message": f"{alert.description}\n{alert.action}\n{runbook_url(world.runbooks, alert)}",
        "tags": tags,
        "priority": 1 if alert.severity == PAGE else 3,
        "options": {
            "notify_no_data": absent,
            "include_tags": True,
            "require_full_window": False,
            "thresholds": {"critical": _bound(alert)},
            **({"no_data_timeframe": 10} if absent else {}),
        },
    }


def _bound(alert: Alert) -> float:
    if alert.share is not None:
        return alert.share.share
    if alert.threshold is None or alert.threshold.reading == "absent":
        return -1
    return alert.threshold.bound


STACK = Datadog()
