"""Logged requests asked again of a restored service, and its answers compared with the logged ones, to the bit.

Belongs here: which requests are asked, from which state of the online store, and the comparison. Does not belong here: restoring.

An answer depends on what its entities did before. So the store is filled as of the midnight before the first of the requests, by the same
code that fills it every night, and from there all requests of the log are asked again in their order; those that another release answered
count as events and are not compared.
"""

from __future__ import annotations

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
    """What is wrong with the answer to each request that the same release answered before."""
    wrong: list[str] = []
    if requests.is_empty():
        return wrong
    target = restored.serving.target()
    names: Sequence[str] = use_case.serving.request
    with own_client(target.address(use_case.name), target.status().own_socket, TIMEOUT_SECONDS) as client:
        for row in requests.iter_rows(named=True):
            body = {name: _json_value(row[name]) for name in names}
            answer = client.post("/score", json=body)
            if row["release"] != release or row["fallback"] is not None:
                continue
            if answer.status_code != 200:
                wrong.append(f"request {row['request_id']} got {answer.status_code}")
                continue
            difference = _difference(answer.json(), row)
            if difference:
                wrong.append(f"request {row['request_id']}: {difference}")
    return wrong


def _difference(answer: Mapping[str, Any], logged: Mapping[str, Any]) -> str | None:
    for name in ("score", "decision", "model_version"):
        if name in answer and answer[name] != logged[name]:
            return f"{name} {answer[name]!r}, logged {logged[name]!r}"
    return None


def _json_value(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime | date) else value
