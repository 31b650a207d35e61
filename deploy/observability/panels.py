"""What each dashboard shows: panels with their expressions, as plain values.

Belongs here: titles, PromQL, units. Does not belong here: Grafana's JSON (`dashboards.py`), or alerts, which are rendered from the
declarations (`platform-assets alerts render`).

`$use_case` is the dashboard's variable. Metrics stand in docs/operations/metrics.md.
"""

from dataclasses import dataclass

CASE = 'use_case=~"$use_case"'
RATE = "[$__rate_interval]"
NOW = "scalar(max(platform_assets_clock_timestamp_seconds))"
"""What ages are differences to: the clock that work is due by, which in a simulated world is not the machine's."""


@dataclass(frozen=True)
class Query:
    """One line or number of a panel: expression and legend."""

    expression: str
    legend: str = ""


@dataclass(frozen=True)
class Panel:
    """One panel.

    Attributes:
        title: what it shows.
        queries: its lines.
        unit: Grafana's name of the unit.
        kind: `lines`, `number`, `table` or `switches` (0 and 1 over time).
        meaning: what to look for.
    """

    title: str
    queries: tuple[Query, ...]
    unit: str = "short"
    kind: str = "lines"
    meaning: str = ""


@dataclass(frozen=True)
class Board:
    """One dashboard; `rows` are headings with their panels."""

    name: str
    title: str
    rows: tuple[tuple[str, tuple[Panel, ...]], ...]


def _panel(
    title: str, expression: str, legend: str = "", unit: str = "short", kind: str = "lines", meaning: str = ""
) -> Panel:
    return Panel(title, (Query(expression, legend),), unit, kind, meaning)


def _age(metric: str, labels: str) -> str:
    return f"{NOW} - max by ({labels}) (platform_assets_{metric}{{{CASE}}})"


def _rate(labels: str, metric: str) -> str:
    return f"sum by ({labels}) (rate(platform_assets_{metric}{{{CASE}}}{RATE}))"


SINCE_HEARTBEAT = "time() - platform_assets_daemon_heartbeat_timestamp_seconds"
RED_CHECKS = _panel(
    "Red checks", f"sum by (use_case) (platform_assets_red_checks{{{CASE}}})", "{{use_case}}", kind="number"
)
FAILED_RUNS = _panel(
    "Failed runs, not mended",
    f"sum by (use_case) (platform_assets_failed_runs{{{CASE}}})",
    "{{use_case}}",
    kind="number",
)
BEHIND = _panel(
    "Days behind", f"max by (use_case, job) (platform_assets_due_days_behind{{{CASE}}})", "{{use_case}} {{job}}", "d",
    meaning="Days that are due and not done. 0 is well.",
)  # fmt: skip
REQUESTS = _panel(
    "Requests", f"sum by (use_case) (use_case:platform_assets_requests:rate5m{{{CASE}}})", "{{use_case}}", "reqps"
)
P99 = _panel("p99 of an answer", f"use_case:platform_assets_prediction_seconds:p99_5m{{{CASE}}}", "{{use_case}}", "s")
NEWEST_EVENT = _panel(
    "Age of the newest event",
    _age("newest_event_timestamp_seconds", "use_case, source"),
    "{{use_case}} {{source}}",
    "s",
)
MODEL_AGE = _panel(
    "Age of the champion", _age("model_as_of_timestamp_seconds", "use_case, version"), "{{use_case}} {{version}}", "s"
)
DRIFTED = _panel(
    "Columns that drifted or broke",
    f'sum by (use_case) (platform_assets_drift_columns{{{CASE},status!~"ok|constant"}})',
    "{{use_case}}",
)
QUALITY = Panel(
    "Quality",
    (
        Query(f'platform_assets_quality{{{CASE},kind=~"true|estimated"}}', "{{use_case}} {{metric}} {{kind}}"),
        Query(f'platform_assets_quality{{{CASE},kind=~".*low|.*high|bound"}}', "{{use_case}} {{metric}} {{kind}}"),
    ),
    meaning="True figures come with the labels; low and high are the ends of their interval, the bound must not be lost.",
)

