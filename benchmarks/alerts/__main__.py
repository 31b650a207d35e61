"""`python -m benchmarks.alerts`: seconds from a cause in the metrics to a POST at the pager, for each kind of alert that waits for nothing.

Real Prometheus and Alertmanager with the rendered configuration, intervals as in production; a page of metrics on loopback whose values
change at a moment, and a receiver that speaks as PagerDuty does. Belongs here: the measurement. Does not belong here: what the exporter
needs to notice a cause (it reads signs of life every 5 seconds, and each other part every 15), or rules
(`platform_assets/monitoring/alerting`).
"""

from __future__ import annotations

import argparse
import time
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console

from benchmarks.common.machine import busy_cores, describe_code, describe_machine
from platform_assets.cli.alerts.observe import free_port, running, world_files
from platform_assets.monitoring.alerting.receivers import receivers_of
from platform_assets.monitoring.alerting.stacks.base import AlertedWorld
from platform_assets.testing.alert_receiver import alert_receiver
from platform_assets.testing.declare import declare

BAR_SECONDS = 60
ACCEPTED = 202
WARM_SECONDS, WATCH_SECONDS, MEND_SECONDS = 75, 100, 400
P, SHOP = "platform_assets_", 'use_case="shop"'
REQUESTS = f"{P}requests_total"

NOW = "now"
CAUSES: dict[str, tuple[str, float | str | None, float | str | None]] = {
    "ErrorBudgetBurning": (f'{REQUESTS}{{{SHOP},outcome="failed"}}', 0, 30),
    "OnlineStoreDoesNotAnswer": (f'{P}store_failures_total{{{SHOP},operation="read"}}', 0, 3),
    "FeaturesNotComputed": (f'{P}feature_failures_total{{{SHOP},failed="function"}}', 0, 3),
    "PredictionLogTakesNoLines": (f"{P}prediction_log_refused_total{{{SHOP}}}", 0, 3),
    "WorkDropped": (f'{P}background_dropped_total{{{SHOP},queue="log"}}', 0, 3),
    "ServiceGone": (f"{P}release_info{{{SHOP}}}", 1, None),
    "QualityLost": (f'{P}quality{{{SHOP},metric="auc_roc",kind="true"}}', 0.9, 0.6),
    "EstimatedQualityLow": (f'{P}quality{{{SHOP},metric="auc_roc",kind="estimated"}}', 0.9, 0.6),
    "Drift": (f'{P}drift_columns{{{SHOP},status="drift"}}', 0, 2),
    "ColumnsBroken": (f'{P}drift_columns{{{SHOP},status="missing"}}', 0, 1),
    "RunFailed": (f'{P}failed_runs{{{SHOP},job="load"}}', 0, 1),
    "CheckRed": (f'{P}red_checks{{{SHOP},asset="clean/visits",check="quality"}}', 0, 1),
    "AutomationOff": (f'{P}sensor_running{{{SHOP},sensor="shop__due"}}', 1, 0),
    "SensorFails": (f'{P}sensor_last_tick_failed{{{SHOP},sensor="shop__due"}}', 0, 1),
    "RetrainFailed": (f"{P}retrain_requests_failed{{{SHOP}}}", 0, 3),
    "QueueStuck": (f"{P}oldest_queued_run_seconds", 5, 2400),
    "DaemonDead": (f'{P}daemon_heartbeat_timestamp_seconds{{daemon="SENSOR"}}', NOW, "stopped"),
    "ExporterErrors": (f'{P}exporter_errors_total{{part="lake"}}', 0, 1),
}
"""A series for each alert, its value on a good day, and after the cause; None is no series."""
STEADY = {
    f'{REQUESTS}{{{SHOP},outcome="answered"}}': 1000,
    f'{P}quality{{{SHOP},metric="auc_roc",kind="bound"}}': 0.8,
    f"{P}clock_timestamp_seconds": NOW,
    f'{P}exporter_read_timestamp_seconds{{part="daemons"}}': NOW,
}


class Pager:
    """A receiver, and the page of metrics."""

    def __init__(self) -> None:
        """Nothing was sent, and nothing is wrong."""
        self.caused_at: float | None = None
        self.told: dict[str, float] = {}
        self.resolved: set[str] = set()
        self.names: dict[str, str] = {}

    def take(self, event: dict[str, Any]) -> int:
        """Note an event of PagerDuty's Events API; what it is answered with."""
        key = str(event["dedup_key"])
        if event["event_action"] == "resolve":
            self.resolved.add(self.names.get(key, key))
            return ACCEPTED
        summary = str(event["payload"]["summary"])
        name = next((alert for alert in CAUSES if f" {alert}:" in f" {summary}"), summary)
        self.names[key] = name
        self.told.setdefault(name, time.monotonic())
        return ACCEPTED

    def page(self) -> str:
        """The metrics now."""
        bad = self.caused_at is not None
        lines = [self._line(series, value) for series, value in STEADY.items()]
        lines += [self._line(series, after if bad else before) for series, before, after in CAUSES.values()]
        return "\n".join(filter(None, lines)) + "\n"

    def _line(self, series: str, value: float | str | None) -> str:
        if value is None:
            return ""
        if value == "stopped":
            # It died when the cause came; the last sign of life came a quarter of a minute before, as on average.
            value = time.time() - (time.monotonic() - (self.caused_at or 0)) - 15
        return f"{series} {time.time() if value == NOW else value}"


