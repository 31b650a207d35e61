"""The Open Inference Protocol, version 2, over REST: what `tritonclient`, KServe's SDK and other clients of the protocol ask.

Belongs here: the protocol's routes below `/v1/<use_case>/v2`, its errors, and its binary extension. Does not belong here: tensors
(`tensors.py`), gRPC (`grpc/`), or scoring (`serving/app.py`).

The model is the use case and its version the registered model's. Each row of an inference is an event like one of `score`: checked,
scored in the order of the rows, logged and remembered. All rows are checked before the first one is scored.
"""

from __future__ import annotations

import asyncio
import functools
import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from starlette.background import BackgroundTask
from starlette.responses import Response
from starlette.routing import Route

from platform_assets.declaration.prediction_log import SHADOW
from serving import request as requests
from serving.app import (
    REQUEST_ID_HEADER,
    answering,
    count_answer,
    counting,
    scored_and_remembered,
    streamed,
)
from serving.bodies import json_value, read_body, read_bytes
from serving.doors import tensors
from serving.doors.tensors import EXTENSIONS, HEADER_LENGTH, SERVER
from serving.event_times import EventTimes
from serving.exposure import exposure_of
from serving.refusals import Problem, RequestRefused
from serving.roles import role_of
from serving.tracing.routes import traced

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import BaseModel
    from starlette.requests import Request

    from platform_assets.declaration import UseCase
    from serving.app import Endpoint
    from serving.release import ReleaseInfo
    from serving.runtime import Runtime
    from serving.scoring import Prediction

LONGEST_LENGTH = 9


@dataclass(frozen=True)
class Door:
    """What the routes of one release need."""

    use_case: UseCase
    info: ReleaseInfo
    times: EventTimes
    model: type[BaseModel]


def root_path(use_case: UseCase) -> str:
    """Below which the routes stand."""
    return f"/v1/{use_case.name}/v2"


def routes(use_case: UseCase, info: ReleaseInfo) -> list[Route]:
    """The protocol's routes of a release."""
    door = Door(use_case, info, EventTimes(use_case), requests.request_model(use_case))
    root = root_path(use_case)
    infer = functools.partial(_infer, door) if use_case.answers_requests else streamed(use_case)
    found = [
        Route(root, functools.partial(_server_metadata, door)),
        Route(f"{root}/", functools.partial(_server_metadata, door)),
        Route(f"{root}/health/live", _live),
        Route(f"{root}/health/ready", _ready),
    ]
    for model in (f"{root}/models/{use_case.name}", f"{root}/models/{use_case.name}/versions/{info.model_version}"):
        found += [
            Route(model, functools.partial(_model_metadata, door)),
            Route(f"{model}/ready", functools.partial(_model_ready, door)),
            Route(
                f"{model}/infer",
                traced(f"{model}/infer", _with_its_errors(counting(answering(infer)))),
                methods=["POST"],
            ),
        ]
    return found


def unknown_path(path: str, use_case: UseCase, version: str) -> str | None:
    """What to say of a path of the protocol that no route has; None where it is none of the protocol's."""
    models = f"{root_path(use_case)}/models/"
    if not path.startswith(models):
        return None
    name, _, rest = path.removeprefix(models).partition("/")
    if name != use_case.name:
        return f"there is no model {name[:64]!r} here; the model is {use_case.name!r}"
    asked = rest.removeprefix("versions/").partition("/")[0] if rest.startswith("versions/") else version
    if asked != version:
        return f"model {name!r} is served here in version {version!r}, not {asked[:64]!r}"
    return None


async def _live(request: Request) -> Response:
    return _json({"live": True})


async def _ready(request: Request) -> Response:
    reason = request.app.state.runtime.unready()
    return _json({"ready": True}) if reason is None else _json({"ready": False, "error": reason}, 503)


async def _server_metadata(door: Door, request: Request) -> Response:
    return _json({"name": SERVER, "version": door.info.code_version or "0", "extensions": list(EXTENSIONS)})


async def _model_metadata(door: Door, request: Request) -> Response:
    return _json(
        {
            "name": door.use_case.name,
            "versions": [door.info.model_version],
            "platform": SERVER,
            "inputs": [tensor.metadata() for tensor in tensors.inputs_of(door.use_case).values()],
            "outputs": [tensor.metadata() for tensor in tensors.outputs_of(door.use_case).values()],
        }
    )


async def _model_ready(door: Door, request: Request) -> Response:
    reason = request.app.state.runtime.unready()
    said = {"name": door.use_case.name, "ready": reason is None}
    return _json(said) if reason is None else _json(said | {"error": reason}, 503)


