"""The aggregates' codes, as the compiled loops know them.

Belongs here: one whole number for each aggregate. Does not belong here: what they mean (`declaration/sections/features.py`) or how they are
computed (`aggregation/compiled_loops.py`).

Codes are never renumbered, only added: compiled code that is cached on disk has them built in, and is made anew only when
`aggregation/compiled_loops.py` changes.
"""

from collections.abc import Mapping

COUNT, SUM, MEAN, MIN, MAX, STD, DISTINCT, LAST, SINCE = range(9)

CODES: Mapping[str, int] = {
    "count": COUNT,
    "sum": SUM,
    "mean": MEAN,
    "ratio": MEAN,
    "min": MIN,
    "max": MAX,
    "std": STD,
    "distinct": DISTINCT,
    "last": LAST,
    "seconds_since_last": SINCE,
}
