"""Pages that others have written as files: of each use case, of all of them, and their reports.

Belongs here: which file a path means, and what a browser may do with it. Does not belong here: writing them
(`pipelines/use_case_state/write.py`).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp import web

USE_CASE = re.compile(r"[a-z][a-z0-9_]{0,59}")
REPORT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}\.html")
PAGES, REPORTS = "pages", "reports"
INDEX = "index.html"
OWN_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
"""A page is one file; it asks nobody for anything."""
REPORT_POLICY = f"sandbox allow-scripts; {OWN_POLICY}; font-src data:".replace(
    "'unsafe-inline'", "'unsafe-inline' 'unsafe-eval'"
)
"""Evidently's reports bring their own drawing library, which is let do nothing but draw."""

Answer = Callable[["web.Request"], Awaitable["web.Response"]]


def written_pages(home: Path) -> dict[str, Answer]:
    """What answers each path.

    Args:
        home: the installation's folder, with the folders `pages` and `reports`.
    """

    async def index(request: web.Request) -> web.Response:
        return _file(home / PAGES / INDEX, OWN_POLICY)

    async def page(request: web.Request) -> web.Response:
        name = request.match_info["use_case"]
        return _file(home / PAGES / f"{name}.html", OWN_POLICY) if USE_CASE.fullmatch(name) else _nothing()

    async def report(request: web.Request) -> web.Response:
        name, file = request.match_info["use_case"], request.match_info["report"]
        if not USE_CASE.fullmatch(name) or not REPORT.fullmatch(file):
            return _nothing()
        return _file(home / REPORTS / name / file, REPORT_POLICY)

    return {
        "/": index,
        "/v1/pages": index,
        "/v1/{use_case}/page": page,
        "/v1/pages/reports/{use_case}/{report}": report,
    }


def _file(path: Path, policy: str) -> web.Response:
    from aiohttp import web

    try:
        body = path.read_bytes()
    except (FileNotFoundError, IsADirectoryError):
        return _nothing()
    headers = {
        "content-type": "text/html; charset=utf-8",
        "cache-control": "no-store",
        "content-security-policy": policy,
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
    }
    return web.Response(body=body, headers=headers)


def _nothing() -> web.Response:
    from aiohttp import web

    told = {"error": "no page was written yet; `platform-assets status --html` writes it"}
    return web.json_response(told, status=404)
