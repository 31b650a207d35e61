"""Open pages in Chromium, and say what is on them; run by the Python of `.venv-ui`, which has Playwright.

`walk.py PLAN OUTPUT`: the plan is a JSON list of pages, see `pages.py`; the output says of each what was counted, what the browser
complained of, and where its picture lies. Belongs here: the browser. Does not belong here: which pages, and what must be on them.
"""

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WIDTH, HEIGHT = 1400, 900
MOST_MILLISECONDS = 60_000
SETTLED_MILLISECONDS = 1500
"""After the last thing that a page waits for: what it draws itself comes a moment later."""
WITHOUT_FOLDER = """folder => {
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) texts.currentNode.textContent = texts.currentNode.textContent.replaceAll(folder, 'HOME');
}"""
"""A picture shows no folder of the machine that it was taken on."""


def look(page: Page, base: str, asked: dict[str, Any], pictures: Path) -> dict[str, Any]:
    """Open one page, do what is asked there, count, and take a picture."""
    complaints: list[str] = []
    page.on("console", lambda one: complaints.append(one.text[:300]) if one.type == "error" else None)
    page.on("pageerror", lambda one: complaints.append(str(one)[:300]))
    page.on("response", lambda one: complaints.append(f"{one.status} {one.url}") if one.status >= 400 else None)
    page.set_viewport_size({"width": WIDTH, "height": asked.get("height", HEIGHT)})
    page.goto(base + asked["path"], wait_until="domcontentloaded", timeout=MOST_MILLISECONDS)
    for selector in asked["waits"]:
        page.locator(selector).first.wait_for(state="visible", timeout=MOST_MILLISECONDS)
    for selector in asked.get("clicks", []):
        page.locator(selector).first.click(timeout=MOST_MILLISECONDS)
    page.wait_for_timeout(SETTLED_MILLISECONDS)
    counts = {name: page.locator(selector).count() for name, selector in asked["counts"].items()}
    picture = pictures / f"{asked['name']}.png"
    page.evaluate(WITHOUT_FOLDER, asked["folder"])
    page.screenshot(path=str(picture))
    drawn = page.locator("img").evaluate_all("all => all.filter(one => one.naturalWidth > 0).length")
    return {"counts": counts, "images": drawn, "complaints": complaints, "picture": str(picture)}


def main(plan: str, output: str) -> None:
    """Walk through all pages of a plan."""
    asked = json.loads(Path(plan).read_text(encoding="utf-8"))
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if browser is None:
        raise SystemExit(f"none of {', '.join(BROWSERS)} is on the PATH: install chromium")
    found = {}
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []  # it does not start for root with one
        running = playwright.chromium.launch(executable_path=browser, args=arguments)
        for one in asked["pages"]:
            context = running.new_context(color_scheme="light", reduced_motion="reduce")
            try:
                found[one["name"]] = look(
                    context.new_page(), asked["base"], {**one, "folder": asked["folder"]}, Path(asked["pictures"])
                )
            finally:
                context.close()
        running.close()
    Path(output).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
