"""The BentoML service of a release.

Belongs here: what BentoML is told: configuration, health, start and stop, docs. Does not belong here: routes (`app.py`),
or anything that is measured in milliseconds per request.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel
from starlette.requests import Request

from serving import request as requests
from serving.admission import Admission, begun, in_turn
from serving.app import RETRY_AFTER_SECONDS, make_app, paths
from serving.bentoml_internals import path_item
from serving.doors import open_inference, pages
from serving.refusals import STATUSES, Refusal
from serving.release import PackedRelease
from serving.roles import count_shed
from serving.runtime import Runtime, start_runtime
from serving.settings import ServingSettings

if TYPE_CHECKING:
    from platform_assets.declaration import UseCase

logger = logging.getLogger(__name__)

REQUEST_TIMEOUT_SECONDS = 10.0
DURATION_BUCKETS_SECONDS = [0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5]
READY_PATH = "/readyz"
LATENCY_MS, SHARE_OF_LATENCY = 100, 0.25
"""What may pass until an answer where nothing is promised, and the part of it that may be spent waiting where nothing is declared."""
RETRY_LATER = (b"retry-after", str(RETRY_AFTER_SECONDS).encode())
REFERENCE = "#/components/schemas/{model}"

Message = MutableMapping[str, Any]
Asgi = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]


def make_service(release: PackedRelease, code_folder: Path | None = None) -> Any:
    """The service of a release; the model is loaded when it starts, not now.

    Args:
        release: what to serve.
        code_folder: the folder that was packed, code and release together; None for a release that is not packed.

    Returns:
        A `bentoml.Service` named like the use case.
    """
    import bentoml

    app = make_app(release.use_case)
    app.router.routes += [*pages.routes(release.use_case), *open_inference.routes(release.use_case, release.info)]

    class Scoring:
        __doc__ = release.use_case.description

        def __init__(self) -> None:
            self.prepare()
            self.runtime: Runtime = app.state.runtime

        @staticmethod
        def prepare() -> None:
            """Load, verify and warm up; nothing the second time."""
            if not hasattr(app.state, "runtime"):
                app.state.runtime = start_runtime(release, code_folder, ServingSettings.from_environment())

        async def __is_ready__(self) -> bool:
            return self.runtime.unready() is None

        @bentoml.on_shutdown  # type: ignore[untyped-decorator, unused-ignore]
        def close(self) -> None:
            """Finish what is queued."""
            self.runtime.close()

    service = bentoml.service(
        name=release.use_case.name,
        description=release.use_case.description,
        service_class=_documented_service(
            release,
            lambda: app.state.runtime.unready(),
            lambda scope: count_shed(Request(scope), app.state.runtime),
        ),
        workers=release.use_case.serving.processes,
        traffic={"timeout": REQUEST_TIMEOUT_SECONDS},
        logging={"access": {"enabled": False}},  # every prediction is in the prediction log; saves 0.1 ms per request
        tracing={"excluded_urls": ".*"},  # spans nobody collects; saves 0.2 ms per request
        metrics={"enabled": True, "duration": {"buckets": DURATION_BUCKETS_SECONDS}},
    )(Scoring)
    service.mount_asgi_app(app)
    return service


def max_wait_seconds(use_case: UseCase) -> float:
    """How long a request may wait for its turn."""
    declared = use_case.serving.overload.max_wait_ms
    promised = min(use_case.monitoring.objectives.latency_ms.values(), default=LATENCY_MS)
    return (promised * SHARE_OF_LATENCY if declared is None else declared) / 1e3


def _documented_service(
    release: PackedRelease, unready: Callable[[], str | None], shed: Callable[[Message], None]
) -> type[Any]:
    """A service class whose OpenAPI page shows the mounted routes, which turns unknown paths away early and says why it is not ready."""
    from bentoml import Service

    class DocumentedService(Service):  # type: ignore[misc, unused-ignore]
        """BentoML documents its own and FastAPI's routes only; ours are added here."""

        @property
        def doc(self) -> str:
            """The text at the top of the OpenAPI page."""
            return describe(release)

        @property
        def openapi_spec(self) -> Any:
            """BentoML's specification with the routes of the use case."""
            return add_routes(super().openapi_spec, release)

        def to_asgi(self, is_main: bool = True) -> Any:
            """The application behind its guard."""
            admission = Admission(max_wait_seconds(release.use_case))
            app = super().to_asgi(is_main=is_main)
            return guarded(app, unready, release.use_case, release.info.model_version, admission, shed)

    return DocumentedService


