"""What is due: done, it is due no more; nothing twice, nothing outside the history, and in the order in which data flows."""

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import platform_assets
from platform_assets.declaration import UseCase, load_use_case
from platform_assets.declaration.days import DayRange
from platform_assets.lake.layout import CLEAN, FEATURES, RAW
from platform_assets.pipelines.due import (
    DAILY,
    NOTHING,
    OF_AN_AS_OF_DAY,
    DueJob,
    Materialized,
    as_of_days_declared,
    due,
    is_training_day,
    newest_day,
    polled,
    stale_days,
    tables_to_read,
)
from platform_assets.pipelines.jobs import (
    FEED,
    JOBS,
    JUDGE,
    LABELS,
    LOAD,
    LOG,
    ONLINE,
    REFERENCE,
    TRAIN,
    WATCH,
    job_tables,
)

FIRST, LAST = date(2018, 4, 1), date(2018, 9, 30)


def declared(name: str) -> UseCase:
    return load_use_case(Path(platform_assets.__file__).parent / "defs" / name)


def with_feed(use_case: UseCase, *sources: str) -> UseCase:
    """The use case with incremental sources."""
    document = use_case.model_dump(mode="json")
    for source in document["sources"]:
        if source["name"] in sources:
            source["connector"] = {"kind": "change_feed", "path": "in"}
            source["changes"] = {"deletes": "history"}
            source["late"] = {}  # no day of a feed is late
    if document["label"]["source"] in sources:  # a feed's label says itself when it was decided
        document["label"]["decided_at"] = "transaction_time"
    return UseCase.model_validate(document)


def endless(use_case: UseCase) -> UseCase:
    return use_case.model_copy(update={"history": use_case.history.model_copy(update={"last_day": None})})


CARDS, BIKES = declared("card_fraud"), declared("bike_demand")
CASES = [CARDS, BIKES, with_feed(CARDS, "transactions"), with_feed(CARDS, "transactions", "labels"), endless(CARDS)]
cases = st.sampled_from(CASES)
days = st.dates(FIRST - timedelta(days=20), LAST + timedelta(days=40))


@st.composite
def worlds(draw: st.DrawFn) -> tuple[UseCase, Materialized, date]:
    """A use case, some of its tables materialized for some days in some order, and a day."""
    use_case, day = draw(cases), draw(days)
    number = st.integers(1, 10_000)
    some = st.dictionaries(st.dates(FIRST, LAST), number, max_size=6)
    from_the_first_day = st.builds(
        lambda length, at: {FIRST + timedelta(days=i): at for i in range(length)}, st.sampled_from([3, 90, 183]), number
    )
    static = {(CLEAN, source.name) for source in use_case.sources if not source.is_daily}
    whole: st.SearchStrategy[Mapping[date | None, int]] = st.one_of(
        st.just({}), st.builds(lambda at: {None: at}, number)
    )
    materialized = {
        key: draw(whole if key in static else st.one_of(some, from_the_first_day)) for key in tables_to_read(use_case)
    }
    return use_case, materialized, day


def after(use_case: UseCase, materialized: Materialized, jobs: list[DueJob]) -> Materialized:
    """What was materialized once these jobs have run."""
    now = {key: dict(days) for key, days in materialized.items()}
    clock = 1 + max((at for days in now.values() for at in days.values()), default=0)
    for job in jobs:
        for table in job_tables(use_case)[job.job]:
            keys: list[date | None] = [*job.days.days] if job.days else [None]
            now.setdefault(table, {}).update(dict.fromkeys(keys, clock))
        clock += 1
    return now


@given(worlds())
@settings(deadline=None)
def test_what_was_done_is_due_no_more(world: tuple[UseCase, Materialized, date]) -> None:
    use_case, materialized, day = world
    jobs = due(use_case, materialized, day)
    assert due(use_case, after(use_case, materialized, jobs), day) == []


@given(worlds())
@settings(deadline=None)
def test_nothing_is_due_twice(world: tuple[UseCase, Materialized, date]) -> None:
    use_case, materialized, day = world
    jobs = due(use_case, materialized, day)
    each = [(job.job, one) for job in jobs for one in (job.days.days if job.days else [None])]
    assert len(each) == len(set(each))


