"""Rules ask for metrics that somebody exports."""

import re

from prometheus_client import CollectorRegistry

from platform_assets.deployment.local.doors.exposition import UP
from platform_assets.monitoring.alerting.rules import installation_group, use_case_groups
from platform_assets.monitoring.telemetry.catalogue import METRICS, OWN_METRICS
from platform_assets_tests.unit.features.histories import use_case as served
from serving.metrics import ServiceMetrics

from .worlds import shop


def of_services() -> set[str]:
    registry = CollectorRegistry()
    ServiceMetrics(served(), "digest", "1", registry)
    return {sample.name for metric in registry.collect() for sample in metric.samples} | {UP}


def asked(group_names: str) -> set[str]:
    groups = [*use_case_groups(shop()), installation_group()]
    recorded = {one.name for group in groups for one in group.recordings}
    texts = [one.expression for group in groups for one in group.recordings if re.search(group_names, group.name)]
    texts += [alert.promql for group in groups for alert in group.alerts if re.search(group_names, group.name)]
    names = {name for text in texts for name in re.findall(r"platform_assets[a-z_:0-9]+", text)}
    return {name for name in names if name not in recorded}


def test_rules_about_data_and_runs_ask_for_what_the_platform_exports() -> None:
    exported = {metric.full_name for metric in (*METRICS, *OWN_METRICS)}
    names = asked("data|runs|installation")
    assert names <= exported


def test_rules_about_services_ask_for_what_a_service_counts() -> None:
    names = asked("objectives|service")
    assert names
    assert names <= of_services()
