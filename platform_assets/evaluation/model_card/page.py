"""The model card's page: `card.html.j2`, filled in.

Belongs here: rendering, with nothing that a browser would have to fetch. Does not belong here: what is on the card
(`pipelines/model_card.py`).
"""

from pathlib import Path
from typing import Any

TEMPLATE = Path(__file__).parent / "card.html.j2"


def render_page(**content: Any) -> str:
    """The page as HTML; a name that the template asks for and is not given is an error.

    Raises:
        jinja2.UndefinedError: something is missing.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined)
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(**content)
