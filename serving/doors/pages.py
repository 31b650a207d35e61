"""Pages about a service below its use case's own path, where its callers reach them: documents, health, metrics.

Belongs here: which paths there are, and the page for people. Does not belong here: what the OpenAPI document says (`serving/service.py`).

BentoML answers such pages at the root of a process. On an address that serves several use cases the root is nobody's, so each page also
stands below `/v1/<use_case>/`.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING

from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.routing import Route

from serving.doors.proto import render_proto

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from platform_assets.declaration import UseCase

ROOT_PAGES = ("/docs.json", "/livez", "/readyz", "/metrics")
STATIC = "/static_content/"
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<link rel="stylesheet" href="./static_content/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="./static_content/swagger-ui-bundle.js" charset="utf-8"></script>
<script src="./static_content/swagger-ui-standalone-preset.js" charset="utf-8"></script>
<script src="./static_content/swagger-initializer.js" charset="utf-8"></script>
</body>
</html>
"""
"""Of what comes with BentoML, without the third-party script of its own page."""


def page_path(use_case: UseCase, page: str) -> str:
    """Where a page stands; it begins with a slash."""
    return f"/v1/{use_case.name}{page}"


def aliases(use_case: UseCase, known: Iterable[str]) -> dict[str, str]:
    """The paths below the use case that are answered by another one, the known ones being given."""
    pages = [path for path in known if path in ROOT_PAGES or path.startswith(STATIC)]
    return {page_path(use_case, page): page for page in pages}


def routes(use_case: UseCase) -> list[Route]:
    """The page for people, and the typed service's proto."""
    page = PAGE.format(title=escape(use_case.name))
    proto = render_proto(use_case)

    async def docs(request: Request) -> Response:
        return HTMLResponse(page)

    async def scoring_proto(request: Request) -> Response:
        return PlainTextResponse(proto)

    return [
        Route(page_path(use_case, "/docs"), docs),
        Route(page_path(use_case, "/scoring.proto"), scoring_proto),
    ]
