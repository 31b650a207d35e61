"""Parity: requests answered from a real online store, and every feature value compared with the offline path.

Belongs here: a world in which days are served, then loaded, and faults planted in what was served. Does not belong here: the comparison
(`platform_assets/features/consistency/parity.py`), the asset (`platform_assets/orchestration/assets/parity.py`), latency (`history.py`).
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.common.report import Bar, Topic
from benchmarks.common.world import simulated
from platform_assets.declaration import EVENT_DAY, UseCase, feature_contract_hash
from platform_assets.declaration.names import PREDICTION_LOG
from platform_assets.declaration.prediction_log import FEATURE_PREFIX, OPTIONAL_COLUMNS, prediction_log_schema
from platform_assets.features.consistency.parity import ParityVerdict
from platform_assets.features.entity_state import entity_state
from platform_assets.features.offline.feature_table import compute_view, join_labels, uses_label
from platform_assets.features.online.feast_connection import FeastSettings
from platform_assets.features.online.request_features import OnlineFeatures
from platform_assets.features.online.store import apply, write_state
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake
from platform_assets.lake.layout import FEATURES, SERVING
from platform_assets.lake.table import LakeTable
from platform_assets.pipelines.check_parity import day_parity

REQUESTS = 100_000
LATE_ROWS = 20
Change = Callable[[pl.DataFrame], pl.DataFrame]


@dataclass
class World:
    """A lake, an online store, and what was served from it.

    Attributes:
        use_case: the declaration.
        lake: where everything is kept.
        settings: of the online store.
        events: the simulated events of all days.
        labels: their labels.
        served: days that were served and loaded.
        requests: answered.
        seconds: spent answering.
    """

    use_case: UseCase
    lake: Lake
    settings: FeastSettings
    events: pl.DataFrame
    labels: pl.DataFrame
    served: list[date] = field(default_factory=list)
    requests: int = 0
    seconds: float = 0.0

    def log(self) -> LakeTable:
        """The prediction log."""
        return self.lake.table(self.use_case.name, SERVING, PREDICTION_LOG, prediction_log_schema(self.use_case))

    def known(self, day: date) -> pl.DataFrame:
        """Events before a midnight, with the labels that are known at it."""
        last = day - timedelta(days=self.use_case.label_delay_days)
        labels = self.labels.filter(pl.col(EVENT_DAY) <= last)
        return join_labels(self.events.filter(pl.col(EVENT_DAY) < day), labels, self.use_case)

    def load(self, first: date, last: date) -> None:
        """Publish the events of some days, and the labels that are known when they are over."""
        case, known = self.use_case, last + timedelta(days=1 - self.use_case.label_delay_days)
        in_range = pl.col(EVENT_DAY).is_between(first, last)
        Catalog(case, self.lake).events.stored.write_partitions(self.events.filter(in_range), first, last)
        labels = self.labels.filter(pl.col(EVENT_DAY) <= known)
        start = case.history.first_day
        Catalog(case, self.lake).labels.stored.write_partitions(labels, start, max(start, known), allow_empty=True)

    def compute(self, day: date) -> None:
        """The feature tables of a day, from what is known when it is over."""
        labels = self.labels.filter(pl.col(EVENT_DAY) <= day - timedelta(days=self.use_case.label_delay_days))
        events = join_labels(self.events.filter(pl.col(EVENT_DAY) <= day), labels, self.use_case)
        for view in self.use_case.features:
            table = self.lake.table(self.use_case.name, FEATURES, view.table, self.use_case.feature_schema(view))
            table.write_partitions(compute_view(view, self.use_case, events, day, day), day, day)

    def serve(self, day: date, most: int) -> None:
        """Write the states of the midnight, answer the day's events one after the other, then load the day."""
        case = self.use_case
        known = self.known(day)
        for view in case.features:
            if view.windows:
                events = known if uses_label(view, case) else known.drop(case.label.column)
                write_state(view, entity_state(view, case, events, day), self.settings, case)
        online = OnlineFeatures(case, self.settings)
        online.warm_up()
        today = self.events.filter(pl.col(EVENT_DAY) == day).sort(case.event_time, *case.event_source.primary_key)
        # Entities whole: a customer's later payments see the earlier ones.
        request = today.head(most)
        rows, started = [], time.perf_counter()
        for event in request.select(case.serving.request).iter_rows(named=True):
            vector = online.vector(event)
            rows.append((datetime.now(UTC), *vector.values.tolist()))
            online.record(event)
        self.seconds += time.perf_counter() - started
        self.requests += request.height
        self.events = pl.concat([self.events.filter(pl.col(EVENT_DAY) != day), request]).sort(
            EVENT_DAY, maintain_order=True
        )
        self.load(day, day)
        self.compute(day)
        self.log().write_partitions(_log_rows(case, request, rows), day, day)
        self.served.append(day)


