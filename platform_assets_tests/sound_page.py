"""Whether a page is one that any browser shows as it is meant, without asking the network for anything.

Belongs here: what every page of ours has to keep. Does not belong here: what stands on one.
"""

import re
from html.parser import HTMLParser

VOID = frozenset({"area", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"})
SVG_LEAVES = frozenset({"line", "circle", "rect", "polygon", "polyline", "path"})
NOT_WITHIN_P = frozenset({"p", "table", "div", "ul", "ol", "h1", "h2", "h3", "figure", "details", "section", "header"})
LOCAL = re.compile(r"data:image/|#|/v1/|http://127\.0\.0\.1|[A-Za-z0-9_.-]+\.html$")


class _Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.ids: list[str] = []
        self.problems: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if len(given) < len(attrs):
            self.problems.append(f"<{tag}> has an attribute twice")
        if tag in NOT_WITHIN_P and "p" in self.open:
            self.problems.append(f"<{tag}> within <p>")
        self.ids += [value for name, value in attrs if name == "id" and value]
        if tag == "img" and not given.get("alt"):
            self.problems.append("an image without words for who cannot see it")
        if tag == "svg" and not given.get("aria-label"):
            self.problems.append("a drawing without words for who cannot see it")
        for name in ("src", "href"):
            if given.get(name) and not LOCAL.match(given[name] or ""):
                self.problems.append(f"{name} leads out: {given[name]}")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag in SVG_LEAVES:
            self.open.pop()
        elif tag not in VOID:
            self.problems.append(f"<{tag}/> is closed where it opens")

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open[-1] != tag:
            self.problems.append(f"</{tag}> closes {self.open[-1:] or 'nothing'}")
        if tag in self.open:
            while self.open.pop() != tag:
                pass


def page_problems(page: str) -> list[str]:
    """What is wrong with a page; nothing where it is sound."""
    elements = _Elements()
    elements.feed(page)
    elements.close()
    found = [*elements.problems, *(f"<{tag}> is never closed" for tag in elements.open)]
    found += [f"id {one} twice" for one in sorted({one for one in elements.ids if elements.ids.count(one) > 1})]
    for words in ("<!doctype html>", '<html lang="en">', 'name="viewport"', "prefers-color-scheme: dark", "<title>"):
        if words not in page.lower():
            found.append(f"{words} lacks")
    found += [f"{words} asks the network" for words in ("@import", "url(http") if words in page]
    return found


def assert_is_sound(page: str) -> None:
    """Fail with everything that is wrong with a page."""
    assert not page_problems(page)
