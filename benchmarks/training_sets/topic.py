"""A training set by as-of joins: ours, polars' `join_asof` and Feast's historical retrieval on the same labels and tables.

Belongs here: making the tables, the three ways, and what of their answers is the same. Does not belong here: the join itself
(`platform_assets/features/offline/as_of.py`), its proof (`topic.py` and the unit tests).

    python -m benchmarks.training_sets.topic WAY FOLDER LABELS ANSWER.parquet

joins in the process it runs in and prints JSON.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.common.report import Bar, Topic
from benchmarks.common.usage import Usage, measured, median_usage
from platform_assets.features.offline.as_of import as_of_join
from platform_assets.testing.child_process import run_child
from platform_assets.testing.set_difference import SetDifference, set_difference

LABELS = 1_000_000
LABELS_FEAST_SURVIVES = 20_000
"""Feast's default store multiplies each label with its entity's whole history in memory."""
DAYS = 183
CUSTOMERS, TERMINALS = 5_000, 10_000
FIRST = datetime(2018, 4, 1, tzinfo=UTC)
TIME = pl.Datetime("us", "UTC")
AT, CREATED = "event_timestamp", "created"
LATE_RATIO = 0.03
POLARS_BAR, FEAST_BAR = 1.5, 10.0


@dataclass(frozen=True)
class Table:
    """A table of the benchmark.

    Attributes:
        entity: its key.
        entities: how many there are.
        days_between: days between two rows of an entity.
        values: names of its values.
    """

    entity: str
    entities: int
    days_between: int
    values: tuple[str, ...]


TABLES = {
    "spending": Table("customer_id", CUSTOMERS, 1, ("spent", "visits")),
    "risk": Table("terminal_id", TERMINALS, 2, ("risk", "disputes")),
    "card": Table("customer_id", CUSTOMERS, 20, ("card_limit",)),
}
VALUES = [name for table in TABLES.values() for name in table.values]
ENTITIES = ["customer_id", "terminal_id"]

PLATFORM, KNOWN, POLARS, FEAST = "platform", "platform, as known", "polars", "feast"


def write_tables(folder: Path, labels: int, seed: int = 0) -> None:
    """Labels with two entities each, and three tables of which some rows were written days after their time."""
    chance = np.random.default_rng(seed)
    at = np.sort(chance.integers(30 * 86_400, DAYS * 86_400, labels))
    columns = {"label_id": np.arange(labels)} | {
        name: chance.integers(0, count, labels) for name, count in zip(ENTITIES, (CUSTOMERS, TERMINALS), strict=True)
    }
    pl.DataFrame(columns).with_columns(_times(at).alias(AT)).write_parquet(folder / "labels.parquet")
    for name, table in TABLES.items():
        steps = DAYS // table.days_between
        entity, step = (grid.ravel() for grid in np.meshgrid(np.arange(table.entities), np.arange(steps)))
        when = step * table.days_between * 86_400 + chance.integers(0, table.days_between * 86_400, step.size)
        late = np.where(chance.random(step.size) < LATE_RATIO, chance.integers(86_400, 10 * 86_400, step.size), 0)
        rows = {value: chance.normal(size=step.size) for value in table.values}
        frame = pl.DataFrame({table.entity: entity, **rows}).with_columns(
            _times(when).alias(AT), _times(when + late).alias(CREATED)
        )
        frame.sort(AT).write_parquet(folder / f"{name}.parquet")


def _times(seconds: np.ndarray[Any, Any]) -> pl.Series:
    return pl.Series(seconds * 1_000_000 + int(FIRST.timestamp()) * 1_000_000).cast(TIME)


def by_platform(rows: pl.DataFrame, tables: Mapping[str, pl.DataFrame], *, as_known: bool) -> pl.DataFrame:
    """Our join; with times of knowledge, what was written later than a label's time is not seen."""
    for name, table in tables.items():
        held = table if as_known else table.drop(CREATED)
        rows = as_of_join(
            rows,
            held,
            by=TABLES[name].entity,
            row_time=AT,
            table_time=AT,
            known_at=CREATED if as_known else None,
        )
    return rows


