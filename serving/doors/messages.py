"""What becomes of one message of a topic: an answer, or a dead letter with its reason.

Belongs here: from a message's bytes to what is written for it. Does not belong here: topics and transactions (`broker.py`), the loop
(`stream.py`), or scoring (`app.py` has the one function that every door calls).

A message is read by the code that reads a request's body, and its event scored, logged and remembered by the code that does so for a
request. The id in the prediction log is the message's place and the release: the same message scored again by the same release has the
same id, of which readers of the log keep one line.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from platform_assets.features.errors import FeatureError
from serving import request as requests
from serving.app import REQUEST_ID_HEADER, count_answer, scored_and_remembered
from serving.bodies import largest_event_bytes
from serving.event_times import EventTimes
from serving.online import StoreDamaged, StoreUnavailable
from serving.prediction_log import LogUnavailable
from serving.refusals import RequestRefused

if TYPE_CHECKING:
    from serving.runtime import Runtime

logger = logging.getLogger(__name__)

EMPTY, NOT_JSON, TOO_LARGE, REFUSED, DAMAGED_STATE, FEATURE_FAILED = REASONS = (
    *("empty", "not JSON", "too large", "refused", "damaged state", "feature failed"),
)
"""Why a message becomes a dead letter. Refused: a field is wrong, the event is too old or too early, or of an entity that is declared to
be refused; the explanation says which."""

_BY_STATUS = {400: NOT_JSON, 413: TOO_LARGE}
_RELEASE_DIGITS = 12
_LOOK_SECONDS = 0.001


class TryAgain(RuntimeError):
    """The online store or the log does not take part: nothing is wrong with the message, and nothing was remembered of it."""


@dataclass(frozen=True)
class TopicMessage:
    """One message of a topic."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """`orders[3]@1234`: topic, partition and offset."""
        return f"{self.topic}[{self.partition}]@{self.offset}"


@dataclass(frozen=True)
class MessageOutcome:
    """What is written for a message.

    Attributes:
        message: the message.
        value: the answer as JSON; the message's own value where it is a dead letter.
        headers: where it came from, the release, the id; of a dead letter the reason and its explanation as well.
        reason: why it is a dead letter; None where it was scored.
    """

    message: TopicMessage
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    reason: str | None = None


class MessageScorer:
    """Scores messages one after the other, in the order in which they are given."""

    def __init__(self, runtime: Runtime) -> None:
        """Derive the request model and its limits from the declaration."""
        use_case = runtime.release.use_case
        self._runtime = runtime
        self._model = requests.request_model(use_case)
        self._times = EventTimes(use_case)
        self._largest = min(largest_event_bytes(use_case), runtime.settings.body_limit_bytes)
        self._keys = use_case.event_source.primary_key
        self._release = runtime.digest.removeprefix("sha256:")[:_RELEASE_DIGITS]

    def request_id(self, message: TopicMessage) -> str:
        """The id of the message's prediction: its place and the release."""
        return f"{message.place}/{self._release}"

    def score(self, message: TopicMessage) -> MessageOutcome:
        """Score the event of a message, log and remember it.

        Raises:
            TryAgain: the online store or the log does not answer.
        """
        tracing = self._runtime.tracing
        headers = {} if tracing is None else {name: text.decode("latin-1") for name, text in message.headers.items()}
        if tracing is None or not tracing.takes(headers):
            return self._outcome(message)
        with tracing.message(message.topic, headers) as span:
            outcome = self._outcome(message)
            if outcome.reason is not None:
                span.refused(outcome.reason)
            return outcome

    def _outcome(self, message: TopicMessage) -> MessageOutcome:
        """What becomes of a message; see `score`."""
        started = time.perf_counter()
        try:
            event = self._event(message)
            caller_id = requests.caller_id_from(message.headers.get(REQUEST_ID_HEADER, b"").decode("latin-1"))
            prediction = scored_and_remembered(
                self._times, self._runtime, event, started, caller_id, request_id=self.request_id(message)
            )
        except RequestRefused as error:
            self._runtime.metrics.refused[error.status].inc()
            problems = "; ".join(f"{problem.field}: {problem.reason}" for problem in error.problems)
            return self._dead(
                message, _BY_STATUS.get(error.status, REFUSED), f"{error}. {problems}" if problems else str(error)
            )
        except _Empty:
            return self._dead(message, EMPTY, "the message has no value, so there is no event to score")
        except StoreDamaged as error:
            return self._dead(message, DAMAGED_STATE, f"what the online store holds for this event is damaged: {error}")
        except (StoreUnavailable, LogUnavailable) as error:
            raise TryAgain(str(error)) from error
        except FeatureError as error:
            return self._dead(message, FEATURE_FAILED, str(error))
        count_answer(self._runtime, prediction)
        answer = self._runtime.scorer.answer(prediction) | {
            "event": {name: event[name] for name in self._keys},
            "source": message.place,
            "release": self._runtime.digest,
        }
        value = json.dumps(answer, default=_json, separators=(",", ":")).encode()
        return MessageOutcome(message, value, self._headers(message))

    def settle(self, stop: threading.Event) -> bool:
        """Wait until log and online store have what was scored, so that no kill can come in between; False when stopped before."""
        queues = [queue for queue in (self._runtime.record_queue, self._runtime.log_queue) if queue is not None]
        while any(queue.waiting for queue in queues):
            if stop.is_set():
                return False
            time.sleep(_LOOK_SECONDS)
        return True

    def _event(self, message: TopicMessage) -> dict[str, Any]:
        if message.value is None:
            raise _Empty
        if len(message.value) > self._largest:
            raise RequestRefused(413, f"the message has {len(message.value)} bytes, the most is {self._largest}")
        event = requests.parse_event(self._model, message.value)
        self._times.check(event, datetime.now(UTC), self._runtime.settings.max_future_seconds)
        return event

    def _dead(self, message: TopicMessage, reason: str, explanation: str) -> MessageOutcome:
        logger.warning("%s is a dead letter, %s: %s", message.place, reason, explanation)
        named = (("reason", reason.encode()), ("explanation", explanation[:1000].encode()))
        return MessageOutcome(message, message.value, (*self._headers(message), *named), reason)

    def _headers(self, message: TopicMessage) -> tuple[tuple[str, bytes], ...]:
        return (
            ("source-topic", message.topic.encode()),
            ("source-partition", str(message.partition).encode()),
            ("source-offset", str(message.offset).encode()),
            ("release", self._runtime.digest.encode()),
            ("request-id", self.request_id(message).encode()),
        )


class _Empty(ValueError):
    """A message without a value."""


def _json(value: Any) -> str:
    """Times as ISO text."""
    return str(value.isoformat())