BOARDS = (
    Board(
        "overview",
        "Platform Assets: overview",
        (
            ("What needs somebody", (RED_CHECKS, FAILED_RUNS, BEHIND, DRIFTED)),
            ("What callers see", (REQUESTS, P99)),
            ("What it stands on", (NEWEST_EVENT, MODEL_AGE)),
        ),
    ),
    Board(
        "use_case",
        "Platform Assets: a use case",
        (
            ("State", (RED_CHECKS, FAILED_RUNS, BEHIND)),
            ("Service", (REQUESTS, P99)),
            ("Model", (QUALITY, DRIFTED, MODEL_AGE)),
            (
                "Data",
                (
                    NEWEST_EVENT,
                    _panel(
                        "Age of features",
                        _age("feature_newest_day_timestamp_seconds", "use_case, view"),
                        "{{view}}",
                        "s",
                    ),
                ),
            ),
        ),
    ),
    Board(
        "serving",
        "Platform Assets: serving",
        (
            (
                "Requests",
                (
                    _panel(
                        "Requests by arm",
                        _rate("use_case, arm", "prediction_seconds_count"),
                        "{{arm}}",
                        "reqps",
                    ),
                    _panel(
                        "Decisions",
                        _rate("use_case, decision", "decisions_total"),
                        "{{decision}}",
                        "reqps",
                    ),
                    _panel(
                        "Requests refused, by status",
                        _rate("use_case, status", "refused_requests_total"),
                        "{{status}}",
                        "reqps",
                    ),
                ),
            ),
            (
                "Time",
                (
                    Panel(
                        "Time of an answer",
                        tuple(
                            Query(
                                f"histogram_quantile({q}, {_rate('use_case, le', 'prediction_seconds_bucket')})",
                                f"{{{{use_case}}}} p{round(q * 100)}",
                            )
                            for q in (0.5, 0.95, 0.99)
                        ),
                        "s",
                    ),
                    P99,
                ),
            ),
            (
                "Behind the answers",
                (
                    _panel(
                        "Work that waits",
                        f"sum by (use_case, queue) (platform_assets_background_waiting{{{CASE}}})",
                        "{{queue}}",
                    ),
                    _panel(
                        "Store failures",
                        _rate("use_case, operation", "store_failures_total"),
                        "{{operation}}",
                        "reqps",
                    ),
                    _panel(
                        "Processes that answer",
                        f"sum by (use_case, arm) (platform_assets_process_up{{{CASE}}})",
                        "{{arm}}",
                    ),
                    _panel(
                        "Releases",
                        f"max by (use_case, arm, model_version) (platform_assets_release_info{{{CASE}}})",
                        kind="table",
                    ),
                ),
            ),
        ),
    ),
    Board(
        "data",
        "Platform Assets: data",
        (
            (
                "How new",
                (
                    NEWEST_EVENT,
                    _panel(
                        "Age of features",
                        _age("feature_newest_day_timestamp_seconds", "use_case, view"),
                        "{{use_case}} {{view}}",
                        "s",
                    ),
                    _panel(
                        "Age of the online store",
                        _age("online_store_day_timestamp_seconds", "use_case"),
                        "{{use_case}}",
                        "s",
                    ),
                ),
            ),
            (
                "How much",
                (
                    _panel(
                        "Rows",
                        f"sum by (use_case, layer) (platform_assets_table_rows{{{CASE}}})",
                        "{{use_case}} {{layer}}",
                    ),
                    _panel(
                        "Bytes",
                        f"sum by (use_case, layer) (platform_assets_table_bytes{{{CASE}}})",
                        "{{use_case}} {{layer}}",
                        "bytes",
                    ),
                    _panel(
                        "Files", f"topk(10, platform_assets_table_files{{{CASE}}})", "{{use_case}} {{layer}}/{{table}}"
                    ),
                ),
            ),
            (
                "What was refused",
                (
                    _panel(
                        "Refused rows of the newest day",
                        f"platform_assets_refused_rows{{{CASE}}}",
                        "{{use_case}} {{source}}",
                    ),
                ),
            ),
        ),
    ),
    Board(
        "models",
        "Platform Assets: models",
        (
            (
                "Quality",
                (
                    QUALITY,
                    _panel(
                        "Estimate withdrawn",
                        f"platform_assets_estimate_withdrawn{{{CASE}}}",
                        "{{use_case}}",
                        kind="switches",
                        meaning="1: what quality is likely to be may not be believed; its series are absent.",
                    ),
                    _panel(
                        "Labels that are known",
                        f"platform_assets_quality_label_coverage_ratio{{{CASE}}}",
                        "{{use_case}}",
                        "percentunit",
                    ),
                ),
            ),
            (
                "Drift",
                (
                    _panel(
                        "Columns by verdict",
                        f"sum by (use_case, status) (platform_assets_drift_columns{{{CASE}}})",
                        "{{use_case}} {{status}}",
                    ),
                    _panel(
                        "Importance that moved",
                        f"platform_assets_importance_change{{{CASE}}}",
                        "{{use_case}}",
                        "percentunit",
                    ),
                    _panel(
                        "Age of the judged window",
                        _age("drift_window_timestamp_seconds", "use_case"),
                        "{{use_case}}",
                        "s",
                    ),
                ),
            ),
            (
                "What it is worth",
                (
                    _panel(
                        "Business measures", f"platform_assets_business_measure{{{CASE}}}", "{{use_case}} {{measure}}"
                    ),
                    _panel(
                        "Trainings asked for that failed",
                        f"platform_assets_retrain_requests_failed{{{CASE}}}",
                        "{{use_case}}",
                    ),
                ),
            ),
            (
                "Champion and rollout",
                (
                    MODEL_AGE,
                    _panel(
                        "Share of the version that is coming",
                        f"platform_assets_rollout_new_weight_ratio{{{CASE}}}",
                        "{{use_case}}",
                        "percentunit",
                    ),
                    _panel(
                        "Stage of the rollout stands since",
                        f"time() - platform_assets_rollout_stage_since_timestamp_seconds{{{CASE}}}",
                        "{{use_case}}",
                        "s",
                    ),
                ),
            ),
        ),
    ),
    Board(
        "runs",
        "Platform Assets: runs",
        (
            (
                "Runs",
                (
                    _panel(
                        "Failed, not mended",
                        f"sum by (use_case, job) (platform_assets_failed_runs{{{CASE}}})",
                        "{{use_case}} {{job}}",
                    ),
                    _panel(
                        "Under way",
                        f"sum by (use_case, job) (platform_assets_runs_in_progress{{{CASE}}})",
                        "{{use_case}} {{job}}",
                    ),
                    _panel(
                        "Waiting",
                        f"sum by (use_case, job) (platform_assets_queued_runs{{{CASE}}})",
                        "{{use_case}} {{job}}",
                    ),
                    _panel("Longest wait", "max(platform_assets_oldest_queued_run_seconds)", "wait", "s"),
                ),
            ),
            (
                "Due",
                (
                    BEHIND,
                    _panel(
                        "Since the newest success",
                        f"time() - max by (use_case, job) (platform_assets_newest_success_timestamp_seconds{{{CASE}}})",
                        "{{use_case}} {{job}}",
                        "s",
                    ),
                ),
            ),
            (
                "Checks",
                (
                    _panel(
                        "Red", f"platform_assets_red_checks{{{CASE}}} == bool 1", "{{asset}} {{check}}", kind="switches"
                    ),
                ),
            ),
            (
                "What starts work",
                (
                    _panel(
                        "Sensors switched on",
                        f"platform_assets_sensor_running{{{CASE}}}",
                        "{{sensor}}",
                        kind="switches",
                    ),
                    _panel(
                        "Since a sensor was looked at",
                        f"time() - platform_assets_sensor_last_tick_timestamp_seconds{{{CASE}}}",
                        "{{sensor}}",
                        "s",
                    ),
                    _panel(
                        "Since a sign of life of the daemon",
                        SINCE_HEARTBEAT,
                        "{{daemon}}",
                        "s",
                    ),
                ),
            ),
            (
                "The metrics themselves",
                (
                    _panel(
                        "Questions without answer",
                        f"sum by (part) (rate(platform_assets_exporter_errors_total{RATE}))",
                        "{{part}}",
                    ),
                    _panel("Time to read a part", "platform_assets_exporter_read_seconds", "{{part}}", "s"),
                ),
            ),
        ),
    ),
)
