"""The columns of every table that a use case has, beside its feature tables: written once, here.

Belongs here: stored schemas, each with what its columns mean. Does not belong here: how a table is made or read (`catalog.py`), or the
columns that a team declares (`declaration/sections/columns.py`).
"""

import polars as pl

from platform_assets.declaration.delivered_columns import EXTRA, SOURCE_LINE, SOURCE_POSITION, UNCAST
from platform_assets.declaration.prediction_log import FEATURE_PREFIX
from platform_assets.declaration.sections.changes import (
    CHANGE_OPERATION,
    CHANGE_SEQUENCE,
    CHANGE_TIME,
    IS_DELETED,
    OPERATION,
    ROW_DAY,
    ROW_SEQUENCE,
    VALID_FROM,
    VALID_TO,
)
from platform_assets.declaration.sections.migrations import Default
from platform_assets.declaration.sections.sources import EVENT_DAY, Source
from platform_assets.declaration.use_case import UseCase
from platform_assets.tasks.registry import task_of

LABEL_DAYS, LABEL_VALUES = "label_days", "label_values"
"""Of a training set whose labels are dated by their decision: the days from which a row's label had each of its values, in order."""

AS_OF = "as_of"
"""Partition column of tables that are made as of a day."""

PUBLISHED = "published"
"""Column of a profile: whether its day was published."""

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)

PROFILE_SCHEMA = pl.Schema(
    {
        EVENT_DAY: pl.Date(),
        "column": pl.String(),
        "type": pl.String(),
        "rows": pl.Int64(),
        "nulls": pl.Int64(),
        "distinct": pl.Int64(),
        "minimum": pl.String(),
        "maximum": pl.String(),
        "mean": pl.Float64(),
        "std": pl.Float64(),
        **{f"q{round(100 * q):02d}": pl.Float64() for q in QUANTILES},
        "top_values": pl.String(),
        "histogram": pl.String(),
    }
)
"""`std` is that of the sample. Mean, std and quantiles are of numbers only, and the quantiles are values that occur.
`top_values` is JSON, `[[value, count], ...]`, the most frequent first, of at most 10 values that occur more than once. `histogram` is JSON:
`{"edges": [21 numbers], "counts": [20]}` for numbers, `{"hours": [24 counts]}` for the event time, else null."""

QUARANTINE_SCHEMA = pl.Schema(
    {
        EVENT_DAY: pl.Date(),
        SOURCE_POSITION: pl.String(),
        "rule": pl.String(),
        "column": pl.String(),
        "value": pl.String(),
        "also": pl.String(),
        "row": pl.String(),
    }
)
"""One line for each refused row: the day it was delivered for, where it came from, the first rule it breaks with column
and value, further ones it breaks (`maximum(torque), reference(machine_id)`), and the whole row as JSON."""

RELEASED_SCHEMA = pl.Schema({SOURCE_POSITION: pl.String(), "row": pl.String()})
"""What tells a released row again: its position in the source, and its whole content as in the quarantine."""

ACCEPTANCE_SCHEMA: dict[str, pl.DataType] = {
    "action": pl.String(),
    "rules": pl.String(),
    "rows": pl.Int64(),
    "content": pl.String(),
    "who": pl.String(),
    "why": pl.String(),
    "at": pl.Datetime("us", "UTC"),
    "until": pl.Date(),
    EVENT_DAY: pl.Date(),
}
"""One row for each decision about a day, `accept` or `undo`; the newest of a day counts. `rules` is JSON, `[[rule, column], ...]`: what was
accepted. `content` is a digest of the rows that were delivered then."""

FEATURE_QUALITY_SCHEMA: dict[str, pl.DataType] = {
    "feature": pl.String(),
    "missing_ratio": pl.Float64(),
    "distinct": pl.Int64(),
    **{name: pl.Float64() for name in ("minimum", "lower", "median", "upper", "maximum", "largest_share")},
    "largest_psi": pl.Float64(),
    "correlation": pl.Float64(),
    "single_feature_score": pl.Float64(),
    "most_similar": pl.String(),
    "similarity": pl.Float64(),
    "leaks": pl.Boolean(),
    "findings": pl.List(pl.String()),
    "as_of": pl.Date(),
}
"""One row for each feature and as-of day; `lower` and `upper` are the 1st and 99th percentile."""

PARITY_SCHEMA: dict[str, pl.DataType] = {
    "status": pl.String(),
    "passed": pl.Boolean(),
    "predictions": pl.Int64(),
    "as_known": pl.Int64(),
    "unequal": pl.Int64(),
    "not_comparable": pl.Int64(),
    "explanation": pl.String(),
    "mismatches": pl.String(),
    EVENT_DAY: pl.Date(),
}
"""One row for each day; `mismatches` is a JSON list of feature, entity, time and both values."""

