"""The routes of a use case: HTTP in, JSON out.

Belongs here: status codes, ids of requests, and the wording of what the service cannot answer. Does not belong here: bodies
(`bodies.py`), the models (`request.py`), scoring, or BentoML (`service.py`).

A plain Starlette application that BentoML mounts. Measured against BentoML's own routes it answers in two thirds of the time, and it
lets a refusal name field and reason; BentoML's request metrics and health routes surround it all the same.
"""

from __future__ import annotations

import asyncio
import functools
import json
import logging
import time
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from platform_assets.declaration.prediction_log import LIVE, SHADOW
from platform_assets.declaration.sections.serving import REVIEW
from platform_assets.features.errors import FeatureError, FunctionFailed, StateError
from serving import request as requests
from serving.bodies import largest_event_bytes, largest_rows_bytes, read_body
from serving.event_times import EventTimes
from serving.exposure import exposure_of
from serving.metrics import ANSWERED, FAILED, REFUSED
from serving.online import EventTooOld, StoreDamaged, StoreEmptied, StoreUnavailable
from serving.prediction_log import LogUnavailable
from serving.refusals import Problem, Refusal, RequestRefused
from serving.roles import role_of
from serving.rule import ruled
from serving.scoring import STORE_EMPTIED, reviewed
from serving.tracing.routes import traced

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from platform_assets.declaration import UseCase
    from serving.exposure import Exposure
    from serving.runtime import Runtime
    from serving.scoring import Prediction

    Endpoint = Callable[[Request], Awaitable[Response]]
    Handle = Callable[[Request, Runtime, str | None], Awaitable[Response]]

logger = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 1
RETRY_AFTER = {"retry-after": str(RETRY_AFTER_SECONDS)}
ATTEMPTS = 20
"""How often an event is scored again because another one of its entities was remembered meanwhile, by another process."""
REQUEST_ID_HEADER = "x-request-id"
CLIENT_WENT_AWAY = 499
REPAIR = "Materialize the online store asset again"


def paths(use_case: UseCase) -> dict[str, str]:
    """The routes by what they do."""
    return {name: f"/v1/{use_case.name}/{name}" for name in ("score", "predict", "release", "self_test")}


def make_app(use_case: UseCase) -> Starlette:
    """The application of a use case; it answers once `app.state.runtime` is set."""
    path = paths(use_case)
    model, times, largest = requests.request_model(use_case), EventTimes(use_case), largest_event_bytes(use_case)
    score = functools.partial(_score, times, model, largest) if use_case.answers_requests else streamed(use_case)
    self_test = functools.partial(_self_test, use_case, model, largest)
    predict = functools.partial(_predict, requests.features_model(use_case), largest_rows_bytes(use_case))
    return Starlette(
        routes=[
            Route(path["score"], traced(path["score"], counting(answering(score))), methods=["POST"]),
            Route(path["predict"], traced(path["predict"], answering(predict)), methods=["POST"]),
            Route(path["release"], _release, methods=["GET"]),
            Route(path["self_test"], answering(self_test), methods=["POST"]),
        ],
        exception_handlers={HTTPException: _http_error, Exception: _unexpected},
    )


async def _score(
    times: EventTimes, model: Any, limit_bytes: int, request: Request, runtime: Runtime, caller_id: str | None
) -> Response:
    """One event in, one decision out. The store and the model are asked in this thread: a change of threads costs more than they do.

    From the whole body on nothing waits: a caller that goes away meanwhile has its event scored, logged and remembered like any other.
    """
    started = time.perf_counter()
    event = requests.parse_event(model, await read_body(request, min(limit_bytes, runtime.settings.body_limit_bytes)))
    times.check(event, datetime.now(UTC), runtime.settings.max_future_seconds)
    exposure = exposure_of(runtime.release.use_case.name, request.headers, event)
    prediction = scored_and_remembered(times, runtime, event, started, caller_id, exposure, role_of(request, runtime))
    asyncio.get_running_loop().call_soon(_after, runtime, prediction)
    return _json(runtime.scorer.answer(prediction))


