"""Every document is listed once, with a line, where readers, the site and assistants look for it."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
WORDS_AT_MOST = 30


@pytest.fixture(scope="module")
def pages() -> ModuleType:
    """deploy/site/pages.py, which is no part of a package."""
    specification = importlib.util.spec_from_file_location("site_pages", ROOT / "deploy/site/pages.py")
    assert specification
    assert specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_every_document_is_listed_once(pages: ModuleType) -> None:
    listed = [page.path for page in pages.listed()]
    documents = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")} - {"README.md"}
    assert sorted(listed) == sorted(documents), (
        "list each page in docs/README.md, a decision in docs/decisions/README.md, a report in docs/reports/README.md"
    )


def test_a_page_has_one_line(pages: ModuleType) -> None:
    assert not [page.path for page in pages.listed() if not 2 <= len(page.line.split()) <= WORDS_AT_MOST]


def test_the_index_for_assistants_is_the_one_that_is_made(pages: ModuleType) -> None:
    assert (ROOT / "llms.txt").read_text(encoding="utf-8") == pages.llms_txt(), "make site writes llms.txt"


def test_the_index_for_assistants_names_files_that_are_there(pages: ModuleType) -> None:
    for path in pages.LINK.findall(pages.llms_txt()):
        assert (ROOT / path).exists(), path