VERDICT_SCHEMA: dict[str, pl.DataType] = {
    "status": pl.String(),
    "passed": pl.Boolean(),
    "causes": pl.List(pl.String()),
    "model_version": pl.String(),
    "result": pl.String(),
    EVENT_DAY: pl.Date(),
}
"""One row for each window, by its last event day; `result` is the whole verdict as JSON."""

RETRAIN_SCHEMA: dict[str, pl.DataType] = {
    "verdict": pl.String(),
    "cause": pl.String(),
    "reason": pl.String(),
    "attempt": pl.Int64(),
    "failed_requests": pl.Int64(),
    "model_version": pl.String(),
    "model_as_of": pl.Date(),
    "model_age_days": pl.Int64(),
    "drift_size": pl.Float64(),
    "drifted_columns": pl.List(pl.String()),
    "metric": pl.String(),
    **{f"{kind}_loss_ratio{end}": pl.Float64() for kind in ("measured", "estimated") for end in ("", "_low", "_high")},
    "label_coverage_ratio": pl.Float64(),
    "training_seconds": pl.Float64(),
    "other_settings": pl.String(),
    "evidence": pl.String(),
    AS_OF: pl.Date(),
}
"""One row for each as-of day. `drift_size` is the largest statistic of a column as a multiple of its limit; a loss is the share of the
evaluation's figure that is lost, negative where the metric is better. `other_settings` and `evidence` are JSON."""

LEDGER_SCHEMA: dict[str, pl.DataType] = {
    "entry": pl.String(),
    "at": pl.Datetime("us", "UTC"),
    "use_case": pl.String(),
    "action": pl.String(),
    "model_version": pl.String(),
    "previous_version": pl.String(),
    "release": pl.String(),
    "evidence": pl.String(),
    "run_id": pl.String(),
    "environment": pl.String(),
    "chain": pl.String(),
}
"""`entry` is the idempotency key, `release` the digest of the service, `evidence` JSON, `run_id` the Dagster run. Entries that are
older than the column `environment` have null there, which stands for production. `chain` is a link to the entries before; null in entries
from before there was one."""

ANCHOR_SCHEMA: dict[str, pl.DataType] = {
    "anchor": pl.String(),
    "at": pl.Datetime("us", "UTC"),
    "kind": pl.String(),
    "name": pl.String(),
    "lines": pl.Int64(),
    "head": pl.String(),
}
"""Where the log and the ledger ended when they were anchored. `kind` is `segment` of the services' log, `ledger` of the ledger (`head`:
links of its last entries, joined by +), or `all`: the hash over the anchor's other rows and the anchor before, which is the one to keep
elsewhere."""

ERASURE_SCHEMA: dict[str, pl.DataType] = {
    "erasure": pl.String(),
    "at": pl.Datetime("us", "UTC"),
    "entity": pl.String(),
    "value_hash": pl.String(),
    "who": pl.String(),
    "why": pl.String(),
    "removed": pl.String(),
    "log_lines": pl.String(),
    "left": pl.String(),
}
"""One row for each erasure. `value_hash` is a keyed hash of what was erased, `removed` JSON with the rows of each table, `log_lines` a
JSON list of the commitments whose lines were erased, `left` a JSON list of what was left, and why."""

USAGE_SCHEMA: dict[str, pl.DataType] = {
    EVENT_DAY: pl.Date(),
    "at": pl.Datetime("us", "UTC"),
    "kind": pl.String(),
    "name": pl.String(),
    **dict.fromkeys(("part", "job", "days", "run_id", "process"), pl.String()),
    **dict.fromkeys(
        (
            "seconds",
            "cpu_seconds",
            "gigabyte_seconds",
            "gpu_seconds",
            "gigabyte_hours_stored",
            "reading_cpu_seconds",
        ),
        pl.Float64(),
    ),
    **dict.fromkeys(("read_bytes", "written_bytes", "stored_bytes", "requests", "reading_requests"), pl.Int64()),
}
"""What work took: a row for each step of a run that ended (`run_id`, `job`, `days`), of a training one for each `part` and the rest;
for each process that goes on (`process`; `reading_` is what it said of itself then); and for each table. `event_day` is the day of `at` in
UTC. GB are 10^9 bytes."""

UPKEEP_SCHEMA: dict[str, pl.DataType] = {
    "ran_at": pl.Datetime("us", "UTC"),
    "table": pl.String(),
    "kept_versions": pl.Int64(),
    **dict.fromkeys(
        (
            "version",
            "files_before",
            "files_after",
            "bytes_before",
            "bytes_after",
            "stored_files_before",
            "stored_files_after",
            "stored_bytes_before",
            "stored_bytes_after",
            "compacted_partitions",
            "removed_files",
        ),
        pl.Int64(),
    ),
}
"""One row for each table and run; bytes and files are those of the latest version, `stored_` those of all versions."""


