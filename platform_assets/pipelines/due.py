"""What is due as of a day: which jobs, for which days, in which order.

`platform-assets run` asks for the days that it goes through and does what it is answered; what nobody goes through is asked by
`due_now/`, which adds the time of day, attempts and waiting. Belongs here: arithmetic on days and on what was materialized. Does not
belong here: reading what was materialized (`orchestration/due_runs.py`), when somebody asks (`orchestration/due_sensor.py`), or running
anything.

"As of day D" means: what is known at 00:00 UTC of day D.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from platform_assets.declaration import Source, UseCase
from platform_assets.declaration.days import ONE_DAY, DayRange, consecutive_ranges
from platform_assets.declaration.names import CHAMPION, DEPLOYMENT
from platform_assets.lake.layout import CLEAN, FEATURES, MODEL, RAW, SERVING
from platform_assets.pipelines.jobs import (
    DECIDE,
    FEED,
    JUDGE,
    LABELS,
    LOAD,
    LOG,
    ONLINE,
    PREDICT,
    REFERENCE,
    TRAIN,
    WATCH,
    TableName,
    job_tables,
)
from platform_assets.training.folds import training_offsets

Materialized = Mapping[TableName, Mapping[date | None, int]]
"""For each table the days that were materialized, None standing for the whole of a table without partitions, each with a number that is
larger the later that was."""

NOTHING: Materialized = {}

DAILY = (LABELS, LOAD, ONLINE, TRAIN, LOG, PREDICT, WATCH, JUDGE, DECIDE)
"""Jobs with a partition for each day, in the order in which data flows."""

IN_ONE_RUN = frozenset({LABELS, LOAD, LOG, PREDICT})
"""Jobs that take a range of days in one run; the others are about one day each."""


OF_AN_AS_OF_DAY = frozenset({TRAIN, DECIDE})
"""Jobs whose partition is the day as of which they know; that of the others is the day of the events."""


@dataclass(frozen=True)
class DueJob:
    """A job that is due.

    Attributes:
        job: its name, one of `jobs.JOBS`.
        days: the days it is due for; None for a job without partitions.
        part: the part of it that is due, one of those in `jobs.py`; empty for the whole.
    """

    job: str
    days: DayRange | None = None
    part: str = ""


def polled(use_case: UseCase) -> list[DueJob]:
    """Jobs that ask their sources what is new; nobody knows beforehand whether they are due, so they run whenever somebody asks."""
    return [DueJob(FEED)] if FEED in job_tables(use_case) else []


def newest_day(use_case: UseCase, job: str, day: date) -> date:
    """The newest day that a daily job can do as of a day: the last whose data is there.

    Args:
        use_case: the declaration.
        job: one of `DAILY`.
        day: the day as of which is asked.
    """
    ahead, delay = use_case.history.days_ahead, use_case.label_delay_days
    days_back = {
        LABELS: use_case.label_arrival_days,
        LOAD: 1 - ahead,
        PREDICT: 1 - ahead,
        TRAIN: 0,
        DECIDE: 0,
        JUDGE: max(1, delay),
    }
    return day - timedelta(days=days_back.get(job, 1))


def known_as_of(use_case: UseCase, job: str, event_day: date) -> date:
    """The day as of which a daily job can do an event day: the other way round."""
    return event_day + (event_day - newest_day(use_case, job, event_day))


def event_days_declared(use_case: UseCase) -> tuple[date, date | None]:
    """First and last event day of the history; the last is None while data keeps arriving."""
    return use_case.history.first_day, use_case.history.last_day


def as_of_days_declared(use_case: UseCase) -> tuple[date, date | None]:
    """First and last day that a model can be trained as of: from the first with enough history behind it.

    The last is the day after the last labels have arrived; None while data keeps arriving.
    """
    first, last = event_days_declared(use_case)
    ends = last + timedelta(days=use_case.label_delay_days + 1) if last else None
    return first - timedelta(days=training_offsets(use_case).first), ends


def can_train_as_of(use_case: UseCase, day: date) -> bool:
    """Whether enough history lies behind a day, and its labels are declared."""
    first, last = as_of_days_declared(use_case)
    return first <= day and (last is None or day <= last)


def is_training_day(use_case: UseCase, day: date) -> bool:
    """Whether a model is trained as of this day: every `training.every_days` days of the history."""
    return (day - use_case.history.first_day).days % use_case.training.every_days == 0


def wanted_as_of(use_case: UseCase, day: date) -> dict[str, DayRange]:
    """The days that a day wants of each daily job, when it wants all: the whole history, one model, and the newest day of the rest."""
    first = use_case.history.first_day
    wanted = {job: newest_day(use_case, job, day) for job in DAILY if job in job_tables(use_case)}
    since = {LABELS: first, LOAD: first}
    wanted[TRAIN] = day - timedelta(days=(day - first).days % use_case.training.every_days)
    return {job: DayRange(since.get(job, last), last) for job, last in wanted.items()}


def due(
    use_case: UseCase, materialized: Materialized, day: date, wanted: Mapping[str, DayRange] | None = None
) -> list[DueJob]:
    """The jobs that are due as of a day, in the order in which data flows.

    A reference table is due until it is there. Of a daily job the days are due that are wanted, lie within the declared history, have
    data as of the day, and were not materialized. Labels and loads are due again for days of an incremental source that were touched
    after they were cleaned, and loads for days of events that were published again, and for the later days whose features look back.

    Args:
        use_case: the declaration.
        materialized: what was materialized so far.
        day: the day as of which is asked.
        wanted: days of each daily job that the caller goes through; a job that is not named is not asked for. Default: `wanted_as_of`.

    Returns:
        Jobs with their days; no day of a job stands in two of them. In a job that takes a range, days after the first missing one are done
        again, because they may look back at it.
    """
    wanted = wanted_as_of(use_case, day) if wanted is None else wanted
    tables = job_tables(use_case)
    answers = []
    if REFERENCE in tables and any(
        layer == CLEAN and not materialized.get((layer, table)) for layer, table in tables[REFERENCE]
    ):
        answers.append(DueJob(REFERENCE))
    for job in DAILY:
        if job not in wanted or job not in tables:
            continue
        days = set(_missing(use_case, materialized, job, day, wanted[job]))
        if job in (LABELS, LOAD):
            days |= set(_stale(use_case, materialized, job, day, wanted[job]))
        if job == PREDICT:
            arrived = _arrived(use_case, job, day, wanted[job])
            days |= {each for each in scores_to_take_in_again(use_case, materialized) if each in arrived}
        ranges = consecutive_ranges(days) if job in IN_ONE_RUN else [DayRange(each, each) for each in sorted(days)]
        answers += [DueJob(job, days) for days in ranges]
    return answers


def _arrived(use_case: UseCase, job: str, day: date, wanted: DayRange) -> list[date]:
    """The wanted days that are declared and have data as of a day."""
    first, last = as_of_days_declared(use_case) if job in OF_AN_AS_OF_DAY else event_days_declared(use_case)
    newest = newest_day(use_case, job, day)
    return DayRange(max(first, wanted.first), min(last or newest, newest, wanted.last)).days


def _missing(use_case: UseCase, materialized: Materialized, job: str, day: date, wanted: DayRange) -> list[date]:
    done = materialized.get(evidence_table(use_case, job), {})
    arrived = _arrived(use_case, job, day, wanted)
    absent = [each for each in arrived if each not in done]
    if job in IN_ONE_RUN and absent:
        return [each for each in arrived if each >= absent[0]]
    return absent


def evidence_table(use_case: UseCase, job: str) -> TableName:
    """The table by which a job is known to be done: the one that its run makes last, or that the others are nothing without."""
    if job == LABELS:
        late = [table for layer, table in job_tables(use_case)[LABELS] if layer == CLEAN]
        return CLEAN, use_case.label.source if use_case.label.source in late else late[0]
    if job == LOAD:
        return FEATURES, use_case.features[-1].table
    if job == TRAIN:
        return (SERVING, DEPLOYMENT) if use_case.is_realtime else (MODEL, CHAMPION)
    return job_tables(use_case)[job][0]


def _stale(use_case: UseCase, materialized: Materialized, job: str, day: date, wanted: DayRange) -> Iterator[date]:
    """Days that were touched after they were cleaned, and in a load those whose features look back at them.

    Late tables are mended for every day that is over, whether its labels were wanted or not.
    """
    touched = {
        each
        for source in use_case.sources
        if source.is_incremental and source.is_daily and (source.arrival_delay_days > 0) == (job == LABELS)
        for each in stale_days(materialized, source)
    }
    if job == LOAD:
        touched |= set(_days_published_again(use_case, materialized))
        span = max((view.span_days for view in use_case.features), default=0)
        touched = {each + timedelta(days=ahead) for each in touched for ahead in range(span + 1)}
    first, last = event_days_declared(use_case)
    until = wanted.last if job == LOAD else day - ONE_DAY
    newest = newest_day(use_case, LOAD, day)
    yield from (each for each in touched if first <= each <= min(until, newest, last or newest))


def _days_published_again(use_case: UseCase, materialized: Materialized) -> Iterator[date]:
    """Event days that were published again after their features were computed: rows were replaced, released, or a day came back."""
    cleaned, computed = (
        materialized.get((CLEAN, use_case.events), {}),
        materialized.get(evidence_table(use_case, LOAD), {}),
    )
    yield from (day for day, when in computed.items() if day is not None and cleaned.get(day, -1) > when)


def scores_to_take_in_again(use_case: UseCase, materialized: Materialized) -> list[date]:
    """Days of delivered scores that were published again since they were taken in, or whose features were computed again, in order."""
    if use_case.predictions is None:
        return []
    taken = materialized.get(evidence_table(use_case, PREDICT), {})
    made_from = [(CLEAN, use_case.predictions.source), evidence_table(use_case, LOAD)]
    newest = [materialized.get(table, {}) for table in made_from]
    return sorted(
        day for day, when in taken.items() if day is not None and any(days.get(day, -1) > when for days in newest)
    )


def stale_days(materialized: Materialized, source: Source) -> list[date]:
    """Days of an incremental source whose raw partition was touched after it was last cleaned, in order."""
    cleaned = materialized.get((CLEAN, source.name), {})
    raw = materialized.get((RAW, source.name), {})
    return sorted(day for day, when in raw.items() if day is not None and when > cleaned.get(day, -1))


def tables_to_read(use_case: UseCase) -> list[TableName]:
    """The tables whose materializations `due` looks at."""
    tables = job_tables(use_case)
    reference = [(layer, table) for layer, table in tables.get(REFERENCE, []) if layer == CLEAN]
    fed = [(layer, source.name) for source in use_case.sources if source.is_incremental for layer in (RAW, CLEAN)]
    fed.append((CLEAN, use_case.events))  # days that were published again
    fed += [(CLEAN, use_case.predictions.source)] if use_case.predictions is not None else []
    done = [evidence_table(use_case, job) for job in DAILY if job in tables]
    return list(dict.fromkeys([*reference, *fed, *done]))