def _log_rows(case: UseCase, request: pl.DataFrame, rows: list[tuple[Any, ...]]) -> pl.DataFrame:
    names = [FEATURE_PREFIX + name for name in case.feature_names]
    values = pl.DataFrame(
        rows, schema={"scored_at": pl.Datetime("us", "UTC"), **dict.fromkeys(names, pl.Float64)}, orient="row"
    )
    given = {
        "request_id": pl.col(case.event_source.primary_key[0]).cast(pl.String),
        "score": pl.lit(0.0),
        "decision": pl.lit(None),
        "model_version": pl.lit("1"),
        "release": pl.lit("none"),
        "feature_contract": pl.lit(feature_contract_hash(case)),
        "unknown_entities": pl.lit(""),
        "latency_ms": pl.lit(0.0),
        **dict.fromkeys(OPTIONAL_COLUMNS, pl.lit(None)),
    }
    rows_of_log = request.hstack(values.with_columns(pl.col(names).fill_nan(None)).get_columns()).with_columns(**given)
    return rows_of_log.select(pl.col(name).cast(dtype) for name, dtype in prediction_log_schema(case).items())


def new_world(use_case: UseCase, folder: Path, days: int, overrides: Mapping[str, Any]) -> World:
    """A lake with the history before the first served day, and an empty online store."""
    settings = FeastSettings(
        project=use_case.name,
        registry=f"sqlite:///{folder / 'registry.db'}",
        online_store={"type": "sqlite", "path": "online.db"},
        home=str(folder),
    )
    apply(use_case, settings)
    first = use_case.history.first_day
    events, labels = simulated(use_case, first, first + timedelta(days=days - 1), overrides)
    return World(use_case, Lake(root=str(folder / "lake")), settings, events, labels)


def measure_parity(
    use_case: UseCase, overrides: Mapping[str, Any], progress: Callable[[str], None], *, requests: int = REQUESTS
) -> Topic:
    """Serve so many requests day by day, compare all of them, then again after late rows, then with faults planted one at a time.

    Args:
        use_case: the declaration.
        overrides: simulator settings in place of the declared ones.
        progress: told of every day.
        requests: how many.
    """
    before = max(view.span_days for view in use_case.features) + 1
    with tempfile.TemporaryDirectory(prefix="platform-assets-bench-") as scratch:
        folder = Path(scratch)
        world = new_world(use_case, folder, before + _days_for(requests), overrides)
        first = use_case.history.first_day + timedelta(days=before)
        world.load(use_case.history.first_day, first - timedelta(days=1))
        day, compared, verdicts = first, 0.0, []
        while world.requests < requests and not world.events.filter(pl.col(EVENT_DAY) == day).is_empty():
            world.serve(day, requests - world.requests)
            started = time.perf_counter()
            verdicts.append(day_parity(Catalog(use_case, world.lake), day))
            compared += time.perf_counter() - started
            progress(f"{day}: {world.requests:,} requests, {verdicts[-1].status}")
            day += timedelta(days=1)
        late = _after_late_rows(world)
        progress(f"after late rows: {late.explanation}")
        faults = {name: _planted(world, change) for name, change in _faults(world).items()}
    for name, verdict in faults.items():
        progress(f"{name}: {verdict.explanation[:160]}")
    return _topic(world, verdicts, compared, late, faults)


def _days_for(requests: int) -> int:
    """Days to simulate: enough for so many requests in a world of at least a hundredth of the default size."""
    return 4 + requests // 5_000


def _after_late_rows(world: World) -> ParityVerdict:
    """Rows that arrive days late, for customers and terminals that were served since; the tables computed again."""
    case, day = world.use_case, world.served[-1]
    eve = day - timedelta(days=1)
    late = world.events.filter(pl.col(EVENT_DAY) == day).head(LATE_ROWS)
    key = case.event_source.primary_key[0]
    moved = late.with_columns(
        pl.col(key) + 10**9, pl.col(case.event_time) - pl.duration(days=1), pl.lit(eve).alias(EVENT_DAY)
    )
    world.events = pl.concat([world.events, moved]).sort(EVENT_DAY, maintain_order=True)
    world.load(eve, eve)
    world.compute(day)
    return day_parity(Catalog(case, world.lake), day)


