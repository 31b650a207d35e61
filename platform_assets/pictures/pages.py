"""What pages for people share: a style sheet for light and dark, narrow and wide, and filling in a template.

Belongs here: looks, and one self-contained HTML file. Does not belong here: what stands on a page.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from platform_assets.pictures.palette import colour_variables

_STYLE = Path(__file__).with_name("page.css")


@cache
def page_style() -> str:
    """The style sheet of a page, its colours included."""
    return colour_variables() + _STYLE.read_text(encoding="utf-8")


def filled_in(template: Path, **content: Any) -> str:
    """A template, filled in: text is escaped, and a name that is not given is an error. `style` is the style sheet.

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
    return environment.get_template(template.name).render(style=page_style(), **content)
