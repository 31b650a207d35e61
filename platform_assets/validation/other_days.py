"""Keys that come again on another day: which of the rows counts.

Belongs here: telling these rows, by the declared rule. Does not belong here: keys that repeat within a day (`schema.py`), and reading
which keys are published (`pipelines/keys_of_days.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import polars as pl

from platform_assets.declaration.delivered_columns import DELIVERED_DAY
from platform_assets.declaration.sections.sources import EVENT_DAY
from platform_assets.validation.released_rows import ROW
from platform_assets.validation.rows_to_judge import never_repeats

REPEATED_KEY: Literal["repeated_key"] = "repeated_key"
SUPERSEDED: Literal["superseded"] = "superseded"

_FIRST, _LAST, _OTHER = "#first", "#last", "#other"


@dataclass(frozen=True)
class OtherDays:
    """What is published of other days than those that are judged.

    Attributes:
        key: columns of the primary key.
        newest_wins: whether the row of the newest day counts; else the one that was published first does.
        published: the key columns and `event_day`, of keys that may come again.
    """

    key: tuple[str, ...]
    newest_wins: bool
    published: pl.DataFrame


def rows_that_do_not_count(rows: pl.DataFrame, others: OtherDays) -> pl.DataFrame:
    """Rows whose key another day has, as violations.

    Args:
        rows: good rows with `#row`, `delivered_day` and the key; no key comes twice on a day.
        others: what other days have, and the rule.

    Returns:
        `#row`, `rule`, `column` and `value` (the key and the day whose row counts).
    """
    key = list(others.key)
    days = rows.select(*key, pl.col(DELIVERED_DAY).alias(EVENT_DAY))
    inside = days.clear() if len(key) == 1 and never_repeats(days[key[0]]) else days
    both = pl.concat([inside, others.published.select(*key, EVENT_DAY)]).group_by(key)
    ends = both.agg(pl.col(EVENT_DAY).min().alias(_FIRST), pl.col(EVENT_DAY).max().alias(_LAST))
    published = others.published.group_by(key).agg(pl.col(EVENT_DAY).first().alias(_OTHER))
    known = rows.join(ends, on=key, how="inner", maintain_order="left").join(published, on=key, how="left")
    if others.newest_wins:
        day, broken = pl.col(_LAST), pl.col(_LAST) > pl.col(DELIVERED_DAY)
    else:
        # What is published stays, whatever its day; among rows that come together, the first day's counts.
        day = pl.coalesce(_OTHER, _FIRST)
        broken = pl.col(_OTHER).is_not_null() | (pl.col(_FIRST) < pl.col(DELIVERED_DAY))
    text = pl.concat_str([pl.col(name).cast(pl.String) for name in key], separator=", ")
    return known.filter(broken).select(
        ROW,
        pl.lit(SUPERSEDED if others.newest_wins else REPEATED_KEY).alias("rule"),
        pl.lit(", ".join(key)).alias("column"),
        pl.format("{} (the row of {} counts)", text, day).alias("value"),
    )
