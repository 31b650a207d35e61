"""Written pages over HTTP: what a path means, and what a browser may do with it."""

import asyncio
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from platform_assets.deployment.local.doors.written import written_pages

PAGES = {
    "pages/index.html": "all", "pages/parking.html": "parking", "reports/parking/drift-2018-09-19.html": "drift",
    "reports/parking/key.pem": "secret", "secret.html": "secret", "pages/summaries/parking.json": "{}",
}  # fmt: skip


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for name, text in PAGES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def asked(home: Path, *paths: str) -> list[tuple[int, str, dict[str, str]]]:
    async def ask() -> list[tuple[int, str, dict[str, str]]]:
        application = web.Application()
        for path, answer in written_pages(home).items():
            application.router.add_get(path, answer)
        async with TestClient(TestServer(application)) as client:
            found = []
            for path in paths:
                answer = await client.get(path)
                found.append((answer.status, await answer.text(), dict(answer.headers)))
            return found

    return asyncio.run(ask())


def test_each_page_has_its_path(home: Path) -> None:
    paths = ("/", "/v1/pages", "/v1/parking/page", "/v1/pages/reports/parking/drift-2018-09-19.html")
    answers = asked(home, *paths)
    assert [(status, text) for status, text, _ in answers] == [
        (200, "all"),
        (200, "all"),
        (200, "parking"),
        (200, "drift"),
    ]
    for _, _, headers in answers:
        assert headers["Content-Type"] == "text/html; charset=utf-8"
        assert headers["Cache-Control"] == "no-store"
        assert "default-src 'none'" in headers["Content-Security-Policy"]


def test_nothing_else_of_the_home_is_served(home: Path) -> None:
    paths = (
        "/v1/unknown/page", "/v1/..%2Fsecret/page", "/v1/summaries/page", "/v1/Parking/page", "/v1/pages/reports/parking/key.pem",
        "/v1/pages/reports/parking/..%2F..%2Fsecret.html", "/v1/pages/reports/..%2Fpages/index.html", "/v1/pages/reports/parking/.html",
    )  # fmt: skip
    for status, text, _ in asked(home, *paths):
        assert status == 404
        assert "secret" not in text


def test_a_page_that_was_never_written_says_how_to_write_it(tmp_path: Path) -> None:
    ((status, text, _),) = asked(tmp_path, "/")
    assert status == 404
    assert "platform-assets status --html" in text
