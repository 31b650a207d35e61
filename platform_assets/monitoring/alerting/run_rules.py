"""Alerts about what Dagster does for a use case, and about the installation as a whole.

Belongs here: failed runs, red checks, sensors, the daemon, the queue, clocks, and metrics that are not there. Does not belong here: data
and models (`data_rules.py`), or requests (`service_rules.py`).
"""

from __future__ import annotations

from collections.abc import Iterator

from platform_assets.declaration import UseCase
from platform_assets.monitoring.alerting.alerts import PAGE, TICKET, Alert, RuleGroup, Threshold, series

INTERVAL, QUICK_INTERVAL = "15s", "5s"
DAEMON_SECONDS = 90
"""Each part of Dagster's daemon gives a sign of life each half minute, and the one of schedules, of which there are none, each minute."""
ANY_DAEMON_SECONDS = 40
"""Its eight parts give theirs one after the other, at most 32 s apart where all began together: the process is gone."""
SENSOR_SECONDS = 900
READ_AT = 'platform_assets_exporter_read_timestamp_seconds{part="daemons"}'
QUEUED_SECONDS = 1800
SKEW_SECONDS = 30
SIMULATED_SECONDS = 86_400
"""Clocks that are further apart than a day are no skew: one of them is simulated."""


def run_group(use_case: UseCase, labels: dict[str, str]) -> RuleGroup:
    """Alerts about runs, checks and sensors of a use case."""
    alerts = (*_runs(use_case.name), *_automation(use_case.name), *_metrics(use_case.name))
    return RuleGroup(f"{use_case.name}_runs", INTERVAL, (), alerts, labels)


def _runs(name: str) -> Iterator[Alert]:
    of = {"use_case": name}
    yield Alert(
        "RunFailed", "runs", TICKET,
        f"{name}: {{{{ $value }}}} runs of job {{{{ $labels.job }}}} failed and were not mended",
        "What they were to make is not there; what depends on it waits. Failed runs are tried again by rule.",
        f"`platform-assets status`; the run's page in Dagster (`make dev`, Runs, failed) says why. Then `platform-assets run {name}`.",
        Threshold("platform_assets_failed_runs", 0, labels=of, by=("job",)),
    )  # fmt: skip
    yield Alert(
        "CheckRed", "runs", TICKET,
        f"{name}: check {{{{ $labels.check }}}} of {{{{ $labels.asset }}}} is red or did not run",
        "A gate held something back, or could not judge it, which counts the same.",
        "Open the check in Dagster (`make dev`): it carries measured value and bound. The page lists checks by name above.",
        Threshold("platform_assets_red_checks", 0, labels=of, by=("asset", "check")),
    )  # fmt: skip


def _automation(name: str) -> Iterator[Alert]:
    of = {"use_case": name}
    running = "platform_assets_sensor_running"
    yield Alert(
        "AutomationOff", "automation", TICKET,
        f"{name}: sensor {{{{ $labels.sensor }}}} is switched off",
        "Nothing that it asks for happens by itself: days are not loaded, models not trained, rollouts not decided.",
        "Turn it on in Dagster (`make dev`, Automation), or set `PLATFORM_ASSETS_AUTOMATION=on` and restart the daemon.",
        Threshold(running, 1, {**of, "sensor": f"{name}__due"}, reading="lowest", operator="<"),
        # The sensor of asset conditions stays off: what is due is asked for by one sensor alone.
        expression=f'min by (sensor) ({running}{{use_case="{name}",sensor!="{name}__automation"}}) < 1',
    )  # fmt: skip
    yield _failing_sensor(of)
    ticked = series("platform_assets_sensor_last_tick_timestamp_seconds", of)
    yield Alert(
        "SensorDead", "automation", PAGE,
        f"{name}: sensor {{{{ $labels.sensor }}}} is on and has not ticked for {{{{ $value | humanizeDuration }}}}",
        "The daemon or its code server hangs or fails before it asks the sensor.",
        "Look at the sensor's ticks in Dagster (`make dev`, Automation), then restart `dagster-daemon`.",
        expression=f"(time() - max by (sensor) ({ticked}) > {SENSOR_SECONDS})"
        f" and max by (sensor) ({series(running, of)}) == 1",
    )  # fmt: skip