def describe(release: PackedRelease) -> str:
    """A few words for people who open the service's page."""
    use_case, info = release.use_case, release.info
    origin = f"Model version {info.model_version}, feature contract {info.feature_contract}, owner {use_case.owner}."
    return f"{use_case.description}\n\n{origin}"


def add_routes(specification: Any, release: PackedRelease) -> Any:
    """BentoML's OpenAPI specification plus the routes of the use case, with their real models."""
    import attr

    use_case = release.use_case
    models: dict[str, type[BaseModel]] = {
        "ScoreRequest": requests.request_model(use_case),
        "ScoreAnswer": requests.answer_model(use_case),
        "PredictRequest": requests.features_model(use_case),
        "Refusal": Refusal,
    }
    schemas: dict[str, Any] = {}
    for name, model in models.items():
        schema = model.model_json_schema(ref_template=REFERENCE)
        schemas.update(schema.pop("$defs", {}))
        schemas[name] = schema
    schemas["ScoreRequest"]["example"] = requests.example_event(use_case)
    components = dict(specification.components)
    components["schemas"] = dict(components.get("schemas", {})) | schemas
    path = paths(use_case)
    operations = {
        path["score"]: {"post": _operation("score", "Score one event.", "ScoreRequest", "ScoreAnswer")},
        path["predict"]: {
            "post": _operation("predict", "Score rows of feature values; nothing is logged.", "PredictRequest", None)
        },
        path["self_test"]: {
            "post": _operation(
                "self_test", "Score an event, by default an example; nothing of it is remembered.", None, None
            )
        },
        path["release"]: {"get": _operation("release", "What is being served.", None, None)},
        **_door_operations(release),
    }
    items = {name: path_item(operation) for name, operation in operations.items()}
    shared = {pages.page_path(use_case, page): specification.paths[page] for page in _pages(specification.paths)}
    return attr.evolve(specification, components=components, paths={**items, **shared})


def _pages(documented: Iterable[str]) -> list[str]:
    """The pages of BentoML that its document knows and that stand below the use case too."""
    return [page for page in documented if page in pages.ROOT_PAGES]


def _door_operations(release: PackedRelease) -> dict[str, dict[str, Any]]:
    """The routes of the other doors."""
    use_case, version = release.use_case, release.info.model_version
    root = open_inference.root_path(use_case)
    model = f"{root}/models/{use_case.name}"
    infer = "Score rows of events, as tensors of the Open Inference Protocol."
    return {
        pages.page_path(use_case, "/scoring.proto"): {
            "get": _operation("scoring_proto", "The typed gRPC service.", None, None)
        },
        root: {"get": _operation("server_metadata", "Open Inference Protocol: the server.", None, None)},
        f"{root}/health/live": {"get": _operation("server_live", "Whether the server is live.", None, None)},
        f"{root}/health/ready": {"get": _operation("server_ready", "Whether the server is ready.", None, None)},
        model: {"get": _operation("model_metadata", "Inputs and outputs of the model.", None, None)},
        f"{model}/ready": {"get": _operation("model_ready", "Whether the model is ready.", None, None)},
        f"{model}/infer": {"post": _operation("infer", infer, None, None)},
        f"{model}/versions/{version}/infer": {"post": _operation("infer_version", infer, None, None)},
    }


