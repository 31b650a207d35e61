"""The days of each job that are due, and what each waits for.

Belongs here: one function for each job. Does not belong here: which of them start now (`attempts.py`), what is there (`standing.py`).
"""

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from functools import wraps

from platform_assets.declaration import UseCase
from platform_assets.declaration.days import DayRange
from platform_assets.declaration.names import EVALUATION, PARITY
from platform_assets.lake.layout import CLEAN, MODEL, MONITORING, RAW
from platform_assets.pipelines.due import (
    DAILY,
    as_of_days_declared,
    evidence_table,
    is_training_day,
    scores_to_take_in_again,
    stale_days,
)
from platform_assets.pipelines.due_now.answer import DueDay
from platform_assets.pipelines.due_now.attempts import failed_attempts
from platform_assets.pipelines.due_now.reach import Reach, feature_reach, quality_reach, store_reach, training_reach
from platform_assets.pipelines.due_now.standing import Standing, listed
from platform_assets.pipelines.due_now.times import as_of_day, upkeep_day
from platform_assets.pipelines.jobs import (
    COMPARE,
    COMPUTE,
    DECIDE,
    JUDGE,
    LABELS,
    LOAD,
    LOG,
    MAINTAIN,
    ONLINE,
    PREDICT,
    PROMOTE,
    PUBLISH,
    REFERENCE,
    STORE_LOG,
    TRAIN,
    WATCH,
    TableName,
    job_tables,
)

CATCH_UP_DAYS = 30
"""Windows and decisions that lie further back are not made up for: nobody acts on them."""


def once(candidates: Callable[[Standing], Iterator[DueDay]]) -> Callable[[Standing], Iterator[DueDay]]:
    """Candidates that several jobs ask about, found once."""

    @wraps(candidates)
    def found(seen: Standing) -> Iterator[DueDay]:
        name = candidates.__name__
        if name not in seen.found:
            seen.found[name] = list(candidates(seen))
        return iter(seen.found[name])

    return found


def reference(seen: Standing) -> Iterator[DueDay]:
    """Reference tables are loaded again each day where their source can change, and at once where they are not there."""
    day = as_of_day(seen.use_case, REFERENCE, seen.moment)
    tables = [source for source in seen.use_case.sources if not source.is_daily]
    absent = [one for one in tables if not seen.remembered.materialized.get((CLEAN, one.name))]
    loaded = any(run.is_about(REFERENCE, "", day) and run.outcome == "succeeded" for run in seen.remembered.runs)
    if absent or (not loaded and any(not one.connector.is_simulated for one in tables)):
        yield DueDay(REFERENCE, day)


def maintain(seen: Standing) -> Iterator[DueDay]:
    """The upkeep of a Sunday, also later in the week when it was missed; the first one on a Sunday."""
    day = upkeep_day(seen.use_case, seen.moment)
    known = [run for run in seen.remembered.runs if run.job == MAINTAIN and run.days is not None]
    if any(run.is_about(MAINTAIN, "", day) and run.outcome == "succeeded" for run in known):
        return
    if known or as_of_day(seen.use_case, MAINTAIN, seen.moment) == day:
        yield DueDay(MAINTAIN, day)


@once
def labels(seen: Standing) -> Iterator[DueDay]:
    """Days of late tables that have arrived, and days of incremental ones that were touched since they were cleaned."""
    yield from (DueDay(LABELS, day, cause=cause) for day, cause in sorted(_unpublished(seen, LABELS).items()))


