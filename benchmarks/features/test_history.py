"""The comparison of whole-history features: the other way computes the same, and a difference does not pass unseen."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from benchmarks.common.world import NotSimulated, simulated, simulator_settings
from benchmarks.features.history import (
    comparable_view,
    largest_difference,
    multiplied,
    pandas_features,
    polars_features,
    tied_rows,
)
from platform_assets.declaration import UseCase, load_use_case
from platform_assets.features.offline.feature_table import compute_view

FIRST, LAST = date(2018, 4, 1), date(2018, 4, 20)


@pytest.fixture(scope="module")
def use_case() -> UseCase:
    return load_use_case(Path(__file__).parents[2] / "platform_assets" / "defs" / "card_fraud")


@pytest.fixture(scope="module")
def events(use_case: UseCase) -> pl.DataFrame:
    return simulated(use_case, FIRST, LAST, {"customers": 40, "terminals": 300})[0]


def test_polars_and_the_platform_agree_on_windows_without_delay(use_case: UseCase, events: pl.DataFrame) -> None:
    view = comparable_view(use_case)
    assert all(window.delay_days == 0 for window in view.windows)
    ours, theirs = compute_view(view, use_case, events, FIRST, LAST), polars_features(events, view, use_case)
    ties = tied_rows(events, use_case, view)
    assert len(events) > 500
    assert largest_difference(ours, theirs, ties, use_case, view) < 1e-12
    assert largest_difference(ours, pandas_features(events, view, use_case), ties, use_case, view) < 1e-12


def test_copies_have_entities_of_their_own(use_case: UseCase, events: pl.DataFrame) -> None:
    view = comparable_view(use_case)
    ours, three = (
        compute_view(view, use_case, rows, FIRST, LAST) for rows in (events, multiplied(events, use_case, view, 3))
    )
    assert len(three) == 3 * len(ours)
    key, names = use_case.event_source.primary_key[0], view.feature_names
    assert three.filter(pl.col(key) <= events[key].max()).select(names).equals(ours.select(names))


def test_a_difference_in_one_row_is_found(use_case: UseCase, events: pl.DataFrame) -> None:
    view = comparable_view(use_case)
    ours, ties = compute_view(view, use_case, events, FIRST, LAST), tied_rows(events, use_case, view)
    name, key = view.feature_names[-1], use_case.event_source.primary_key[0]
    chosen = pl.col(key) == events[key][7]
    doubled = ours.with_columns(pl.when(chosen).then(pl.col(name) * 2).otherwise(pl.col(name)).alias(name))
    assert largest_difference(ours, doubled, ties, use_case, view) == pytest.approx(1.0)
    emptied = ours.with_columns(pl.when(~chosen).then(pl.col(name)).alias(name))
    assert largest_difference(ours, emptied, ties, use_case, view) == float("inf")
    with pytest.raises(ValueError, match="different rows"):
        largest_difference(ours, ours.head(5), ties, use_case, view)


def test_rows_that_share_customer_and_time_are_told(use_case: UseCase, events: pl.DataFrame) -> None:
    view, key = comparable_view(use_case), use_case.event_source.primary_key[0]
    twin = events.head(1).with_columns(pl.lit(-1).cast(pl.Int64).alias(key))
    both = pl.concat([events, twin])
    ties = both.sort(key).filter(tied_rows(both, use_case, view))
    assert {-1, events[key][0]} <= set(ties[key].to_list())


def test_overrides_make_another_world_of_the_same_days(use_case: UseCase, events: pl.DataFrame) -> None:
    other, labels = simulated(use_case, FIRST, LAST, {"customers": 40, "terminals": 300, "seed": 77})
    assert not other.equals(events)
    assert len(labels) == len(other)
    assert "seed" in simulator_settings(use_case)


def test_a_use_case_that_is_not_simulated_is_refused(use_case: UseCase) -> None:
    files = {"kind": "files", "path": "events/*.parquet", "format": "parquet"}
    declared = use_case.model_dump(mode="json")
    for source in declared["sources"]:
        source["connector"] = files
    with pytest.raises(NotSimulated, match="card_fraud come from 'files'"):
        simulated(UseCase.model_validate(declared), FIRST, LAST, {})