def scored_and_remembered(
    times: EventTimes,
    runtime: Runtime,
    event: dict[str, Any],
    started: float,
    caller_id: str | None,
    exposure: Exposure | None = None,
    role: str = LIVE,
    request_id: str | None = None,
) -> Prediction:
    """Score an event that was checked, and log and remember it: what every door does with an event.

    A copy for a version in shadow is scored and logged only. Without a `request_id` it gets a new one.

    Raises:
        RequestRefused, StoreUnavailable, FeatureError: see `_scored`; of an entity that is declared to be refused, or of all while a
            standing order says so.
        LogUnavailable: the log took no line.
    """
    if role == SHADOW:
        return _in_shadow(times, runtime, event, started, caller_id)
    order = runtime.order.now()
    if order is not None and order.then == "refuse":
        raise RequestRefused(
            503, f"{runtime.release.use_case.name} answers nothing until a person lifts it: {order.why}"
        )
    for attempt in range(1, ATTEMPTS + 1):
        prediction = _scored(times, runtime, event, started, caller_id, exposure, request_id=request_id)
        if prediction.unknown_outcome == "refuse":
            raise _unknown(runtime, prediction)
        if order is not None and order.then == REVIEW and runtime.release.use_case.may_review:
            prediction = replace(prediction, answer=reviewed(prediction.answer))
        if order is not None and order.then == "rule" and prediction.unknown_outcome != REVIEW:
            prediction = ruled(prediction, order.rule, runtime.release.use_case)
        if runtime.remember(prediction, in_any_case=attempt == ATTEMPTS):
            break
    if prediction.unknown_outcome is not None:
        runtime.metrics.unknown_outcomes[prediction.unknown_outcome].inc()
    return prediction


def streamed(use_case: UseCase) -> Handle:
    """What stands in place of `score` where events come from a topic alone."""
    stream = use_case.serving.stream
    assert stream is not None, "such a mode declares its topics"
    message = (
        f"events of {use_case.name} are scored from topic {stream.events!r}; `mode: hybrid` answers requests as well"
    )

    async def refuse(request: Request, runtime: Runtime, caller_id: str | None) -> Response:
        raise RequestRefused(409, message)

    return refuse


def _in_shadow(
    times: EventTimes, runtime: Runtime, event: dict[str, Any], started: float, caller_id: str | None
) -> Prediction:
    """Score a copy of a request that another version answers: logged, and neither announced nor recorded."""
    prediction = _scored(times, runtime, event, started, caller_id, role=SHADOW)
    if prediction.unknown_outcome == "refuse":
        raise RequestRefused(422, f"nothing is known of the request's {', '.join(prediction.unknown_entities)}")
    runtime.log_shadow(prediction)
    runtime.metrics.shadow["logged"].inc()
    return prediction


def _scored(
    times: EventTimes,
    runtime: Runtime,
    event: dict[str, Any],
    started: float,
    caller_id: str | None,
    exposure: Exposure | None = None,
    role: str = LIVE,
    request_id: str | None = None,
) -> Prediction:
    """Score an event; what goes wrong for a caller is counted.

    Raises:
        RequestRefused: it is too old for what the online store keeps.
        StoreUnavailable, FeatureError: its features cannot be made.
    """
    try:
        return runtime.scorer.score(event, request_id or requests.new_request_id(), started, caller_id, exposure, role)
    except EventTooOld as error:
        problem = Problem(field=times.column, reason=str(error))
        raise RequestRefused(422, "the event is older than what the online store keeps", (problem,)) from error
    except (StoreUnavailable, StateError) as error:
        kind = "damaged" if isinstance(error, StoreDamaged) else "lost" if isinstance(error, StoreEmptied) else "read"
        if role == LIVE:
            runtime.metrics.store[kind].inc()
        raise
    except FeatureError as error:
        if role == LIVE:
            runtime.metrics.features["function" if isinstance(error, FunctionFailed) else "expression"].inc()
        raise


