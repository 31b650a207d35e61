"""Dagster's UI and our pages after a run, as a person sees them: rows, plots and links are there, and the browser complains of nothing."""

import pytest

from platform_assets_tests.browser.conftest import MOST_PICTURE_BYTES, Walk
from platform_assets_tests.browser.pages import narrow_pages, pages

pytestmark = pytest.mark.browser
NARROW = [page.name for page in narrow_pages("", "", "", "")]
NAMES = [*(page.name for page in pages("day", "day", 0, 0, 0, 0)), *NARROW]


@pytest.mark.parametrize("name", NAMES)
def test_a_page_has_what_must_be_on_it(walk: Walk, name: str) -> None:
    page, seen = walk.pages[name], walk.seen[name]
    lacking = {
        what: f"{seen['counts'][what]} of {least}"
        for what, least in page.at_least.items()
        if seen["counts"][what] < least
    }
    assert lacking == {}, f"{page.path} lacks something"
    assert seen["images"] >= page.images, f"{page.path} draws {seen['images']} pictures"


@pytest.mark.parametrize("name", NAMES)
def test_the_browser_complains_of_nothing(walk: Walk, name: str) -> None:
    assert walk.seen[name]["complaints"] == []


@pytest.mark.parametrize("name", NARROW)
def test_nothing_is_moved_sideways_on_a_telephone(walk: Walk, name: str) -> None:
    assert walk.seen[name]["sideways"] == []


def test_a_rollback_asks_for_one_field(walk: Walk) -> None:
    counts = walk.seen["rollback"]["counts"]
    assert counts["what is missing"] == 0, "what is scaffolded is all that is needed"
    assert counts["one field"] == 1


def test_pictures_of_the_guide_are_small(walk: Walk) -> None:
    if walk.kept is None:
        pytest.skip("PICTURES names no folder to keep them in")
    sizes = {
        page.name: (walk.kept / f"{page.name}.png").stat().st_size for page in walk.pages.values() if page.is_shown
    }
    assert {name: size for name, size in sizes.items() if size > MOST_PICTURE_BYTES} == {}
