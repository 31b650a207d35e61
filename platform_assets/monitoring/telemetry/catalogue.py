"""Every metric of the platform: name, labels, meaning.

Belongs here: the list, from which the exporter registers and the reference is written. Does not belong here: values (`samples` of the
modules beside it), or a service's own metrics (`serving/metrics.py`).
"""

from dataclasses import dataclass

PREFIX = "platform_assets_"


@dataclass(frozen=True)
class PlatformMetric:
    """One metric.

    Attributes:
        name: without `platform_assets_`; ends with its unit, a base unit, where it has one.
        meaning: one sentence, with its end.
        labels: in order.
        part: what it is read from; one part that cannot be read leaves the others as they are.
        kind: `gauge` or `counter`.
    """

    name: str
    meaning: str
    labels: tuple[str, ...]
    part: str
    kind: str = "gauge"

    @property
    def full_name(self) -> str:
        """The name that Prometheus sees."""
        return PREFIX + self.name


LAKE, FEATURES, MODELS, WATCH, ROLLOUTS, OPERATIONS, DAEMONS, DUE, CLOCK, COST = (
    "lake",
    "features",
    "models",
    "watch",
    "rollouts",
    "operations",
    "daemons",
    "due",
    "clock",
    "cost",
)
PARTS = (LAKE, FEATURES, MODELS, WATCH, ROLLOUTS, OPERATIONS, DAEMONS, DUE, CLOCK, COST)

CASE = ("use_case",)
TABLE = ("use_case", "layer", "table")