def _unknown(runtime: Runtime, prediction: Prediction) -> RequestRefused:
    """The refusal that is declared for strangers. Nothing of the event is remembered: a load or the stream makes its entity known."""
    use_case = runtime.release.use_case
    runtime.metrics.unknown_outcomes["refuse"].inc()
    problems = []
    for name in prediction.unknown_entities:
        runtime.metrics.unknown[name].inc()
        columns = ", ".join(use_case.entity(name).key_columns)
        problems.append(
            Problem(field=columns, reason=f"This {name} has no history, and such requests are declared to be refused")
        )
    names = ", ".join(prediction.unknown_entities)
    logger.info("request %s: refused, no history of %s", prediction.caller_request_id or prediction.request_id, names)
    return RequestRefused(422, f"nothing is known of the request's {names}", tuple(problems))


def _after(runtime: Runtime, prediction: Prediction) -> None:
    """Once the answer is on its way: count it; one that nobody is given was counted as such."""
    if prediction.role != SHADOW:
        count_answer(runtime, prediction)


def count_answer(runtime: Runtime, prediction: Prediction) -> None:
    """Count an answer that was given."""
    metrics = runtime.metrics
    metrics.latency.observe(prediction.latency_ms / 1e3)
    metrics.decisions[prediction.answer.decision or "none"].inc()
    if prediction.exposure is not None:
        metrics.assignments[prediction.exposure.outcome].inc()
    for entity in prediction.unknown_entities:
        metrics.unknown[entity].inc()
    if prediction.fallback is not None:
        metrics.store["lost" if prediction.fallback == STORE_EMPTIED else "read"].inc()
        metrics.fallbacks[prediction.fallback].inc()


async def _predict(model: Any, limit_bytes: int, request: Request, runtime: Runtime, caller_id: str | None) -> Response:
    """Rows of feature values in, scores out: for the self-test and for batch callers. Nothing is logged or remembered."""
    rows = requests.parse_rows(model, await read_body(request, min(limit_bytes, runtime.settings.body_limit_bytes)))
    scores = runtime.scorer.predict(rows)
    return _json(
        {
            "predictions": [runtime.scorer.row_answer(score) for score in scores],
            "model_version": runtime.release.info.model_version,
            "request_id": caller_id or requests.new_request_id(),
        }
    )


async def _self_test(
    use_case: UseCase, model: Any, limit_bytes: int, request: Request, runtime: Runtime, caller_id: str | None
) -> Response:
    """Score an event as every other one, store, model and log's folder included, and remember nothing of it.

    Without a body it is the declared example. It happens now: an event that was sent before would be too old for what is stored.
    """
    started = time.perf_counter()
    request_id = requests.new_request_id()
    body = await read_body(request, min(limit_bytes, runtime.settings.body_limit_bytes))
    event = requests.parse_event(model, body or json.dumps(requests.example_event(use_case)).encode())
    event |= {use_case.event_time: datetime.now(UTC)}
    prediction = runtime.scorer.score(event, request_id, started, caller_id)
    reason = runtime.unready()
    if reason is not None:
        return _refusal(503, reason, caller_id or request_id)
    answer = runtime.scorer.answer(prediction)
    return _json(answer | {"release": runtime.digest, "latency_ms": round(prediction.latency_ms, 3)})


async def _release(request: Request) -> Response:
    """What is being served: versions, contract, digest."""
    runtime: Runtime = request.app.state.runtime
    return _json({"release": runtime.digest} | runtime.release.info.model_dump(mode="json", exclude={"self_test"}))


