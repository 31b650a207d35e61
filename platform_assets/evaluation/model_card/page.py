"""The model card's page: `card.html.j2`, filled in.

Belongs here: rendering, with nothing that a browser would have to fetch. Does not belong here: what is on the card
(`pipelines/model_card.py`), the looks that it shares with other pages (`pictures/pages.py`).
"""

from pathlib import Path
from typing import Any

from platform_assets.pictures.pages import filled_in

TEMPLATE = Path(__file__).parent / "card.html.j2"


def render_card_page(**content: Any) -> str:
    """The page as HTML; a name that the template asks for and is not given is an error.

    Raises:
        jinja2.UndefinedError: something is missing.
    """
    return filled_in(TEMPLATE, **content)