async def _infer(door: Door, request: Request, runtime: Runtime, caller_id: str | None) -> Response:
    """Rows of events in, tensors of answers out."""
    body, binary = await _content(request, runtime.settings.body_limit_bytes)
    if not isinstance(body, dict):
        raise tensors.refused("the request is no JSON object")
    given_id = body.get("id") or ""
    if not isinstance(given_id, str):
        raise tensors.refused("`id` is a text")
    rows = tensors.events_of(body, door.use_case, binary)
    wanted = tensors.requested_outputs(body, door.use_case)
    now = datetime.now(UTC)
    events = [_checked(door, runtime, index, row, now) for index, row in enumerate(rows)]
    predictions = await _scored(door, request, runtime, events, requests.caller_id_from(given_id) or caller_id)
    answers = [runtime.scorer.answer(prediction) for prediction in predictions]
    given = tensors.answers_of(answers, [output for output, _ in wanted], door.use_case)
    head = {
        "model_name": door.use_case.name,
        "model_version": door.info.model_version,
        "id": given_id or caller_id or requests.new_request_id(),
    }
    return _answer(head, given, [binary for _, binary in wanted], BackgroundTask(_count, runtime, predictions))


async def _content(request: Request, limit_bytes: int) -> tuple[Any, bytes]:
    """The JSON value of the request, and the binary data behind it."""
    length = request.headers.get(HEADER_LENGTH)
    if length is None:
        return json_value(await read_body(request, limit_bytes)), b""
    content = await read_bytes(request, limit_bytes)
    if not length.isdecimal() or len(length) > LONGEST_LENGTH or int(length) > len(content):
        raise tensors.refused(f"{HEADER_LENGTH} is the number of JSON bytes, at most the body's {len(content)}")
    return json_value(content[: int(length)]), content[int(length) :]


def _checked(door: Door, runtime: Runtime, index: int, row: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    try:
        event = requests.read_event(door.model, dict(row))
        door.times.check(event, now, runtime.settings.max_future_seconds)
    except RequestRefused as error:
        problems = (Problem(field=f"{item.field}[{index}]", reason=item.reason) for item in error.problems)
        raise RequestRefused(error.status, f"row {index}: {error}", tuple(problems)) from error
    return event


async def _scored(
    door: Door, request: Request, runtime: Runtime, events: Sequence[dict[str, Any]], caller_id: str | None
) -> list[Prediction]:
    """Score rows in their order; other requests get their turn between two of them."""
    predictions = []
    for index, event in enumerate(events):
        own_id = caller_id if caller_id is None or len(events) == 1 else requests.caller_id_from(f"{caller_id}.{index}")
        request.state.rows_before = index
        if index:
            await asyncio.sleep(0)
        exposure, role = exposure_of(door.use_case.name, request.headers, event), role_of(request, runtime)
        started = time.perf_counter()
        predictions.append(scored_and_remembered(door.times, runtime, event, started, own_id, exposure, role))
    return predictions


async def _count(runtime: Runtime, predictions: Sequence[Prediction]) -> None:
    for prediction in predictions:
        if prediction.role != SHADOW:
            count_answer(runtime, prediction)


def _with_its_errors(endpoint: Endpoint) -> Endpoint:
    """The protocol's form of an error: a status, 400 for whatever is wrong with the request, and one text."""

    async def spoken(request: Request) -> Response:
        response = await endpoint(request)
        if response.status_code < 400:
            return response
        refusal = json.loads(bytes(response.body))
        problems = "; ".join(f"{item['field']}: {item['reason']}".removeprefix(": ") for item in refusal["problems"])
        text = refusal["error"] + (f": {problems}" if problems else "")
        before = getattr(request.state, "rows_before", 0)
        if before:
            text += f" (the {before} rows before this one were scored and logged)"
        kept = {name: value for name, value in response.headers.items() if name in (REQUEST_ID_HEADER, "retry-after")}
        return _json({"error": text}, 400 if response.status_code == 422 else response.status_code, kept)

    return spoken


def _answer(
    head: dict[str, Any], given: Sequence[tensors.Given], binary: Sequence[bool], background: BackgroundTask
) -> Response:
    outputs, blobs = [], []
    for values, as_binary in zip(given, binary, strict=True):
        output: dict[str, Any] = values.tensor.metadata() | {"shape": values.shape}
        if as_binary:
            blobs.append(tensors.packed(values.tensor.datatype, values.flat))
            output["parameters"] = {"binary_data_size": len(blobs[-1])}
        else:
            output["data"] = values.flat
        outputs.append(output)
    text = json.dumps(head | {"outputs": outputs}, allow_nan=False, separators=(",", ":")).encode()
    if not blobs:
        return Response(text, media_type="application/json", background=background)
    headers = {HEADER_LENGTH: str(len(text))}
    content = b"".join([text, *blobs])
    return Response(content, headers=headers, media_type="application/octet-stream", background=background)


def _json(content: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(json.dumps(content, separators=(",", ":")), status, headers, media_type="application/json")
