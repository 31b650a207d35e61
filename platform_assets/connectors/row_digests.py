"""A key for rows that are delivered without one: a digest of what they hold.

Belongs here: computing it. Does not belong here: its declaration (`declaration/sections/columns.py`), and where such a key is not enough
(`declaration/checks/keys.py`).

Two rows of a day that hold the same are told apart by a count, `...-2`; which of them is the second does not matter, because they are the
same. So the keys of a day are the same whenever it is delivered, in whatever order its rows come.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import polars as pl

from platform_assets.declaration.delivered_columns import DELIVERED_DAY
from platform_assets.declaration.sections.sources import Source

_BYTES = 12
_DIGEST, _NUMBER = "#digest", "#number"


def with_digests(columns: Mapping[str, pl.Series], days: pl.Series, source: Source) -> Mapping[str, pl.Series]:
    """The columns with those that are digests of others.

    Args:
        columns: the other declared columns, by name.
        days: the day that each row was delivered for.
        source: the declared source.
    """
    made = {column.name: column.digest_of for column in source.columns if column.digest_of is not None}
    if not made:
        return columns
    rows = pl.DataFrame([columns[name] for name in source.column_names if name not in made])
    return {
        **columns,
        **{name: _digests(rows if of == "row" else rows.select(of), days, name) for name, of in made.items()},
    }


def _digests(rows: pl.DataFrame, days: pl.Series, name: str) -> pl.Series:
    texts = rows.select(pl.struct(pl.all()).struct.json_encode()).to_series().to_list()
    digests = [hashlib.blake2b(text.encode(), digest_size=_BYTES).hexdigest() for text in texts]
    frame = pl.DataFrame({_DIGEST: pl.Series(digests, dtype=pl.String), DELIVERED_DAY: days})
    number = pl.int_range(1, pl.len() + 1).over(_DIGEST, DELIVERED_DAY)
    counted = pl.when(pl.col(_NUMBER) == 1).then(_DIGEST).otherwise(pl.format("{}-{}", _DIGEST, _NUMBER))
    return frame.with_columns(number.alias(_NUMBER)).select(counted.alias(name)).to_series()
