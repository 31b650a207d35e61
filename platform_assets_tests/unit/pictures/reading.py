"""Reading a figure as a person does: which words stand on it, and whether one lies on another.

Belongs here: what tests of pictures share. Does not belong here: tests.
"""

import itertools
import re
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

MAY_TOUCH_PIXELS = 1.0
LETTER_WIDTH, LETTER_HEIGHT = 5.8, 9.0
"""About a letter of the 11 pixels that words of our own SVG have."""


def _shown(figure: Figure) -> Iterator[tuple[Text, Any]]:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    hidden = _beyond_their_axis(figure)
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        if text.get_visible() and text.get_text().strip() and id(text) not in hidden:
            box = text.get_window_extent(renderer)
            if box.width > 0:
                yield text, box


def _beyond_their_axis(figure: Figure) -> set[int]:
    """Words of ticks beyond the limits of their axis, which are not drawn."""
    hidden: set[int] = set()
    for axes in figure.axes:
        for axis, (low, high) in ((axes.xaxis, sorted(axes.get_xlim())), (axes.yaxis, sorted(axes.get_ylim()))):
            room = 1e-6 * (high - low)
            for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]:
                if not low - room <= tick.get_loc() <= high + room:
                    hidden |= {id(tick.label1), id(tick.label2)}
    return hidden


def words(figure: Figure) -> list[str]:
    """Every text that is drawn."""
    return [text.get_text() for text, _ in _shown(figure)]


def overlapping(figure: Figure) -> list[tuple[str, str]]:
    """Texts that lie on each other."""
    found = []
    for (one, a), (other, b) in itertools.combinations(list(_shown(figure)), 2):
        if one.get_rotation() % 90 or other.get_rotation() % 90:
            continue  # the box around slanted words is larger than they are
        wide = min(a.x1, b.x1) - max(a.x0, b.x0)
        high = min(a.y1, b.y1) - max(a.y0, b.y0)
        if wide > MAY_TOUCH_PIXELS and high > MAY_TOUCH_PIXELS:
            found.append((one.get_text(), other.get_text()))
    return found


def beyond_the_edge(figure: Figure) -> list[str]:
    """Texts that are cut by the edge of the picture."""
    width, height = figure.get_size_inches() * figure.dpi
    return [
        text.get_text()
        for text, box in _shown(figure)
        if box.x0 < -1 or box.y0 < -1 or box.x1 > width + 1 or box.y1 > height + 1
    ]


def cut_or_overlapping(svg: str) -> list[str]:
    """Words of an SVG of ours that its edge cuts, or that lie on others; letters are as wide as those of a usual face."""
    root = ElementTree.fromstring(re.sub(r"&(?!#?\w+;)", "&amp;", svg))
    width, height = (float(one) for one in root.attrib["viewBox"].split()[2:])
    found, boxes = [], []
    for text in root.iter("text"):
        shown, x, y = text.text or "", float(text.attrib["x"]), float(text.attrib["y"])
        wide = LETTER_WIDTH * len(shown)
        left = x - wide * {"middle": 0.5, "end": 1.0}.get(text.attrib.get("text-anchor", "start"), 0.0)
        boxes.append((shown, left, left + wide, y - LETTER_HEIGHT, y))
        if left < -1 or left + wide > width + 1 or y - LETTER_HEIGHT < -1 or y > height + 1:
            found.append(f"cut: {shown}")
    for (one, *a), (other, *b) in itertools.combinations(boxes, 2):
        if min(a[1], b[1]) - max(a[0], b[0]) > MAY_TOUCH_PIXELS and min(a[3], b[3]) - max(a[2], b[2]) > 0:
            found.append(f"{one} on {other}")
    return found
