"""Start and stop of a serving process.

Belongs here: what has to be true before the first request is accepted, and what a stop still finishes. Does not belong
here: answering (`app.py`, `scoring.py`).
"""

from __future__ import annotations

import asyncio
import functools
import gc
import json
import logging
import sys
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from serving import request
from serving.background import Background
from serving.metrics import ServiceMetrics
from serving.online import FeatureLookup, StoreDamaged, StoreUnavailable, open_named
from serving.prediction_log import LogUnavailable, PredictionLog
from serving.release import PackedRelease, PackedReleaseError, content_digest
from serving.scoring import Prediction, Scorer
from serving.standing_order import OrderInForce
from serving.tracing.opened import open_tracing
from serving.tracing.spans import APPEND, step

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import date
    from pathlib import Path

    from serving.settings import ServingSettings
    from serving.tracing.spans import Tracing

logger = logging.getLogger(__name__)

WARM_UP_ROUNDS = 30
RECORD_PAUSE_SECONDS = 0.5
"""Between two attempts to record an event while the online store takes none."""
BEHIND_SECONDS = 5.0
"""A store that took no event for so long makes the process not ready."""


@dataclass
class Runtime:
    """Everything a running service holds.

    `log_queue` holds the lines of `log: after_answer`, and is None with `before_answer`; `tracing` is None where no request is traced;
    `stopping` is set when the stop begins.
    """

    release: PackedRelease
    digest: str
    settings: ServingSettings
    scorer: Scorer
    online: FeatureLookup
    log: PredictionLog
    metrics: ServiceMetrics
    record_queue: Background
    log_queue: Background | None = None
    tracing: Tracing | None = None
    stopping: threading.Event = field(default_factory=threading.Event)
    order: OrderInForce = field(init=False)
    _behind: tuple[float, str] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        """Let monitoring see how far recording is behind the answers, and look for a standing order."""
        self.order = OrderInForce(self.settings.log_folder)
        if not hasattr(self.online, "record_all"):
            self.record_queue.most_together = 1
        for name, queue in {"record": self.record_queue, "log": self.log_queue}.items():
            if queue is not None:
                self.metrics.waiting[name].set_function(functools.partial(getattr, queue, "waiting"))

    def remember(self, prediction: Prediction, *, in_any_case: bool = False) -> bool:
        """Let every process see the event, write the prediction to the log, and queue the event for the online store.

        An answer is given only after this: what a caller was answered stands in the log, or with `log: after_answer` waits for it in
        memory, and the next request sees the event, whatever process it reaches and however long the store takes.

        Args:
            prediction: what was scored.
            in_any_case: also where another event of its entities was remembered since its features were looked up.

        Returns:
            False when one was: nothing is remembered, and the event has to be scored again.

        Raises:
            LogUnavailable: the log took no line; nothing is remembered, and the request must not be answered.
            StoreUnavailable: no other process would see the event, and no fallback is declared; nothing is remembered.
        """
        from platform_assets.declaration.time_zones import day_of

        case, event = self.release.use_case, prediction.event
        try:
            announced = self.online.announce(event, None if in_any_case else prediction.mark)
        except StoreUnavailable:
            self.metrics.store["write"].inc()
            if case.serving.fallback == "refuse":
                raise
            announced = self.online.announce(event)
        if announced is False:  # online features of one's own may answer nothing
            self.metrics.rescored.inc()
            return False
        try:
            self._describe(prediction)
            with step(self.tracing, APPEND):
                self._log(self.scorer.log_record(prediction), day_of(event[case.event_time], case.time_zone))
        except LogUnavailable:
            self.online.forget(event)
            self.metrics.unlogged.inc()
            raise
        _once_answered(self._queue_record, prediction)
        return True

    def _queue_record(self, prediction: Prediction) -> None:
        if not self.record_queue.submit_to(self._record, prediction):
            self.online.forget(prediction.event)

    def _log(self, record: dict[str, Any], day: date) -> None:
        """Write a line, or queue it where it may come after the answer.

        Raises:
            LogUnavailable: the log takes no line, or so many wait for it that there is no room in memory for another one.
        """
        if self.log_queue is None:
            self.log.append(record, day)
            self.metrics.logged.inc()
        elif not self.log_queue.submit(self._log_later, record, day):
            reason = f"{self.settings.queue_capacity} lines wait for the prediction log"
            self.log.refused(reason, day)
            raise LogUnavailable(reason)

    def _log_later(self, record: dict[str, Any], day: date) -> None:
        """Write a line whose request was answered, again and again while the log takes none: later ones wait."""
        while True:
            try:
                self.log.append(record, day, refuses=False)
            except LogUnavailable:
                if self.stopping.is_set():
                    raise
                self.stopping.wait(RECORD_PAUSE_SECONDS)
            else:
                self.metrics.logged.inc()
                return

    def log_shadow(self, prediction: Prediction) -> None:
        """Write a prediction that nobody is given to the log. Nobody else sees its event: the version that answers announces it.

        Raises:
            LogUnavailable: the log took no line.
        """
        self._describe(prediction)
        with step(self.tracing, APPEND):
            self.log.append(self.scorer.log_record(prediction), refuses=False)

    def _describe(self, prediction: Prediction) -> None:
        """Tell the trace, where there is one, what is answered."""
        if self.tracing is not None:
            self.tracing.describe(
                decision=prediction.answer.decision, role=prediction.role, fallback=prediction.fallback
            )

    def unready(self) -> str | None:
        """Why this process should get no requests now; None when it should."""
        if self.stopping.is_set():
            return "the service is stopping"
        behind = self._behind
        if behind is not None and time.monotonic() - behind[0] > BEHIND_SECONDS:
            return f"the online store takes no events: {behind[1]}"
        return self.log.problem()

    def _record(self, predictions: Sequence[Prediction]) -> list[Exception | None]:
        """Record events, again and again while the store does not take them: later ones wait, and none is lost before the queue is full.

        Returns:
            For each what was wrong with it alone: trying again mends nothing, and would keep the others' events waiting.
        """
        events = [prediction.event for prediction in predictions]
        while True:
            try:
                outcomes = self._record_once(events)
                self._behind = None
                return outcomes
            except StoreUnavailable as error:
                self.metrics.store["write"].inc()
                self._behind = (time.monotonic() if self._behind is None else self._behind[0], str(error))
                if self.stopping.is_set():
                    raise
                for event in events:
                    self.online.announce(event)  # a failed attempt ends the announcement
                self.stopping.wait(RECORD_PAUSE_SECONDS)

    def _record_once(self, events: Sequence[Mapping[str, Any]]) -> list[Exception | None]:
        """Record events; for each what was wrong with it alone.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        if not hasattr(self.online, "record_all"):  # online features of one's own: one at a time, see `__post_init__`
            (event,) = events
            try:
                self.online.record(event)
                outcomes: list[Exception | None] = [None]
            except StoreDamaged as error:
                outcomes = [error]
        else:
            outcomes = self.online.record_all(events)
        for wrong in outcomes:
            if isinstance(wrong, StoreDamaged):
                self.metrics.store["damaged"].inc()
        return outcomes

    def close(self) -> None:
        """Stop: not ready any more, finish what is queued for at most `drain_seconds`, close the log."""
        self.stopping.set()
        if self.log_queue is not None:
            self.metrics.dropped["log"].inc(self.log_queue.close(self.settings.drain_seconds))
        self.metrics.dropped["record"].inc(self.record_queue.close(self.settings.drain_seconds))
        self.log.close()
        if self.tracing is not None:
            self.tracing.close()


def _once_answered(work: Callable[..., object], *arguments: object) -> None:
    """Do something when the event loop has sent what it sends now; at once where no event loop runs.

    A thread that is woken up takes the interpreter away from the one that is about to answer, for milliseconds.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        work(*arguments)
    else:
        loop.call_soon(work, *arguments)