METRICS = (
    PlatformMetric(
        "newest_event_timestamp_seconds",
        "Time of the newest published event of a daily source.",
        (*CASE, "source"),
        LAKE,
    ),
    PlatformMetric(
        "cost_euros",
        "Cost of the last 24 hours by kind, where the price sheet is in euros.",
        (*CASE, "kind"),
        COST,
    ),
    PlatformMetric(
        "cost",
        "Cost of the last 24 hours by kind, in the currency of the price sheet.",
        (*CASE, "kind", "currency"),
        COST,
    ),
    PlatformMetric(
        "budget_spent_ratio",
        "Share of `budget.per_month` that this month of the calendar has spent, where it is declared.",
        CASE,
        COST,
    ),
    PlatformMetric("table_rows", "Rows of the latest version of a table.", TABLE, LAKE),
    PlatformMetric("table_bytes", "Bytes of the data files of the latest version of a table.", TABLE, LAKE),
    PlatformMetric("table_files", "Data files of the latest version of a table.", TABLE, LAKE),
    PlatformMetric(
        "refused_rows",
        "Rows in quarantine of the newest delivered day of a source; of all rows where it has no days.",
        (*CASE, "source", "day"),
        LAKE,
    ),
    PlatformMetric(
        "feature_newest_day_timestamp_seconds", "Begin of the newest day of a feature view.", (*CASE, "view"), FEATURES
    ),
    PlatformMetric(
        "online_store_day_timestamp_seconds",
        "Begin of the newest day whose state the online store was given.",
        CASE,
        FEATURES,
    ),
    PlatformMetric(
        "model_as_of_timestamp_seconds",
        "Begin of the day that the champion was trained as of.",
        (*CASE, "version"),
        MODELS,
    ),
    PlatformMetric(
        "quality",
        "Newest figures of quality: `true` from labels, with `low` and `high` of its interval, and the `bound` that must not be lost; "
        "`estimated` before labels, with `estimated_low` and `estimated_high`, absent while it is withdrawn.",
        (*CASE, "metric", "kind"),
        WATCH,
    ),
    PlatformMetric(
        "quality_window_timestamp_seconds", "Begin of the last day of the window that `quality` is about.", CASE, WATCH
    ),
    PlatformMetric(
        "estimate_withdrawn", "1 where the newest estimate of quality may not be believed, else 0.", CASE, WATCH
    ),
    PlatformMetric(
        "estimate_window_timestamp_seconds",
        "Begin of the last day of the window that the newest estimate is about.",
        CASE,
        WATCH,
    ),
    PlatformMetric(
        "importance_change",
        "Share of the importance that went from some inputs to others since training, 0 to 1.",
        CASE,
        WATCH,
    ),
    PlatformMetric(
        "business_measure", "Declared measures over the newest window with labels.", (*CASE, "measure"), WATCH
    ),
    PlatformMetric(
        "retrain_requests_failed",
        "Trainings that were asked for in the present episode and failed, by the newest decision.",
        CASE,
        WATCH,
    ),
    PlatformMetric("quality_label_coverage_ratio", "Predictions of that window whose label is known.", CASE, WATCH),
    PlatformMetric(
        "drift_columns", "Watched columns of the newest window, by their verdict.", (*CASE, "status"), WATCH
    ),
    PlatformMetric(
        "drift_window_timestamp_seconds",
        "Begin of the last day of the window that `drift_columns` is about.",
        CASE,
        WATCH,
    ),
    PlatformMetric(
        "rollout_stage_since_timestamp_seconds",
        "When the stage of the rollout under way began; absent where none is.",
        CASE,
        ROLLOUTS,
    ),
    PlatformMetric(
        "rollout_new_weight_ratio", "Share of the requests that the version which is coming answers.", CASE, ROLLOUTS
    ),
    PlatformMetric(
        "failed_runs", "Runs that failed in the last day and were not mended since, by job.", (*CASE, "job"), OPERATIONS
    ),
    PlatformMetric("runs_in_progress", "Runs under way, by job.", (*CASE, "job"), OPERATIONS),
    PlatformMetric("queued_runs", "Runs that wait for their turn, by job.", (*CASE, "job"), OPERATIONS),
    PlatformMetric(
        "oldest_queued_run_seconds",
        "How long the run that waits longest has waited; 0 where none does.",
        (),
        OPERATIONS,
    ),
    PlatformMetric(
        "newest_success_timestamp_seconds",
        "When the newest run of a job of the last day that succeeded ended.",
        (*CASE, "job"),
        OPERATIONS,
    ),
    PlatformMetric(
        "red_checks",
        "1 for a check that failed or did not run, 0 for one that passed.",
        (*CASE, "asset", "check"),
        OPERATIONS,
    ),
    PlatformMetric(
        "daemon_heartbeat_timestamp_seconds",
        "Last sign of life of a part of Dagster's daemon; 0 for one that is needed and never gave one.",
        ("daemon",),
        DAEMONS,
    ),
    PlatformMetric(
        "daemon_processes",
        "Processes of Dagster's daemon that gave a sign of life in the last 90 seconds.",
        (),
        DAEMONS,
    ),
    PlatformMetric(
        "sensor_running", "1 for a sensor or schedule that is switched on, else 0.", (*CASE, "sensor"), OPERATIONS
    ),
    PlatformMetric(
        "sensor_last_tick_timestamp_seconds",
        "When a sensor or schedule was last looked at; absent for never.",
        (*CASE, "sensor"),
        OPERATIONS,
    ),
    PlatformMetric(
        "sensor_last_tick_failed",
        "1 where the newest tick of a sensor or schedule failed, else 0.",
        (*CASE, "sensor"),
        OPERATIONS,
    ),
    PlatformMetric("due_days_behind", "Days that are due and not done, by job.", (*CASE, "job"), DUE),
    PlatformMetric(
        "clock_timestamp_seconds", "The time that what is due is judged by; ages are differences to it.", (), CLOCK
    ),
)

ERRORS = PlatformMetric(
    "exporter_errors_total",
    "Questions that could not be answered; what they would have said is absent.",
    ("part",),
    "exporter",
    "counter",
)
READ_SECONDS = PlatformMetric("exporter_read_seconds", "Time that it took to read a part.", ("part",), "exporter")
READ_AT = PlatformMetric(
    "exporter_read_timestamp_seconds", "When a part was last read, by the machine's clock.", ("part",), "exporter"
)
OWN_METRICS = (ERRORS, READ_SECONDS, READ_AT)
"""What the exporter says of itself."""
