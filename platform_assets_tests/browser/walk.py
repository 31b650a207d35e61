"""Open pages in Chromium, and say what is on them; run by the Python of `.venv-site`, which has Playwright.

`walk.py PLAN OUTPUT`: the plan is a JSON list of pages, see `pages.py`; the output says of each what was counted, what the browser
complained of, and where its picture lies. Belongs here: the browser. Does not belong here: which pages, and what must be on them.
"""

import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, TimeoutError, sync_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
MOST_MILLISECONDS = 60_000
COUNTED_MILLISECONDS = 30_000
"""So long may a page take until all is on it that must be: a busy machine has its time, and a page that lacks something is told."""
SETTLED_MILLISECONDS = 600
"""After all is there: what a page draws itself comes a moment later."""
SIDEWAYS = """() => [document.documentElement, ...document.querySelectorAll('.wide')]
    .filter(one => one.scrollWidth > one.clientWidth + 1).map(one => one.textContent.trim().slice(0, 80))"""
"""What can be moved sideways, which on a telephone hides a part of it."""
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
    page.set_viewport_size({"width": asked["width"], "height": asked["height"]})
    try:
        page.goto(asked["path"] if ":" in asked["path"] else base + asked["path"], wait_until="domcontentloaded")
        for selector in asked["waits"]:
            page.locator(selector).first.wait_for(state="visible")
        for selector in asked["clicks"]:
            page.locator(selector).first.click()
        for selector in asked["gone"]:
            page.locator(selector).first.wait_for(state="hidden")
    except TimeoutError as error:  # one page that lacks something keeps nobody from the others
        complaints.append(f"waited {MOST_MILLISECONDS / 1000:.0f} s in vain: {' '.join(str(error).split())[-200:]}")
    until = time.monotonic() + (0 if complaints else COUNTED_MILLISECONDS / 1000)
    counts, images = counted(page, asked)
    while time.monotonic() < until and not is_whole(asked, counts, images):
        page.wait_for_timeout(200)
        counts, images = counted(page, asked)
    page.wait_for_timeout(SETTLED_MILLISECONDS)
    counts, images = counted(page, asked)
    picture = pictures / f"{asked['name']}.png"
    page.evaluate(WITHOUT_FOLDER, asked["folder"])
    page.screenshot(path=str(picture))
    return {
        "counts": counts,
        "images": images,
        "complaints": complaints,
        "picture": str(picture),
        "sideways": page.evaluate(SIDEWAYS),
    }


def counted(page: Page, asked: dict[str, Any]) -> tuple[dict[str, int], int]:
    """How many there are of each thing, and of drawn pictures."""
    counts = {name: page.locator(selector).count() for name, selector in asked["counts"].items()}
    return counts, page.locator("img").evaluate_all("all => all.filter(one => one.naturalWidth > 0).length")


def is_whole(asked: dict[str, Any], counts: dict[str, int], images: int) -> bool:
    """Whether all is there."""
    return images >= asked["images"] and all(counts[name] >= least for name, least in asked["at_least"].items())


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
        # One context: the scripts of the UI, megabytes, are read once.
        context = running.new_context(color_scheme="light", reduced_motion="reduce")
        context.set_default_timeout(MOST_MILLISECONDS)
        for one in asked["pages"]:
            page = context.new_page()
            found[one["name"]] = look(page, asked["base"], {**one, "folder": asked["folder"]}, Path(asked["pictures"]))
            page.close()
        running.close()
    Path(output).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