def _failing_sensor(labels: dict[str, str]) -> Alert:
    return Alert(
        "SensorFails", "automation", TICKET,
        f"{labels['use_case']}: sensor {{{{ $labels.sensor }}}} fails each time it is looked at",
        "It asks for nothing: what it stands for does not happen by itself.",
        "Open its newest tick in Dagster (`make dev`, Automation): it carries the error.",
        Threshold("platform_assets_sensor_last_tick_failed", 0, labels=labels, by=("sensor",)),
    )  # fmt: skip


def _metrics(name: str) -> Iterator[Alert]:
    """Metrics of the use case that were there within a day and are not now: silence is no good news."""
    of = {"use_case": name}
    yield Alert(
        "MetricsVanished", "telemetry", TICKET,
        f"{name}: the platform's metrics about it are gone",
        "Within the last day there were some, and now there are none: alerts on data, models and runs cannot fire.",
        "`platform-assets alerts check`; is the declaration still loaded (`dg check defs`)? The exporter's log names what it cannot read.",
        threshold=Threshold("platform_assets_table_rows", labels=of, reading="absent"),
        expression=f"group(present_over_time({series('platform_assets_table_rows', of)}[1d]))"
        f" unless group({series('platform_assets_table_rows', of)})",
        hold="5m",
    )  # fmt: skip


def installation_group() -> RuleGroup:
    """Alerts about the daemon, the queue, clocks and the metrics themselves: once for all use cases."""
    return RuleGroup("platform_assets_installation", QUICK_INTERVAL, (), (*_daemon(), *_telemetry(), *_agreement()))


def _daemon() -> Iterator[Alert]:
    heartbeat = "platform_assets_daemon_heartbeat_timestamp_seconds"
    yield Alert(
        "DaemonDead", "automation", PAGE,
        "Dagster's daemon {{ $labels.daemon }} gave no sign of life for {{ $value | humanizeDuration }}",
        "No sensor ticks and no queued run starts; what runs goes on.",
        "Start it again: `systemctl restart platform-assets-daemon`, or `make dev` where it runs in a terminal.",
        Threshold(heartbeat, DAEMON_SECONDS, by=("daemon",), reading="age"),
        # Against the moment of reading: the exporter keeps what it read for a while, which is no silence of the daemon.
        expression=f"scalar(max({READ_AT})) - max by (daemon) ({heartbeat} > 0) > {DAEMON_SECONDS}",
    )  # fmt: skip
    yield Alert(
        "DaemonDead", "automation", PAGE,
        "No part of Dagster's daemon gave a sign of life for {{ $value | humanizeDuration }}",
        "No sensor ticks and no queued run starts; what runs goes on.",
        "Start it again: `systemctl restart platform-assets-daemon`, or `make dev` where it runs in a terminal.",
        expression=f"scalar(max({READ_AT})) - max({heartbeat} > 0) > {ANY_DAEMON_SECONDS}",
    )  # fmt: skip
    yield Alert(
        "DaemonNeverSeen", "automation", TICKET,
        "Dagster's daemon never gave a sign of life",
        "Nothing happens by itself: no sensor ticks and no queued run starts.",
        "Start `dagster-daemon run` (`make dev` does), or silence this alert where runs are started by hand.",
        expression=f"group({heartbeat} == 0)",
        hold="15m",
    )  # fmt: skip
    yield Alert(
        "RunFailed", "runs", TICKET,
        "{{ $value }} runs of job {{ $labels.job }} of no single use case failed and were not mended",
        "What they were to make is not there; what depends on it waits.",
        "The run's page in Dagster (`make dev`, Runs, failed) says why.",
        Threshold("platform_assets_failed_runs", 0, labels={"use_case": ""}, by=("job",)),
    )  # fmt: skip
    yield Alert(
        "QueueStuck", "runs", PAGE,
        "A run has waited in the queue for {{ $value | humanizeDuration }}",
        "Runs that hang or were orphaned hold all places, or the daemon does not start any.",
        "Look at the runs in progress in Dagster (`make dev`, Runs); end the ones that make no progress.",
        Threshold("platform_assets_oldest_queued_run_seconds", QUEUED_SECONDS),
    )  # fmt: skip


