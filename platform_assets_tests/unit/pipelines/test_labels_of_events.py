"""Labels of refused events are left out of the training set; an incomplete feature table is not mistaken for that."""

from datetime import date

import polars as pl

from platform_assets.declaration import UseCase
from platform_assets.pipelines.build_training_set import labels_of_events
from platform_assets.testing.declare import declare

USE_CASE = declare(events={"payment": "int64", "at": "datetime", "amount": "float64"}, label="is_bad")
FIRST, SECOND = date(2018, 4, 1), date(2018, 4, 2)


def frame(*rows: tuple[int, date]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=["payment", "event_day"], orient="row")


def kept(labels: pl.DataFrame, views: dict[str, pl.DataFrame], use_case: UseCase) -> list[int]:
    return labels_of_events(labels, views, use_case)["payment"].to_list()


def test_the_label_of_an_event_in_quarantine_is_left_out() -> None:
    labels = frame((3, FIRST), (1, FIRST), (2, FIRST))
    views = {"a": frame((1, FIRST), (3, FIRST)), "b": frame((1, FIRST), (3, FIRST))}
    assert kept(labels, views, USE_CASE) == [3, 1], "in the order they came in"


def test_an_event_that_only_one_table_lacks_keeps_its_label() -> None:
    """The join then says which table is incomplete."""
    labels = frame((1, FIRST), (2, FIRST))
    assert kept(labels, {"a": frame((1, FIRST), (2, FIRST)), "b": frame((1, FIRST))}, USE_CASE) == [1, 2]


def test_a_day_that_no_feature_table_has_keeps_its_labels() -> None:
    """Features of that day were never computed, which the join reports."""
    labels = frame((1, FIRST), (2, SECOND))
    views = {"a": frame((1, FIRST)), "b": frame((1, FIRST))}
    assert kept(labels, views, USE_CASE) == [1, 2]
