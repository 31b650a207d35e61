"""What MkDocs is told beyond mkdocs.yml: the navigation, and what becomes of links that leave docs/.

Belongs here: MkDocs' events. Does not belong here: what pages there are (`pages.py`).
"""

import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from pages import listed

LEAVES = re.compile(r"\[([^]]+)\]\(\.\./\.\./[^)]*\)")


def on_config(config: Any) -> Any:
    """Set the navigation: the order of the index pages."""
    navigation: list[Any] = [{"Home": "README.md"}]
    for page in listed():
        level = navigation
        for section in page.sections:
            below = next((entry[section] for entry in level if isinstance(entry.get(section), list)), None)
            if below is None:
                below = []
                level.append({section: below})
            level = below
        level.append({page.title: page.path})
    config.nav = navigation
    return config


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Show the name of a file of the repository, which the site does not have, without a link."""
    return LEAVES.sub(lambda link: "`" + link[1].strip("`") + "`", markdown)
