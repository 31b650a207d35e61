"""The prediction log's columns: written by the service, read by monitoring.

Belongs here: names, types and file names that both sides share. Does not belong here: writing (`serving/`) or reading
(`monitoring/`).
"""

from collections.abc import Mapping

import polars as pl

from platform_assets.declaration.sections.sources import EVENT_DAY
from platform_assets.declaration.use_case import UseCase

SEGMENT_SUFFIX = ".jsonl"
"""Ends the names of files with predictions, one a line."""

COMPRESSED_SUFFIX = f"{SEGMENT_SUFFIX}.gz"
"""Ends the names of those that were compressed since."""

OUTAGE_SUFFIX = ".refused.json"
"""Ends the names of files that count the requests that were refused because the log took no lines."""

FEATURE_PREFIX = "feature__"
"""Prefix of the columns that hold the feature values a prediction was made from."""

PREDICTION_COLUMNS: Mapping[str, pl.DataType] = {
    "request_id": pl.String(),
    "scored_at": pl.Datetime("us", "UTC"),
    "score": pl.Float64(),
    "decision": pl.String(),
    "model_version": pl.String(),
    "release": pl.String(),
    "feature_contract": pl.String(),
    "unknown_entities": pl.String(),
    "latency_ms": pl.Float64(),
    "fallback": pl.String(),
    "caller_request_id": pl.String(),
    "experiment": pl.String(),
    "variant": pl.String(),
    "role": pl.String(),
    "trace_id": pl.String(),
}
"""What every prediction carries besides the request and its features: `request_id` is the service's own and unique,
`caller_request_id` the `x-request-id` that came with the request, which may come again, `release` is the service's digest,
`unknown_entities` the names of entities without history, joined by commas, `latency_ms` the time in the service, `fallback`
why the features are not what the online store holds (`store unreachable`); null for all others. `experiment` names the A/B test
that ran when the request came, and `variant` what its entity was given in it (`control` or `treatment`); null where it took no part. `role`
says whether a caller was given the answer (`live`, or null) or a version in shadow gave it to nobody (`shadow`). `trace_id` names the
trace that the request was part of, where that was sampled. Of a multi-class task `decision` is the predicted class and `score` its
probability."""

OPTIONAL_COLUMNS = ("fallback", "caller_request_id", "experiment", "variant", "role", "trace_id")
"""Null in most predictions, and not written at all by services from before there was the column."""


LIVE = "live"
SHADOW = "shadow"
"""Roles of a prediction: its answer was given to the caller, or to nobody."""


def live_rows(log: pl.DataFrame) -> pl.DataFrame:
    """The predictions that callers were given, of a log that may hold those of a version in shadow too."""
    return log.filter(pl.col("role").ne_missing(SHADOW))


def prediction_log_schema(use_case: UseCase) -> dict[str, pl.DataType]:
    """Stored schema of the prediction log: request columns, prediction columns, features, event day.

    Some kinds of task have columns of their own: a multi-class one the probability of each class.
    """
    events = use_case.event_source
    schema = {name: events.column(name).polars_type for name in use_case.serving.request}
    schema.update(PREDICTION_COLUMNS)
    schema.update(use_case.task.log_columns)
    schema.update({FEATURE_PREFIX + name: pl.Float64() for name in use_case.feature_names})
    schema[EVENT_DAY] = pl.Date()
    return schema
