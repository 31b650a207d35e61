"""Look-ups and records of entities with few and with many events, in the process that this runs in.

    python -m benchmarks.busy_entities.measure SPECIFICATION.json

Belongs here: the store with its entities, and times. It calls only what the commit before has too, so that it can be run over that one's
source by its file. Does not belong here: comparing commits (`topic.py`).
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from platform_assets.declaration import UseCase, load_use_case
from platform_assets.features.entity_state import entity_state
from platform_assets.features.online.feast_connection import FeastSettings
from platform_assets.features.online.request_features import OnlineFeatures
from platform_assets.features.online.store import apply, write_state

MIDNIGHT = datetime(2018, 6, 1, tzinfo=UTC)
QUIET_CUSTOMER, QUIET_TERMINAL, BUSY_CUSTOMER, BUSY_TERMINAL = 1, 2, 3, 4
QUIET_EVENTS = 60


def payments(count: int, days: int, customer: int, terminal: int, first_key: int, seed: int) -> pl.DataFrame:
    """Events of one customer at one terminal in the days before the midnight, with the labels that are known by then."""
    rng = np.random.default_rng(seed)
    seconds = np.sort(rng.integers(1, days * 86_400, count))
    moments = np.datetime64(MIDNIGHT.replace(tzinfo=None), "us") - seconds[::-1].astype("timedelta64[s]")
    times = pl.Series(moments).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return pl.DataFrame(
        {
            "transaction_id": np.arange(first_key, first_key + count),
            "transaction_time": times,
            "customer_id": np.full(count, customer),
            "terminal_id": np.full(count, terminal),
            "amount": np.round(rng.lognormal(3.0, 1.0, count), 2),
            "event_day": times.dt.date(),
            "is_fraud": (rng.random(count) < 0.01).astype(np.int8),
        }
    )


def fill(use_case: UseCase, settings: FeastSettings, busy_events: int) -> dict[str, float]:
    """One quiet and one busy customer and terminal in the store; seconds of CPU for each view."""
    parts = [payments(QUIET_EVENTS, 30, QUIET_CUSTOMER, QUIET_TERMINAL, 0, 1)]
    if busy_events:
        parts.append(payments(busy_events, 30, BUSY_CUSTOMER, BUSY_TERMINAL, 1000, 2))
    events = pl.concat(parts).with_columns(pl.col("is_fraud").cast(pl.Int8))
    apply(use_case, settings)
    cost = {}
    for view in use_case.features:
        if view.windows:
            begin = time.process_time()
            write_state(view, entity_state(view, use_case, events, MIDNIGHT), settings, use_case)
            cost[view.name] = time.process_time() - begin
    return cost


def request(key: int, customer: int, terminal: int, seconds: float) -> dict[str, Any]:
    """A payment after the midnight."""
    at = MIDNIGHT + timedelta(seconds=seconds)
    return {
        "transaction_id": key,
        "transaction_time": at,
        "customer_id": customer,
        "terminal_id": terminal,
        "amount": 12.5,
    }


def timed(call: Callable[[dict[str, Any]], object], requests: list[dict[str, Any]]) -> dict[str, list[float]]:
    """Milliseconds of each call, and of the thread's CPU in it."""
    wall, cpu = [], []
    for item in requests:
        begin, worked = time.perf_counter(), time.thread_time()
        call(item)
        cpu.append((time.thread_time() - worked) * 1e3)
        wall.append((time.perf_counter() - begin) * 1e3)
    return {"wall": wall, "cpu": cpu}


def bytes_read(call: Callable[[], object]) -> int:
    """Bytes of the values that Feast's SQLite store gives during a call."""
    from feast.infra.online_stores.sqlite import SqliteOnlineStore

    original, read = SqliteOnlineStore.online_read, 0

    def counted(*args: Any, **named: Any) -> Any:
        nonlocal read
        rows = original(*args, **named)
        read += sum(value.ByteSize() for _, fields in rows for value in (fields or {}).values())
        return rows

    SqliteOnlineStore.online_read = counted  # type: ignore[method-assign]
    try:
        call()
    finally:
        SqliteOnlineStore.online_read = original  # type: ignore[method-assign]
    return read


def measured(settings: FeastSettings, busy_events: int, times: int, busy_times: int) -> dict[str, Any]:
    """Milliseconds of look-ups and records of a quiet and of a busy customer and terminal."""
    use_case = load_use_case(Path("platform_assets/defs/card_fraud"))
    result: dict[str, Any] = {"fill_cpu_seconds": fill(use_case, settings, busy_events)}
    features = OnlineFeatures(use_case, settings)
    features.warm_up()
    pairs = {"quiet": (QUIET_CUSTOMER, QUIET_TERMINAL, times)}
    if busy_events:
        pairs["busy customer"] = (BUSY_CUSTOMER, QUIET_TERMINAL, busy_times)
        pairs["busy terminal"] = (QUIET_CUSTOMER, BUSY_TERMINAL, busy_times)
    key = 10**9  # later events have greater keys
    for name, (customer, terminal, count) in pairs.items():
        requests = [request(key + n, customer, terminal, (key - 10**9) / 1e4 + n / 100) for n in range(count)]
        key += 10**6
        timed(features.vector, requests[: max(2, count // 20)])
        look_ups = timed(features.vector, requests)
        read = bytes_read(partial(features.vector, requests[0]))
        records = timed(features.record, requests[: max(count // 4, 3)])
        result[name] = {"look_up_ms": look_ups, "record_ms": records, "bytes_read": read}
    return result


def main() -> None:
    """Measure what the specification says and print it."""
    given = json.loads(Path(sys.argv[1]).read_text())
    settings = FeastSettings.model_validate(given["settings"])
    sys.stdout.write(json.dumps(measured(settings, given["busy_events"], given["times"], given["busy_times"])))


if __name__ == "__main__":
    main()
