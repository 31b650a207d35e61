"""Values as objects hold them.

Belongs here: copies of JSON, times, quantities. Does not belong here: anything that knows a kind.
"""

import marshal
from datetime import UTC, datetime, timedelta
from typing import Any


def clone(value: Any) -> Any:
    """A deep copy of JSON. Version 2 of marshal's format writes a part that stands in two places twice, so that copies share nothing."""
    return marshal.loads(marshal.dumps(value, 2))


def now(offset_seconds: float = 0) -> str:
    """The time as objects write it, to the second."""
    return (datetime.now(UTC) + timedelta(seconds=offset_seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


SUFFIXES = {suffix: 1000**power for power, suffix in enumerate(("", "k", "M", "G", "T", "P", "E"))}
SUFFIXES |= {f"{suffix}i": 1024**power for power, suffix in enumerate("KMGTPE", start=1)}
SUFFIXES |= {"n": 1e-9, "u": 1e-6, "m": 1e-3}


def quantity(text: str | int | float) -> float:
    """A quantity such as `500m` or `2Gi` as a number.

    Raises:
        ValueError: it is none.
    """
    number = str(text)
    suffix = number.lstrip("+-0123456789.")
    if suffix[:1] in ("e", "E") and suffix[1:].lstrip("+-").isdigit():
        return float(number)
    if suffix not in SUFFIXES:
        raise ValueError(f"{text!r} is not a quantity")
    return float(number.removesuffix(suffix)) * SUFFIXES[suffix]
