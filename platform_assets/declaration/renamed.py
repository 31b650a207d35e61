"""Names that were others once: what is stored keeps them, what is declared today does not.

Belongs here: the one place where a stored name becomes today's: declarations kept by runs and releases, comparisons, verdicts, metrics of
tracked runs. Does not belong here: migrations of tables (`sections/migrations.py`, `lake/`).
"""

import re
from collections.abc import Mapping
from typing import Any

_GROUP_PRECISION = re.compile(r"((?:[\w.]+[._])?)card_precision_at_([1-9][0-9]*)")
"""The metric once spoke of the domain of one use case. Gates and tracked figures carry it in their names."""


def current_name(name: str) -> str:
    """Today's name of a metric, of a gate on it, or of a tracked figure; any other text is returned as it is."""
    match = _GROUP_PRECISION.fullmatch(name)
    return name if match is None else f"{match.group(1)}group_precision_at_{match.group(2)}"


def with_current_names(stored: Any) -> Any:
    """A stored JSON document with today's names, in keys and in values."""
    if isinstance(stored, Mapping):
        return {current_name(str(name)): with_current_names(value) for name, value in stored.items()}
    if isinstance(stored, list | tuple):
        return [with_current_names(value) for value in stored]
    return current_name(stored) if isinstance(stored, str) else stored
