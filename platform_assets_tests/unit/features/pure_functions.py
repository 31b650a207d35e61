"""Functions that declarations in tests name: a good one, and every kind of bad one."""

import itertools

import polars as pl

_COUNTER = itertools.count()


def rounded_share(amount: pl.Series, limit: pl.Series) -> pl.Series:
    """Amount as a share of the limit, in steps of a tenth."""
    return (amount / limit * 10).round() / 10


def of_many_rows(amount: pl.Series) -> pl.Series:
    return amount - amount.mean()


def different_each_time(amount: pl.Series) -> pl.Series:
    return pl.Series([float(next(_COUNTER))] * len(amount))


def too_short(amount: pl.Series) -> pl.Series:
    return amount.head(1)


def no_series(amount: pl.Series) -> float:
    return float(len(amount))


def words(amount: pl.Series) -> pl.Series:
    return pl.Series(["much"] * len(amount))


def fails(amount: pl.Series) -> pl.Series:
    raise KeyError("amount")


NO_FUNCTION = 1
