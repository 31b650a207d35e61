"""Quantities as the API writes them, as numbers.

Belongs here: reading `1500M`, `2Gi` and `250m`. Does not belong here: writing them (`manifests/sizes.py`).
"""

from __future__ import annotations

import re

_QUANTITY = re.compile(r"([+-]?[0-9.]+)(m|k|[MGTPE]|[KMGTPE]i)?")
_FACTORS = {"m": 1e-3, "k": 1e3, **{letter: 1e3 ** (place + 2) for place, letter in enumerate("MGTPE")}}
_FACTORS |= {f"{letter}i": 1024.0 ** (place + 1) for place, letter in enumerate("KMGTPE")}


def quantity(text: str) -> float | None:
    """The number that a quantity stands for, in bytes, cores or pieces; None for what is none."""
    found = _QUANTITY.fullmatch(text.strip())
    if found is None:
        return None
    try:
        return float(found[1]) * _FACTORS.get(found[2] or "", 1.0)
    except ValueError:
        return None
