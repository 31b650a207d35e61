"""The online store: one request's features on SQLite and Redis, and how soon an event is part of them.

Belongs here: the world, its stores, and look-ups next to a raw Redis pipeline and Feast's own. Does not belong here: the events'
way (`fresh.py`), HTTP, models.

    python -m benchmarks.online.topic SPECIFICATION.json

measures look-ups in the process it runs in and prints JSON.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.common.report import Bar, Topic
from benchmarks.common.world import scored_use_case, simulated
from benchmarks.features.history import _milliseconds
from benchmarks.online.fresh import EVENTS_PER_SECOND, KAFKA, QUEUE
from platform_assets.declaration import UseCase, load_use_case
from platform_assets.deployment.local.host import free_port
from platform_assets.features.entity_state import entity_state
from platform_assets.features.offline.feature_table import join_labels
from platform_assets.features.online.feast_connection import FeastSettings, feast_store
from platform_assets.features.online.feast_objects import feature_service_name, windowed_views
from platform_assets.features.online.request_features import OnlineFeatures
from platform_assets.features.online.store import apply, write_state
from platform_assets.testing.child_process import run_child

LOOK_UP_BAR_MS, FRESH_BAR_MS = 2.0, 1000.0
START_SECONDS = 60.0
PLATFORM, FEAST, RAW = "platform: OnlineFeatures.vector", "Feast: get_online_features", "redis client: one pipeline"


class NoServer(RuntimeError):
    """A server that the benchmark needs is not installed or does not start."""


def measure_online(
    overrides: Mapping[str, Any], look_ups: int, rounds: int, seconds: float, log: Callable[[str], None]
) -> Topic:
    """Look-ups and freshness of the default use case in a simulated world.

    Args:
        overrides: simulator settings in place of the declared ones.
        look_ups: in each pass.
        rounds: alternating passes.
        seconds: how long events are sent, at 500 a second, each way.
        log: told of every result.

    Raises:
        NoServer: redis-server is not there.
    """
    declared = scored_use_case()
    with tempfile.TemporaryDirectory(prefix="platform-assets-bench-") as scratch, redis_server() as port:
        world = _World.made(declared.use_case, Path(scratch), overrides)
        log(f"{len(world.history):,} events before {world.day}, {len(world.today):,} on it")
        stores = {
            "SQLite": world.settings("sqlite", {"type": "sqlite", "path": "online.db"}),
            "Redis": world.settings("redis", {"type": "redis", "connection_string": f"127.0.0.1:{port}"}),
        }
        for name, settings in stores.items():
            world.fill(settings)
            log(f"{name} is filled")
        specification = {
            "declaration": str(declared.folder),
            "stores": {name: settings.model_dump() for name, settings in stores.items()},
            "events": str(world.files["today"]),
        }
        looked = _child(
            "benchmarks.online.topic", world.folder, {**specification, "look_ups": look_ups, "rounds": rounds}
        )
        for name, result in looked.items():
            log(f"{name}: p50 {result['p50_ms']:.3f} ms, p99 {result['p99_ms']:.3f} ms")
        fresh = {}
        for way in (KAFKA, QUEUE):
            for name, settings in stores.items():
                world.fill(settings)  # the day's events are not there yet
                given = {**specification, "feast": settings.model_dump(), "way": way, "seconds": seconds}
                fresh[f"{way}, {name}"] = _child(
                    "benchmarks.online.fresh", world.folder, {**given, "history": str(world.files["history"])}
                )
                log(f"{way}, {name}: {fresh[f'{way}, {name}']}")
    return _topic(looked, fresh, look_ups, rounds, world)


class _World:
    """A simulated history, and the day after it."""

    def __init__(self, use_case: UseCase, folder: Path, day: date, history: pl.DataFrame, today: pl.DataFrame) -> None:
        self.use_case, self.folder, self.day, self.history, self.today = use_case, folder, day, history, today
        self.files = {"history": folder / "history.parquet", "today": folder / "today.parquet"}
        history.write_parquet(self.files["history"])
        today.write_parquet(self.files["today"])

    @classmethod
    def made(cls, use_case: UseCase, folder: Path, overrides: Mapping[str, Any]) -> _World:
        """As many days as the longest window reaches, and one more."""
        reach = max(view.span_days for view in use_case.features) + 1
        first = use_case.history.first_day
        day = first + timedelta(days=reach)
        events, labels = simulated(use_case, first, day, overrides)
        known = labels.filter(pl.col("event_day") + pl.duration(days=use_case.label_delay_days) <= day)
        labelled = join_labels(events, known, use_case)
        order = [use_case.event_time, *use_case.event_source.primary_key]
        today = labelled.filter(pl.col("event_day") == day).sort(order)
        return cls(use_case, folder, day, labelled.filter(pl.col("event_day") < day), today)

    def settings(self, name: str, online_store: dict[str, Any]) -> FeastSettings:
        home = self.folder / name
        home.mkdir()
        return FeastSettings(
            project=self.use_case.name,
            registry=f"sqlite:///{home / 'registry.db'}",
            online_store=online_store,
            home=str(home),
        )

    def fill(self, settings: FeastSettings) -> None:
        """An online store as of the day's first instant, and nothing else in it."""
        home = Path(settings.home)
        shutil.rmtree(home)
        home.mkdir()
        _emptied(settings)
        apply(self.use_case, settings)
        for view in windowed_views(self.use_case):
            state = entity_state(view, self.use_case, self.history, self.day)
            write_state(view, state, settings, self.use_case)