def _faults(world: World) -> dict[str, Change]:
    """What a broken service would log for the last day, one fault at a time."""
    case, day = world.use_case, world.served[-1]
    windows = [name for view in case.features for window in view.windows for name in window.feature_names]
    count, other = FEATURE_PREFIX + windows[0], FEATURE_PREFIX + windows[-1]
    delayed = next(view for view in case.features if any(window.delay_days for window in view.windows) and view.windows)
    time_name = case.event_time

    def last_place(log: pl.DataFrame) -> pl.DataFrame:
        values = log[count].to_numpy().copy()
        values[0] = np.nextafter(values[0], np.inf)
        return log.with_columns(pl.Series(count, values))

    def stale(log: pl.DataFrame) -> pl.DataFrame:
        old = day - timedelta(days=3)
        events = world.known(day).filter(pl.col(EVENT_DAY) < old)
        return _recomputed(world, log, events, case.features)

    def delay(log: pl.DataFrame) -> pl.DataFrame:
        wrong = tuple(
            window.model_copy(update={"delay_days": window.delay_days + (window.delay_days > 0)})
            for window in delayed.windows
        )
        return _recomputed(world, log, world.known(day), [delayed.model_copy(update={"windows": wrong})])

    result: dict[str, Change] = {
        "one unit in the last place of one value": last_place,
        "times two hours off": lambda log: log.with_columns(pl.col(time_name) + pl.duration(hours=2)),
        "a value of one row lost": lambda log: log.with_columns(
            pl.when(pl.int_range(pl.len()) == 1).then(None).otherwise(other).alias(other)
        ),
        "states of three days ago": stale,
        "a delay one day too long": delay,
    }
    if _null_filled(world.log().read(day, day), case):
        result["missing values filled with 0"] = lambda log: log.with_columns(_null_filled(log, case))
    return result


def _null_filled(log: pl.DataFrame, case: UseCase) -> list[pl.Expr]:
    names = [FEATURE_PREFIX + name for name in case.feature_names if log[FEATURE_PREFIX + name].null_count()]
    return [pl.col(name).fill_null(0.0) for name in names]


def _recomputed(world: World, log: pl.DataFrame, known: pl.DataFrame, views: Any) -> pl.DataFrame:
    """The log with the views' features of its rows from other events."""
    case, day = world.use_case, world.served[-1]
    today = world.events.filter(pl.col(EVENT_DAY) == day).with_columns(
        pl.lit(None, known.schema[case.label.column]).alias(case.label.column)
    )
    keys = list(case.event_source.primary_key)
    for view in views:
        table = compute_view(view, case, pl.concat([known, today.select(known.columns)]), day, day)
        values = table.select(*keys, *(pl.col(name).alias(FEATURE_PREFIX + name) for name in view.feature_names))
        log = log.drop([FEATURE_PREFIX + name for name in view.feature_names]).join(values, on=keys, how="left")
    return log.select(list(prediction_log_schema(case)))


def _planted(world: World, change: Change) -> ParityVerdict:
    """The verdict on the last day with a fault in its log; the right log is put back."""
    day, table = world.served[-1], world.log()
    right = table.read(day, day)
    table.write_partitions(change(right), day, day)
    try:
        return day_parity(Catalog(world.use_case, world.lake), day)
    finally:
        table.write_partitions(right, day, day)


def _topic(
    world: World,
    verdicts: list[ParityVerdict],
    seconds: float,
    late: ParityVerdict,
    faults: Mapping[str, ParityVerdict],
) -> Topic:
    case = world.use_case
    compared = sum(verdict.predictions for verdict in verdicts)
    wrong = sum(verdict.unequal for verdict in verdicts)
    known = sum(verdict.as_known for verdict in verdicts)
    rows = [["served right", f"{compared:,}", f"{known:,}", f"{wrong:,}", ""]]
    rows.append(["after rows that came late", f"{late.predictions:,}", f"{late.as_known:,}", f"{late.unequal:,}", ""])
    for name, verdict in faults.items():
        first = str(verdict.mismatches[0]) if verdict.mismatches else ""
        rows.append([name, f"{verdict.predictions:,}", f"{verdict.as_known:,}", f"{verdict.unequal:,}", first])
    unseen = [name for name, verdict in faults.items() if verdict.passed]
    return Topic(
        "Parity of served and offline features",
        f"{compared:,} requests of `{case.name}` answered one after the other from a SQLite online store and recorded in it "
        f"({1e3 * world.seconds / max(1, world.requests):.1f} ms each), {len(case.feature_names)} features each, {len(verdicts)} days: "
        "states are written at midnight, a day is served, then loaded, then compared with its feature tables "
        f"({seconds:.1f} s for all days). Then rows arrive a day late and the day's tables are computed again; then faults are planted "
        "in the last day's log, one at a time. Windows have to be equal to the bit, row expressions within 1e-9.",
        ["", "requests", "equal only as known then", "unequal", "first one named"],
        rows,
        [
            Bar(
                "every value of every request is equal",
                f"{wrong} of {compared:,} requests differ",
                wrong == 0 and compared > 0,
            ),
            Bar(
                "late rows are no fault, and are counted",
                f"{late.as_known:,} equal as known then, {late.unequal} unequal",
                late.passed and late.as_known > 0,
            ),
            Bar(
                "every planted fault is named with feature, entity, time and both values",
                f"{len(faults) - len(unseen)} of {len(faults)}",
                not unseen and all(verdict.mismatches for verdict in faults.values()),
            ),
        ],
    )