def _telemetry() -> Iterator[Alert]:
    clock = "platform_assets_clock_timestamp_seconds"
    for hold, expression in (
        ("15s", f"group(present_over_time({clock}[1d])) unless group({clock})"),
        ("5m", f"absent({clock})"),  # never there: it may be starting
    ):
        yield Alert(
            "PlatformMetricsMissing", "telemetry", PAGE,
            "The platform's metrics are not there",
            "`platform-assets metrics serve` does not answer Prometheus: no alert on data, models or runs can fire.",
            "Start it (`platform-assets metrics serve`), then look at Prometheus' page of targets.",
            Threshold(clock, reading="absent") if hold == "5m" else None,
            expression=expression,
            hold=hold,
        )  # fmt: skip
    yield Alert(
        "ScrapeFailed", "telemetry", TICKET,
        "Prometheus does not reach {{ $labels.instance }} ({{ $labels.job }})",
        "What it would say is unknown; its alerts cannot fire.",
        "Prometheus' page of targets shows the error; `platform-assets status` says whether it runs.",
        Threshold("up", 1, labels={}, by=("job", "instance"), reading="lowest", operator="<"),
        hold="2m",
    )  # fmt: skip
    yield Alert(
        "ExporterErrors", "telemetry", TICKET,
        "The platform's metrics lack part {{ $labels.part }}",
        "A table or Dagster's storage could not be read; its series vanish rather than show old numbers.",
        "The exporter's log says what it could not read; `platform-assets lake verify` where it is a table.",
        Threshold("platform_assets_exporter_errors_total", 0, by=("part",), reading="increase", window="15m"),
    )  # fmt: skip
    yield Alert(
        "AlertsNotDelivered", "telemetry", TICKET,
        "Alertmanager could not reach a receiver by {{ $labels.integration }}",
        "It tries again; what the receiver should have been told may be late or lost.",
        "Alertmanager's log says what the receiver answered; check its key and address in PLATFORM_ASSETS_ALERT_RECEIVERS.",
        Threshold("alertmanager_notification_requests_failed_total", by=("integration",), reading="increase"),
    )  # fmt: skip


def _agreement() -> Iterator[Alert]:
    """Clocks that do not agree, two daemons, and the sign that alerts arrive."""
    clock = "platform_assets_clock_timestamp_seconds"
    heartbeat = "platform_assets_daemon_heartbeat_timestamp_seconds"
    apart = f"abs(max({clock} - timestamp({clock})))"
    yield Alert(
        "ClocksApart", "telemetry", TICKET,
        "The platform's clock and Prometheus' are {{ $value | humanizeDuration }} apart",
        "Freshness, due times and heartbeats are judged by clocks that do not agree.",
        "Compare `date` on both machines; let both follow the same time server.",
        expression=f"({apart} > {SKEW_SECONDS} < {SIMULATED_SECONDS}) or "
        f"(max by (daemon) ({heartbeat}) - time() > {SKEW_SECONDS})",
        hold="2m",
    )  # fmt: skip
    yield Alert(
        "TwoDaemons", "automation", PAGE,
        "{{ $value }} daemons of Dagster work on one storage",
        "Sensors tick twice and the queue is emptied twice: runs may be asked for twice.",
        "Stop all but one; `ps` shows `dagster-daemon` on each machine that has this storage's settings.",
        Threshold("platform_assets_daemon_processes", 1),
        hold="3m",
    )  # fmt: skip
    yield Alert(
        "Watchdog", "telemetry", "none",
        "Alerts can be told: this one always fires",
        "Where it stops arriving, Prometheus, Alertmanager or the way to the receiver is broken.",
        "Nothing to do. A receiver named `watchdog` is sent it, for a dead man's switch.",
        expression="vector(1)",
    )  # fmt: skip
