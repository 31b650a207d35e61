"""A use case with every alert, the metrics of a day on which all is well, and what is different when something is not.

Belongs here: series for `promtool`. Does not belong here: what is asserted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import yaml

from platform_assets.declaration import UseCase
from platform_assets.monitoring.alerting.alerts import RuleGroup
from platform_assets.monitoring.alerting.rules import installation_group, use_case_groups
from platform_assets.monitoring.alerting.stacks.prometheus import rule_file
from platform_assets.testing.declare import declare

NAME = "shop"
MINUTES = 120
DAY = 86_400


def shop(**monitoring: Any) -> UseCase:
    """A use case whose history is open, with a cost limit, weekly trainings and a service."""
    return declare(
        name=NAME,
        events={"visit": "int64", "at": "datetime", "customer": "int64", "amount": "float64"},
        label="returned",
        features=["amount"],
        history={"first_day": "2024-01-01"},
        training={"every_days": 7},
        budget={"per_month": 100},
        monitoring={
            "quality_metric": "auc_roc",
            "alerts": {"max_cost_euros": 100},
            "measures": [
                {"name": "saved", "expression": "amount", "unit": "EUR", "direction": "increase", "bound": 100},
                {"name": "alarms", "expression": "returned", "unit": "alarms", "direction": "decrease", "bound": 50},
                {"name": "seen", "expression": "amount", "unit": "EUR", "direction": "increase"},
            ],
            **monitoring,
        },
    )


def groups(use_case: UseCase, *, objectives: bool) -> list[RuleGroup]:
    """The groups about objectives, whose arithmetic is long, or all others."""
    everything = [*use_case_groups(use_case), installation_group()]
    return [group for group in everything if ("objectives" in group.name) is objectives]


def rules(found: list[RuleGroup]) -> str:
    """Rules as Prometheus reads them."""
    return rule_file(found, "runbooks.md")


def steady(value: float) -> str:
    """The same value all the time."""
    return f"{value:g}x2000"


def since(value: float, at: int) -> str:
    """0, and a value from a minute on."""
    return f"0x{at - 1} {value:g}x2000"


GOING = "0+60x2000"
"""A clock, a heartbeat, a tick: the time of the sample."""


def healthy(use_case: UseCase) -> dict[str, str]:
    """Series of a day on which all is well."""
    of = f'use_case="{use_case.name}"'
    events = use_case.events
    found = {
        f'platform_assets_requests_total{{{of},outcome="answered",process="1"}}': "0+600x2000",
        f'platform_assets_requests_total{{{of},outcome="failed",process="1"}}': steady(0),
        f'platform_assets_prediction_seconds_count{{{of},process="1"}}': "0+600x2000",
        f'platform_assets_prediction_seconds_bucket{{{of},process="1",le="0.1"}}': "0+600x2000",
        f'platform_assets_release_info{{{of},process="1"}}': steady(1),
        f'platform_assets_process_up{{{of},arm="stable",process="1"}}': steady(1),
        f"platform_assets_online_store_day_timestamp_seconds{{{of}}}": steady(-DAY),
        f'platform_assets_feature_newest_day_timestamp_seconds{{{of},view="{use_case.stored_views[0].name}"}}'
        if use_case.stored_views
        else f'platform_assets_feature_newest_day_timestamp_seconds{{{of},view="features"}}': steady(-DAY),
        f'platform_assets_due_days_behind{{{of},job="load"}}': steady(0),
        f'platform_assets_model_as_of_timestamp_seconds{{{of},version="3"}}': steady(-7 * DAY),
        f'platform_assets_quality{{{of},metric="auc_roc",kind="true"}}': steady(0.9),
        f'platform_assets_quality{{{of},metric="auc_roc",kind="estimated"}}': steady(0.88),
        f'platform_assets_quality{{{of},metric="auc_roc",kind="bound"}}': steady(0.8),
        f'platform_assets_drift_columns{{{of},status="ok"}}': steady(12),
        f'platform_assets_drift_columns{{{of},status="drift"}}': steady(0),
        f'platform_assets_drift_columns{{{of},status="missing"}}': steady(0),
        f'platform_assets_business_measure{{{of},measure="saved"}}': steady(500),
        f'platform_assets_business_measure{{{of},measure="alarms"}}': steady(20),
        f'platform_assets_business_measure{{{of},measure="seen"}}': steady(0),
        f"platform_assets_retrain_requests_failed{{{of}}}": steady(1),
        f'platform_assets_cost{{{of},kind="training",currency="USD"}}': steady(20),
        f"platform_assets_budget_spent_ratio{{{of}}}": steady(0.2),
        f'platform_assets_failed_runs{{{of},job="load"}}': steady(0),
        f'platform_assets_red_checks{{{of},asset="clean/visits",check="quality"}}': steady(0),
        f'platform_assets_sensor_running{{{of},sensor="shop__due"}}': steady(1),
        f'platform_assets_sensor_running{{{of},sensor="shop__automation"}}': steady(0),
        f'platform_assets_sensor_last_tick_failed{{{of},sensor="shop__due"}}': steady(0),
        f'platform_assets_sensor_last_tick_timestamp_seconds{{{of},sensor="shop__due"}}': GOING,
        f'platform_assets_table_rows{{{of},layer="clean",table="visits"}}': steady(1000),
        "platform_assets_clock_timestamp_seconds": GOING,
        'platform_assets_exporter_read_timestamp_seconds{part="daemons"}': GOING,
        'platform_assets_daemon_heartbeat_timestamp_seconds{daemon="SENSOR"}': GOING,
        "platform_assets_daemon_processes": steady(1),
        "platform_assets_oldest_queued_run_seconds": steady(10),
        'platform_assets_exporter_errors_total{part="lake"}': steady(0),
        'alertmanager_notification_requests_failed_total{integration="pagerduty"}': steady(0),
        'up{job="platform",instance="localhost:8701"}': steady(1),
    }
    for source in use_case.sources:
        found[f'platform_assets_newest_event_timestamp_seconds{{{of},source="{source.name}"}}'] = steady(0)
    for metric in ("store_failures_total", "feature_failures_total", "fallback_predictions_total"):
        label = {"feature_failures_total": 'failed="function"'}.get(metric, 'reason="any"')
        found[f"platform_assets_{metric}{{{of},{label}}}"] = steady(0)
    found[f"platform_assets_prediction_log_refused_total{{{of}}}"] = steady(0)
    for metric in ("background_failures_total", "background_dropped_total"):
        found[f'platform_assets_{metric}{{{of},queue="record"}}'] = steady(0)
    assert events in {source.name for source in use_case.sources}
    return found


@dataclass(frozen=True)
class Fault:
    """What is different.

    Attributes:
        alert: that has to fire.
        changes: values of series by the start of their name, or None where they are gone.
        at: minutes after which it fires.
        others: alerts that the same cause sets off.
        added: series that a good day has not.
    """

    alert: str
    changes: dict[str, str | None]
    at: int = 30
    others: frozenset[str] = frozenset()
    added: dict[str, str] = field(default_factory=dict)


GROWING = "0x5 0+10x2000"
P = "platform_assets_"

FAULTS = [
    Fault("OnlineStoreDoesNotAnswer", {f"{P}store_failures_total": GROWING}, at=15),
    Fault("FeaturesNotComputed", {f"{P}feature_failures_total": GROWING}, at=15),
    Fault("PredictionsWithoutHistory", {f"{P}fallback_predictions_total": GROWING}, at=15),
    Fault("PredictionLogTakesNoLines", {f"{P}prediction_log_refused_total": GROWING}, at=15),
    Fault("EventsNotRecorded", {f"{P}background_failures_total": GROWING}, at=15),
    Fault("WorkDropped", {f"{P}background_dropped_total": GROWING}, at=15),
    Fault("ServiceGone", {f"{P}release_info": "1x9 _x2000"}, at=30),
    Fault("ProcessDown", {f"{P}process_up": "1x9 0x2000"}),
    Fault("SourceLate", {f'{P}newest_event_timestamp_seconds{{use_case="shop",source="labels"}}': steady(-20 * DAY)}),
    Fault("DaysBehind", {f"{P}due_days_behind": steady(1)}, at=155),
    Fault("FeaturesLate", {f"{P}feature_newest_day": steady(-3 * DAY)}),
    Fault("OnlineStoreLate", {f"{P}online_store_day": steady(-3 * DAY)}),
    Fault("QualityLost", {f'{P}quality{{use_case="shop",metric="auc_roc",kind="true"': since(0.7, 30)}),
    Fault("EstimatedQualityLow", {f'{P}quality{{use_case="shop",metric="auc_roc",kind="estimated"': steady(0.7)}),
    Fault("QualityUnknown", {f'{P}quality{{use_case="shop",metric="auc_roc",kind="true"': None}, at=1470),
    Fault("Drift", {f'{P}drift_columns{{use_case="shop",status="drift"': steady(2)}),
    Fault("ColumnsBroken", {f'{P}drift_columns{{use_case="shop",status="missing"': steady(1)}),
    Fault("ModelOld", {f"{P}model_as_of": steady(-30 * DAY)}),
    Fault("RetrainFailed", {f"{P}retrain_requests_failed": steady(3)}),
    Fault("BusinessMeasureMissed", {f'{P}business_measure{{use_case="shop",measure="saved"': since(60, 10)}),
    Fault("BusinessMeasureMissed", {f'{P}business_measure{{use_case="shop",measure="alarms"': since(60, 10)}),
    Fault(
        "RolloutStuck",
        {},
        added={f'{P}rollout_stage_since_timestamp_seconds{{use_case="shop"}}': steady(-2 * DAY)},
    ),
    Fault("CostTooHigh", {f"{P}cost{{": steady(130)}),
    Fault("BudgetHalfSpent", {f"{P}budget_spent_ratio": steady(0.6)}),
    Fault("BudgetNearlySpent", {f"{P}budget_spent_ratio": steady(0.9)}, others=frozenset({"BudgetHalfSpent"})),
    Fault(
        "BudgetSpent",
        {f"{P}budget_spent_ratio": steady(1.2)},
        others=frozenset({"BudgetHalfSpent", "BudgetNearlySpent"}),
    ),
    Fault("RunFailed", {f"{P}failed_runs": since(1, 10)}),
    Fault("CheckRed", {f"{P}red_checks": since(1, 10)}),
    Fault("AutomationOff", {f'{P}sensor_running{{use_case="shop",sensor="shop__due"': "1x9 0x2000"}),
    Fault("SensorFails", {f"{P}sensor_last_tick_failed": since(1, 10)}),
    Fault("SensorDead", {f"{P}sensor_last_tick_timestamp": "0+60x9 600x2000"}),
    Fault("MetricsVanished", {f"{P}table_rows": "1000x9 _x2000"}),
    Fault("DaemonDead", {f"{P}daemon_heartbeat": "0+60x9 600x2000"}),
    Fault("DaemonDead", {f"{P}daemon_heartbeat": "0+60x9 580x2000"}),
    Fault("DaemonNeverSeen", {f"{P}daemon_heartbeat": steady(0)}),
    Fault("QueueStuck", {f"{P}oldest_queued_run_seconds": steady(4000)}),
    Fault("PlatformMetricsMissing", {f"{P}clock_timestamp": None}),
    Fault("PlatformMetricsMissing", {f"{P}clock_timestamp": "0+60x9 _x2000"}),
    Fault("ScrapeFailed", {"up{": "1x9 0x2000"}),
    Fault("ExporterErrors", {f"{P}exporter_errors_total": "0+1x2000"}),
    Fault("AlertsNotDelivered", {"alertmanager_notification": GROWING}, at=15),
    Fault("ClocksApart", {f"{P}clock_timestamp": "300+60x2000"}),
    Fault("TwoDaemons", {f"{P}daemon_processes": steady(2)}),
    Fault(
        "ErrorBudgetBurning",
        {f'{P}requests_total{{use_case="shop",outcome="failed"': "0x9 0+60x2000"},
        at=20,
        others=frozenset({"ErrorBudgetOverspent"}),
    ),
    Fault(
        "LatencyBudgetBurning",
        {f"{P}prediction_seconds_bucket": "0+600x9 5400+300x2000"},
        at=20,
        others=frozenset({"LatencyBudgetOverspent"}),
    ),
    Fault(
        "ErrorBudgetOverspent",
        {f'{P}requests_total{{use_case="shop",outcome="failed"': "0+1x2000"},
        at=100,
    ),
    Fault(
        "LatencyBudgetOverspent",
        {f"{P}prediction_seconds_bucket": "0+590x2000"},
        at=100,
    ),
]  # fmt: skip


def with_fault(series: dict[str, str], fault: Fault) -> dict[str, str]:
    """A good day's series with what is different."""
    found = {**series, **fault.added}
    for start, values in fault.changes.items():
        names = [name for name in found if name.startswith(start)]
        assert names, f"no series of a good day begins with {start}"
        for name in names:
            if values is None:
                del found[name]
            else:
                found[name] = values
    return found


def scenario(name: str, series: dict[str, str], at: int, firing: set[str], interval: str = "1m") -> dict[str, Any]:
    """A test of `promtool test rules`: exactly these alerts fire at that minute, besides the one that always does."""
    expected = [{"labels": f'{{alertname="{alert}"}}', "value": 1} for alert in sorted(firing)]
    asked = 'group by (alertname) (ALERTS{alertstate="firing",alertname!="Watchdog"})'
    series = {key: values.replace("x2000", f"x{at + 1}") for key, values in series.items()}
    return {
        "name": name,
        "interval": interval,
        "input_series": [{"series": key, "values": values} for key, values in series.items()],
        "promql_expr_test": [{"expr": asked, "eval_time": f"{at}m", "exp_samples": expected}],
    }


def scenarios(tests: list[dict[str, Any]], interval: str = "1m") -> str:
    """A file for `promtool test rules`, beside `rules.yaml`."""
    return yaml.safe_dump({"rule_files": ["rules.yaml"], "evaluation_interval": interval, "tests": tests})
