"""The table against the book, and its bars.

Belongs here: the worlds, the champion's lead over the best of the book's models, and what is said of the search. Does not belong here:
measuring (`comparison.py`).

The lead in one world is in part luck: a fifth of all fraud happens where nothing tells it from genuine payments, and how these rows
happen to be ranked moves the AUC of any model. So other worlds are simulated too, of seeds on which nothing was tried: the bars are asked
of the declared world, and of the mean over all of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.book.comparison import (
    CHAMPION,
    METRICS,
    MOST_SEARCH_SECONDS,
    ORACLE,
    SAMPLING,
    SEARCH_AS_OF_DAY,
    SEARCH_FOLDS,
    SEARCHED_METRIC,
)
from benchmarks.book.models import PUBLISHED
from benchmarks.common.report import Bar, Topic
from benchmarks.quality.topic import AS_OF_DAY
from platform_assets.testing.child_process import run_child

LEADS: Mapping[str, float] = {"auc_roc": 0.01, "average_precision": 0.02, "group_precision_at_100": 0.0}
"""By how much the best of the book's models has to be beaten, in each metric."""
SETTINGS_ALIKE = 0.0005
"""Settings are written down with three digits, and another machine's sums may end in another trial."""
MOST_SECONDS = 7200.0
"""After that a search or a table counts as stuck: the book's bagging and network take minutes on a quiet machine, an hour on a busy one."""
DRAWS = 400
OTHER_SEEDS = (11, 12, 13)
"""Of further simulated worlds; features and settings were tried on others (1 to 8)."""


def measure_book(
    overrides: Mapping[str, Any], log: Callable[[str], None], other_seeds: Sequence[int] = OTHER_SEEDS
) -> Topic:
    """Search as of the first test day, then the table in each world, each in a fresh process.

    Args:
        overrides: simulator settings in place of the declared ones.
        log: told of all of them.
        other_seeds: of further worlds.
    """
    search = run_child(
        "benchmarks.book.comparison", "search", json.dumps(dict(overrides)), timeout_seconds=MOST_SECONDS
    )
    log(
        f"search: {search['trials']} trials in {search['seconds']:.0f} s, {search['first']:.4f} to {search['best']:.4f}, "
        f"as declared {search['as_declared']:.4f}; found {search['settings']}"
    )
    tables = []
    for seed in (None, *other_seeds):
        world = dict(overrides) if seed is None else {**overrides, "seed": seed}
        arguments = json.dumps(world), str(DRAWS if seed is None else 0)
        tables.append(run_child("benchmarks.book.comparison", "table", *arguments, timeout_seconds=MOST_SECONDS))
        leads = ", ".join(f"{best} {lead[0]:+.4f}" for best, lead in _leads(tables[-1:]))
        log(f"{'the declared world' if seed is None else f'world {seed}'}: lead over {leads}")
    return Topic(
        "Against the book",
        _how(search, tables, other_seeds),
        [
            "model",
            *(f"{metric}, declared world" for metric in METRICS),
            "lead AUC ROC",
            "lead average precision",
            "lead card precision",
            *(f"{metric}, {len(tables)} worlds" for metric in METRICS),
            "seconds",
            "CPU seconds",
            "published",
        ],
        [_row(position, tables) for position in range(len(tables[0]["models"]))],
        [*bars(tables), *(search_bars(search) if not overrides else [])],
    )


def _how(search: Mapping[str, Any], tables: Sequence[Mapping[str, Any]], other_seeds: Sequence[int]) -> str:
    first = tables[0]
    return (
        f"The handbook's protocol as of day {AS_OF_DAY}, the same rows for all: in the declared world {first['rows']:,} rows to learn "
        "from and to judge, four weekly folds, cards "
        "known to be compromised left out, found cards leave the pool. The book's models have the book's settings and its "
        f"fifteen features; the champion is card_fraud's xgboost as the use case declares it, with {first['features'][0]} inputs of "
        f"its {first['features'][1]} features. The oracles know the "
        "simulator's rates, profiles and hidden state except compromises of which no outcome is known yet: no model can be expected to "
        "do better with the same delay. In the declared world: mean and standard deviation over the folds; the "
        f"lead is the champion's, with the 95 % interval of {DRAWS} paired resamples of customers; seconds are for fitting and "
        "predicting four folds; `published` are the book's own figures for the same three metrics, on its payments. "
        "Over the worlds: mean and standard deviation of the worlds' means. "
        f"The search for settings is made as of day {SEARCH_AS_OF_DAY}, on {SEARCH_FOLDS} weekly folds that end before the "
        f"first test day here, from the platform's defaults on ({_listed(SAMPLING)} fixed): {search['trials']} trials "
        f"({search['pruned']} pruned) in {search['seconds']:.0f} s ({search['cpu_seconds']:.0f} CPU seconds), {SEARCHED_METRIC} "
        f"there from {search['first']:.4f} to {search['best']:.4f} with {_listed(search['settings'])}. "
        f"The use case declares {_declared_settings(search)}. "
        f"How {_LUCK} are ranked is luck, and moves every model's AUC in one world by thousandths; so the bars are asked of the "
        f"declared world, and of the mean over it and the worlds of seeds {', '.join(map(str, other_seeds)) or 'none'}, in which nothing "
        "was tried, with the 95 % interval of Student's t over the worlds."
    )