def _operation(name: str, description: str, body: str | None, answer: str | None) -> dict[str, Any]:
    def content(model: str | None) -> dict[str, Any]:
        schema = {"type": "object"} if model is None else {"$ref": REFERENCE.format(model=model)}
        return {"application/json": {"schema": schema}}

    responses: dict[str, Any] = {"200": {"description": "Answered.", "content": content(answer)}}
    if body is not None:
        for status, words in {**STATUSES, 503: "The store or the prediction log does not take part."}.items():
            responses[str(status)] = {"description": words, "content": content("Refusal")}
    operation: dict[str, Any] = {
        "tags": ["Service APIs"],
        "operationId": name,
        "description": description,
        "responses": responses,
    }
    if body is not None:
        operation["requestBody"] = {"required": True, "content": content(body)}
    return operation


def guarded(
    app: Any,
    unready: Callable[[], str | None],
    use_case: UseCase,
    version: str,
    admission: Admission | None = None,
    shed: Callable[[Message], None] = lambda _scope: None,
) -> Asgi:
    """Answer what BentoML need not see: paths that no route has, with 404, readiness, with its reason when it is off, and
    events that would wait too long for their score, with 503, or of which no body comes, with 408.

    A page that BentoML has at the root is also found below the use case; a path that a route has costs nothing more for it.

    BentoML's request metrics take the path as it comes as a label: a scan of made-up paths would add a time series for each. Its own
    readiness knows no reason.
    """
    known = _known_paths(app.routes)
    aliases = pages.aliases(use_case, known)
    docs = pages.page_path(use_case, "/docs.json")
    score = paths(use_case)["score"]
    overloaded = (
        f"more events come than {use_case.name} can score in time; send this one again after the time in retry-after"
    )

    async def refuse(
        scope: Message, send: Callable[[Message], Awaitable[None]], status: int, error: str, *more: tuple[bytes, bytes]
    ) -> None:
        given = next(
            (value.decode("latin-1") for name, value in scope.get("headers", ()) if name == b"x-request-id"), None
        )
        body = Refusal(error=error, request_id=requests.request_id_from(given)).model_dump_json().encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *more]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def guard(
        scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        http = scope["type"] == "http"
        if http and scope["path"] not in known:
            path = aliases.get(scope["path"])
            if path is not None:
                await guard({**scope, "path": path, "raw_path": path.encode()}, receive, send)
                return
            words = open_inference.unknown_path(scope["path"], use_case, version) or f"no such path; see {docs}"
            await refuse(scope, send, 404, words)
        elif http and scope["path"] == READY_PATH and (reason := unready()) is not None:
            await refuse(scope, send, 503, reason)
        elif http and admission is not None and scope["path"] == score:
            first = await begun(receive, REQUEST_TIMEOUT_SECONDS)
            if first is None:
                await refuse(scope, send, 408, f"no body came within {REQUEST_TIMEOUT_SECONDS:g} s")
            elif not await in_turn(admission, app, scope, first, receive, send):
                shed(scope)
                await refuse(scope, send, 503, overloaded, RETRY_LATER)
        else:
            await app(scope, receive, send)

    return guard


def _known_paths(routes: Iterable[Any]) -> frozenset[str]:
    """Every path that answers: plain routes, those of mounted applications, and files that are served as they are."""
    known: set[str] = set()
    for route in routes:
        mounted: Any = getattr(route, "app", None)
        directory = getattr(mounted, "directory", None)
        if directory is not None:
            root = Path(directory)
            known.update(
                f"{route.path}/{path.relative_to(root).as_posix()}" for path in root.rglob("*") if path.is_file()
            )
        elif hasattr(mounted, "routes"):
            known.update(f"{route.path.rstrip('/')}{path}" for path in _known_paths(mounted.routes))
        else:
            known.add(route.path)
    return frozenset(known)
