"""Features of requests as the offline path would have computed them from what was known when each came.

Belongs here: features over rows that became known one by one. Does not belong here: comparing them with what was logged
(`consistency/parity.py`), finding out what the lake held at a moment (`orchestration/assets/parity.py`), the online store
(`online/request_features.py`).

A feature table holds what is known today. A row that came late, or a corrected label, changes it after predictions were made, and
they are not wrong for that. So a request is replayed: its windows hold the events that the lake held at its moment, the requests
that were answered before it, and itself as it came in. The same operations compute them, so that the values agree to the bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import numpy as np
import polars as pl

from platform_assets.declaration.use_case import UseCase
from platform_assets.features.aggregation.kernel import MICROSECONDS_PER_DAY
from platform_assets.features.consistency.few_windows import windows_of_each
from platform_assets.features.entities import with_entity_columns
from platform_assets.features.entity_state import EVENT_TIMES, StateLayout, event_rows, state_layout
from platform_assets.features.event_frames import require_columns
from platform_assets.features.offline.feature_table import EVENT_TIME_TYPE, add_row_features
from platform_assets.features.offline.lookups import join_lookups

SCORED_AT = "scored_at"
REQUESTS_AT_ONCE = 4_000
"""Requests whose histories are in memory together."""

_REQUEST, _SINCE, _OWN = "__request", "__known_since", "__own"
_ALWAYS = -(2**62)


def replayed_features(
    requests: pl.DataFrame,
    held: pl.DataFrame,
    answered: pl.DataFrame,
    use_case: UseCase,
    tables: Mapping[str, pl.DataFrame] | None = None,
) -> pl.DataFrame:
    """Features of requests from what was known when each was scored.

    Args:
        requests: the requests' columns and `scored_at`, as the prediction log has them.
        held: clean rows of the event source that the lake held at that time, with the label joined in as far as it was known;
            from the longest window before the oldest request on.
        answered: requests that may have been answered before, in the columns of `requests`. One counts for those scored later,
            unless `held` has its event already.
        use_case: the declaration.
        tables: clean rows of the tables that views look into, by source, as the lake held them.

    Returns:
        The event's key and Float64 features, one row for each request, in the order of the requests.

    Raises:
        FeatureError: a column or a table is missing, or an expression or a function fails.
    """
    keys, names = list(use_case.event_source.primary_key), use_case.feature_names
    require_columns(requests.columns, [*use_case.serving.request, SCORED_AT], "requests to replay")
    if requests.is_empty():
        return requests.select(*keys, *(pl.lit(None, pl.Float64).alias(name) for name in names))
    requests, held, answered = (
        with_entity_columns(frame, use_case, use_case.features) for frame in (requests, held, answered)
    )
    parts = [
        _replay(requests.slice(begin, REQUESTS_AT_ONCE), held, answered, use_case, tables or {})
        for begin in range(0, requests.height, REQUESTS_AT_ONCE)
    ]
    return pl.concat(parts)


def _replay(
    requests: pl.DataFrame,
    held: pl.DataFrame,
    answered: pl.DataFrame,
    use_case: UseCase,
    tables: Mapping[str, pl.DataFrame],
) -> pl.DataFrame:
    frame = requests.select(use_case.serving.request)
    for view in use_case.features:
        frame = join_lookups(frame, tables, view, use_case)
        if view.windows:
            frame = frame.with_columns(_window_features(state_layout(view, use_case), requests, held, answered))
    computed = add_row_features(frame, use_case.features)
    names = [pl.col(name).cast(pl.Float64) for name in use_case.feature_names]
    return computed.select(*use_case.event_source.primary_key, *names)


def _window_features(
    layout: StateLayout, requests: pl.DataFrame, held: pl.DataFrame, answered: pl.DataFrame
) -> list[pl.Series]:
    """The view's windows, a column for each, in the order of the requests."""
    own = _request_rows(requests, layout).with_columns(
        pl.int_range(pl.len(), dtype=pl.Int64).alias(_REQUEST), pl.lit(True).alias(_OWN)
    )
    known = _known(own, _pool(layout, requests, held, answered), layout)
    late = known.filter(pl.col(EVENT_TIMES) > pl.col("__at") + layout.late_days * MICROSECONDS_PER_DAY)[
        _REQUEST
    ].unique()
    seen = known.filter(pl.col(EVENT_TIMES) <= pl.col("__at")).drop("__at")
    order = [_REQUEST, EVENT_TIMES, *layout.key_fields]
    rows = pl.concat([seen, own.select(seen.columns)]).sort(order)
    counts = rows.group_by(_REQUEST).len().sort(_REQUEST)["len"].to_numpy()
    times = rows[EVENT_TIMES].to_numpy()
    values = np.empty((len(layout.value_fields), rows.height))
    for index, name in enumerate(layout.value_fields):
        values[index] = rows[name].to_numpy()
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    asking = np.flatnonzero(rows[_OWN].to_numpy())
    answers = windows_of_each(layout.plan, times, starts, values, asking)
    answers[:, late.to_numpy()] = (
        np.nan
    )  # the service's history has been cut behind them: it reports that, and the values are missing
    return [pl.Series(name, answers[index]).fill_nan(None) for index, name in enumerate(layout.plan.names)]