def _emptied(settings: FeastSettings) -> None:
    if settings.online_store["type"] == "redis":
        import redis

        host, _, port = settings.online_store["connection_string"].partition(":")
        redis.Redis(host=host, port=int(port)).flushall()


@contextmanager
def redis_server() -> Iterator[int]:
    """A Redis server without persistence, on a free port of this machine; stopped at the end.

    Raises:
        NoServer: it is not installed or does not start.
    """
    import redis

    binary = shutil.which("redis-server")
    if binary is None:
        raise NoServer("redis-server is not installed: apt-get install redis-server")
    port = free_port(6400, ())
    command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                redis.Redis(port=port).ping()
                break
            except redis.ConnectionError as error:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise NoServer(f"{' '.join(command)} does not answer") from error
                time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(20)


def _child(module: str, folder: Path, specification: Mapping[str, Any]) -> dict[str, Any]:
    file = folder / f"{module}.json"
    file.write_text(json.dumps(specification))
    return run_child(module, str(file))


# One request.


def _time_look_ups(given: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    use_case = load_use_case(Path(given["declaration"]))
    events = pl.read_parquet(given["events"]).select(use_case.serving.request)
    keys = [use_case.entity(str(view.entity)).key for view in windowed_views(use_case)]
    request = events.unique(keys[:1], keep="first", maintain_order=True).head(given["look_ups"]).to_dicts()
    alternatives: dict[str, Callable[[Mapping[str, Any]], Any]] = {}
    for name, fields in given["stores"].items():
        settings = FeastSettings.model_validate(fields)
        online, store = OnlineFeatures(use_case, settings), feast_store(settings)
        alternatives[f"{PLATFORM}, {name}"] = online.vector
        alternatives[f"{FEAST}, {name}"] = _feast_look_up(use_case, store, keys)
        if name == "Redis":
            alternatives[f"{RAW}, {name}"] = _raw_look_up(online)
    for look_up in alternatives.values():
        for event in request[:20]:
            look_up(event)
    online.warm_up()
    passes: dict[str, list[Any]] = {name: [] for name in alternatives}
    for _ in range(given["rounds"]):
        for name, look_up in alternatives.items():
            passes[name].append(np.array([_milliseconds(look_up, event) for event in request]))
    return {
        name: {
            **{f"p{q}_ms": float(np.median([np.percentile(times, q) for times in results])) for q in (50, 99)},
            "max_ms": float(max(times.max() for times in results)),
        }
        for name, results in passes.items()
    }


def _feast_look_up(use_case: UseCase, store: Any, keys: Sequence[str]) -> Callable[[Mapping[str, Any]], Any]:
    service = store.get_feature_service(feature_service_name(use_case))

    def look_up(event: Mapping[str, Any]) -> Any:
        rows = [{key: event[key] for key in keys}]
        return store.get_online_features(features=service, entity_rows=rows, full_feature_names=True)

    return look_up


def _raw_look_up(online: OnlineFeatures) -> Callable[[Mapping[str, Any]], Any]:
    """The same hashes and fields, as bytes, in one pipeline of a plain client."""
    from platform_assets.features.online.state_table import entity_key

    tables = online._readers
    client = tables[0].store._get_client(tables[0].config.online_store)
    fields = [table.store._generate_hset_keys_for_features(table.view)[1] for table in tables]

    def look_up(event: Mapping[str, Any]) -> Any:
        with client.pipeline(transaction=False) as pipe:
            for table, names in zip(tables, fields, strict=True):
                key = entity_key(table.layout, event[table.layout.entity_key])
                pipe.hmget(table.store._generate_redis_keys_for_entities(table.config, [key])[0], names)
            return pipe.execute()

    return look_up


def _topic(
    looked: Mapping[str, Mapping[str, float]],
    fresh: Mapping[str, Mapping[str, Any]],
    look_ups: int,
    rounds: int,
    world: _World,
) -> Topic:
    rows = [
        [name, f"{results['p50_ms']:.3f}", f"{results['p99_ms']:.3f}", f"{results['max_ms']:.1f}", ""]
        for name, results in looked.items()
    ]
    rows += [
        [
            f"event to fresh value: {name}",
            f"{results['p50_ms']:.0f}",
            f"{results['p99_ms']:.0f}",
            f"{results['max_ms']:.0f}",
            f"{results['rate']:.0f} events/s, {results['cpu_ms_per_event']:.2f} CPU ms an event, {results['resident_mb']:.0f} MB",
        ]
        for name, results in fresh.items()
    ]
    bars = [
        Bar(
            f"all features of a request within {LOOK_UP_BAR_MS:g} ms at p99, {name}",
            f"{ms:.2f} ms",
            ms < LOOK_UP_BAR_MS,
        )
        for name in ("SQLite", "Redis")
        for ms in [looked[f"{PLATFORM}, {name}"]["p99_ms"]]
    ]
    bars += [
        Bar(
            f"event to fresh value within {FRESH_BAR_MS:g} ms at p99 at {EVENTS_PER_SECOND} events/s: {name}",
            f"{results['p99_ms']:.0f} ms at {results['rate']:.0f} events/s",
            results["p99_ms"] < FRESH_BAR_MS and results["rate"] > 0.95 * EVENTS_PER_SECOND,
        )
        for name, results in fresh.items()
    ]
    different = sum(results["unequal"] for results in fresh.values())
    bars.append(
        Bar("values after streaming equal to the offline computation to the bit", f"{different} differ", different == 0)
    )
    states = len(world.use_case.feature_names)
    return Topic(
        "The online store",
        f"`{world.use_case.name}`, states after {len(world.history):,} events. Look-ups in process, no HTTP: {look_ups} real events of "
        f"different entities, {rounds} alternating passes in one process, medians of the passes' quantiles. The platform reads the states "
        f"of all entities and computes all {states} features; Feast's own look-up and the raw pipeline return the same states and compute "
        "nothing. Freshness: the next day's events at a steady rate, from the moment of sending until a look-up through the connections "
        "that serve requests counts it; Kafka's protocol by librdkafka's mock cluster with its producer in another process, the embedded "
        "queue with its producer in another thread; one process takes, writes and looks up.",
        ["", "p50 ms", "p99 ms", "max ms", ""],
        rows,
        bars,
    )


def main(arguments: list[str]) -> int:
    """Measure in this process and print JSON."""
    sys.stdout.write(json.dumps(_time_look_ups(json.loads(Path(arguments[0]).read_text()))) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
