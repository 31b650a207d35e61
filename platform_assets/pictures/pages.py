"""What pages for people share: a style sheet for light and dark, narrow and wide, and filling in a template.

Belongs here: looks, and one self-contained HTML file. Does not belong here: what stands on a page.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from platform_assets.pictures.numbers import count, duration, moment, percent
from platform_assets.pictures.palette import colour_variables

_STYLE = Path(__file__).with_name("page.css")
_TAG = re.compile(r"<[^>]*>")
_WIDE_TABLE = re.compile(
    r'(?P<begin><div class="wide">\s*)<table>\s*<tr>(?P<heads>(?:(?!<td|</tr>).)*)</tr>(?P<rows>.*?)</table>', re.DOTALL
)
"""A table whose first row is the names of its columns."""


@cache
def page_style() -> str:
    """The style sheet of a page, its colours included."""
    return colour_variables() + _STYLE.read_text(encoding="utf-8")


def filled_in(template: Path, **content: Any) -> str:
    """A template, filled in: text is escaped, and a name that is not given is an error. `style` is the style sheet.

    Numbers and times are written by the filters `count`, `percent`, `duration` and `moment`.

    Args:
        template: a file; others of its folder may be included.
        content: what it asks for.

    Raises:
        jinja2.UndefinedError: something is missing.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(template.parent),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(count=count, moment=moment, percent=percent, duration=duration)
    return _WIDE_TABLE.sub(_named_cells, environment.get_template(template.name).render(style=page_style(), **content))


def _named_cells(table: re.Match[str]) -> str:
    """A wide table each of whose cells carries the name of its column: on a narrow screen a row is shown as lines of name and value."""
    names = [_TAG.sub("", name).strip() for name in re.findall(r"<th\b[^>]*>(.*?)</th>", table["heads"], re.DOTALL)]

    def named(row: str) -> str:
        columns = iter(names)
        return re.sub(r"<td\b", lambda _: _cell(next(columns, "")), row)

    rows = "<tr".join(named(row) for row in table["rows"].split("<tr"))
    return f'{table["begin"]}<table class="stacked"><tr class="heads">{table["heads"]}</tr>{rows}</table>'


def _cell(name: str) -> str:
    return f'<td data-label="{name.replace(chr(34), "&quot;")}"' if name else "<td"
