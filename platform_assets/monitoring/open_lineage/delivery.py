"""Sending events to a file or to an address, each at least once.

Belongs here: both ways, and trying again. Does not belong here: what an event is (`events.py`), when they are sent
(`orchestration/open_lineage_sensor.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import StringConstraints

OpenLineageAddress = Annotated[str, StringConstraints(pattern="^(file:.|https?://)")]
"""`file:PATH`, or an address over HTTP."""
FILE: Final = "file:"
ATTEMPTS: Final = 3
TIMEOUT_SECONDS: Final = 5.0
OLDEST_SERVER_ERROR: Final = 500


class EventsNotDelivered(RuntimeError):
    """Events were not taken; the message says by whom, how many, and why."""


class _NotTaken(RuntimeError):
    """An answer that may be another one in a moment."""


def send_events(address: str, events: Iterable[Mapping[str, Any]]) -> int:
    """Send events in order.

    Args:
        address: `file:PATH`, to which lines of JSON are added, or an address over HTTP that takes one event a POST.
        events: by `events.events_of_run`.

    Returns:
        How many were taken.

    Raises:
        EventsNotDelivered: one was not; those before it were, and are the same when they are sent again.
    """
    whole = list(events)
    return (
        _to_file(Path(address.removeprefix(FILE)), whole) if address.startswith(FILE) else _to_address(address, whole)
    )


def _to_file(path: Path, events: list[Mapping[str, Any]]) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(event) + "\n" for event in events)
    except OSError as error:
        raise EventsNotDelivered(f"{path} takes no OpenLineage events: {error}. Name another file") from error
    return len(events)


def _to_address(address: str, events: list[Mapping[str, Any]]) -> int:
    import httpx
    from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

    retrying = Retrying(
        retry=retry_if_exception_type((httpx.TransportError, _NotTaken)),
        wait=wait_random_exponential(multiplier=0.1, max=1.0),
        stop=stop_after_attempt(ATTEMPTS),
    )
    with httpx.Client(timeout=TIMEOUT_SECONDS) as client:
        for number, event in enumerate(events):
            try:
                refused = retrying(_post, client, address, event)
            except RetryError as error:
                refused = str(error.last_attempt.exception())
            if refused:
                raise EventsNotDelivered(
                    f"the OpenLineage receiver took {number} of {len(events)} events and not the next: {refused}. They are sent again; see "
                    "PLATFORM_ASSETS_OPENLINEAGE"
                )
    return len(events)


def _post(client: Any, address: str, event: Mapping[str, Any]) -> str:
    """Send one; why it was refused for good, empty where it was taken."""
    answer = client.post(address, json=event)
    if answer.status_code >= OLDEST_SERVER_ERROR:
        raise _NotTaken(f"status {answer.status_code}")
    return "" if answer.is_success else f"status {answer.status_code} {answer.text[:200]}"
