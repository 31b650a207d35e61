"""Which days a model learns from and which it is judged on, as of a day.

Belongs here: calendar arithmetic on days, with the label delay in it. Does not belong here: rows, arrays, or anything that reads
a table.

All ranges are inclusive. "As of day D" means: what is known at 00:00 UTC of day D. A label that arrives `label_delay_days` after
its event is known for event days up to D - label_delay_days; with a delay of 0 it is known once the event's day is over.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from platform_assets.declaration.use_case import UseCase


class FoldError(ValueError):
    """A split that cannot be made or that would let a model see labels it could not have known."""


@dataclass(frozen=True, slots=True)
class Fold:
    """One train and test period, days inclusive; index 0 is the latest fold."""

    index: int
    train_first: date
    train_last: date
    test_first: date
    test_last: date

    def describe(self) -> str:
        """The fold in one readable line."""
        return f"train {self.train_first} to {self.train_last}, test {self.test_first} to {self.test_last}"


@dataclass(frozen=True, slots=True)
class DayOffsets:
    """A range of days relative to an as-of day, inclusive: as_of + first .. as_of + last (both negative)."""

    first: int
    last: int


def last_labelled_day(as_of: date, label_delay_days: int) -> date:
    """The last event day whose label is known at 00:00 UTC of `as_of`.

    Args:
        as_of: the day from which we look.
        label_delay_days: days between an event and its label; 0 means the label comes with the event.

    Raises:
        FoldError: the delay is negative.
    """
    return as_of - timedelta(days=_known_after_days(label_delay_days))


def prequential_folds(
    as_of: date, label_delay_days: int, train_days: int, delay_days: int, test_days: int, folds: int
) -> list[Fold]:
    """Prequential validation folds that end with the last labelled day, latest first.

    Fold k tests on `test_days` days that end k * test_days before the last labelled day, leaves `delay_days` days out before them,
    and trains on the `train_days` days before those. This is the prequential validation of Le Borgne et al., Reproducible Machine
    Learning for Credit Card Fraud Detection, chapter 5: the days left out are the ones whose labels would not have arrived yet.

    Args:
        as_of: the day the model is trained as of.
        label_delay_days: days between an event and its label.
        train_days: length of each training period, at least 1.
        delay_days: days between training and test period; long enough that every training label is known on the first test day.
        test_days: length of each test period, at least 1.
        folds: number of folds, at least 1.

    Returns:
        `folds` folds, index 0 the latest.

    Raises:
        FoldError: a length is out of range, or `delay_days` is too short for the label delay.
    """
    _check_lengths(label_delay_days, train_days, delay_days, test_days, folds)
    last = last_labelled_day(as_of, label_delay_days)
    result = []
    for index in range(folds):
        test_last = last - timedelta(days=index * test_days)
        test_first = test_last - timedelta(days=test_days - 1)
        train_last = test_first - timedelta(days=delay_days + 1)
        train_first = train_last - timedelta(days=train_days - 1)
        result.append(Fold(index, train_first, train_last, test_first, test_last))
    return result


def refit_days(as_of: date, label_delay_days: int, train_days: int) -> tuple[date, date]:
    """The latest `train_days` labelled days: what the chosen learner is fitted on before it is registered.

    Returns:
        First and last day, inclusive.

    Raises:
        FoldError: a length is out of range.
    """
    if train_days < 1:
        raise FoldError(f"train_days is {train_days}: a model needs at least 1 training day")
    last = last_labelled_day(as_of, label_delay_days)
    return last - timedelta(days=train_days - 1), last


def final_test_fold(as_of: date, label_delay_days: int, train_days: int, delay_days: int, final_test_days: int) -> Fold:
    """The final test: the last `final_test_days` labelled days, and a training period before them as in every fold.

    Folds for search and selection end before it: `prequential_folds` as of `final_test_days` earlier.

    Raises:
        FoldError: a length is out of range.
    """
    [fold] = prequential_folds(as_of, label_delay_days, train_days, delay_days, final_test_days, folds=1)
    return fold


def days_needed(
    label_delay_days: int, train_days: int, delay_days: int, test_days: int, folds: int, final_test_days: int = 0
) -> DayOffsets:
    """The training-set days that the folds, the final test and the refit read, relative to the as-of day.

    The answer does not depend on the as-of day, so that it can be used as a partition mapping.

    Raises:
        FoldError: a length is out of range.
    """
    anchor = date(2000, 1, 1)
    before_final = anchor - timedelta(days=final_test_days)
    split = prequential_folds(before_final, label_delay_days, train_days, delay_days, test_days, folds)
    refit_first, refit_last = refit_days(anchor, label_delay_days, train_days)
    first = min(split[-1].train_first, refit_first)
    if final_test_days:
        first = min(
            first, final_test_fold(anchor, label_delay_days, train_days, delay_days, final_test_days).train_first
        )
    return DayOffsets(first=(first - anchor).days, last=(refit_last - anchor).days)


def _known_after_days(label_delay_days: int) -> int:
    """How many days after its event day a label is known at midnight: a day must at least be over."""
    if label_delay_days < 0:
        raise FoldError(f"label_delay_days is {label_delay_days}: a label cannot be known before its event")
    return max(label_delay_days, 1)


def _check_lengths(label_delay_days: int, train_days: int, delay_days: int, test_days: int, folds: int) -> None:
    """Refuse lengths that leave a period empty or that leak labels from the future into training."""
    for name, value, least in (
        ("train_days", train_days, 1),
        ("delay_days", delay_days, 0),
        ("test_days", test_days, 1),
        ("folds", folds, 1),
    ):
        if value < least:
            raise FoldError(f"{name} is {value}: it must be at least {least}")
    least_delay_days = _known_after_days(label_delay_days) - 1
    if delay_days < least_delay_days:
        raise FoldError(
            f"delay_days is {delay_days}, but labels arrive {label_delay_days} days late: training would use labels that are "
            f"unknown when the test period starts. Set delay_days to at least {least_delay_days}"
        )


def training_offsets(use_case: UseCase) -> DayOffsets:
    """First and last event day that training as of a day needs, as offsets from that day."""
    splits = use_case.training.splits
    return days_needed(
        label_delay_days=use_case.label_delay_days,
        train_days=splits.train_days,
        delay_days=splits.delay_days,
        test_days=splits.test_days,
        folds=splits.folds,
        final_test_days=splits.final_test_days,
    )