def raw_schema(source: Source) -> dict[str, pl.DataType]:
    """Declared columns, where each row came from, cells whose text could not be read as the declared type, and, as JSON,
    the cells of columns that are not declared. Changes carry what they do as well.

    In the raw layer `event_day` is the day a row was delivered for; whether that is the day of its event is judged
    when it is cleaned.
    """
    schema = {column.name: column.polars_type for column in source.columns}
    schema.update({SOURCE_POSITION: pl.String(), SOURCE_LINE: pl.Int64(), UNCAST: pl.String(), EXTRA: pl.String()})
    if source.is_incremental:
        schema.update(
            {CHANGE_OPERATION: pl.String(), CHANGE_SEQUENCE: pl.Int64(), CHANGE_TIME: pl.Datetime("us", "UTC")}
        )
        schema.update({ROW_DAY: pl.Date(), ROW_SEQUENCE: pl.Int64()})
    if source.is_daily:
        schema[EVENT_DAY] = pl.Date()
    return schema


def added_columns(source: Source) -> tuple[Default, ...]:
    """Columns of the platform's own that raw tables of before lack, and what stands in them for old rows."""
    why = "raw tables from before say nothing about it"
    return (Default(kind="default", column=CHANGE_TIME, value=None, why=why),) if source.is_incremental else ()


def keeps_deleted(source: Source) -> bool:
    """Whether the clean table keeps deleted rows, marked."""
    return source.is_incremental and source.changes.deletes == "soft"


def clean_schema(source: Source) -> dict[str, pl.DataType]:
    """Stored schema of the clean table."""
    schema = source.polars_schema()
    if not keeps_deleted(source):
        return schema
    day = {EVENT_DAY: schema.pop(EVENT_DAY)} if source.is_daily else {}
    return {**schema, **day, IS_DELETED: pl.Boolean()}


def history_schema(source: Source) -> dict[str, pl.DataType]:
    """Stored schema of the table of all versions: declared columns, where the version came from, and when it was valid."""
    schema = source.polars_schema()
    day = schema.pop(EVENT_DAY)
    of_version = {SOURCE_POSITION: pl.String(), OPERATION: pl.String(), VALID_FROM: pl.Int64(), VALID_TO: pl.Int64()}
    return {**schema, **of_version, EVENT_DAY: day}


def quarantine_schema(source: Source) -> dict[str, pl.DataType]:
    """Schema of the quarantine; a reference table has no delivery day."""
    schema = dict(QUARANTINE_SCHEMA)
    if not source.is_daily:
        schema.pop(EVENT_DAY)
    return schema


def releases_schema(source: Source) -> dict[str, pl.DataType]:
    """Schema of the releases: the row as it was, the rule it broke, and who let it pass, why, when and until when."""
    decision = {"rule": pl.String(), "column": pl.String(), "who": pl.String(), "why": pl.String()}
    schema = {**RELEASED_SCHEMA, **decision, "released_at": pl.Datetime("us", "UTC"), "until": pl.Date()}
    return {EVENT_DAY: pl.Date(), **schema} if source.is_daily else schema


def profile_schema(source: Source) -> dict[str, pl.DataType]:
    """A profile's columns, and whether the day was published: profiles of refused days are kept, too."""
    schema = {**PROFILE_SCHEMA, PUBLISHED: pl.Boolean()}
    if not source.is_daily:
        schema.pop(EVENT_DAY)
    return schema


def training_set_schema(use_case: UseCase) -> dict[str, pl.DataType]:
    """Stored schema: event key, group, event time, features in contract order, label, event day, as-of day."""
    events = use_case.event_source
    label = use_case.label
    schema = {name: events.column(name).polars_type for name in [*events.primary_key, *group_columns(use_case)]}
    schema[use_case.event_time] = events.column(use_case.event_time).polars_type
    schema.update({name: pl.Float64() for name in use_case.feature_names})
    schema[label.column] = use_case.label_source.column(label.column).polars_type
    if use_case.label.decided_at is not None:
        schema |= {LABEL_DAYS: pl.List(pl.Date()), LABEL_VALUES: pl.List(schema[label.column])}
    schema[EVENT_DAY] = pl.Date()
    schema[AS_OF] = pl.Date()
    return schema


def group_columns(use_case: UseCase) -> list[str]:
    """The column that groups rows, unless it is a feature or part of the key already."""
    group = use_case.training.group
    known = {*use_case.event_source.primary_key, use_case.event_time, *use_case.feature_names}
    return [] if group is None or group in known else [group]


def watched_columns(use_case: UseCase) -> tuple[str, ...]:
    """Columns of the prediction log that are watched: what the kind of task has of the score, then every feature."""
    return (*task_of(use_case).drift_columns, *(FEATURE_PREFIX + name for name in use_case.feature_names))
