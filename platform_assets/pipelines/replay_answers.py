"""Logged requests asked again of a restored service, and its answers compared with the logged ones, to the bit.

Belongs here: which requests are asked, from which state of the online store, and the comparison. Does not belong here: restoring.

An answer depends on what its entities did before. So the store is filled as of the midnight before the first of the requests, by the same
code that fills it every night, and from there all requests of the log are asked again in their order; those that another release answered
count as events and are not compared.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl

from platform_assets.declaration import UseCase
from platform_assets.declaration.prediction_log import live_rows
from platform_assets.declaration.sections.sources import EVENT_DAY
from platform_assets.deployment.own_requests import own_client
from platform_assets.installation import Installation
from platform_assets.monitoring.prediction_log import read_segments
from platform_assets.pipelines.released_services import release_of_ledger, serve_again
from platform_assets.pipelines.restore import NOT_MADE_AGAIN, fill_as_of, fill_online_store

TIMEOUT_SECONDS = 20.0
MOST_BETWEEN = 20
"""For each request that is compared, so many others are asked at most: those that earlier releases answered on the same day."""
REQUEST_ID = "x-request-id"
OK = 200
OF_ITS_MOMENT = frozenset(
    {"request_id", "caller_request_id", "scored_at", "latency_ms", "trace_id", "role", "experiment", "variant"}
)
"""Columns of the log that say when and on whose behalf an answer was given, not what it was."""
_SHOWN = 3


@dataclass(frozen=True)
class ReplayedAnswers:
    """What became of the requests of a use case.

    Attributes:
        version: of the model that answered.
        day: of the requests; None where the log has none that this release answered.
        asked: requests.
        compared: those that the same release had answered.
        equal: those of them with the same score and decision, to the bit.
        ready_seconds: until the service answered.
        problems: what is wrong.
    """

    version: str
    day: str | None
    asked: int
    compared: int
    equal: int
    ready_seconds: float
    problems: tuple[str, ...] = ()


def replay_answers(
    use_case: UseCase, restored: Installation, backup: str, requests: int, log: Callable[[str], None]
) -> ReplayedAnswers | None:
    """Bring the service of a restored home up, and ask it again what the log holds; None where nothing served.

    Args:
        use_case: whose service.
        restored: a home that nobody else uses; its online store is empty.
        backup: its name.
        requests: that are compared, at most.
        log: takes lines.
    """
    released = release_of_ledger(use_case, restored)
    if released is None:
        return None
    folder = Path(restored.serving.log_folder(use_case.name))
    rows = live_rows(read_segments(folder, use_case).frame)
    day, chosen = requests_to_ask(rows, released.digest, requests)
    started = time.monotonic()
    try:
        if day is None:
            fill_online_store(use_case, restored, log)
        else:
            fill_as_of(use_case, restored, day, log, record=False)
        serve_again(use_case, restored, released, f"drill of {backup}")
    except NOT_MADE_AGAIN as error:
        problem = f"{use_case.name} does not come up: {error}"
        return ReplayedAnswers(released.version, None, 0, 0, 0, time.monotonic() - started, (problem,))
    ready = time.monotonic() - started
    compared = chosen.filter(pl.col("release") == released.digest).height
    differing = _ask(use_case, restored, chosen, released.digest)
    problems: tuple[str, ...] = ()
    if differing:
        shown = "; ".join(differing[:_SHOWN])
        problems = (f"{use_case.name}: {len(differing)} of {compared} answers differ from the logged ones: {shown}",)
    log(f"{use_case.name}: {compared - len(differing)} of {compared} answers equal to the bit")
    shown_day = None if day is None else day.isoformat()
    return ReplayedAnswers(
        released.version, shown_day, chosen.height, compared, compared - len(differing), ready, problems
    )


def requests_to_ask(rows: pl.DataFrame, release: str, most: int) -> tuple[date | None, pl.DataFrame]:
    """The requests of the newest day with answers of a release, from the day's first on, until so many of its answers are among them.

    Args:
        rows: of the log, answered ones.
        release: digest of the service that will answer.
        most: answers of it.

    Returns:
        The day, and its requests in the order they were answered; None and no requests where there is none.
    """
    own = rows.filter((pl.col("release") == release) & pl.col("fallback").is_null())
    if own.is_empty():
        return None, rows.clear()
    day: date = own[EVENT_DAY].max()  # type: ignore[assignment]
    of_day = rows.filter(pl.col(EVENT_DAY) == day).sort("scored_at", "request_id").head(most * MOST_BETWEEN)
    ours = ((pl.col("release") == release) & pl.col("fallback").is_null()).cum_sum()
    return day, of_day.filter(ours <= most)


def _ask(use_case: UseCase, restored: Installation, requests: pl.DataFrame, release: str) -> list[str]:
    """Ask requests again; what is wrong with each that the same release answered before."""
    if requests.is_empty():
        return []
    target = restored.serving.target()
    names: Sequence[str] = use_case.serving.request
    refused: dict[str, int] = {}
    with own_client(target.address(use_case.name), target.status().own_socket, TIMEOUT_SECONDS) as client:
        for row in requests.iter_rows(named=True):
            body = {name: _json_value(row[name]) for name in names}
            answer = client.post("/score", json=body, headers={REQUEST_ID: row["request_id"]})
            if answer.status_code != OK:
                refused[row["request_id"]] = answer.status_code
    compared = requests.filter((pl.col("release") == release) & pl.col("fallback").is_null())
    log = read_segments(Path(restored.serving.log_folder(use_case.name)), use_case).frame
    again = log.filter(pl.col("caller_request_id").is_in(compared["request_id"].to_list()))
    return differences(compared, again, refused)


def differences(logged: pl.DataFrame, again: pl.DataFrame, refused: Mapping[str, int]) -> list[str]:
    """What differs between logged predictions and those made again, in score, decision, features and what else an answer consists of.

    Args:
        logged: rows of the log.
        again: rows of the log of the service that was asked again, whose `caller_request_id` is the logged `request_id`.
        refused: status of requests that got no answer, by id.

    Returns:
        A sentence for each that is not the same to the bit.
    """
    later = {row["caller_request_id"]: row for row in again.iter_rows(named=True)}
    wrong = []
    for row in logged.iter_rows(named=True):
        name, found = row["request_id"], later.get(row["request_id"])
        if found is None:
            wrong.append(f"request {name} got {refused.get(name, 'an answer that is not logged')}")
            continue
        other = [key for key, value in row.items() if key not in OF_ITS_MOMENT and not _is_same(value, found[key])]
        if other:
            shown = ", ".join(f"{key} {found[key]!r}, logged {row[key]!r}" for key in other[:_SHOWN])
            wrong.append(f"request {name}: {shown}")
    return wrong


def _is_same(one: Any, other: Any) -> bool:
    """Whether two values are the same, bit by bit where they are numbers."""
    if isinstance(one, float) and isinstance(other, float):
        return struct.pack("<d", one) == struct.pack("<d", other)
    return bool(one == other)


def _json_value(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime | date) else value
