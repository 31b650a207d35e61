"""A number for each text: the same today and tomorrow, offline and online.

Belongs here: the function behind categories whose values the training learns. Does not belong here: which of them a model knows
(`training/learners/categories.py`).

The code is the first 52 bits of the text's BLAKE2b digest, which a float holds exactly. It has no order and no distance: only learners that
take categories read it. Two of ten thousand texts share a code with a probability of 1 in 90 million.
"""

from __future__ import annotations

import hashlib

import polars as pl

_BITS = 52


def text_code(values: pl.Series) -> pl.Series:
    """The code of each value, by its text; null where there is none.

    Args:
        values: text, whole numbers or booleans.

    Returns:
        Float64 of the same length.
    """
    text = values.cast(pl.String)
    distinct = text.drop_nulls().unique()
    codes = [_code(one) for one in distinct.to_list()]
    if len(distinct) == 0:
        return pl.Series(values.name, [None] * len(values), dtype=pl.Float64)
    return text.replace_strict(distinct, pl.Series(codes, dtype=pl.Float64), default=None, return_dtype=pl.Float64)


def _code(text: str) -> float:
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return float(int.from_bytes(digest, "big") >> (64 - _BITS))