def answering(handle: Handle) -> Endpoint:
    """Give a handler the runtime and the caller's id, and turn what it raises into a JSON refusal."""

    async def endpoint(request: Request) -> Response:
        runtime: Runtime = request.app.state.runtime
        response = await answered(request, runtime)
        if role_of(request, runtime) == SHADOW and response.status_code != HTTPStatus.OK:
            refused = response.status_code < HTTPStatus.INTERNAL_SERVER_ERROR
            runtime.metrics.shadow["refused" if refused else "failed"].inc()
        return response

    async def answered(request: Request, runtime: Runtime) -> Response:
        in_shadow = role_of(request, runtime) == SHADOW
        caller_id = requests.caller_id_from(request.headers.get(REQUEST_ID_HEADER))
        try:
            return await handle(request, runtime, caller_id)
        except RequestRefused as error:
            if not in_shadow:
                runtime.metrics.refused[error.status].inc()
            return _refusal(error.status, str(error), _shown_id(request), error.problems)
        except ClientDisconnect:
            if not in_shadow:
                runtime.metrics.refused[CLIENT_WENT_AWAY].inc()
            return _refusal(
                CLIENT_WENT_AWAY, "the caller went away before the request was complete", _shown_id(request)
            )
        except StoreDamaged as error:
            message = f"what the online store holds for this event is damaged: {error}; it was not scored. {REPAIR}"
            return _refusal(503, message, _shown_id(request))
        except StoreEmptied as error:
            return _refusal(503, f"{error}; the request was not scored", _shown_id(request), headers=RETRY_AFTER)
        except StoreUnavailable as error:
            message = f"the online store does not answer: {error}; the request was not scored, send it again"
            return _refusal(503, message, _shown_id(request), headers=RETRY_AFTER)
        except LogUnavailable as error:
            message = (
                f"the prediction cannot be logged, and none is answered that is not: {error}; send the request again"
            )
            return _refusal(503, message, _shown_id(request), headers=RETRY_AFTER)
        except FunctionFailed as error:
            return _failed(request, f"a declared function failed, so the event was not scored: {error}", error)
        except FeatureError as error:
            return _failed(request, f"the event's features cannot be made: {error}", error)

    return endpoint


def counting(endpoint: Endpoint) -> Endpoint:
    """Count what becomes of callers' requests: what the objective of availability is measured by."""

    async def counted(request: Request) -> Response:
        runtime: Runtime = request.app.state.runtime
        status = int(HTTPStatus.INTERNAL_SERVER_ERROR)
        try:
            response = await endpoint(request)
            status = response.status_code
            return response
        finally:
            if role_of(request, runtime) != SHADOW:
                runtime.metrics.requests[outcome_of(status)].inc()

    return counted


def outcome_of(status: int) -> str:
    """What an HTTP status says became of a request."""
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return FAILED
    return REFUSED if status >= HTTPStatus.BAD_REQUEST else ANSWERED


def _shown_id(request: Request) -> str:
    return requests.request_id_from(request.headers.get(REQUEST_ID_HEADER))


def _failed(request: Request, message: str, error: FeatureError) -> Response:
    request_id = _shown_id(request)
    logger.error("request %s: %s", request_id, error)
    return _refusal(500, message, request_id)


async def _http_error(request: Request, error: Exception) -> Response:
    """Starlette's own errors (such as a wrong method) in the same form as ours."""
    assert isinstance(error, HTTPException)
    return _refusal(error.status_code, error.detail, _shown_id(request), headers=dict(error.headers or {}))


async def _unexpected(request: Request, error: Exception) -> Response:
    """An error that nobody foresaw: the server's log has the rest."""
    return _refusal(500, f"unexpected {type(error).__name__}; the service's log says more", _shown_id(request))


def _refusal(
    status: int, error: str, request_id: str, problems: tuple[Problem, ...] = (), headers: dict[str, str] | None = None
) -> Response:
    refusal = Refusal(error=error, problems=list(problems), request_id=request_id)
    return _json(refusal.model_dump(), status=status, headers=headers)


_BODIES = json.JSONEncoder(allow_nan=False, separators=(",", ":"))
"""`json.dumps` with arguments makes an encoder for each answer."""


def _json(content: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> Response:
    named = {REQUEST_ID_HEADER: content["request_id"]} if "request_id" in content else {}
    return Response(_BODIES.encode(content), status, named | (headers or {}), media_type="application/json")
