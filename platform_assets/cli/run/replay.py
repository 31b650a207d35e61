"""Replaying a day's events as live traffic.

Belongs here: choosing a panel of events, sending them in order, measuring from the caller's side. Does not belong
here: the service, or judging its answers.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from time import perf_counter
from typing import Any

import httpx
import numpy as np
import polars as pl

from platform_assets.declaration import UseCase
from platform_assets.declaration.time_zones import days_of
from platform_assets.deployment.own_requests import own_client

CLIENTS = 2
TIMEOUT_SECONDS = 10.0


@dataclass
class Traffic:
    """What the caller saw.

    Attributes:
        latencies_ms: one for each answered request, from sending to the whole answer.
        failures: what went wrong, one for each request that got no answer of status 200.
        above: answers by decision.
    """

    latencies_ms: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    decisions: dict[str, int] = field(default_factory=dict)

    @property
    def sent(self) -> int:
        """Requests sent."""
        return len(self.latencies_ms) + len(self.failures)

    def percentile_ms(self, percent: float) -> float:
        """A percentile of the latency; NaN without answers."""
        return float(np.percentile(self.latencies_ms, percent)) if self.latencies_ms else float("nan")

    def merge(self, other: "Traffic") -> None:
        """Add another caller's requests."""
        self.latencies_ms += other.latencies_ms
        self.failures += other.failures
        for decision, count in other.decisions.items():
            self.decisions[decision] = self.decisions.get(decision, 0) + count


def group_column(use_case: UseCase) -> str:
    """The column whose values keep their events together and in order: the declared group.

    Without one it is the key of the first entity with a window that includes the event itself, because the features of
    its later events count the earlier ones; and without such an entity every event stands alone.
    """
    if use_case.training.group is not None:
        return use_case.training.group
    for view in use_case.features:
        if view.entity is not None and any(window.delay_microseconds == 0 for window in view.windows):
            return use_case.entity(view.entity).key_columns[0]
    return use_case.event_source.primary_key[0]


def of_its_day(events: pl.DataFrame, use_case: UseCase, day: date) -> pl.DataFrame:
    """The delivered events whose time lies in a day.

    A service refuses an event from the future by its clock. In a replay that clock is years ahead: an event that its producer dated to a
    later day would be scored, and make every other event of its entity too late until that day is reached.
    """
    return events.filter(days_of(pl.col(use_case.event_time), use_case.time_zone) == day)


def panel(events: pl.DataFrame, use_case: UseCase, share: float, seed: int = 0) -> pl.DataFrame:
    """A day's events of a share of the groups (customers); a chosen group sends its whole day.

    A different seed for each day keeps the whole replay representative: the same few customers every day would look like
    drift in everything that describes a customer.

    Args:
        events: event rows of one day.
        use_case: names the group, see `group_column`.
        share: share of groups, between 0 and 1.
        seed: chooses which groups.
    """
    column = group_column(use_case)
    chosen = pl.col(column).hash(seed) % 1_000_000 < int(share * 1_000_000)
    return events.filter(chosen).sort(use_case.event_time, *use_case.event_source.primary_key)


def send(events: pl.DataFrame, use_case: UseCase, address: str, socket: str | None = None) -> Traffic:
    """Send events to the service, each group's in order, from a few callers at once.

    Args:
        events: rows in time order.
        use_case: names request columns and group, see `group_column`.
        address: base URL of the use case, without a trailing slash.
        socket: of the target, by which the platform itself asks; None for the address.
    """
    column = group_column(use_case)
    lanes = [events.filter(pl.col(column).hash(1) % CLIENTS == lane) for lane in range(CLIENTS)]
    results = [Traffic() for _ in lanes]
    threads = [
        threading.Thread(
            target=_caller, args=(lane.select(use_case.serving.request).to_dicts(), (address, socket), result)
        )
        for lane, result in zip(lanes, results, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    traffic = Traffic()
    for result in results:
        traffic.merge(result)
    return traffic


def _caller(rows: Sequence[dict[str, Any]], place: tuple[str, str | None], traffic: Traffic) -> None:
    with own_client(*place, TIMEOUT_SECONDS) as client:
        for row in rows:
            started = perf_counter()
            try:
                answer = client.post("/score", json=request_body(row))
            except httpx.HTTPError as error:
                traffic.failures.append(repr(error))
                continue
            if answer.status_code != httpx.codes.OK:
                traffic.failures.append(f"{answer.status_code}: {answer.text[:200]}")
                continue
            traffic.latencies_ms.append((perf_counter() - started) * 1000)
            decision = answer.json().get("decision")
            if decision is not None:
                traffic.decisions[decision] = traffic.decisions.get(decision, 0) + 1


def request_body(row: dict[str, Any]) -> dict[str, Any]:
    """A row as JSON: times in ISO 8601."""
    return {name: value.isoformat() if isinstance(value, datetime | date) else value for name, value in row.items()}
