"""The alert rules: they ask for metrics that a service has, and Prometheus's own tool sees each go red and be silent."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from prometheus_client import CollectorRegistry

from platform_assets_tests.unit.features.histories import use_case
from serving.metrics import ServiceMetrics

RULES = Path(__file__).resolve().parents[2] / "deploy" / "observability" / "alerts.yaml"
SCENARIOS = Path(__file__).with_name("alerts_test.yaml")


def test_the_rules_ask_for_metrics_that_a_service_has() -> None:
    registry = CollectorRegistry()
    ServiceMetrics(use_case(), "digest", "1", registry)
    known = {sample.name for metric in registry.collect() for sample in metric.samples}
    rules = yaml.safe_load(RULES.read_text())["groups"][0]["rules"]
    for rule in rules:
        asked = set(re.findall(r"platform_assets_\w+", rule["expr"]))
        assert asked, rule["alert"]
        assert asked <= known, rule["alert"]


def test_each_alert_goes_red_and_is_silent_while_all_is_well(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        missing = "promtool is not installed: apt-get install prometheus"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    for file in (RULES, SCENARIOS):
        shutil.copy(file, tmp_path)
    done = subprocess.run(
        [promtool, "test", "rules", SCENARIOS.name],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
