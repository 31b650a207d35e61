"""Names that can be declared, from names as they are delivered.

Belongs here: one name for each delivered one. Does not belong here: what the columns hold (`facts.py`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from platform_assets.declaration.checks.references import RESERVED_COLUMNS

_DECLARABLE = re.compile(r"^[a-z][a-z0-9_]{0,62}$")
_SPELT = {
    "ß": "ss",
    "æ": "ae",
    "ø": "o",
    "œ": "oe",
    "đ": "d",
    "ł": "l",
    "ı": "i",
    "%": " percent ",
    "#": " number ",
    "€": " eur ",
}


def declared_names(delivered: Sequence[str]) -> dict[str, str]:
    """A name for each delivered one, in order: itself where it can be declared, else one that reads like it."""
    names: dict[str, str] = {}
    taken = {name for name in delivered if _DECLARABLE.match(name) and name not in RESERVED_COLUMNS}
    for position, name in enumerate(delivered, start=1):
        if name in taken:
            names[name] = name
            continue
        proposed = _readable(name) or f"column_{position}"
        if proposed in RESERVED_COLUMNS:
            proposed += "_value"
        unique, number = proposed, 1
        while unique in taken:
            number += 1
            unique = f"{proposed[:58]}_{number}"
        taken.add(unique)
        names[name] = unique
    return names


def _readable(name: str) -> str:
    """Lower-case words of ASCII letters, joined by underscores; nothing where no letter is left."""
    for sign, spelt in _SPELT.items():
        name = (
            name.replace(sign, spelt).replace(sign.upper(), spelt.upper())
            if sign.isalpha()
            else name.replace(sign, spelt)
        )
    plain = "".join(sign for sign in unicodedata.normalize("NFKD", name) if not unicodedata.combining(sign))
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z]{2})(?=[A-Z][a-z]{2})", "_", plain)
    words = re.sub(r"[^a-z0-9]+", "_", apart.lower()).strip("_")
    if words and not words[0].isalpha():
        words = f"column_{words}"
    return words[:62].rstrip("_")
