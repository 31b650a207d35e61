"""Replayed years under four rules: false retrains, how soon a drift is noticed, and what is lost until a new model serves.

Belongs here: which worlds and rules, the table and the bars. Does not belong here: replaying (`replay.py`), rules (`rules.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np

from benchmarks.common.report import Bar, Topic
from benchmarks.retrain.replay import Memory, Year
from benchmarks.retrain.rules import RULES, replay
from benchmarks.retrain.world import (
    FAULT_DAYS,
    FEATURES,
    HISTORY_DAYS,
    KINDS,
    LABEL_DELAY_DAYS,
    ROWS_A_DAY,
    Kind,
    World,
    declared,
)

SEEDS = range(20)
TITLE = "When a new model is asked for"
OURS = "this decision"
LARGEST_LOSS = 0.05

Log = Callable[[str], None]
Years = dict[tuple[Kind, str], list[tuple[World, Year]]]


def measure_retrain(log: Log, seeds: range = SEEDS, workers: int = 2) -> Topic:
    """Every kind of year in every world, under every rule; worlds side by side in processes of their own."""
    years: Years = {}
    with ProcessPoolExecutor(min(workers, len(seeds)), mp_context=get_context("spawn")) as pool:
        for seed, found in zip(seeds, pool.map(years_of_a_world, seeds), strict=True):
            for key, pair in found.items():
                years.setdefault(key, []).append(pair)
            log(f"world {seed}: " + ", ".join(f"{kind} {len(found[kind, OURS][1].asked)}" for kind in KINDS))
    columns = ("year", "rule", "models asked for", "noticed after (h)", "told as a fault", "lost before", "lost")
    rows = [_cells(kind, name, years[kind, name]) for kind in KINDS for name in RULES]
    return Topic(TITLE, _how(len(seeds)), columns, rows, _bars(years))


def years_of_a_world(seed: int) -> dict[tuple[Kind, str], tuple[World, Year]]:
    """The years of one world, by what drifts and by rule."""
    memory = Memory(World(seed), declared())
    return {(kind, name): (World(seed), replay(memory, kind, rule)) for kind in KINDS for name, rule in RULES.items()}


def _how(worlds: int) -> str:
    return (
        f"{worlds} simulated worlds, a year of 365 days each, replayed day by day for each kind of year: nothing changes "
        "(quiet), or from a day on, another one in each world, amounts and incomes lie elsewhere (covariate), 2.5 times as many "
        "events are bad (label), a low income means the opposite while nothing looks otherwise (concept), or three tenths of "
        f"the amounts come in cents for {FAULT_DAYS} days (upstream). {ROWS_A_DAY} events a day, {len(FEATURES)} features, "
        f"labels after {LABEL_DELAY_DAYS} days, small xgboost models of 28 days. Windows, newest day and decision are the "
        "platform's own functions with its default settings; quality takes an average precision that is computed faster than "
        "scikit-learn's. A training that is asked for serves the same day, unless its average precision on the newest labelled "
        "week is more than 2 % worse. *Noticed*: hours of data time from the beginning of the first changed day to the first "
        f"decision that says so, median and worst; of concepts nothing can be seen before the first label, "
        f"{24 * LABEL_DELAY_DAYS} h later. *Lost before*: average precision that is missing, against an oracle that has learned 20,000 "
        "rows of the changed world, from the change until a model that was asked for afterwards serves, as a share of the "
        "oracle's sum over the year; mean and worst. *Lost*: over the whole year, what small models lack of the oracle on quiet "
        "days among it. *The rule before*: two of the last three windows, once for each cause, a week's cooldown, whatever "
        "moved."
    )


def _cells(kind: Kind, name: str, found: Sequence[tuple[World, Year]]) -> list[str]:
    asked = [len(year.asked) for _, year in found]
    hours, missed = _hours(found)
    told = sum(bool(year.told) for _, year in found)
    before = [lost_before(world, year) for world, year in found]
    lost = [sum(year.lost) / sum(year.oracle) for _, year in found]
    noticed = f"{np.median(hours):.0f} (worst {max(hours):.0f})" if hours else "never"
    if missed and hours:
        noticed += f", {missed} of {len(found)} never"
    is_drift = kind != "quiet"
    return [
        kind,
        name,
        f"{np.mean(asked):.1f} (at most {max(asked)})",
        noticed if is_drift and name not in ("every week", "never") else "-",
        f"{told} of {len(found)} years",
        f"{np.mean(before):.2%} (worst {max(before):.2%})" if is_drift else "-",
        f"{np.mean(lost):.2%}",
    ]


def _hours(found: Sequence[tuple[World, Year]]) -> tuple[list[int], int]:
    hours = [24 * (year.noticed - world.drift_day) for world, year in found if year.noticed is not None]
    return hours, len(found) - len(hours)


def lost_before(world: World, year: Year) -> float:
    """What is lost from the change until a model that was asked for afterwards serves, as a share of the year's."""
    first = world.drift_day - HISTORY_DAYS
    last = len(year.lost) if year.answered is None else year.answered - HISTORY_DAYS
    return sum(year.lost[first:last]) / sum(year.oracle)


def _bars(years: Years) -> list[Bar]:
    quiet = [len(year.asked) for _, year in years["quiet", OURS]]
    said = [year.said for _, year in years["quiet", OURS]]
    bars = [
        Bar(
            "at most one model is asked for in a quiet year",
            f"{sum(quiet)} in {len(quiet)} years, at most {max(quiet)}; something is said on {np.mean(said):.1f} days a year",
            max(quiet) <= 1,
        )
    ]
    for kind in KINDS[1:]:
        hours, missed = _hours(years[kind, OURS])
        within = sum(each <= 24 for each in hours)
        text = f"{within} of {len(hours) + missed} within 24 h"
        if kind in ("label", "concept"):
            labelled = sum(each <= 24 * (LABEL_DELAY_DAYS + 1) for each in hours)
            text += f", {labelled} within 24 h of the first label of a changed day"
        bars.append(Bar(f"{kind} drift is noticed within 24 h of data time", text, within == len(hours) + missed))
    for kind in ("covariate", "label", "concept"):
        before = [lost_before(world, year) for world, year in years[kind, OURS]]
        text = f"worst {max(before):.2%}, mean {np.mean(before):.2%}"
        bars.append(
            Bar(f"{kind}: lost before the new model serves under 5 % of the year's", text, max(before) < LARGEST_LOSS)
        )
    upstream = [year for _, year in years["upstream", OURS]]
    trained = sum(len(year.asked) for year in upstream)
    told = sum(bool(year.told) for year in upstream)
    bars.append(
        Bar(
            "a fault of the data is told, and not answered by training",
            f"told in {told} of {len(upstream)} years, {trained} models asked for",
            told == len(upstream) and trained == 0,
        )
    )
    return bars