@once
def load(seen: Standing) -> Iterator[DueDay]:
    """Days to publish, and days whose features are not there or older than what they are made from.

    A day whose features have to wait for an earlier one, or for labels, is published meanwhile, unless they come at once.
    """
    unpublished, reaches = _unpublished(seen, LOAD), feature_reach(seen.use_case)
    lacks: dict[date, str] = {}
    coming: list[date] = []
    for day in sorted(unpublished):
        lacks[day] = _lack(seen, reaches, day, [*coming, day])
        if not lacks[day] and not failed_attempts(seen, DueDay(LOAD, day, cause=unpublished[day])):
            coming.append(day)
    later = next(filter(None, lacks.values()), "") if _labels_come(seen) else ""
    for day in sorted(set(unpublished) | _uncomputed(seen, reaches)):
        if day not in unpublished:
            cause = seen.made_from(reaches, day)
            yield DueDay(LOAD, day, COMPUTE, cause, _lack(seen, reaches, day, coming))
        elif lacks[day] and not later:
            yield DueDay(LOAD, day, PUBLISH, unpublished[day])
        else:
            yield DueDay(LOAD, day, cause=unpublished[day], waits_for=later)


def online(seen: Standing) -> Iterator[DueDay]:
    """The newest day that is whole, once nothing that it is made from is on its way."""
    if ONLINE not in job_tables(seen.use_case):
        return
    reaches, stored = store_reach(seen.use_case), seen.done(ONLINE)
    stale = _uncomputed(seen, feature_reach(seen.use_case))
    newest = seen.newest(ONLINE)
    whole = (
        day
        for day in sorted(seen.computed, reverse=True)
        if day <= newest and day not in stale and not _lack(seen, reaches, day)
    )
    day = next(whole, None)
    if day is None or day < max(stored, default=day):
        return
    cause = seen.made_from(reaches, day)
    if stored.get(day, -1) < cause:
        yield DueDay(ONLINE, day, cause=cause, waits_for=_loads_come(seen))


def train(seen: Standing) -> Iterator[DueDay]:
    """The newest training day without a model as of it or a later day, and what follows a green evaluation that did not reach the end."""
    use_case = seen.use_case
    if TRAIN not in job_tables(use_case):
        return
    evaluated = seen.days_of((MODEL, EVALUATION))
    newest = max(evaluated, default=None)
    if newest is not None and newest not in seen.remembered.refused_models:
        served = seen.done(TRAIN)
        if served.get(newest, -1) < evaluated[newest]:
            waits = "features differ online and offline; no model is promoted meanwhile"
            yield DueDay(TRAIN, newest, PROMOTE, evaluated[newest], waits if seen.remembered.parity_is_red else "")
    first, _ = as_of_days_declared(use_case)
    day = seen.newest(TRAIN)
    while day >= first and not is_training_day(use_case, day):
        day -= timedelta(days=1)
    if day < first or (newest is not None and newest >= day):
        return
    events, *others = training_reach(use_case)
    lack = _lack(seen, [events, *others], day)
    days = DayRange(day + timedelta(days=events.first or 0), day + timedelta(days=events.last)).days
    there = {*seen.computed, *seen.left_out(use_case.event_source)}
    uncomputed = [each for each in days if each >= use_case.history.first_day and each not in there]
    if not lack and uncomputed:
        lack = f"features of {listed(uncomputed)} are not computed"
    yield DueDay(TRAIN, day, cause=0, waits_for=lack or _loads_come(seen))


def log(seen: Standing) -> Iterator[DueDay]:
    """Days of the prediction log since the first deployment; their features are compared once they are computed."""
    if LOG not in job_tables(seen.use_case):
        return
    logged, compared = seen.done(LOG), seen.days_of((MONITORING, PARITY))
    first = first_answered(seen)
    if first is None:
        return
    for day in seen.since(LOG, first):
        computed = day in seen.computed
        if day not in logged and (computed or _loads_come(seen)):
            yield DueDay(LOG, day, waits_for="" if computed else f"features of {day} are on their way")
        elif day not in logged:
            yield DueDay(LOG, day, STORE_LOG)
        elif day not in compared and computed:
            yield DueDay(LOG, day, COMPARE, seen.computed[day])


