"""The routes of a use case: HTTP in, JSON out.

Belongs here: reading bodies, status codes, and the wording of refusals. Does not belong here: the models (`request.py`),
scoring, or BentoML (`service.py`).

A plain Starlette application that BentoML mounts. Measured against BentoML's own routes it answers in two thirds of the time, and it
lets a refusal name field and reason; BentoML's request metrics and health routes surround it all the same.
"""

from __future__ import annotations

import functools
import json
import logging
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from platform_assets.features.errors import FeatureError, FunctionFailed, StateError
from serving import request as requests
from serving.online import EventTooOld, StoreUnavailable
from serving.prediction_log import LogUnavailable
from serving.request import Problem, RequestRefused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from platform_assets.declaration import UseCase
    from serving.runtime import Runtime
    from serving.scoring import Prediction

    Endpoint = Callable[[Request], Awaitable[Response]]

logger = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 1


def paths(use_case: UseCase) -> dict[str, str]:
    """The routes by what they do."""
    return {name: f"/v1/{use_case.name}/{name}" for name in ("score", "predict", "release", "self_test")}


def make_app(use_case: UseCase) -> Starlette:
    """The application of a use case; it answers once `app.state.runtime` is set."""
    path = paths(use_case)
    model = requests.request_model(use_case)
    score = functools.partial(_score, use_case, model)
    self_test = functools.partial(_self_test, use_case, model)
    predict = functools.partial(_predict, requests.features_model(use_case))
    return Starlette(
        routes=[
            Route(path["score"], _answering(score), methods=["POST"]),
            Route(path["predict"], _answering(predict), methods=["POST"]),
            Route(path["release"], _release, methods=["GET"]),
            Route(path["self_test"], _answering(self_test), methods=["POST"]),
        ],
        exception_handlers={HTTPException: _http_error, Exception: _unexpected},
    )


async def _score(use_case: UseCase, model: Any, request: Request, runtime: Runtime, request_id: str) -> Response:
    """One event in, one decision out. The store and the model are asked in this thread: a change of threads costs more than they do."""
    started = time.perf_counter()
    event = requests.parse_event(model, await _body(request, runtime.settings.body_limit_bytes))
    requests.check_not_in_future(use_case, event, datetime.now(UTC), runtime.settings.max_future_seconds)
    try:
        prediction = runtime.scorer.score(event, request_id, started)
    except EventTooOld as error:
        problem = Problem(field=use_case.event_time, reason=str(error))
        raise RequestRefused(422, "the event is older than what the online store keeps", (problem,)) from error
    except (StoreUnavailable, StateError):
        runtime.metrics.store["read"].inc()
        raise
    except FeatureError as error:
        runtime.metrics.features["function" if isinstance(error, FunctionFailed) else "expression"].inc()
        raise
    runtime.remember(prediction)
    return _json(runtime.scorer.answer(prediction), background=BackgroundTask(_after, runtime, prediction))


async def _after(runtime: Runtime, prediction: Prediction) -> None:
    """Once the answer is on its way: count."""
    metrics = runtime.metrics
    metrics.latency.observe(prediction.latency_ms / 1e3)
    metrics.decisions[prediction.answer.decision or "none"].inc()
    for entity in prediction.unknown_entities:
        metrics.unknown[entity].inc()
    if prediction.fallback is not None:
        metrics.store["read"].inc()
        metrics.fallbacks.inc()


async def _predict(model: Any, request: Request, runtime: Runtime, request_id: str) -> Response:
    """Rows of feature values in, scores out: for the self-test and for batch callers. Nothing is logged or remembered."""
    rows = requests.parse_rows(model, await _body(request, runtime.settings.body_limit_bytes))
    scores = runtime.scorer.predict(rows)
    return _json(
        {
            "predictions": [runtime.scorer.row_answer(score) for score in scores],
            "model_version": runtime.release.info.model_version,
            "request_id": request_id,
        }
    )