def by_polars(rows: pl.DataFrame, tables: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """polars' `join_asof`, which knows event time only; both sides are in order of time."""
    for name, table in tables.items():
        rows = rows.join_asof(
            table.drop(CREATED), on=AT, by=TABLES[name].entity, strategy="backward", check_sortedness=False
        )
    return rows


def by_feast(folder: Path, rows: pl.DataFrame) -> tuple[Any, Callable[[], Any]]:
    """A Feast project over the same files with its default offline store, and the retrieval to be timed."""
    from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
    from feast.types import Float64

    config = RepoConfig(
        project="labels",
        provider="local",
        registry=str(folder / "registry.db"),
        online_store={"type": "sqlite", "path": str(folder / "online.db")},
        offline_store={"type": "dask"},
        entity_key_serialization_version=3,
    )
    store = FeatureStore(config=config)
    entities = {name: Entity(name=name, join_keys=[name], value_type=ValueType.INT64) for name in ENTITIES}
    views = [
        FeatureView(
            name=name,
            entities=[entities[table.entity]],
            schema=[Field(name=value, dtype=Float64) for value in table.values],
            source=FileSource(
                path=str(folder / f"{name}.parquet"), timestamp_field=AT, created_timestamp_column=CREATED
            ),
        )
        for name, table in TABLES.items()
    ]
    store.apply([*entities.values(), *views])
    wanted = [f"{name}:{value}" for name, table in TABLES.items() for value in table.values]
    frame = rows.to_pandas()
    return store, lambda: store.get_historical_features(entity_df=frame, features=wanted).to_df()


def measure_training_sets(
    log: Callable[[str], None], *, labels: int = LABELS, feast_labels: int = LABELS_FEAST_SURVIVES, rounds: int = 3
) -> Topic:
    """All ways on the same tables, each in a fresh process; Feast's on a part of the labels that it survives.

    Args:
        log: told of every run.
        labels: label rows, joined to three tables.
        feast_labels: the first so many of them, for Feast and for us beside it.
        rounds: runs of each, alternating; Feast runs once.
    """
    large: dict[str, list[Usage]] = {PLATFORM: [], POLARS: [], KNOWN: []}
    small: dict[str, list[Usage]] = {PLATFORM: [], KNOWN: [], FEAST: []}
    with tempfile.TemporaryDirectory(prefix="platform-assets-bench-") as scratch:
        folder = Path(scratch)
        write_tables(folder, labels)
        for count, ways in ((labels, large), (feast_labels, small)):
            for number in range(rounds):
                for way, usages in ways.items():
                    if way == FEAST and number > 0:
                        continue
                    answer = folder / f"{way}-{count}.parquet"
                    result = run_child("benchmarks.training_sets.topic", way, scratch, str(count), str(answer))
                    usages.append(Usage(**result))
                    log(f"{count:,} labels, {way}: {usages[-1].cpu_seconds:.2f} CPU s")
        polars = _difference(folder, PLATFORM, POLARS, labels, ["label_id"])
        leaked = _difference(folder, KNOWN, POLARS, labels, ["label_id"])
        feast = _difference(folder, PLATFORM, FEAST, feast_labels, [*ENTITIES, AT])
        feast_leaked = _difference(folder, KNOWN, FEAST, feast_labels, [*ENTITIES, AT])
    return _topic((labels, large), (feast_labels, small), rounds, polars, leaked, feast, feast_leaked)


def _difference(folder: Path, ours: str, theirs: str, count: int, on: Sequence[str]) -> SetDifference:
    left, right = (pl.read_parquet(folder / f"{way}-{count}.parquet") for way in (ours, theirs))
    return set_difference(left, right, on=on, values=VALUES)


def _topic(
    large: tuple[int, Mapping[str, Sequence[Usage]]],
    small: tuple[int, Mapping[str, Sequence[Usage]]],
    rounds: int,
    polars: SetDifference,
    leaked: SetDifference,
    feast: SetDifference,
    feast_leaked: SetDifference,
) -> Topic:
    titles = {
        PLATFORM: "platform, event time only",
        KNOWN: "platform, event time and knowledge time",
        POLARS: "polars join_asof (event time only)",
        FEAST: "Feast, default offline store (Dask)",
    }
    rows, costs = [], {}
    for count, ways in (large, small):
        for way, usages in ways.items():
            cost = costs[count, way] = median_usage(usages)
            memory = f"{cost.added_megabytes:,.0f}"
            rows.append([f"{count:,}", titles[way], f"{cost.seconds:.2f}", f"{cost.cpu_seconds:.2f}", memory])
    ours, theirs = costs[large[0], PLATFORM].cpu_seconds, costs[large[0], POLARS].cpu_seconds
    few, feasts = costs[small[0], KNOWN].cpu_seconds, costs[small[0], FEAST].cpu_seconds
    leaks = sum(leaked.changed.values())
    bars = [
        Bar(
            f"at most {POLARS_BAR:g} times polars' CPU time", f"{ours / theirs:.2f} times", ours <= POLARS_BAR * theirs
        ),
        Bar(f"at least {FEAST_BAR:g} times faster than Feast", f"{feasts / few:.0f} times", feasts >= FEAST_BAR * few),
        Bar("the same answers as polars, where only event time counts", str(polars), polars.equal),
        Bar(
            "the same answers as Feast, where only event time counts and no two label rows share entities and time",
            str(feast),
            feast.equal,
        ),
        Bar(
            "what leaks into polars' answer and Feast's from later is seen",
            _seen(leaks, feast_leaked),
            leaks > 0 and bool(feast_leaked.changed),
        ),
    ]
    return Topic(
        "Training sets by as-of join",
        f"{large[0]:,} labels joined to three tables (a customer's day, a terminal's two days, a card's limit; "
        f"{sum(t.entities * (DAYS // t.days_between) for t in TABLES.values()):,} rows, of which {LATE_RATIO:.0%} were written 1 to 10 "
        f"days after their time), everything in order of time, files read before the clock starts; Feast reads them itself, on "
        f"{small[0]:,} labels, because its default store multiplies every label with its entity's history. Medians of {rounds} alternating "
        "runs (one of Feast), each in a fresh process; memory is the peak above what was resident before.",
        ["labels", "", "seconds", "CPU seconds", "added memory MB"],
        rows,
        bars,
    )


def _seen(leaks: int, feast: SetDifference) -> str:
    return f"{leaks:,} values of polars' answer and {sum(feast.changed.values()):,} of Feast's were written after the label's time"


def _join(way: str, folder: Path, count: int, answer: Path) -> Usage:
    """One run in this process, after the same on a few rows."""
    rows = pl.read_parquet(folder / "labels.parquet").head(count)
    if way == FEAST:
        with tempfile.TemporaryDirectory(prefix="platform-assets-bench-") as scratch:
            for name in TABLES:
                (Path(scratch) / f"{name}.parquet").symlink_to(folder / f"{name}.parquet")
            _, retrieve = by_feast(Path(scratch), rows.drop("label_id"))
            result, usage = measured(retrieve)
        pl.from_pandas(result).with_columns(pl.col(AT).cast(TIME)).write_parquet(answer)
        return usage
    tables = {name: pl.read_parquet(folder / f"{name}.parquet") for name in TABLES}
    ways: dict[str, Callable[[pl.DataFrame], pl.DataFrame]] = {
        PLATFORM: lambda frame: by_platform(frame, tables, as_known=False),
        KNOWN: lambda frame: by_platform(frame, tables, as_known=True),
        POLARS: lambda frame: by_polars(frame, tables),
    }
    ways[way](rows.head(1_000))
    joined, usage = measured(lambda: ways[way](rows))
    joined.write_parquet(answer)
    return usage


def main(arguments: list[str]) -> int:
    """Join in this process and print JSON."""
    way, folder, count, answer = arguments
    usage = _join(way, Path(folder), int(count), Path(answer))
    sys.stdout.write(json.dumps(asdict(usage)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
