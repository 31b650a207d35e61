"""How an object store that answers with errors is asked again: with growing pauses, for about a minute.

Belongs here: the defaults, in the words of deltalake and of polars, whose own give up within two seconds of 503. Does not belong here: keys
and endpoints (`settings.py`), repeated commits (`commits.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

RETRIES: Mapping[str, str] = MappingProxyType(
    {
        "max_retries": "12",
        "retry_timeout": "60s",
        "backoff_config.init_backoff": "200ms",
        "backoff_config.max_backoff": "4s",
    }
)
"""In deltalake's words."""
POLARS_RETRIES: Mapping[str, int] = MappingProxyType(
    {"max_retries": 12, "retry_timeout_ms": 60_000, "retry_init_backoff_ms": 200, "retry_max_backoff_ms": 4_000}
)
"""The same in polars' words, which are numbers."""


def polars_options(options: Mapping[str, str] | None) -> dict[str, Any] | None:
    """Options of a table as polars takes them, from those that deltalake takes.

    A `max_retries` that the settings name holds for both.
    """
    if options is None:
        return None
    others: dict[str, Any] = {name: value for name, value in options.items() if name not in RETRIES}
    named = {name: int(others.pop(name, options.get(name, default))) for name, default in POLARS_RETRIES.items()}
    return {**others, **named}