def _listed(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in settings.items())


def _declared_settings(search: Mapping[str, Any]) -> str:
    """Which settings the use case has, next to those that were found."""
    if search["declared"] == search["settings"]:
        return "these"
    return f"{_listed(search['declared'])}: {search['as_declared']:.4f}"


_LUCK = "frauds at terminals of which nothing is known yet"


def _means(tables: Sequence[Mapping[str, Any]], position: int) -> NDArray[np.float64]:
    """A model's metrics by world: float64 [worlds, metrics]."""
    return np.array([np.mean(table["models"][position]["folds"], axis=0) for table in tables])


def _row(position: int, tables: Sequence[Mapping[str, Any]]) -> list[str]:
    model, everywhere = tables[0]["models"][position], _means(tables, position)
    leads = tables[0]["leads"].get(model["name"])
    shown = [f"{d:+.4f} ({low:+.4f} to {high:+.4f})" for d, low, high in leads] if leads else ["", "", ""]
    used = [model["seconds"], model["cpu_seconds"]]
    return [
        model["name"],
        *_spread(np.array(model["folds"])),
        *shown,
        *_spread(everywhere),
        *("" if seconds is None else f"{seconds:.1f}" for seconds in used),
        ", ".join(f"{value:.4f}" for value in PUBLISHED.get(model["name"], ())),
    ]


def _spread(values: NDArray[np.float64]) -> list[str]:
    """Mean and standard deviation of each column; of a single row the value."""
    if len(values) == 1:
        return [f"{mean:.4f}" for mean in values[0]]
    return [
        f"{mean:.4f} ± {std:.4f}" for mean, std in zip(values.mean(axis=0), values.std(axis=0, ddof=1), strict=True)
    ]


def _leads(tables: Sequence[Mapping[str, Any]]) -> list[tuple[str, NDArray[np.float64]]]:
    """By metric: which of the book's models is the best in the mean over the worlds, and the champion's lead over it in each."""
    names = [model["name"] for model in tables[0]["models"]]
    champion = _means(tables, names.index(CHAMPION))
    book = {
        name: _means(tables, position)
        for position, name in enumerate(names)
        if name != CHAMPION and not name.startswith(ORACLE)
    }
    result = []
    for metric in range(len(METRICS)):
        best = max(book, key=lambda name, metric=metric: book[name][:, metric].mean())  # type: ignore[misc]
        result.append((best, champion[:, metric] - book[best][:, metric]))
    return result


def bars(tables: Sequence[Mapping[str, Any]]) -> list[Bar]:
    """The lead over the best of the book's models, metric by metric: in the declared world, the first, and in the mean over all."""
    worlds = [("the declared world", tables[:1])]
    if len(tables) > 1:
        worlds.append((f"mean of {len(tables)} worlds", tables))
    return [
        _bar(f"{metric}, {which}", wanted, best, leads)
        for which, chosen in worlds
        for (metric, wanted), (best, leads) in zip(LEADS.items(), _leads(chosen), strict=True)
    ]


def _bar(what: str, wanted: float, best: str, leads: NDArray[np.float64]) -> Bar:
    lead = float(leads.mean())
    message = f"at least {wanted}" if wanted > 0.0 else "more than 0"
    by_world = f"{_interval(leads)}; by world {', '.join(f'{one:+.4f}' for one in leads)}" if len(leads) > 1 else ""
    return Bar(
        f"{what}: lead over the best of the book's models ({best}) {message}",
        f"{lead:+.4f}{by_world}",
        lead >= wanted if wanted > 0.0 else lead > 0.0,
    )


def _interval(values: NDArray[np.float64]) -> str:
    """The 95 % interval of the mean of independent values, in words."""
    from scipy.stats import t

    half = float(t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return f" ({values.mean() - half:+.4f} to {values.mean() + half:+.4f})"


def search_bars(search: Mapping[str, Any]) -> list[Bar]:
    """The search comes to what is declared, in time."""
    enough = search["best"] >= search["as_declared"] - SETTINGS_ALIKE
    return [
        Bar(
            f"search from the defaults to what is declared (less at most {SETTINGS_ALIKE:g}) in under {MOST_SEARCH_SECONDS:.0f} s",
            f"{search['best']:.4f}, declared {search['as_declared']:.4f}, {search['seconds']:.0f} s",
            enough and search["seconds"] < MOST_SEARCH_SECONDS,
        ),
    ]
