"""The house style: numbers as people read them, colours of both themes, images that need no network."""

import base64
import io
import math
import re
from datetime import date, timedelta
from pathlib import Path

import pytest
from PIL import Image

from platform_assets.pictures.figures import (
    days_along,
    end_labels,
    labelled,
    new_figure,
    note,
    png,
    read_as,
    svg_address,
)
from platform_assets.pictures.numbers import alike, readable, share, with_spread
from platform_assets.pictures.pages import filled_in
from platform_assets.pictures.palette import (
    BLUE,
    BOX,
    GREEN,
    IN_THE_DARK,
    INK,
    ORANGE,
    PAPER,
    PURPLE,
    RED,
    SERIES,
    SOFT,
    VARIABLES,
    YELLOW,
)

from .reading import beyond_the_edge, overlapping, words

SPACE = "\N{NARROW NO-BREAK SPACE}"


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (5_000_000, "", "5,000,000"), (1234.56, "", "1,235"), (0.91234, "", "0.912"), (0.9, "", "0.9"), (0.0, "", "0"),
        (12.0, "ms", f"12{SPACE}ms"),
        (0.00812, "%", f"0.812{SPACE}%"), (math.nan, "", "–"), (-0.051, "", "-0.051"), (3.2e-7, "", "3.2e-07"),
    ],
)  # fmt: skip
def test_a_figure_has_three_digits_that_count_and_thousands_apart(value: float, unit: str, shown: str) -> None:
    assert readable(value, unit) == shown


def test_a_share_near_nothing_or_all_keeps_what_tells_it_from_them() -> None:
    assert [share(one) for one in (0.9936, 0.0064, 0.42, 1.0, 0.0, 0.9998)] == [
        f"{one}{SPACE}%" for one in ("99.4", "0.6", "42", "100", "0", "99.980")
    ]


def test_figures_below_each_other_have_the_same_decimals() -> None:
    assert alike([0.911, 0.9105, 0.89]) == ["0.9110", "0.9105", "0.8900"]
    assert alike([1234.5, 1300.1]) == ["1,234", "1,300"]
    assert alike([]) == []
    assert with_spread(0.91234, 0.00342) == "0.9123 ± 0.0034"
    assert with_spread(1234.5, 56.0) == "1,234 ± 56"


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("colour", [INK, SOFT, BLUE, ORANGE, PURPLE, RED, YELLOW, GREEN])
def test_every_colour_of_words_is_readable_on_the_paper_of_both_themes(colour: str) -> None:
    for paper in (PAPER, BOX):
        assert contrast(colour, paper) >= 4.5
        assert contrast(IN_THE_DARK[colour], IN_THE_DARK[paper]) >= 4.5
    assert set(SERIES) <= set(VARIABLES) == set(IN_THE_DARK)


def test_an_image_follows_the_theme_and_asks_nobody_for_anything() -> None:
    figure = new_figure(4.0, 2.0)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 5_000_000], color=BLUE)
    labelled(axes, "Rows", "day", "rows")
    read_as(axes.yaxis)
    address = svg_address(figure)
    drawn = base64.b64decode(address.removeprefix("data:image/svg+xml;base64,")).decode()
    assert "prefers-color-scheme: dark" in drawn
    assert not re.findall(r"(?:stroke|fill): #[0-9a-f]{6}", drawn), "a colour that no theme changes"
    assert ">4,000,000</text>" in drawn
    assert not re.findall(r'(?:href|src)="(?!#)', drawn)
    assert svg_address(figure) == address


def test_a_png_has_light_paper_and_the_same_bytes() -> None:
    figure = note("There are no rows.")
    picture = png(figure)
    assert picture == png(figure)
    with Image.open(io.BytesIO(picture)) as image:
        assert image.convert("RGB").getpixel((1, 1)) == (255, 255, 255)


@pytest.mark.parametrize("days", [1, 2, 5, 45, 4000])
def test_days_and_words_at_the_ends_keep_out_of_each_others_way(days: int) -> None:
    figure = new_figure(9.0, 3.2)
    axes = figure.subplots()
    first = date(2018, 9, 1)
    axes.plot([first + timedelta(days=one) for one in range(days)], [0.9] * days, "o-")  # type: ignore[arg-type]
    labelled(axes, "A metric by day", "event day", "auc")
    days_along(axes, first, first + timedelta(days=days - 1))
    end_labels(axes, [(0.9, "one 0.9", BLUE), (0.9001, "other 0.9001", RED), (0.8999, "third", GREEN)])
    assert not overlapping(figure)
    assert not beyond_the_edge(figure)
    assert str(first) in words(figure)
    assert str(first + timedelta(days=days - 1)) in words(figure)


def test_a_cell_of_a_wide_table_says_on_a_narrow_screen_which_column_it_is_of(tmp_path: Path) -> None:
    template = tmp_path / "page.html.j2"
    template.write_text(
        '<style>{{ style | safe }}</style><div class="wide"><table><tr><th>gate</th><th class="n">to <i>spare</i></th></tr>\n'
        '{% for name, left in gates %}<tr><td>{{ name }}</td><td class="n">{{ left | count }}</td></tr>{% endfor %}'
        '<tr><td colspan="2">none</td></tr></table></div>'
        "<table><tr><th>what</th><td>a fact</td></tr></table>"
    )
    page = filled_in(template, gates=[('<b>"odd"</b>', 1234.0), ("auc", 5.0)])
    assert page.count('class="stacked"') == 1
    assert (
        page.count(
            '<td data-label="gate">&lt;b&gt;&#34;odd&#34;&lt;/b&gt;</td><td data-label="to spare" class="n">1,234</td>'
        )
        == 1
    )
    assert '<td data-label="gate">auc</td><td data-label="to spare" class="n">5</td>' in page
    assert "<tr><th>what</th><td>a fact</td></tr>" in page
    assert "attr(data-label)" in page
