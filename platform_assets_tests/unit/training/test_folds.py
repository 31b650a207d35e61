"""Folds: no model sees a label it could not have known, and every day is where it should be."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platform_assets.training.folds import (
    DayOffsets,
    Fold,
    FoldError,
    days_needed,
    last_labelled_day,
    prequential_folds,
    refit_days,
)

DAY_0 = date(2018, 4, 1)


def day(number: int) -> date:
    return DAY_0 + timedelta(days=number)


def number(of: date) -> int:
    return (of - DAY_0).days


def test_the_handbooks_four_weeks_are_the_folds_as_of_day_149() -> None:
    folds = prequential_folds(day(149), label_delay_days=7, train_days=7, delay_days=7, test_days=7, folds=4)
    assert [number(fold.train_first) for fold in folds] == [122, 115, 108, 101]
    assert folds[0] == Fold(0, day(122), day(128), day(136), day(142))
    assert refit_days(day(149), 7, 7) == (day(136), day(142))
    assert days_needed(7, 7, 7, 7, 4) == DayOffsets(first=-48, last=-7)


def test_without_label_delay_the_day_before_is_the_last_one() -> None:
    assert last_labelled_day(day(10), 0) == day(9)
    assert prequential_folds(day(10), 0, 5, 0, 2, 1) == [Fold(0, day(3), day(7), day(8), day(9))]


lengths = st.integers(1, 20)


@given(delay=st.integers(0, 20), train=lengths, extra=st.integers(0, 5), test=lengths, folds=st.integers(1, 6))
def test_every_training_label_is_known_when_its_test_period_starts(
    delay: int, train: int, extra: int, test: int, folds: int
) -> None:
    as_of, gap = day(500), max(delay, 1) - 1 + extra
    found = prequential_folds(as_of, delay, train, gap, test, folds)
    needed = days_needed(delay, train, gap, test, folds)
    for fold in found:
        assert last_labelled_day(fold.test_first, delay) >= fold.train_last
        assert last_labelled_day(as_of, delay) >= fold.test_last
        assert (fold.train_last - fold.train_first).days == train - 1
        assert (fold.test_last - fold.test_first).days == test - 1
        assert as_of + timedelta(days=needed.first) <= fold.train_first
        assert as_of + timedelta(days=needed.last) >= fold.test_last
    tested = [fold.test_first + timedelta(days=n) for fold in found for n in range(test)]
    assert len(set(tested)) == test * folds, "a day is tested in one fold only"
    assert as_of + timedelta(days=needed.first) <= refit_days(as_of, delay, train)[0]


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ((7, 7, 5, 7, 4), "labels arrive 7 days late.*at least 6"),
        ((-1, 7, 7, 7, 4), "label_delay_days is -1"),
        ((7, 0, 7, 7, 4), "train_days is 0"),
        ((7, 7, 7, 0, 4), "test_days is 0"),
        ((7, 7, 7, 7, 0), "folds is 0"),
    ],
)
def test_a_split_that_cannot_be_is_refused(lengths: tuple[int, int, int, int, int], message: str) -> None:
    with pytest.raises(FoldError, match=message):
        prequential_folds(day(149), *lengths)
