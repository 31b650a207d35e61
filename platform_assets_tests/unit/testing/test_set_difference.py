"""Two training sets compared: lost, merged, added and changed rows are counted and shown."""

import polars as pl
import pytest

from platform_assets.features.errors import FeatureError
from platform_assets.testing.set_difference import set_difference

OURS = pl.DataFrame({"card": [1, 1, 2, 3], "at": [5, 5, 6, 7], "limit": [1.0, None, 3.0, None], "n": [1, 2, 3, 4]})
SETTINGS = {"on": ["card", "at"], "values": ["limit", "n"]}


def test_order_type_and_nan_make_no_difference() -> None:
    theirs = OURS.sort("n", descending=True).with_columns(
        pl.col("limit").fill_null(float("nan")), pl.col("n").cast(pl.Float32)
    )
    assert set_difference(OURS, theirs, **SETTINGS).equal


def test_what_is_lost_merged_added_and_changed_is_counted() -> None:
    merged = OURS.unique(["card", "at"], keep="first", maintain_order=True).filter(pl.col("card") != 3)
    told = set_difference(
        OURS, pl.concat([merged, pl.DataFrame({"card": [9], "at": [9], "limit": [0.0], "n": [0]})]), **SETTINGS
    )
    assert (told.rows, told.lost, told.added, told.equal) == (4, 2, 1, False)
    changed = set_difference(OURS, OURS.with_columns(limit=pl.lit(3.0)), **SETTINGS)
    assert (changed.lost, changed.added, changed.changed) == (0, 0, {"limit": 3})
    assert changed.examples["limit"][0]["theirs"] == 3.0


def test_a_missing_column_is_named() -> None:
    with pytest.raises(FeatureError, match=r"the other training set lack columns \['limit'\]"):
        set_difference(OURS, OURS.drop("limit"), **SETTINGS)
