"""Windows over days of a time zone: what the oracle counts, the same as a table, carried from day to day, and for one request."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from platform_assets.declaration import UseCase
from platform_assets.declaration.sections.sources import EVENT_DAY
from platform_assets.declaration.time_zones import day_of, day_start
from platform_assets.features.consistency.explain import entity_moment, explain_view
from platform_assets.features.entity_state import EntityEvents, entity_state, state_layout
from platform_assets.features.offline.carried_state import carried_state, next_days
from platform_assets.features.offline.feature_table import compute_view
from platform_assets.features.offline.lookups import join_lookups
from platform_assets.features.online.feast_connection import FeastSettings
from platform_assets.features.online.request_features import OnlineFeatures
from platform_assets.features.online.request_windows import window_values
from platform_assets.features.online.store import apply, write_state
from platform_assets.features.state_events import state_event
from platform_assets.testing.declare import declaration, window

ZONE = "America/Chicago"
EVENTS = {"sale": "int64", "at": "datetime", "shop": "int32", "items": "int32"}
WINDOWS = [
    window("count_whole", "count", None, [1, 3], resolution="day", delay_days=1),
    window("items_whole", "sum", "items", [2], resolution="day", delay_days=1),
    window("items_exact", "sum", "items", [1, 2]),
    window("std_whole", "std", "items", [3], resolution="day", delay_days=1),
    window("last_whole", "last", "items", [3], resolution="day", delay_days=1),
]


def declared(zone: str = ZONE) -> UseCase:
    view = {"name": "shop_activity", "entity": "shop", "windows": WINDOWS}
    document = declaration(
        events=EVENTS,
        label="late",
        features=[view],
        label_source={"time_zone": zone},
        entities=[{"name": "shop", "key": "shop"}],
    )
    document["sources"][0]["time_zone"] = zone
    return UseCase.model_validate(document)


def events(first: date, days: int, rows: int = 400, seed: int = 3) -> pl.DataFrame:
    """Events of three shops, some in the hour that comes twice, some at the same moment."""
    rng, begin = np.random.default_rng(seed), day_start(first, ZONE)
    seconds = int((day_start(first + timedelta(days=days), ZONE) - begin).total_seconds())
    offsets = np.sort(rng.integers(0, seconds // 1800, rows)) * 1800
    times = [begin + timedelta(seconds=int(offset)) for offset in offsets]
    return pl.DataFrame(
        {
            "sale": pl.Series(range(rows), dtype=pl.Int64),
            "at": pl.Series(times, dtype=pl.Datetime("us", "UTC")),
            "shop": pl.Series(rng.integers(1, 4, rows), dtype=pl.Int32),
            "items": pl.Series(rng.integers(1, 9, rows), dtype=pl.Int32),
            EVENT_DAY: [day_of(time, ZONE) for time in times],
        }
    )


def oracle(rows: list[dict[str, Any]], row: dict[str, Any], name: str, length: int) -> list[int]:
    """Items of the events that a window covers, row by row and day by day."""
    day = day_of(row["at"], ZONE)
    if name == "items_exact":
        kept = [o for o in rows if row["at"] - timedelta(days=length) < o["at"]]
        return [o["items"] for o in kept if (o["at"], o["sale"]) <= (row["at"], row["sale"])]
    days = {day - timedelta(days=back) for back in range(1, length + 1)}
    return [o["items"] for o in rows if day_of(o["at"], ZONE) in days]


@pytest.mark.parametrize("first", [date(2025, 10, 30), date(2026, 3, 5), date(2025, 7, 1)])
def test_windows_are_those_of_the_oracle_offline_carried_and_online(first: date) -> None:
    use_case, frame = declared(), events(first, 7)
    [view], last = use_case.features, first + timedelta(days=6)
    whole = compute_view(view, use_case, frame, first, last)
    rows = frame.to_dicts()
    for row, features in zip(rows, whole.to_dicts(), strict=True):
        mine = [other for other in rows if other["shop"] == row["shop"]]
        for name, length in [
            ("count_whole", 1),
            ("count_whole", 3),
            ("items_whole", 2),
            ("items_exact", 1),
            ("items_exact", 2),
        ]:
            items = oracle(mine, row, name, length)
            expected = len(items) if name == "count_whole" else sum(items) if items else 0
            assert (features[f"{name}_{length}d"] or 0) == expected, (row, name, length)
        three = oracle(mine, row, "last_whole", 3)
        assert features["last_whole_3d"] == (three[-1] if three else None)
    state = carried_state(view, use_case, frame.clear(), first)
    for i in range(7):
        day = first + timedelta(days=i)
        computed, state = next_days(state, frame.filter(pl.col(EVENT_DAY) == day), day)
        assert computed.equals(whole.filter(pl.col(EVENT_DAY) == day), null_equal=True)
    layout, midday = state_layout(view, use_case), first + timedelta(days=4)
    states = {line["shop"]: line for line in entity_state(view, use_case, frame, midday).to_dicts()}
    for row, features in zip(rows, whole.to_dicts(), strict=True):
        if row[EVENT_DAY] == midday:
            held = states[row["shop"]]
            known = [
                other
                for other in rows
                if other["shop"] == row["shop"] and other[EVENT_DAY] == midday and other["sale"] < row["sale"]
            ]
            history = EntityEvents(
                np.array(held["event_times"], dtype=np.int64),
                (list(held["key_sale"]),),
                np.array([held["value_items"]], dtype=np.float64),
            )
            for other in known:
                history, _ = history.add(state_event(layout, other))
            values = window_values(layout, history, state_event(layout, row))
            expected = [features[name] for name in view.feature_names]
            assert [None if np.isnan(value) else value for value in values.tolist()] == expected


def test_the_first_moments_of_a_short_day_see_the_whole_day_before() -> None:
    use_case = declared()
    [view] = use_case.features
    day = date(2026, 3, 9)
    moments = [day_start(date(2026, 3, 8), ZONE), datetime(2026, 3, 9, 4, 59, 59, tzinfo=UTC), day_start(day, ZONE)]
    frame = events(day, 1, rows=3).with_columns(
        pl.Series("at", moments, dtype=pl.Datetime("us", "UTC")), shop=pl.lit(1, pl.Int32)
    )
    frame = frame.with_columns(pl.Series(EVENT_DAY, [day_of(moment, ZONE) for moment in moments]))
    result = compute_view(view, use_case, frame, day, day)
    assert result["count_whole_1d"].to_list() == [2.0]
    utc = frame.with_columns(pl.col("at").dt.date().alias(EVENT_DAY))
    assert compute_view(declared("UTC").features[0], declared("UTC"), utc, day, day)["count_whole_1d"].to_list() == [
        1.0,
        1.0,
    ]


def test_explanations_show_the_edges_of_local_days() -> None:
    use_case, frame = declared(), events(date(2025, 10, 30), 7)
    [view] = use_case.features
    row = frame.filter(pl.col(EVENT_DAY) == date(2025, 11, 3)).row(0, named=True)
    moment = entity_moment(view, use_case, frame, row["shop"], row["at"])
    explained = {item.feature: item for item in explain_view(moment)}["count_whole_1d"]
    edge = timedelta(microseconds=1)
    assert (explained.oldest, explained.newest) == (
        day_start(date(2025, 11, 2), ZONE) - edge,
        day_start(date(2025, 11, 3), ZONE) - edge,
    )
    assert sum(event.verdict == "counts" for event in explained.events) == explained.value


@pytest.mark.parametrize("first", [date(2025, 10, 30), date(2026, 3, 5)])
def test_a_real_store_written_at_a_local_midnight_answers_the_same(first: date, settings: FeastSettings) -> None:
    use_case, frame = declared(), events(first, 7, seed=first.year)
    [view], midnight = use_case.features, first + timedelta(days=3)  # the day of the change of clocks
    apply(use_case, settings)
    shops = frame.with_columns(pl.col("shop") + first.year)
    write_state(view, entity_state(view, use_case, shops, midnight), settings, use_case)
    offline = compute_view(view, use_case, shops, first, first + timedelta(days=6))
    online = OnlineFeatures(use_case, settings)
    for row, expected in zip(shops.to_dicts(), offline.to_dicts(), strict=True):
        if row[EVENT_DAY] >= midnight:
            event = {name: row[name] for name in use_case.serving.request}
            values = online.vector(event).values.tolist()
            assert [None if np.isnan(value) else value for value in values] == [expected[n] for n in view.feature_names]
            online.record(event)


def test_a_looked_up_row_counts_from_the_midnight_of_the_zone() -> None:
    cards = {
        "name": "limits",
        "description": "Limits",
        "connector": {"kind": "files", "format": "csv", "path": "limits.csv"},
        "primary_key": ["shop", "since"],
        "event_time": "since",
        "time_zone": ZONE,
        "columns": [
            {"name": "shop", "type": "int32", "description": "Shop"},
            {"name": "since", "type": "datetime", "description": "From when on"},
            {"name": "most", "type": "float64", "description": "Limit"},
        ],
    }
    looked_up = {
        "name": "limit",
        "description": "Limit",
        "source": "limits",
        "columns": ["most"],
        "on": {"shop": "shop"},
        "max_age_days": 9,
    }
    document = declaration(
        events=EVENTS,
        label="late",
        features=[{"name": "limits_of_shop", "lookups": [looked_up]}],
        label_source={"time_zone": ZONE},
        sources=[cards],
    )
    document["sources"][0]["time_zone"] = ZONE
    use_case = UseCase.model_validate(document)
    day = date(2025, 11, 2)
    since = day_start(day, ZONE) + timedelta(hours=24, minutes=30)  # in the 25th hour: still that day
    rows = pl.DataFrame(
        {
            "shop": pl.Series([1], dtype=pl.Int32),
            "since": pl.Series([since], dtype=pl.Datetime("us", "UTC")),
            "most": [5.0],
            EVENT_DAY: [day],
        }
    )
    midnight = day_start(day + timedelta(days=1), ZONE)
    moments = [midnight - timedelta(minutes=1), midnight]
    frame = pl.DataFrame(
        {
            "sale": [1, 2],
            "at": pl.Series(moments, dtype=pl.Datetime("us", "UTC")),
            "shop": pl.Series([1, 1], dtype=pl.Int32),
            "items": [1, 1],
        }
    )
    joined = join_lookups(frame, {"limits": rows}, use_case.features[0], use_case)
    assert joined["limit_most"].to_list() == [None, 5.0]