@given(worlds())
@settings(deadline=None)
def test_no_day_outside_the_history_and_none_without_data_is_due(world: tuple[UseCase, Materialized, date]) -> None:
    use_case, materialized, day = world
    for job in due(use_case, materialized, day):
        if job.days is None:
            assert job == DueJob(REFERENCE)
            continue
        first, last = (
            as_of_days_declared(use_case) if job.job in OF_AN_AS_OF_DAY else (FIRST, use_case.history.last_day)
        )
        over = day - timedelta(days=1) if job.job == LABELS else newest_day(use_case, job.job, day)
        assert first <= job.days.first <= job.days.last <= min(last or over, over), job


@given(worlds())
@settings(deadline=None)
def test_the_order_is_the_order_of_data(world: tuple[UseCase, Materialized, date]) -> None:
    """No job makes a table that an earlier one of the same answer has read: clean before features before online store and model."""
    use_case, materialized, day = world
    ranks = [JOBS.index(job.job) for job in due(use_case, materialized, day)]
    assert ranks == sorted(ranks)
    first_made = {
        table: rank for rank, job in reversed(list(enumerate(JOBS))) for table in job_tables(use_case).get(job, [])
    }
    for source in use_case.sources:
        for view in use_case.features:
            assert first_made[CLEAN, source.name] <= first_made[FEATURES, view.table]
    assert JOBS.index(LOAD) < min(JOBS.index(job) for job in (ONLINE, TRAIN, LOG, WATCH, JUDGE))


@given(worlds())
@settings(deadline=None)
def test_every_missing_or_touched_day_is_due(world: tuple[UseCase, Materialized, date]) -> None:
    """The slow obvious oracle: day by day."""
    use_case, materialized, day = world
    loads = {one for job in due(use_case, materialized, day) if job.job == LOAD and job.days for one in job.days.days}
    features = materialized[FEATURES, use_case.features[-1].table]
    span = max(view.span_days for view in use_case.features)
    prompt = [source for source in use_case.sources if source.is_incremental and source.arrival_delay_days == 0]
    touched = {one for source in prompt for one in stale_days(materialized, source)}
    newest = newest_day(use_case, LOAD, day)
    for one in DayRange(FIRST, min(use_case.history.last_day or newest, newest)).days:
        looks_back = any(one - timedelta(days=back) in touched for back in range(span + 1))
        if one not in features or looks_back:
            assert one in loads, one


@pytest.mark.parametrize("use_case", CASES, ids=lambda use_case: use_case.name)
def test_a_fresh_home_catches_up_in_one_answer(use_case: UseCase) -> None:
    """As of a day on which a model is trained: everything, each job's days in one piece."""
    day = FIRST + timedelta(days=168)
    assert is_training_day(use_case, day)
    jobs = due(use_case, NOTHING, day)
    assert [job.job for job in jobs] == [name for name in (REFERENCE, *DAILY) if name in job_tables(use_case)]
    ranges = {job.job: job.days for job in jobs}
    assert ranges[LOAD] == DayRange(FIRST, newest_day(use_case, LOAD, day))
    assert ranges[TRAIN] == DayRange(day, day)


def test_days_after_the_first_missing_one_are_done_again() -> None:
    """They may look back at it."""
    view = (FEATURES, CARDS.features[-1].table)
    loaded = {day: 1 for day in DayRange(FIRST, FIRST + timedelta(days=9)).days if day != FIRST + timedelta(days=4)}
    wanted = {LOAD: DayRange(FIRST, FIRST + timedelta(days=9))}
    jobs = due(CARDS, {view: loaded}, LAST, wanted)
    assert jobs[-1] == DueJob(LOAD, DayRange(FIRST + timedelta(days=4), FIRST + timedelta(days=9)))


def test_late_rows_of_a_feed_are_mended_up_to_yesterday() -> None:
    use_case = with_feed(CARDS, "labels")
    touched = date(2018, 8, 20)
    materialized = {(RAW, "labels"): {touched: 2, date(2018, 8, 30): 2}, (CLEAN, "labels"): {}}
    nothing_wanted = DayRange(FIRST, FIRST - timedelta(days=1))
    jobs = due(use_case, materialized, date(2018, 8, 25), {LABELS: nothing_wanted})
    assert jobs[-1] == DueJob(LABELS, DayRange(touched, touched))


def test_only_incremental_sources_are_polled() -> None:
    assert polled(CARDS) == []
    assert polled(with_feed(CARDS, "transactions")) == [DueJob(FEED)]
