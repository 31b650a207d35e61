"""What a reader's browser does with the built site, as JSON: run by .venv-site's Python, which has Playwright.

Belongs here: serving the site on loopback, opening it in Chromium, and writing down what is there. Does not belong here: what must be
true of it (`test_site.py`).
"""

import functools
import json
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

WANTED = "quarantine"
"""A word to search for."""
MOST_MILLISECONDS = 120_000
"""For one step: a busy machine has its time."""
LEFT = "ERR_ABORTED"
"""What the browser calls a request of a page that was left before it came."""
SCHEMES = ("light", "dark")


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and logs nothing."""

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def opened(browser: Browser, scheme: Any, found: dict[str, Any]) -> Page:
    """A page of a browser that notes what it asks for and complains of."""
    page = browser.new_context(color_scheme=scheme).new_page()
    page.set_default_timeout(MOST_MILLISECONDS)
    page.on("request", lambda request: found["requests"].append(request.url))
    page.on(
        "console", lambda line: found["complaints"].append(line.text) if line.type in ("error", "warning") else None
    )
    page.on("pageerror", lambda error: found["complaints"].append(str(error)))
    page.on(
        "requestfailed",
        lambda request: found["failed"].append(request.url) if LEFT not in str(request.failure) else None,
    )
    return page


def searched(page: Page, address: str) -> dict[str, Any]:
    """What the search finds, and where its first answer leads."""
    page.goto(f"{address}/index.html")
    page.locator(".md-search__input").click()
    page.locator(".md-search__input").press_sequentially(WANTED)
    first = page.locator(".md-search-result__item > a").first
    first.wait_for()
    count = page.locator(".md-search-result__item").count()
    first.click()
    page.wait_for_url("**/*.html*")
    return {"results": count, "first": page.url, "text": page.locator("article").inner_text()}


def themed(page: Page, address: str) -> dict[str, Any]:
    """Colours as the system asks for them, and after the switch was used."""
    page.goto(f"{address}/index.html")
    colours = "() => { const shown = getComputedStyle(document.body); return [shown.backgroundColor, shown.color] }"
    seen = [page.evaluate(colours)]
    page.locator("label[for^=__palette]:visible").first.click()
    page.wait_for_timeout(500)
    return {"colours": [*seen, page.evaluate(colours)]}


def looked_at(site: Path, chromium: str) -> dict[str, Any]:
    """Everything that is asked of the site."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    found: dict[str, Any] = {
        "address": address,
        "requests": [],
        "complaints": [],
        "failed": [],
        "themes": {},
        "pages": {},
    }
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for scheme in SCHEMES:
            found["themes"][scheme] = themed(opened(browser, scheme, found), address)
        page = opened(browser, "light", found)
        found["search"] = searched(page, address)
        for file in sorted(site.rglob("*.html")):
            name = file.relative_to(site).as_posix()
            page.goto(f"{address}/{name}", wait_until="load")
            found["pages"][name] = {
                "title": page.title(),
                "missing_pictures": page.evaluate("[...document.images].filter(i => !i.naturalWidth).map(i => i.src)"),
                "sideways": page.evaluate("document.documentElement.scrollWidth > window.innerWidth"),
            }
        browser.close()
    server.shutdown()
    return found


if __name__ == "__main__":
    json.dump(looked_at(Path(sys.argv[1]), sys.argv[2]), sys.stdout)