def measure(offset_seconds: float, *, until_resolved: bool) -> tuple[dict[str, float], set[str]]:
    """Seconds to the POST by alert, and those that were resolved after the cause was gone, where that is waited for."""
    shop = declare(
        name="shop",
        events={"visit": "int64", "at": "datetime", "amount": "float64"},
        label="returned",
        features=["amount"],
        monitoring={"quality_metric": "auc_roc"},
    )
    pager = Pager()
    with TemporaryDirectory() as scratch, alert_receiver(pager.take, pager.page) as port:
        folder = Path(scratch)
        (folder / "key").write_text("key-of-a-benchmark")
        fields = {
            "kind": "pagerduty",
            "routing_key_file": str(folder / "key"),
            "url": f"http://127.0.0.1:{port}/enqueue",
        }
        here = f"127.0.0.1:{port}"
        world = AlertedWorld((shop,), receivers_of({"page": fields, "ticket": fields}), address=here, exporter=here)
        alertmanager = free_port(0)
        with running(folder / "observe", world_files(world, alertmanager), free_port(0), alertmanager):
            time.sleep(WARM_SECONDS + offset_seconds)
            early = set(pager.told) & set(CAUSES)
            assert not early, f"told before there was a cause: {early}"
            pager.caused_at = cause = time.monotonic()
            _wait(lambda: set(CAUSES) <= set(pager.told), WATCH_SECONDS)
            found = {alert: pager.told[alert] - cause for alert in CAUSES if alert in pager.told}
            pager.caused_at = None
            states = {alert for alert in CAUSES if not alert.endswith(("Burning", "Errors"))}
            if until_resolved:
                _wait(lambda: states <= pager.resolved, MEND_SECONDS)
    return found, pager.resolved & states


def _wait(holds: object, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and not holds():  # type: ignore[operator]
        time.sleep(0.1)


def report(rounds: list[dict[str, float]], resolved: set[str], command: str, busy: float) -> str:
    """The page."""
    machine = ", ".join(f"{name} {value}" for name, value in describe_machine().items())
    lines = [
        "# From a cause to the pager",
        "",
        f"Written by `{command}` on {datetime.now(UTC):%Y-%m-%d}: {describe_code()}.",
        "",
        f"{machine}.",
        f"When it began, other work kept {busy:.1f} cores busy.",
        "",
        "Real Prometheus and Alertmanager as `platform-assets alerts render` configures them: the platform's metrics read every 5 s and "
        "those of services every 15 s, rules about the daemon judged every 5 s and the others every 15 s, alerts of a name gathered for "
        "5 s. All causes come at one moment, in each round at another place between two readings. The clock starts when the metric "
        "changes: the exporter, which reads signs of life every 5 s and each other part every 15 s, adds 2.5 or 7.5 s on average.",
        "",
        "| alert | " + " | ".join(f"round {number}, s" for number in range(1, len(rounds) + 1)) + " | under 60 s |",
        "|---|" + "---:|" * len(rounds) + "---|",
    ]
    for alert in CAUSES:
        times = [found.get(alert) for found in rounds]
        shown = " | ".join("never" if one is None else f"{one:.0f}" for one in times)
        kept = all(one is not None and one < BAR_SECONDS for one in times)
        lines.append(f"| {alert} | {shown} | {'yes' if kept else 'no'} |")
    states = len([alert for alert in CAUSES if not alert.endswith(("Burning", "Errors"))])
    lines += [
        "",
        f"Once the causes of the last round were gone, {len(resolved)} of {states} were resolved under the key that they were told by "
        f"within {MEND_SECONDS} s; left out are the two that look back over a quarter of an hour or more.",
        "",
        "Not in the list, because they wait on purpose: what is late must be late for a quarter of an hour (`SourceLate`, "
        "`FeaturesLate`, `OnlineStoreLate`) or two hours (`DaysBehind`), quality must be unknown for a day "
        "(`QualityUnknown`), a sensor silent for a quarter of an hour (`SensorDead`). A daemon counts as dead when none of its parts, "
        "each of which gives a sign of life each half minute, gave one for 40 s, and when one of them gave none for 90 s.",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=None)
    options = parser.parse_args()
    busy = busy_cores()
    rounds = options.rounds
    results = [measure(5.0 * number, until_resolved=number == rounds - 1) for number in range(rounds)]
    command = f"python -m benchmarks.alerts --rounds {options.rounds}"
    text = report([found for found, _ in results], results[-1][1], command, busy)
    if options.output is not None:
        options.output.write_text(text, encoding="utf-8")
    Console().print(text, markup=False)


if __name__ == "__main__":
    main()
