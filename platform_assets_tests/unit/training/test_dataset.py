"""The step from a frame to arrays: order, missing values, and frames that are refused."""

from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from platform_assets.training.dataset import Dataset, DatasetError, from_frame, rows_to_judge
from platform_assets.training.folds import Fold


def make_frame(**changes: Any) -> pl.DataFrame:
    columns: dict[str, Any] = {
        "payment": [3, 1, 2, 4],
        "paid_at": [datetime(2024, 1, day, 12, tzinfo=UTC) for day in (2, 1, 1, 3)],
        "card": ["b", "a", "b", "a"],
        "amount": [30.0, 10.0, None, 40.0],
        "at_night": [True, False, True, False],
        "fraud": [1, 0, 0, 1],
    }
    return pl.DataFrame({**columns, **changes})


def read(frame: pl.DataFrame) -> Dataset:
    return from_frame(frame, ["amount", "at_night"], label="fraud", group="card", key="payment", time="paid_at")


def test_rows_come_in_order_of_time_and_key_whatever_the_frames_order() -> None:
    dataset = read(make_frame())
    assert dataset.key.tolist() == [1, 2, 3, 4]
    assert dataset.group is not None
    assert dataset.group.tolist() == ["a", "b", "b", "a"]
    np.testing.assert_array_equal(dataset.X, [[10, 0], [np.nan, 1], [30, 1], [40, 0]])
    assert dataset.y.tolist() == [0, 0, 1, 1]
    shuffled = read(make_frame().sample(fraction=1.0, shuffle=True, seed=3))
    assert shuffled.X.tobytes() == dataset.X.tobytes()


def test_days_are_taken_inclusively_and_a_range_without_rows_is_empty() -> None:
    dataset = read(make_frame())
    assert dataset.rows(date(2024, 1, 1), date(2024, 1, 2)).key.tolist() == [1, 2, 3]
    assert len(dataset.rows(date(2024, 1, 3), date(2024, 1, 3))) == 1
    assert len(dataset.rows(date(2025, 1, 1), date(2025, 1, 2))) == 0


def test_a_day_is_a_utc_day() -> None:
    local = make_frame().with_columns(pl.lit(datetime(2024, 1, 1, 23, 30, tzinfo=UTC)).alias("paid_at"))
    local = local.with_columns(pl.col("paid_at").dt.convert_time_zone("Europe/Brussels"))
    assert set(read(local).event_day.astype(str)) == {"2024-01-01"}


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (make_frame(fraud=[1, None, 0, None]), "label 'fraud': 2 of 4 rows are null"),
        (make_frame(amount=[1.0, float("inf"), 2.0, 3.0]), "feature 'amount': 1 of 4 rows are infinite"),
        (make_frame(payment=[1, 1, 2, 3]), "column 'payment': 1 of 4 rows repeat a key"),
        (make_frame(amount=["x", "y", "z", "w"]), "column 'amount' is String"),
        (make_frame(paid_at=[1, 2, 3, 4]), "column 'paid_at' is Int64"),
        (make_frame(payment=[1, None, 2, 3]), "null rows by column: {'payment': 1}"),
        (make_frame().drop("card"), r"lacks columns \['card'\]"),
    ],
)
def test_a_frame_that_cannot_be_learned_from_is_refused(frame: pl.DataFrame, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        read(frame)


def test_a_label_among_the_features_is_refused() -> None:
    with pytest.raises(DatasetError, match="also declared as a feature"):
        from_frame(make_frame(), ["amount", "fraud"], "fraud", None, "payment", "paid_at")


FOLD = Fold(0, date(2024, 1, 1), date(2024, 1, 2), date(2024, 1, 5), date(2024, 1, 7))  # train 1-2, delay 3-4, test 5-7

events = st.lists(st.tuples(st.integers(1, 7), st.integers(0, 4), st.booleans()), min_size=1, max_size=40)


def dataset_of(rows: list[tuple[int, int, bool]]) -> Dataset:
    rows = sorted(rows)
    days = np.array([f"2024-01-{day:02d}" for day, _, _ in rows], dtype="datetime64[D]")
    return Dataset(
        X=np.zeros((len(rows), 1)),
        y=np.array([float(fraud) for _, _, fraud in rows]),
        event_day=days,
        group=np.array([card for _, card, _ in rows]),
        key=np.arange(len(rows)),
        features=("amount",),
    )


@given(rows=events)
def test_cards_known_to_be_compromised_are_left_out_as_the_handbook_does(rows: list[tuple[int, int, bool]]) -> None:
    dataset = dataset_of(rows)
    expected = []
    for position, (day, card, _) in enumerate(sorted(rows)):
        known = {other for when, other, fraud in rows if fraud and when <= day - 3}  # 2 days of delay, and one more
        if day >= 5 and card not in known:
            expected.append(position)
    assert rows_to_judge(dataset, FOLD, exclude_known_groups=True).key.tolist() == expected


def test_all_rows_of_the_test_period_are_judged_unless_asked_otherwise() -> None:
    dataset = dataset_of([(1, 0, True), (5, 0, True), (5, 1, False), (7, 0, False)])
    assert len(rows_to_judge(dataset, FOLD)) == 3
    assert len(rows_to_judge(dataset, FOLD, exclude_known_groups=True)) == 1


def test_leaving_groups_out_needs_groups_and_a_binary_label() -> None:
    whole = dataset_of([(1, 0, True), (5, 0, True)])
    with pytest.raises(DatasetError, match="no group column"):
        rows_to_judge(Dataset(whole.X, whole.y, whole.event_day, None, whole.key, ("amount",)), FOLD, True)
    with pytest.raises(DatasetError, match="not binary"):
        rows_to_judge(Dataset(whole.X, whole.y * 3, whole.event_day, whole.group, whole.key, ("amount",)), FOLD, True)
