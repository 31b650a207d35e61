"""Which days of which published sources a day's features, the online store and a training set are made from.

Belongs here: the declaration's windows and look-ups as offsets of days. Does not belong here: whether those days are there (`standing.py`).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from platform_assets.declaration import UseCase
from platform_assets.features.offline.feature_table import uses_label
from platform_assets.pipelines.jobs import JUDGE, LOAD, ONLINE, TRAIN
from platform_assets.training.folds import training_offsets


@dataclass(frozen=True)
class Reach:
    """Days of a source, counted from the day that is made.

    Attributes:
        source: its name.
        first: offset of the first day, zero or negative; None for a reference table.
        last: offset of the last day.
    """

    source: str
    first: int | None
    last: int = 0


def feature_reach(use_case: UseCase) -> list[Reach]:
    """What the features of a day are made from."""
    return list(dict.fromkeys(_views(use_case, ahead=0)))


def store_reach(use_case: UseCase) -> list[Reach]:
    """What the online store as of the end of a day is made from: labels of the coming midnight are part of it."""
    return list(dict.fromkeys(_views(use_case, ahead=1)))


def job_reach(use_case: UseCase, job: str) -> list[Reach]:
    """What a day of a job is made from, counted from that day; empty for jobs that read no published table."""
    if job == JUDGE:
        return [quality_reach(use_case)]
    made = {LOAD: feature_reach, ONLINE: store_reach, TRAIN: training_reach}.get(job)
    return [] if made is None else made(use_case)


def quality_reach(use_case: UseCase) -> Reach:
    """The labels of a window of predictions, counted from the day that it ends with."""
    ahead = max(1, use_case.label_delay_days) - max(1, use_case.label_arrival_days)
    return Reach(use_case.label.source, 1 - use_case.monitoring.window_days, ahead)


def _views(use_case: UseCase, ahead: int) -> Iterator[Reach]:
    for view in use_case.stored_views:
        yield Reach(use_case.events, -view.span_days)
        if uses_label(view, use_case) and use_case.label.source != use_case.events:
            yield Reach(use_case.label.source, -view.span_days, ahead - use_case.label_arrival_days)
        for lookup in view.lookups:
            if lookup.max_age_days is None:
                yield Reach(lookup.source, None)
            else:
                arrival = max(1, use_case.source(lookup.source).arrival_delay_days)
                yield Reach(lookup.source, -lookup.max_age_days, ahead - arrival)


def training_reach(use_case: UseCase) -> list[Reach]:
    """Events, whose features are read, and labels of a training set, counted from the day a model is trained as of."""
    offsets = training_offsets(use_case)
    newest = offsets.last if use_case.label.decided_at is None else -use_case.label_arrival_days
    labels = Reach(use_case.label.source, offsets.first, newest)
    events = Reach(use_case.events, offsets.first, offsets.last)
    return [events] if labels.source == events.source else [events, labels]
