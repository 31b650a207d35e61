"""From a metric to whoever is woken: real Prometheus and Alertmanager, and a receiver that speaks as PagerDuty does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from platform_assets.cli.alerts.observe import free_port, running, world_files
from platform_assets.monitoring.alerting.receivers import receivers_of
from platform_assets.monitoring.alerting.stacks.base import AlertedWorld
from platform_assets.testing.alert_receiver import alert_receiver
from platform_assets.testing.child_process import ROOT
from platform_assets.testing.declare import declare
from platform_assets_tests.unit.monitoring.alerting.promtool import tool

pytestmark = pytest.mark.slow
PATIENCE_SECONDS = 90.0


@dataclass
class Pager:
    """What the receiver was sent, and how often it still answers 500; the metrics that Prometheus is given."""

    failures_left: int = 0
    events: list[dict[str, Any]] = field(default_factory=list)
    refused: int = 0
    metrics: str = ""

    def take(self, event: dict[str, Any]) -> int:
        """What an event is answered with."""
        assert event["routing_key"] == "key-of-a-test"
        if self.failures_left:
            self.failures_left -= 1
            self.refused += 1
            return 500
        self.events.append(event)
        return 202

    def listening(self) -> AbstractContextManager[int]:
        """It and the metrics, on one port of loopback."""
        return alert_receiver(self.take, lambda: self.metrics)

    def actions(self, alert: str) -> list[tuple[str, str]]:
        """Action and key of what was accepted about an alert."""
        return [
            (event["event_action"], event["dedup_key"])
            for event in self.events
            if alert in event.get("payload", {}).get("summary", "") or event["event_action"] == "resolve"
        ]


def eventually(holds: Callable[[], object], what: str) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < until, what
        time.sleep(0.2)


def quick(text: str) -> str:
    """The rendered configuration with intervals of a second, so that a test need not wait."""
    for slow, fast in (
        ("15s", "1s"),
        ("group_wait: 5s", "group_wait: 0s"),
        ("group_interval: 1m", "group_interval: 1s"),
    ):
        text = text.replace(slow, fast)
    return text


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[Pager]:
    tool("prometheus", "prometheus")
    tool("prometheus-alertmanager", "prometheus-alertmanager")
    pager = Pager(metrics=failed_runs(0, 0))
    shop = declare(
        name="shop",
        events={"visit": "int64", "at": "datetime", "amount": "float64"},
        label="returned",
        features=["amount"],
        monitoring={"quality_metric": "auc_roc", "alerts": {"ticket": ["pager"]}},
    )
    (tmp_path / "key").write_text("key-of-a-test")
    with pager.listening() as port:
        url = f"http://127.0.0.1:{port}/v2/enqueue"
        fields = {"kind": "pagerduty", "routing_key_file": str(tmp_path / "key"), "url": url}
        here = f"127.0.0.1:{port}"
        world = AlertedWorld((shop,), receivers_of({"pager": fields}), address=here, exporter=here)
        alertmanager = free_port(0)
        files = {name: quick(text) for name, text in world_files(world, alertmanager).items()}
        assert yaml.safe_load(files["prometheus.yaml"])["global"]["scrape_interval"] == "1s"
        with running(tmp_path / "observe", files, free_port(0), alertmanager):
            yield pager


def failed_runs(load: int, train: int) -> str:
    name = "platform_assets_failed_runs"
    lines = [f'{name}{{use_case="shop",job="{job}"}} {count}' for job, count in (("load", load), ("train", train))]
    return "\n".join([*lines, f"platform_assets_clock_timestamp_seconds {time.time()}", ""])


def test_a_failed_run_wakes_somebody_once_though_the_pager_fails_first_and_is_resolved(chain: Pager) -> None:
    chain.failures_left = 2
    chain.metrics = failed_runs(1, 1)
    eventually(lambda: chain.actions("RunFailed"), "nobody was told of the failed run")
    assert chain.refused == 2
    first = next(event for event in chain.events if "RunFailed" in event["payload"]["summary"])
    assert first["payload"]["severity"] == "warning"
    assert first["links"][0]["href"].endswith("runbooks.md#runfailed")
    assert "platform-assets run shop" in first["payload"]["custom_details"]["what to do"]

    chain.metrics = failed_runs(0, 0)
    eventually(lambda: any(action == "resolve" for action, _ in chain.actions("RunFailed")), "it was never resolved")
    keys = {key for _, key in chain.actions("RunFailed")}
    assert len(keys) == 1, "two jobs that failed, told again and resolved, are one incident"


@pytest.fixture
def chain_page() -> Iterator[int]:
    """A port at which somebody answers with metrics, so that no exporter is started."""
    with Pager(metrics=failed_runs(0, 0)).listening() as port:
        yield port


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_observe_says_where_both_are_and_ends_both(tmp_path: Path, end: signal.Signals, chain_page: int) -> None:
    tool("prometheus", "prometheus")
    tool("prometheus-alertmanager", "prometheus-alertmanager")
    environment = {**os.environ, "PLATFORM_ASSETS_HOME": str(tmp_path / "home"), "PYTHONUNBUFFERED": "1"}
    environment["PLATFORM_ASSETS_METRICS_PORT"] = str(chain_page)
    command = [sys.executable, "-m", "platform_assets.cli", "alerts", "observe"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        assert process.stdout is not None
        lines = list(iter(process.stdout.readline, "Ctrl-C ends them.\n"))
        addresses = [word for line in lines for word in line.split() if word.startswith("http://")]
        prometheus, alertmanager = (address.removesuffix("/alerts") for address in addresses)
        for address in (prometheus, alertmanager):
            eventually(lambda address=address: _ready(address), f"{address} never became ready")
        rules = httpx.get(f"{prometheus}/api/v1/rules", timeout=10).json()["data"]["groups"]
        assert {"card_fraud_runs", "platform_assets_installation"} <= {group["name"] for group in rules}
        process.send_signal(end)
        assert process.wait(30) == 0
        assert not _ready(prometheus)
        assert not _ready(alertmanager)
    finally:
        if process.poll() is None:
            process.kill()


def _ready(address: str) -> bool:
    try:
        return httpx.get(f"{address}/-/ready", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False