def start_runtime(release: PackedRelease, code_folder: Path | None, settings: ServingSettings) -> Runtime:
    """Load, verify and warm everything up.

    Args:
        release: what to serve.
        code_folder: the folder that was packed, code and release; its digest names the release. None: the release folder's.
        settings: of this process.

    Raises:
        PackedReleaseError: the release is not what was to be started, or its model answers differently than recorded.
        FeatureError: the online store was filled under another feature contract.
        StoreUnavailable: the online store does not answer.
        OSError: the prediction log cannot be written.
    """
    started = time.perf_counter()
    digest = content_digest(code_folder if code_folder is not None else release.folder)
    if settings.release_digest is not None and settings.release_digest != digest:
        raise PackedReleaseError(
            f"{code_folder or release.folder} has digest {digest}, but {settings.release_digest} was to be started; "
            "build the Bento again"
        )
    predictor = release.load_predictor()
    _use_one_thread()
    online = open_named(settings.online_features, release.use_case, settings.feast)
    log = PredictionLog(settings.log_folder, digest, settings.log_segment_bytes, settings.log_copy_folder)
    metrics = ServiceMetrics(release.use_case, digest, release.info.model_version)
    tracing = open_tracing(release.use_case, digest, release.info.model_version, settings.otlp, metrics.spans_dropped)
    scorer = Scorer(release.use_case, release.info, digest, predictor, online, tracing)
    _warm_up(release, scorer, online)
    runtime = Runtime(
        release=release,
        digest=digest,
        settings=settings,
        scorer=scorer,
        online=online,
        log=log,
        metrics=metrics,
        record_queue=_queue("record", settings, metrics),
        log_queue=_queue("log", settings, metrics) if _logs_after(release, settings) else None,
        tracing=tracing,
    )
    logger.info(
        "%s: model version %s, release %s, ready after %.2f s",
        release.use_case.name,
        release.info.model_version,
        digest,
        time.perf_counter() - started,
    )
    return runtime


def _logs_after(release: PackedRelease, settings: ServingSettings) -> bool:
    return (settings.log or release.use_case.serving.log) == "after_answer"


def _queue(name: str, settings: ServingSettings, metrics: ServiceMetrics) -> Background:
    return Background(
        name, settings.queue_capacity, on_drop=metrics.dropped[name].inc, on_failure=metrics.failed[name].inc
    )


def _use_one_thread() -> None:
    """Parallel processes serve in parallel; threads inside one prediction only fight over cores. Boosters are loaded with one."""
    torch: Any = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)


def _warm_up(release: PackedRelease, scorer: Scorer, online: FeatureLookup) -> None:
    """Score an example until nothing is loaded lazily any more, then keep what exists out of garbage collection's sight."""
    try:
        _score_example(release, scorer, online)
    except StoreDamaged as error:
        logger.error("a part of the online store is damaged, requests that touch it are refused: %s", error)
    gc.collect()
    gc.freeze()
    gc.enable()


def _score_example(release: PackedRelease, scorer: Scorer, online: FeatureLookup) -> None:
    online.warm_up()
    model = request.request_model(release.use_case)
    body = json.dumps(request.example_event(release.use_case)).encode()
    for _ in range(WARM_UP_ROUNDS):
        # Now, so that the event does not lie before the newest one of whatever entity the example names.
        event = request.parse_event(model, body) | {release.use_case.event_time: datetime.now(UTC)}
        prediction = scorer.score(event, "warm-up", time.perf_counter())
        json.dumps(scorer.answer(prediction))
