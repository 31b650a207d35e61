"""Why private names of BentoML are used: each test fails once a newer BentoML offers a public way, and then the workaround goes."""

import inspect
from pathlib import Path

import bentoml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

ROOT = Path(__file__).parents[3]


def test_private_names_of_bentoml_stand_in_one_module() -> None:
    files = [path for folder in ("serving", "platform_assets") for path in (ROOT / folder).rglob("*.py")]
    assert [path.name for path in files if "import" in path.read_text() and "from bentoml._internal" in path.read_text()] == [
        "bentoml_internals.py"
    ]  # fmt: skip


def test_bentoml_has_no_public_way_to_log_like_its_server() -> None:
    assert not [name for name in dir(bentoml) if "logging" in name.lower()]


def test_bentoml_still_shares_metrics_through_files_and_has_no_setting_for_it() -> None:
    from bentoml._internal.configuration.containers import BentoMLContainer
    from bentoml._internal.server.metrics.prometheus import PrometheusClient

    assert inspect.signature(PrometheusClient).parameters["multiproc"].default is True
    assert not [key for key in BentoMLContainer.config.api_server.metrics.get() if "multi" in key]


def test_bentoml_still_documents_no_route_of_a_mounted_application() -> None:
    async def score(request: Request) -> PlainTextResponse:
        return PlainTextResponse("")

    class Plain:
        """A service without routes of its own."""

    service = bentoml.service(Plain)
    service.mount_asgi_app(Starlette(routes=[Route("/v1/parking/score", score)]))
    assert not [path for path in service.openapi_spec.asdict()["paths"] if "score" in path]
