"""Values as objects hold them.

Belongs here: copies of JSON, times, quantities. Does not belong here: anything that knows a kind.
"""

from datetime import UTC, datetime, timedelta
from typing import Any


def clone(value: Any) -> Any:
    """A deep copy of JSON."""
    if isinstance(value, dict):
        return {key: clone(item) for key, item in value.items()}
    return [clone(item) for item in value] if isinstance(value, list) else value


def now(offset_seconds: float = 0) -> str:
    """The time as objects write it, to the second."""
    return (datetime.now(UTC) + timedelta(seconds=offset_seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