async def _self_test(use_case: UseCase, model: Any, request: Request, runtime: Runtime, request_id: str) -> Response:
    """Score an event as every other one, store, model and log's folder included, and remember nothing of it.

    Without a body it is the declared example. It happens now: an event that was sent before would be too old for what is stored.
    """
    started = time.perf_counter()
    body = await _body(request, runtime.settings.body_limit_bytes)
    event = requests.parse_event(model, body or json.dumps(requests.example_event(use_case)).encode())
    prediction = runtime.scorer.score(event | {use_case.event_time: datetime.now(UTC)}, request_id, started)
    reason = runtime.unready()
    if reason is not None:
        return _refusal(503, reason, request_id)
    answer = runtime.scorer.answer(prediction)
    return _json(answer | {"release": runtime.digest, "latency_ms": round(prediction.latency_ms, 3)})


async def _release(request: Request) -> Response:
    """What is being served: versions, contract, digest."""
    runtime: Runtime = request.app.state.runtime
    return _json({"release": runtime.digest} | runtime.release.info.model_dump(mode="json", exclude={"self_test"}))


def _answering(handle: Callable[[Request, Runtime, str], Awaitable[Response]]) -> Endpoint:
    """Give a handler the runtime and a request id, and turn what it raises into a JSON refusal."""

    async def endpoint(request: Request) -> Response:
        runtime: Runtime = request.app.state.runtime
        request_id = requests.request_id_from(request.headers.get("x-request-id"))
        try:
            return await handle(request, runtime, request_id)
        except RequestRefused as error:
            runtime.metrics.refused[error.status].inc()
            return _refusal(error.status, str(error), request_id, error.problems)
        except StoreUnavailable as error:
            message = f"the online store does not answer: {error}; the request was not scored, send it again"
            return _refusal(503, message, request_id, headers={"retry-after": str(RETRY_AFTER_SECONDS)})
        except LogUnavailable as error:
            message = (
                f"the prediction cannot be logged, and none is answered that is not: {error}; send the request again"
            )
            return _refusal(503, message, request_id, headers={"retry-after": str(RETRY_AFTER_SECONDS)})
        except FunctionFailed as error:
            logger.error("request %s: %s", request_id, error)
            return _refusal(500, f"a declared function failed, so the event was not scored: {error}", request_id)
        except FeatureError as error:
            logger.error("request %s: %s", request_id, error)
            return _refusal(500, f"the event's features cannot be made: {error}", request_id)

    return endpoint


async def _http_error(request: Request, error: Exception) -> Response:
    """Starlette's own errors (such as a wrong method) in the same form as ours."""
    assert isinstance(error, HTTPException)
    request_id = requests.request_id_from(request.headers.get("x-request-id"))
    return _refusal(error.status_code, error.detail, request_id, headers=dict(error.headers or {}))


async def _unexpected(request: Request, error: Exception) -> Response:
    """An error that nobody foresaw: the server's log has the rest."""
    request_id = requests.request_id_from(request.headers.get("x-request-id"))
    return _refusal(500, f"unexpected {type(error).__name__}; the service's log says more", request_id)


async def _body(request: Request, limit_bytes: int) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit_bytes:
            raise RequestRefused(413, f"the body is larger than {limit_bytes} bytes")
    return body


def _refusal(
    status: int, error: str, request_id: str, problems: tuple[Problem, ...] = (), headers: dict[str, str] | None = None
) -> Response:
    content = {"error": error, "problems": [problem.model_dump() for problem in problems], "request_id": request_id}
    return _json(content, status=status, headers=headers)


def _json(
    content: dict[str, Any],
    status: int = 200,
    headers: dict[str, str] | None = None,
    background: BackgroundTask | None = None,
) -> Response:
    body = json.dumps(content, allow_nan=False, separators=(",", ":"))
    return Response(body, status, headers, media_type="application/json", background=background)