def predict(seen: Standing) -> Iterator[DueDay]:
    """Days whose features are there, since the first champion."""
    if PREDICT not in job_tables(seen.use_case):
        return
    done, first = seen.done(PREDICT), first_answered(seen)
    if first is None:
        return
    again = set(scores_to_take_in_again(seen.use_case, seen.remembered.materialized))
    given = seen.use_case.predictions
    made_from = [seen.computed, *([seen.published(given.source)] if given is not None else [])]
    for day in seen.since(PREDICT, first):
        if day in again:
            yield DueDay(PREDICT, day, cause=max(published.get(day, 0) for published in made_from))
        elif day not in done:
            lack = "" if day in seen.computed else f"features of {day} are not computed"
            yield DueDay(PREDICT, day, waits_for=lack)


@once
def watch(seen: Standing) -> Iterator[DueDay]:
    """Windows of predictions that ended since the first."""
    for day in _window_ends(seen, WATCH):
        yield DueDay(WATCH, day, waits_for=_predictions_lack(seen, day))


@once
def judge(seen: Standing) -> Iterator[DueDay]:
    """Windows of predictions whose labels have arrived."""
    known = quality_reach(seen.use_case)
    for day in _window_ends(seen, JUDGE):
        yield DueDay(JUDGE, day, waits_for=_predictions_lack(seen, day) or _lack(seen, [known], day))


def decide(seen: Standing) -> Iterator[DueDay]:
    """Whether a new model is asked for, as of each day since the first window; the windows of that day are judged before."""
    if DECIDE not in job_tables(seen.use_case):
        return
    ends, done = first_window_end(seen), seen.done(DECIDE)
    if ends is None:
        return
    judged = {WATCH: timedelta(days=1), JUDGE: timedelta(days=max(1, seen.use_case.label_delay_days))}
    first = min(done, default=ends + timedelta(days=1))
    for day in seen.since(DECIDE, max(first, seen.newest(DECIDE) - timedelta(days=CATCH_UP_DAYS))):
        if day in done:
            continue
        coming = [job for job, back in judged.items() if _window_comes(seen, job, day - back)]
        yield DueDay(DECIDE, day, waits_for=f"{' and '.join(coming)} of that day come first" if coming else "")


EVERY_JOB = (reference, labels, load, online, train, log, predict, watch, judge, decide, maintain)
"""All of the above."""


def first_answered(seen: Standing) -> date | None:
    """The first day of which there may be predictions: the first that was stored, else the first that a model served.

    Where scores are delivered it is the first loaded day.
    """
    if seen.use_case.predictions is not None:
        return seen.handed_over_from
    job = LOG if LOG in job_tables(seen.use_case) else PREDICT
    stored, served = seen.done(job), seen.done(TRAIN)
    return min(stored, default=min(served, default=None))


def _unpublished(seen: Standing, job: str) -> dict[date, int]:
    """Days that a job has to publish, each with the number of what makes it due."""
    days: dict[date, int] = {}
    for source in seen.use_case.sources:
        if not source.is_daily or seen.loads(source) != job:
            continue
        days |= dict.fromkeys(seen.absent(source), 0)
        if source.is_incremental:
            raw = seen.days_of((RAW, source.name))
            last = seen.newest(LOAD)
            touched = stale_days(seen.remembered.materialized, source)
            days |= {day: raw[day] for day in touched if seen.use_case.history.first_day <= day <= last}
    return days


def _uncomputed(seen: Standing, reaches: list[Reach]) -> set[date]:
    """Days without features, and those whose features are older than a day that they are made from."""
    if "uncomputed" not in seen.found:
        seen.found["uncomputed"] = _found_uncomputed(seen, reaches)
    found: set[date] = seen.found["uncomputed"]
    return found


def _found_uncomputed(seen: Standing, reaches: list[Reach]) -> set[date]:
    first = seen.handed_over_from
    if first is None:
        return set()
    computed, last = seen.computed, seen.newest(LOAD)
    found = {day for day in seen.since(LOAD, first) if day not in computed}
    oldest = min(computed.values())
    for reach in reaches:
        if reach.first is None:
            continue
        for day, published in seen.published(reach.source).items():
            if published <= oldest:
                continue
            for offset in range(-reach.last, 1 - reach.first):
                made = day + timedelta(days=offset)
                if made <= last and computed.get(made, published) < published:
                    found.add(made)
    return found


