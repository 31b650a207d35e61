"""Checks of the stream door: modes that stream have their topics, one for each use.

Belongs here: what compares mode and topics. Does not belong here: topics under a mode that has none (`checks/options.py`), or limits of one
field (`sections/stream_door.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from platform_assets.declaration.use_case import UseCase

Problem = tuple[tuple[int | str, ...], Any, str]


def stream_door_problems(use_case: UseCase) -> Iterator[Problem]:
    """Problems of the topics between which events are scored; paths start at the use case."""
    mode, stream = use_case.serving.mode, use_case.serving.stream
    where = ("serving", "stream")
    if stream is None:
        if use_case.scores_stream:
            yield where, None, f"mode {mode} needs it: `stream: {{brokers: VARIABLE, events: ..., predictions: ...}}`"
        return
    if len(set(stream.topics)) < len(stream.topics):
        message = f"events, predictions and dead letters need a topic each, and these are {', '.join(stream.topics)}"
        yield where, stream.events, message