def _request_rows(rows: pl.DataFrame, layout: StateLayout) -> pl.DataFrame:
    """Requests in the columns of a state; values that need columns a request does not carry are missing.

    Returns:
        The columns of `event_rows` and `scored_at` in microseconds.
    """
    source = layout.use_case.event_source
    carried = {*layout.use_case.serving.request} - {layout.use_case.label.column}
    lacking = [name for value in layout.plan.values for name in sorted(value.roots - carried)]
    types = {column.name: column.polars_type for column in source.columns}
    label = layout.use_case.label
    types.setdefault(label.column, layout.use_case.label_source.column(label.column).polars_type)
    whole = rows.with_columns(pl.lit(None, types[name]).alias(name) for name in dict.fromkeys(lacking))
    events = event_rows(layout, whole)
    unknown = [
        field
        for value, field in zip(layout.plan.values, layout.value_fields, strict=True)
        if not value.roots <= carried
    ]
    since = rows[SCORED_AT].cast(EVENT_TIME_TYPE).to_physical().alias(_SINCE)
    return events.with_columns([since, *(pl.lit(float("nan")).alias(field) for field in unknown)])


def _pool(layout: StateLayout, requests: pl.DataFrame, held: pl.DataFrame, answered: pl.DataFrame) -> pl.DataFrame:
    """Everything that a request of these may have known of its entity, each event with the moment since when."""
    keys, entity = list(layout.use_case.event_source.primary_key), layout.entity_key
    entities = requests.select(pl.col(entity).drop_nulls().unique())
    time = layout.use_case.event_time
    oldest = requests[time].min()
    reach = timedelta(days=layout.span_days)
    near = pl.col(time) > pl.lit(oldest, EVENT_TIME_TYPE) - reach
    history = held.filter(near).join(entities, on=entity, how="semi")
    known = event_rows(layout, history).with_columns(pl.lit(_ALWAYS, pl.Int64).alias(_SINCE))
    before = (
        answered.filter(near)
        .join(entities, on=entity, how="semi")
        .join(history.select(keys), on=keys, how="anti")
        .sort(SCORED_AT)
        .unique(keys, keep="first", maintain_order=True)
    )
    return pl.concat([known, _request_rows(before, layout).select(known.columns)])


def _known(own: pl.DataFrame, pool: pl.DataFrame, layout: StateLayout) -> pl.DataFrame:
    """For each request the other events of its entity that were known before it and are not too old, its time in `__at`."""
    requests = own.select(
        layout.entity_key,
        _REQUEST,
        pl.col(EVENT_TIMES).alias("__at"),
        pl.col(_SINCE).alias("__scored"),
        *(pl.col(field).alias(f"__{field}") for field in layout.key_fields),
    )
    pairs = pool.join(requests, on=layout.entity_key, how="inner")
    reach = layout.span_days * MICROSECONDS_PER_DAY
    return pairs.filter(
        pl.col(EVENT_TIMES) > pl.col("__at") - reach,
        pl.col(_SINCE) < pl.col("__scored"),
        ~_same_event(layout.key_fields),
    ).select(*pool.columns, _REQUEST, pl.lit(False).alias(_OWN), "__at")


def _same_event(fields: Sequence[str]) -> pl.Expr:
    """Whether a pair is the request and its own event; without other key columns, when their times are equal."""
    if not fields:
        return pl.col(EVENT_TIMES) == pl.col("__at")
    return pl.all_horizontal([pl.col(field) == pl.col(f"__{field}") for field in fields])
