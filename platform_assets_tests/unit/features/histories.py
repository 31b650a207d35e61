"""Random histories of the tiny use case of payments, with its declaration and the oracle that the window engine is held to."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
from hypothesis import strategies as st

from platform_assets.testing.declare import row, window
from platform_assets.testing.feature_oracle import CONDITIONS, expected_features, expected_row
from platform_assets.testing.payments import (
    EVENT_SCHEMA,
    FIRST_DAY,
    LABEL_DELAY_DAYS,
    LABEL_SCHEMA,
    LAST_DAY,
    MIDNIGHT,
    rich_case,
    use_case,
    view_of,
)

__all__ = [
    "CONDITIONS",
    "EVENT_SCHEMA",
    "FIRST_DAY",
    "LABEL_DELAY_DAYS",
    "LABEL_SCHEMA",
    "LAST_DAY",
    "MIDNIGHT",
    "expected_features",
    "expected_row",
    "histories",
    "rich_case",
    "row",
    "use_case",
    "view_of",
    "window",
]


@st.composite
def histories(draw: st.DrawFn, max_size: int = 40) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Events in random order with their labels: few entities, coarse times, so that ties and edges are common."""
    minutes = st.one_of(
        st.integers(0, 12 * 24 - 1).map(lambda hour: hour * 60.0),
        st.integers(0, 11).map(lambda day: day * 24 * 60.0),
        st.floats(0, 12 * 24 * 60 - 1),
    )
    amounts = st.none() | st.floats(-1e6, 1e6, allow_nan=False) | st.sampled_from([0.1, 0.2, 0.3])
    count = draw(st.integers(0, max_size))
    rows, labels = [], []
    for key in draw(st.permutations(range(count))):
        time = MIDNIGHT + timedelta(minutes=draw(minutes))
        entity = st.integers(0, 2)
        rows.append((key, time, draw(entity), draw(entity), draw(amounts), time.date()))
        label = draw(st.sampled_from([0, 1, None]))
        if label is not None:
            labels.append((key, time, label, time.date()))
    return (
        pl.DataFrame(rows, schema=EVENT_SCHEMA, orient="row"),
        pl.DataFrame(labels, schema=LABEL_SCHEMA, orient="row"),
    )
