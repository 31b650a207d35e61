"""The documents as a site: built strictly without a network, and what a browser sees of it."""

import json
import os
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / os.environ.get("SITE_TOOLS", ".venv-site") / "bin"
PROSE = {"p", "li", "td", "th"}
CODE = {"pre", "code", "script", "style"}
UNRENDERED = re.compile(r"^\s*(\| |\* |\d+\. |```|#+ |!!! |> \[!)|\*\*\w|\]\(")

pytestmark = [
    pytest.mark.site,
    pytest.mark.skipif(
        not (TOOLS / "mkdocs").exists() and not os.environ.get("CI"), reason="no MkDocs: `make site-tools` installs it"
    ),
]


class Reader(HTMLParser):
    """What a built page says: its prose, the places that can be linked to, and its links."""

    def __init__(self) -> None:
        super().__init__()
        self.is_article = False
        self.open: list[str] = []
        self.prose: list[str] = []
        self.names: set[str] = set()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        self.is_article |= tag == "article"
        self.names |= {given.get("id") or ""} - {""}
        self.links += [value for name in ("href", "src") if (value := given.get(name))]
        if tag in PROSE | CODE:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self.is_article &= tag != "article"
        if tag in self.open:
            while self.open.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if self.is_article and self.open and not CODE & set(self.open):
            self.prose += data.splitlines()


def build(folder: Path, root: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Build the site as `make site` does, with proxies that lead nowhere: a build that asks the network fails.

    Not with --quiet: it drops the warnings before --strict counts them.
    """
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    return subprocess.run(
        [TOOLS / "mkdocs", "build", "--strict", "--site-dir", folder],
        cwd=root,
        env={**os.environ, **nowhere, "NO_MKDOCS_2_WARNING": "1", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built") / "site"
    done = build(folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def read(site: Path) -> dict[str, Reader]:
    found = {}
    for file in site.rglob("*.html"):
        found[file.relative_to(site).as_posix()] = reader = Reader()
        reader.feed(file.read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def seen(site: Path) -> Any:
    chromium = next((path for name in ("chromium", "chromium-browser") if (path := shutil.which(name))), None)
    if chromium is None and not os.environ.get("CI"):
        pytest.skip("no Chromium: apt-get install chromium")
    assert chromium, "no Chromium: apt-get install chromium"
    done = subprocess.run(
        [TOOLS / "python", Path(__file__).with_name("browse.py"), site, chromium],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_document_is_a_page(read: dict[str, Reader]) -> None:
    documents = {path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")}
    pages = {
        (path.with_name("index.html") if path.name == "README.md" else path.with_suffix(".html")).as_posix()
        for path in documents
    }
    assert pages <= {*read}, pages - {*read}


@pytest.mark.parametrize(
    ("planted", "said"),
    [
        ("[here](guide/nowhere.md)", "nowhere.md"),
        ("[here](guide/features.md#no-such-heading)", "no-such-heading"),
        ("", "guide/unlisted.md"),
    ],
)
def test_a_broken_link_anchor_or_unlisted_page_stops_the_build(tmp_path: Path, planted: str, said: str) -> None:
    for name in ("docs", "deploy/site"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copyfile(ROOT / "mkdocs.yml", tmp_path / "mkdocs.yml")
    if planted:
        with (tmp_path / "docs/README.md").open("a", encoding="utf-8") as index:
            index.write(f"\nSee {planted}.\n")
    else:
        (tmp_path / "docs/guide/unlisted.md").write_text("# Unlisted\n", encoding="utf-8")
    done = build(tmp_path / "site", tmp_path)
    assert done.returncode != 0
    assert said in done.stdout + done.stderr


def test_links_between_pages_lead_to_a_place_that_is_there(read: dict[str, Reader], site: Path) -> None:
    broken = []
    for name, page in read.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or name == "404.html":
                continue
            target = (site / name).parent / unquote(parts.path) if parts.path else site / name
            target = target / "index.html" if target.is_dir() else target
            at = target.resolve().relative_to(site.resolve()).as_posix()
            if not target.exists() or (parts.fragment and at in read and unquote(parts.fragment) not in read[at].names):
                broken.append(f"{name}: {link}")
    assert not broken, "\n".join(broken)


def test_no_page_shows_markdown_that_was_not_rendered(read: dict[str, Reader]) -> None:
    shown = [
        f"{name}: {line.strip()[:100]}"
        for name, page in read.items()
        if not name.startswith("reports/")  # they quote what programs said
        for line in page.prose
        if UNRENDERED.search(line)
    ]
    assert not shown, "\n".join(shown)


def test_a_browser_asks_nobody_but_the_site(seen: Any) -> None:
    elsewhere = {url for url in seen["requests"] if not url.startswith((seen["address"], "data:", "blob:"))}
    assert not elsewhere
    assert not seen["failed"]


def test_no_page_makes_the_browser_complain_lacks_a_picture_or_scrolls_sideways(seen: Any) -> None:
    assert not seen["complaints"]
    assert {name for name, page in seen["pages"].items() if page["missing_pictures"] or page["sideways"]} == set()
    assert all("Platform Assets" in page["title"] for page in seen["pages"].values())


def test_the_search_finds_a_word_and_leads_to_it(seen: Any) -> None:
    assert seen["search"]["results"] >= 3
    assert "quarantine" in seen["search"]["text"].lower()


def test_both_themes_are_there_and_the_switch_works(seen: Any) -> None:
    def brightness(colour: str) -> float:
        return sum(float(part) for part in re.findall(r"[\d.]+", colour)[:3]) / 3

    for scheme, is_light in (("light", True), ("dark", False)):
        as_asked, switched = seen["themes"][scheme]["colours"]
        for (background, text), light in ((as_asked, is_light), (switched, not is_light)):
            assert (brightness(background) > 150) == light, (scheme, background)
            assert abs(brightness(background) - brightness(text)) > 90, (scheme, background, text)