def _lack(seen: Standing, reaches: list[Reach], day: date, coming: list[date] | None = None) -> str:
    """What lacks to make a day, in words; empty where nothing does."""
    for reach in reaches:
        own = (coming or []) if seen.loads(seen.use_case.source(reach.source)) == LOAD else []
        absent = seen.lacking(reach, day, own)
        if absent:
            is_daily = seen.use_case.source(reach.source).is_daily
            return f"{reach.source} has no {listed(absent)}" if is_daily else f"{reach.source} was never loaded"
    return ""


def _labels_come(seen: Standing) -> bool:
    """Whether labels, or reference tables, are about to be loaded: each was not tried yet, or is being loaded."""
    return _comes(seen, LABELS, labels) or _comes(seen, REFERENCE, reference)


def _loads_come(seen: Standing) -> str:
    """What is about to be loaded, in words; empty where nothing is."""
    if _labels_come(seen):
        return "labels or reference tables are on their way"
    return "events or features are on their way" if _comes(seen, LOAD, load) else ""


def _comes(seen: Standing, job: str, candidates: Callable[[Standing], Iterator[DueDay]]) -> bool:
    if any(run.job == job and run.outcome == "under_way" for run in seen.remembered.runs):
        return True
    return any(not one.waits_for and not failed_attempts(seen, one) for one in candidates(seen))


def first_window_end(seen: Standing) -> date | None:
    """The last day of the first whole window of predictions."""
    first, given = first_answered(seen), seen.use_case.predictions
    if first is not None and given is not None:
        first = max(first, given.reference.last_day + timedelta(days=1))
    return None if first is None else first + timedelta(days=seen.use_case.monitoring.window_days - 1)


def _window_ends(seen: Standing, job: str) -> list[date]:
    whole, done = first_window_end(seen), seen.done(job)
    if whole is None:
        return []
    oldest = max(min(done, default=whole), seen.newest(job) - timedelta(days=CATCH_UP_DAYS))
    return [day for day in seen.since(job, oldest) if day not in done]


def _window_comes(seen: Standing, job: str, day: date) -> bool:
    """Whether the verdict on the window that ends with a day is about to be made, or what it is made from is on its way."""
    candidates = watch if job == WATCH else judge
    of_day = [one for one in candidates(seen) if one.day == day]
    if _comes(seen, job, lambda _: iter(of_day)):
        return True
    stored = _comes(seen, LOG, log) or _comes(seen, PREDICT, predict)
    return any(one.waits_for for one in of_day) and (stored or bool(_loads_come(seen)))


def _predictions_lack(seen: Standing, day: date) -> str:
    """Which days of a window of predictions were not stored, in words."""
    job = LOG if LOG in job_tables(seen.use_case) else PREDICT
    first, stored = first_answered(seen), seen.done(job)
    begins = day - timedelta(days=seen.use_case.monitoring.window_days - 1)
    days = DayRange(max(begins, first or begins), day).days
    left_out = seen.left_out(seen.use_case.event_source) if job == PREDICT else []
    absent = [each for each in days if each not in stored and each not in left_out]
    return f"predictions of {listed(absent)} were not stored" if absent else ""


def tables_to_read(use_case: UseCase) -> list[TableName]:
    """The tables whose materializations are looked at."""
    tables = job_tables(use_case)
    published = [(CLEAN, source.name) for source in use_case.sources]
    raw = [(RAW, source.name) for source in use_case.sources if source.is_incremental]
    daily = [evidence_table(use_case, job) for job in DAILY if job in tables]
    extra = [(MODEL, EVALUATION), *([(MONITORING, PARITY)] if LOG in tables else [])]
    return list(dict.fromkeys([*published, *raw, *daily, *extra]))
