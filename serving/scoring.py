"""From an event to an answer: features, score, decision, and what is remembered of it.

Belongs here: what happens between a parsed request and its answer. Does not belong here: HTTP (`app.py`), start and
stop (`runtime.py`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from platform_assets.declaration.prediction_log import FEATURE_PREFIX, LIVE
from platform_assets.declaration.sections.serving import REVIEW
from platform_assets.tasks.registry import task_of
from serving.online import EventTooOld, StoreEmptied, StoreUnavailable
from serving.refusals import Problem, RequestRefused, unusable
from serving.tracing.spans import LOOK_UP, PREDICT, step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from platform_assets.declaration import UseCase
    from platform_assets.tasks.base import Answer
    from platform_assets.training.predictor import Predictor
    from serving.exposure import Exposure
    from serving.online import FeatureLookup, ModelInputs
    from serving.release import ReleaseInfo
    from serving.tracing.spans import Tracing

STORE_UNREACHABLE = "store unreachable"
STORE_EMPTIED = "store lost its data"


@dataclass(frozen=True, slots=True)
class Prediction:
    """One answered request.

    Attributes:
        request_id: names the request in the log; no other prediction has it.
        event: request columns by name.
        features: float64 [f], what the model was given.
        unknown_entities: entities without history; empty where nobody was asked.
        answer: score, decision and what the caller is given, as the kind of task has it.
        scored_at: when the answer was ready, UTC.
        latency_ms: from the request's arrival to the answer.
        fallback: why the features are not what the online store holds; None where they are.
        caller_request_id: the caller's own id of the request, if it gave one; a request that is sent again has it again.
        unknown_outcome: what is declared for a request with unknown entities: `refuse`, `review` or `decide`; None where all are known.
        exposure: what its entity is given in a running A/B test; None while none runs.
        mark: where the exchange of events stood when the event's features were looked up; None where it was not asked.
        role: `live`, or `shadow` for an answer that nobody is given.
        trace_id: of the trace that its request is part of; None where it is not sampled.
    """

    request_id: str
    event: Mapping[str, Any]
    features: NDArray[np.float64]
    unknown_entities: tuple[str, ...]
    answer: Answer
    scored_at: datetime
    latency_ms: float
    fallback: str | None = None
    caller_request_id: str | None = None
    unknown_outcome: str | None = None
    exposure: Exposure | None = None
    mark: Any = None
    role: str = LIVE
    trace_id: str | None = None


def reviewed(answer: Answer) -> Answer:
    """The answer with its decision left to people."""
    return replace(answer, decision=REVIEW, fields={**answer.fields, "decision": REVIEW})


class Scorer:
    """Scores events of one use case with one model."""

    def __init__(
        self,
        use_case: UseCase,
        info: ReleaseInfo,
        digest: str,
        predictor: Predictor,
        online: FeatureLookup,
        tracing: Tracing | None = None,
    ) -> None:
        """Bring together what a score needs; `digest` is the release's."""
        self._tracing = tracing
        self._use_case = use_case
        self._info = info
        self._digest = digest
        self._predictor = predictor
        self._online = online
        self._answer = task_of(use_case).answers(use_case)
        self._unknown_outcome = use_case.serving.unknown or "decide"
        self._feature_columns = tuple(FEATURE_PREFIX + name for name in use_case.feature_names)

    def score(
        self,
        event: Mapping[str, Any],
        request_id: str,
        started: float,
        caller_request_id: str | None = None,
        exposure: Exposure | None = None,
        role: str = LIVE,
    ) -> Prediction:
        """Look the event's features up and score them.

        Args:
            event: request columns by name.
            request_id: names the request in the log.
            started: `time.perf_counter()` when the request arrived.
            caller_request_id: the caller's own id, if any.
            exposure: what its entity is given in a running A/B test.
            role: `live` or `shadow`.

        Raises:
            StoreUnavailable: the online store does not answer, and the declaration knows no fallback.
            EventTooOld: its windows reach behind what the online store holds.
            RequestRefused: a feature of it is infinite.
        """
        with step(self._tracing, LOOK_UP):
            vector, unknown, fallback = self._vector(event)
        features = np.asarray(vector.values, dtype=np.float64)
        if np.isinf(features).any():
            raise self._infinite(features)
        with step(self._tracing, PREDICT):
            answer = self._answer(self._predictor.predict(features.reshape(1, -1))[0].tolist())
        outcome = self._unknown_outcome if unknown else None
        if outcome == REVIEW:
            answer = reviewed(answer)
        return Prediction(
            request_id=request_id,
            event=event,
            features=features,
            unknown_entities=unknown,
            answer=answer,
            scored_at=datetime.now(UTC),
            latency_ms=(time.perf_counter() - started) * 1e3,
            fallback=fallback,
            caller_request_id=caller_request_id,
            unknown_outcome=outcome,
            exposure=exposure,
            mark=getattr(vector, "mark", None),  # online features of one's own may know none
            role=role,
            trace_id=None if self._tracing is None else self._tracing.trace_id(),
        )

    def _vector(self, event: Mapping[str, Any]) -> tuple[ModelInputs, tuple[str, ...], str | None]:
        """The event's features, its unknown entities, and why they are not what the store holds."""
        try:
            vector = self._online.vector(event)
        except StoreUnavailable as error:
            if self._use_case.serving.fallback == "refuse":
                raise
            reason = STORE_EMPTIED if isinstance(error, StoreEmptied) else STORE_UNREACHABLE
            return self._online.without_history(event), (), reason
        if vector.too_late_for:
            raise EventTooOld(
                f"lies so far before the newest event of its {', '.join(vector.too_late_for)} that the online store no longer holds "
                "what its windows need; score it in batch"
            )
        return vector, tuple(vector.unknown_entities), None

    def _infinite(self, features: NDArray[np.float64]) -> RequestRefused:
        """The refusal of an event that a feature divides by zero for; the model has never seen such a value."""
        names = self._use_case.feature_names
        found = [names[place] for place in np.flatnonzero(np.isinf(features))]
        reason = "is infinite for this request: its expression divides by zero; write NULLIF(divisor, 0) there"
        return unusable(*(Problem(field="", reason=f"feature {name} {reason}") for name in found))

    def predict(self, rows: Sequence[Mapping[str, float | None]]) -> list[Any]:
        """The model's outputs for rows whose features are given by name; null is missing."""
        names = self._use_case.feature_names
        X = np.array(
            [[math.nan if row[name] is None else row[name] for name in names] for row in rows], dtype=np.float64
        )
        outputs: list[Any] = self._predictor.predict(X).tolist()
        return outputs

    def answer(self, prediction: Prediction) -> dict[str, Any]:
        """What the caller is given."""
        answer = dict(prediction.answer.fields)
        answer["model_version"] = self._info.model_version
        answer["request_id"] = prediction.caller_request_id or prediction.request_id
        if prediction.unknown_entities:
            answer["unknown_entities"] = list(prediction.unknown_entities)
        if prediction.fallback is not None:
            answer["fallback"] = prediction.fallback
        return answer

    def row_answer(self, output: Any) -> dict[str, Any]:
        """What the caller is given for one row of `predict`."""
        return dict(self._answer(output).fields)

    def log_record(self, prediction: Prediction) -> dict[str, Any]:
        """The line of the prediction log: the columns of `prediction_log_schema`, without the event day."""
        record = dict(prediction.event)
        record["request_id"] = prediction.request_id
        record["scored_at"] = prediction.scored_at
        record["score"] = prediction.answer.score
        record["decision"] = prediction.answer.decision
        record.update(prediction.answer.logged)
        record["model_version"] = self._info.model_version
        record["release"] = self._digest
        record["feature_contract"] = self._info.feature_contract
        record["unknown_entities"] = ",".join(prediction.unknown_entities)
        record["latency_ms"] = round(prediction.latency_ms, 4)
        record["fallback"] = prediction.fallback
        record["caller_request_id"] = prediction.caller_request_id
        exposure = prediction.exposure
        record["experiment"] = None if exposure is None else exposure.experiment
        record["variant"] = None if exposure is None else exposure.variant
        record["role"] = prediction.role
        record["trace_id"] = prediction.trace_id
        for name, value in zip(self._feature_columns, prediction.features.tolist(), strict=True):
            record[name] = value if math.isfinite(value) else None
        return record
