"""A glance is written out by the UI: it stays below its limit whatever is drawn, and says the figures that it draws."""

import base64
import re
import xml.etree.ElementTree as ET
from datetime import date, timedelta

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from platform_assets.orchestration.glance import SHOWN_CHARACTERS, glance_of_days, glance_of_names

DAY = date(2024, 3, 31)
NUMBERS = st.floats(min_value=0, max_value=1e12) | st.just(float("nan"))


def drawn(value: dg.MarkdownMetadataValue) -> tuple[list[str], list[str]]:
    """Words and bars of a glance, after it was seen to be short and whole."""
    text = value.md_str or ""
    assert len(text) <= SHOWN_CHARACTERS, "the UI would put a link in its place"
    found = re.fullmatch(r"!\[[^\]]*\]\(data:image/svg\+xml;base64,([^)]*)\)", text)
    assert found is not None, text
    picture = ET.fromstring(base64.b64decode(found[1]))
    words = [one.text or "" for one in picture if one.tag.endswith("text")]
    bars = [bar for one in picture if one.tag.endswith("path") for bar in re.findall(r"M[^M]*", one.attrib["d"])]
    return words, bars


@given(st.dictionaries(st.integers(-60, 5).map(lambda days: DAY + timedelta(days=days)), NUMBERS))
def test_days_fit_and_have_a_bar_each(days: dict[date, float]) -> None:
    words, bars = drawn(glance_of_days(days, DAY, "rows delivered"))
    shown = {day for day, value in days.items() if DAY - timedelta(days=27) <= day <= DAY and value == value}
    assert len(bars) == len(shown)
    assert words[0].startswith(f"{DAY}: ")


@given(st.dictionaries(st.text(min_size=1, max_size=60).filter(str.isprintable), NUMBERS, min_size=1), NUMBERS)
def test_names_fit_however_long_they_are(sizes: dict[str, float], limit: float) -> None:
    words, _ = drawn(glance_of_names(sizes, "times its limit", limit=limit if limit == limit else None))
    assert len(words) >= 3, "a head, a name and its figure"


def test_figures_are_said_with_the_digits_that_matter() -> None:
    words, bars = drawn(
        glance_of_names({"constant": 0.0100001, "trees": 0.67219796}, "average_precision", marked="trees")
    )
    assert words == ["average_precision", "constant", "0.01", "trees", "0.672"]
    assert len(bars) == 2
    words, _ = drawn(glance_of_days({DAY: 1_234_567.0}, DAY, "rows"))
    assert words == ["2024-03-31: 1,234,567 rows", "2024-03-04", "most: 1,234,567"]


@pytest.mark.parametrize("days", [{}, {DAY - timedelta(days=1): 5.0}])
def test_a_day_without_a_figure_says_so(days: dict[date, float]) -> None:
    assert drawn(glance_of_days(days, DAY, "rows"))[0][0] == "2024-03-31: none"


def test_nothing_to_draw_is_said_in_words() -> None:
    assert glance_of_names({}, "average_precision").md_str == "no average_precision"
