"""Estimates of quality in replayed worlds: coverage in quiet weeks, withdrawal after a change, and naming where requests moved.

Belongs here: what is planted and counted. Does not belong here: the worlds (`world.py`), estimating.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from multiprocessing import get_context
from typing import Any

import numpy as np
import polars as pl

from benchmarks.common.report import Bar, Topic
from benchmarks.estimates.world import WEEK_DAYS, ReplayedModel, Window, replay, world
from platform_assets.declaration import UseCase
from platform_assets.monitoring.estimates.change import moved_segments
from platform_assets.monitoring.estimates.kept import EstimatedQuality
from platform_assets.monitoring.estimates.segments import segments
from platform_assets.monitoring.estimates.window import estimated_quality
from platform_assets.monitoring.second_look import same_weekdays
from platform_assets.tasks.registry import metric_of

SEEDS = range(3)
TITLE = "Quality before labels"
QUIET_MODELS = (102, 144)
WEEKS = 3
DRIFTED_MODEL, DRIFT_DAY, DRIFTED_DAYS = 126, 140, (70, 150)
PLANTED: Mapping[str, Mapping[str, Any]] = {
    "concept": {"kind": "concept"},
    "concept, half": {"kind": "concept", "size": 0.5},
    "covariate": {"kind": "covariate"},
    "label": {"kind": "label"},
    "upstream": {"kind": "upstream"},
}
LABELLED_DAYS = (0, 1, 2, 3)
CONCEPTS = ("concept", "concept, half")
"""Drifted days whose labels have come when the estimate is made; with 0 nothing but the inputs can tell."""
LEAST_PART = 0.1
SHIFT = 0.5
"""What is added to a feature in the planted segment, in standard deviations."""

Log = Callable[[str], None]


@dataclass(frozen=True)
class QuietWeek:
    """One week in which nothing was planted, and the same week with a segment that moved."""

    covered: bool
    withdrawn: bool
    error: float
    width: float
    named: int
    planted_place: int | None


def measure_estimates(seeds: Sequence[int], log: Log) -> Topic:
    """Replay worlds and count.

    Args:
        seeds: of the worlds; each is replayed quiet, and once with every planted change.
        log: told of every world.
    """
    with ProcessPoolExecutor(len(seeds), mp_context=get_context("spawn")) as pool:
        worlds = []
        for seed, found in zip(seeds, pool.map(_replayed, seeds), strict=True):
            worlds.append(found)
            covered = sum(week.covered for week in found.quiet)
            log(f"world {seed}: {covered} of {len(found.quiet)} quiet weeks are covered")
    quiet = [week for found in worlds for week in found.quiet]
    withdrawn = {
        name: {days: [one for found in worlds for one in found.withdrawn[name].get(days, [])] for days in LABELLED_DAYS}
        for name in PLANTED
    }
    missed = {name: [found.missed[name] for found in worlds] for name in PLANTED}
    return Topic(TITLE, _how(len(seeds)), _COLUMNS, _rows(quiet, withdrawn, missed), _bars(quiet, withdrawn))


@dataclass(frozen=True)
class ReplayedWorld:
    """What was found in one world.

    Attributes:
        quiet: its weeks without a change.
        withdrawn: by change and drifted days with labels, whether the estimate was withdrawn.
        missed: by change, how far the estimate lay from the truth before labels.
    """

    quiet: list[QuietWeek]
    withdrawn: Mapping[str, Mapping[int, list[bool]]]
    missed: Mapping[str, float]


def _replayed(seed: int) -> ReplayedWorld:
    """One world in a process of its own: quiet, and with each change."""
    after = {name: _after(seed, drift) for name, drift in PLANTED.items()}
    withdrawn = {
        name: {days: [result.status == "withdrawn"] for days, result, _ in found} for name, found in after.items()
    }
    missed = {name: abs(_value(found[0][1]) - found[0][2]) for name, found in after.items()}
    return ReplayedWorld(_quiet_weeks(seed), withdrawn, missed)


def _quiet_weeks(seed: int) -> list[QuietWeek]:
    use_case, frame = world(seed)
    first = use_case.history.first_day
    random = np.random.default_rng(seed)
    found = []
    for model in replay(use_case, frame, [first + timedelta(days=days) for days in QUIET_MODELS]):
        for week in range(WEEKS):
            begin = model.as_of + timedelta(days=WEEK_DAYS * week)
            window = model.window(begin, begin + timedelta(days=WEEK_DAYS - 1))
            result, truth = _estimated(model, window)
            one = result.estimates.get(result.metric) or result.withdrawn[result.metric]
            named, place = _planted(model, window, random)
            found.append(
                QuietWeek(
                    one.low <= truth <= one.high,
                    result.status == "withdrawn",
                    one.value - truth,
                    one.high - one.low,
                    named,
                    place,
                )
            )
    return found


def _after(seed: int, drift: Mapping[str, Any]) -> list[tuple[int, EstimatedQuality, float]]:
    """Estimates of the newest week while labels of the drifted days come one after the other."""
    first = date(2018, 4, 1)
    day = first + timedelta(days=DRIFT_DAY)
    use_case, frame = world(seed, {**drift, "day": day.isoformat()}, DRIFTED_DAYS)
    [model] = replay(use_case, frame, [use_case.history.first_day + timedelta(days=DRIFTED_MODEL)])
    found = []
    for labelled in LABELLED_DAYS if drift["kind"] == "concept" else LABELLED_DAYS[:2]:
        last = day + timedelta(days=use_case.label_delay_days - 2 + labelled)
        window = model.window(last - timedelta(days=WEEK_DAYS - 1), last)
        found.append((labelled, *_estimated(model, window)))
    return found


def _estimated(model: ReplayedModel, window: Window) -> tuple[EstimatedQuality, float]:
    """The estimate of a window on its last day, with the labels that had come by then, and the truth."""
    use_case = model.use_case
    newest = window.last - timedelta(days=use_case.label_delay_days - 1)
    oldest = max(model.as_of, newest - timedelta(days=use_case.monitoring.window_days - 1))
    come = model.window(oldest, newest).labelled if newest >= model.as_of else None
    labelled = window.labelled
    result = estimated_quality(
        use_case,
        model.reference.labelled,
        labelled.rows,
        come,
        model.promised,
        model.predictor.features,
        (window.first, window.last),
    )
    return result, metric_of(use_case, result.metric)(labelled.rows.with_labels(labelled.y))


def _planted(model: ReplayedModel, window: Window, random: np.random.Generator) -> tuple[int, int | None]:
    """How much is named in a quiet week, and at which place a segment that was moved in it; None where it is not named."""
    use_case, features = model.use_case, model.predictor.features
    reference = same_weekdays(model.reference.frame, window.frame)
    quiet = moved_segments(use_case, features, reference, window.frame)
    segment, part, feature = _chosen(use_case, features, reference, window.frame, random)
    rows = segments(use_case, reference, window.frame)[1][segment] == part
    values = window.frame[feature].cast(pl.Float64).to_numpy().copy()
    values[rows] += SHIFT * float(np.nanstd(values[rows]))
    moved = moved_segments(use_case, features, reference, window.frame.with_columns(pl.Series(feature, values)))
    places = [
        place for place, one in enumerate(moved) if (one.segment, one.feature) == (f"{segment} = {part}", feature)
    ]
    return len(quiet), places[0] if places else None


def _chosen(
    use_case: UseCase,
    features: Sequence[str],
    reference: pl.DataFrame,
    window: pl.DataFrame,
    random: np.random.Generator,
) -> tuple[str, str, str]:
    """A part of a segment, of at least a tenth and at most half of the rows, and a feature that varies in it."""
    parts = segments(use_case, reference, window)[1]
    large = [
        (segment, str(part))
        for segment, of_rows in parts.items()
        for part in np.unique(of_rows)
        if LEAST_PART <= float((of_rows == part).mean()) <= 0.5
    ]
    segment, part = large[int(random.integers(len(large)))]
    rows = window.filter(pl.Series(parts[segment] == part))
    varied = [name for name in features if rows[name].n_unique() > 20 and name not in parts]
    return segment, part, varied[int(random.integers(len(varied)))]


def _value(result: EstimatedQuality) -> float:
    return (result.estimates.get(result.metric) or result.withdrawn[result.metric]).value


_COLUMNS = ("what", "weeks", "result")


def _rows(
    quiet: Sequence[QuietWeek],
    withdrawn: Mapping[str, Mapping[int, Sequence[bool]]],
    missed: Mapping[str, Sequence[float]],
) -> list[list[str]]:
    count = str(len(quiet))
    errors = np.array([week.error for week in quiet])
    rows = [
        ["quiet: the 95 % interval covers the truth", count, _share([week.covered for week in quiet])],
        ["quiet: withdrawn all the same", count, _share([week.withdrawn for week in quiet])],
        ["quiet: mean error, and mean size of the error", count, f"{errors.mean():+.3f}, {np.abs(errors).mean():.3f}"],
        ["quiet: mean width of the interval", count, f"{np.mean([week.width for week in quiet]):.3f}"],
        ["quiet: weeks in which any segment or feature is named", count, _share([week.named > 0 for week in quiet])],
        [
            "a moved segment is named at all, and among the first three",
            count,
            f"{_share([week.planted_place is not None for week in quiet])}, {_share(_among_three(quiet))}",
        ],
    ]
    for name, by_days in withdrawn.items():
        shares = "; ".join(f"{days}: {_share(found)}" for days, found in by_days.items() if found)
        rows.append([f"{name}: withdrawn, by drifted days with labels", str(len(by_days[0])), shares])
        rows.append(
            [f"{name}: mean size of the error before labels", str(len(missed[name])), f"{np.mean(missed[name]):.3f}"]
        )
    return rows


def _bars(quiet: Sequence[QuietWeek], withdrawn: Mapping[str, Mapping[int, Sequence[bool]]]) -> list[Bar]:
    covered = [week.covered for week in quiet]
    concept = [one for name in CONCEPTS for one in withdrawn[name][LABELLED_DAYS[-1]]]
    places = _among_three(quiet)
    return [
        Bar(
            "the interval covers the later truth in at least 90 % of quiet weeks",
            _share(covered),
            bool(np.mean(covered) >= 0.9),
        ),
        Bar(
            "withdrawn in at least 90 % of concept drifts once labels of three drifted days have come",
            _share(concept),
            bool(np.mean(concept) >= 0.9),
        ),
        Bar(
            "a planted segment is among the first three in at least 90 %", _share(places), bool(np.mean(places) >= 0.9)
        ),
    ]


def _among_three(quiet: Sequence[QuietWeek]) -> list[bool]:
    return [week.planted_place is not None and week.planted_place < 3 for week in quiet]


def _share(found: Sequence[bool]) -> str:
    return f"{sum(found)} of {len(found)} ({np.mean(found):.0%})"


def _how(seeds: int) -> str:
    return (
        f"{seeds} worlds of card payments (1,000 customers, 2,000 terminals), each replayed quiet with {len(QUIET_MODELS)} models and "
        f"{WEEKS} weeks after each, and once with each planted change, which begins two weeks after the model was trained. The model is "
        "the declared xgboost, fitted on the newest labelled week; estimates rest on the five weeks before, scored by the model itself; "
        "labels come after seven days. Estimated is the average precision of a week on its last day; the truth is that of the same rows "
        "with all labels. In each quiet week half a standard deviation is added to a feature drawn by lot, in a part of a segment drawn "
        "by lot (a tenth to half of the rows). `concept, half` makes half of the frauds with stolen cards "
        "genuine, and as many other payments fraudulent."
    )
