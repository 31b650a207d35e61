"""The table against the book: each of the handbook's models, and what the platform's declaration makes of the same rows.

Belongs here: the handbook's protocol on the declared simulator, the search for the declared settings, and the paired intervals. Does not
belong here: how the book fits a model (`book_models.py`), the bootstrap (`paired.py`).

    python -m benchmarks.book search '{}'
    python -m benchmarks.book table '{}'

measure in the process they run in, with the simulator settings given, and print JSON. The search sees nothing of the table: it is made as
of the day on which the table's first test period begins.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.book_models import FEATURES, book_candidates
from benchmarks.paired import FoldScores, paired_intervals
from benchmarks.quality import AS_OF_DAY, build_dataset
from benchmarks.report import Bar, Topic
from benchmarks.usage import measured, run_child
from benchmarks.world import scored_use_case
from platform_assets.evaluation.metrics import make_metrics
from platform_assets.spec import UseCase
from platform_assets.spec.search import FloatRange, IntRange, Search
from platform_assets.training.candidates import declared_candidates
from platform_assets.training.compare import Candidate, scored, split_fold
from platform_assets.training.dataset import Dataset
from platform_assets.training.fit import fit_predictor
from platform_assets.training.folds import prequential_folds
from platform_assets.training.search import search_candidate

METRICS = ("auc_roc", "average_precision", "card_precision_at_100")
CHAMPION = "xgboost"
"""The declared learner that is set against the book."""
LEADS: Mapping[str, float] = {"auc_roc": 0.01, "average_precision": 0.02, "card_precision_at_100": 0.0}
"""By how much the best of the book's models has to be beaten, in each metric."""
SEARCH_AS_OF_DAY = AS_OF_DAY - 7 - 4 * 7 + 1
"""The search is made as of the day on which the table's first test period begins."""
MOST_SEARCH_SECONDS = 600.0
DRAWS = 400
SEARCH = Search(
    space={
        "n_estimators": IntRange(type="int", low=60, high=300, log=True),
        "max_depth": IntRange(type="int", low=2, high=6),
        "learning_rate": FloatRange(type="float", low=0.03, high=0.2, log=True),
        "min_child_weight": FloatRange(type="float", low=1.0, high=30.0, log=True),
        "subsample": FloatRange(type="float", low=0.5, high=1.0),
        "colsample_bytree": FloatRange(type="float", low=0.3, high=1.0),
    },
    trials=30,
    seconds=MOST_SEARCH_SECONDS,
)


# In a process of its own: the search, or the table.


def _splits(use_case: UseCase, dataset: Dataset, as_of: date) -> list[tuple[Dataset, Dataset]]:
    splits = use_case.training.splits
    folds = prequential_folds(
        as_of, use_case.label_delay_days, splits.train_days, splits.delay_days, splits.test_days, splits.folds
    )
    return [split_fold(dataset, fold, exclude_known_groups=True) for fold in folds]


def _champion(use_case: UseCase) -> Candidate:
    candidates = declared_candidates(use_case.training, use_case.feature_names)
    return next(candidate for candidate in candidates if candidate.name == CHAMPION)


def _search(use_case: UseCase, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Look for the declared learner's settings from its kind's defaults on."""
    as_of = use_case.history.first_day + timedelta(days=SEARCH_AS_OF_DAY)
    dataset, _, _ = build_dataset(use_case, as_of, overrides)
    declared = _champion(use_case)
    start = {name: declared.learner.kind.settings[name].default for name in SEARCH.space}
    candidate = replace(declared, learner=declared.learner.with_settings(start))
    [metric] = make_metrics([use_case.training.select_by])
    splits = _splits(use_case, dataset, as_of)
    with tempfile.TemporaryDirectory() as scratch:
        storage = f"sqlite:///{Path(scratch) / 'trials.db'}"
        (found, result), usage = measured(
            lambda: search_candidate(candidate, SEARCH, splits, metric, use_case.training.seed, _say, storage=storage)
        )
    states = [trial.state for trial in result.trials]
    return {
        "settings": {name: _rounded(found.learner.settings[name]) for name in SEARCH.space},
        "first": result.trials[0].mean,
        "best": result.best.mean,
        "trials": len(states),
        "pruned": states.count("pruned"),
        "seconds": usage.seconds,
        "cpu_seconds": usage.cpu_seconds,
        "judging_seconds": sum(trial.seconds for trial in result.trials),
    }


def _rounded(value: Any) -> Any:
    """Three significant digits, as one writes them down."""
    return float(f"{value:.3g}") if isinstance(value, float) else value


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")


def columns_of(dataset: Dataset, names: Sequence[str]) -> Dataset:
    """The data set with some of its features only."""
    places = [dataset.features.index(name) for name in names]
    return replace(dataset, X=np.ascontiguousarray(dataset.X[:, places]), features=tuple(names))


def _table(use_case: UseCase, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Every model on the same four folds, and the champion's lead over each with its interval."""
    as_of = use_case.history.first_day + timedelta(days=AS_OF_DAY)
    dataset, _, _ = build_dataset(use_case, as_of, overrides)
    splits = _splits(use_case, dataset, as_of)
    book = [tuple(columns_of(rows, FEATURES) for rows in split) for split in splits]
    folds: list[dict[str, FoldScores]] = [{} for _ in splits]
    models = []
    for candidate, rows in [*((item, book) for item in book_candidates()), (_champion(use_case), splits)]:
        started, cpu, measures = time.perf_counter(), time.process_time(), []
        for number, (train, test) in enumerate(rows):
            prediction = fit_predictor(train, candidate.learner, use_case.training.seed).predict(test.X)
            measures.append([metric(scored(test, prediction)) for metric in make_metrics(METRICS)])
            folds[number][candidate.name] = FoldScores(test.y, prediction, test.event_day, _group(test))
        used = [time.perf_counter() - started, time.process_time() - cpu]
        models.append({"name": candidate.name, "folds": measures, "seconds": used[0], "cpu_seconds": used[1]})
        _say(f"{candidate.name}: {np.mean(measures, axis=0).round(4).tolist()}, {used[0]:.0f} s")
    settings = _champion(use_case).learner.settings
    return {
        "rows": len(dataset),
        "models": models,
        "settings": {name: settings[name] for name in SEARCH.space},
        "leads": paired_intervals(folds, CHAMPION, k=100, draws=DRAWS, seed=use_case.training.seed),
    }


def _group(rows: Dataset) -> NDArray[Any]:
    assert rows.group is not None, "the protocol needs cards"
    return rows.group


# The report.


def measure_book(overrides: Mapping[str, Any], say: Callable[[str], None]) -> Topic:
    """Search as of the first test day, then the table, each in a fresh process.

    Args:
        overrides: simulator settings in place of the declared ones.
        say: told of both.
    """
    arguments = json.dumps(dict(overrides))
    search = run_child("benchmarks.book", "search", arguments)
    say(
        f"search: {search['trials']} trials in {search['seconds']:.0f} s, {search['first']:.4f} to {search['best']:.4f}"
    )
    table = run_child("benchmarks.book", "table", arguments)
    return Topic(
        "Against the book",
        _how(search, table),
        ["model", *METRICS, "lead AUC ROC", "lead average precision", "lead card precision", "seconds", "CPU seconds"],
        [_row(model, table["leads"].get(model["name"])) for model in table["models"]],
        [*_bars(table), *(_search_bars(search, table) if not overrides else [])],
    )


def _how(search: Mapping[str, Any], table: Mapping[str, Any]) -> str:
    return (
        f"The handbook's protocol as of day {AS_OF_DAY}, the same rows for all: {table['rows']:,} rows, four weekly folds, cards "
        "known to be compromised left out, found cards leave the pool. The book's models have the book's settings and its "
        f"fifteen features; `{CHAMPION}` has the declared features and settings. Mean and standard deviation over the folds; the "
        f"lead is the champion's, with the 95 % interval of {DRAWS} paired resamples of customers. Seconds are for fitting and "
        "predicting four folds. "
        f"The declared settings come from a search as of day {SEARCH_AS_OF_DAY}, on folds that end before the first test day here: "
        f"{search['trials']} trials ({search['pruned']} pruned) in {search['seconds']:.0f} s ({search['cpu_seconds']:.0f} CPU "
        f"seconds), average precision there from {search['first']:.4f} with the default settings to {search['best']:.4f}; they are "
        "written down with three digits."
    )


def _row(model: Mapping[str, Any], leads: Sequence[Sequence[float]] | None) -> list[str]:
    values = np.array(model["folds"])
    cells = [
        f"{mean:.4f} ± {std:.4f}" for mean, std in zip(values.mean(axis=0), values.std(axis=0, ddof=1), strict=True)
    ]
    shown = [f"{d:+.4f} ({low:+.4f} to {high:+.4f})" for d, low, high in leads] if leads else ["", "", ""]
    return [model["name"], *cells, *shown, f"{model['seconds']:.1f}", f"{model['cpu_seconds']:.1f}"]


def _bars(table: Mapping[str, Any]) -> list[Bar]:
    """The lead over the best of the book's models, metric by metric."""
    means = {model["name"]: np.mean(model["folds"], axis=0) for model in table["models"]}
    champion = means.pop(CHAMPION)
    bars = []
    for place, (metric, lead) in enumerate(LEADS.items()):
        best = max(means, key=lambda name, place=place: means[name][place])  # type: ignore[misc]
        difference = champion[place] - means[best][place]
        kept = difference >= lead if lead > 0.0 else difference > 0.0
        low, high = table["leads"][best][place][1:]
        wanted = f"at least {lead}" if lead > 0.0 else "more than 0"
        bars.append(
            Bar(
                f"{metric}: lead over the best of the book's models ({best}) {wanted}",
                f"{difference:+.4f} ({low:+.4f} to {high:+.4f})",
                bool(kept),
            )
        )
    return bars


def _search_bars(search: Mapping[str, Any], table: Mapping[str, Any]) -> list[Bar]:
    same = search["settings"] == table["settings"]
    return [
        Bar(
            f"search to that point in under {MOST_SEARCH_SECONDS:.0f} s",
            f"{search['seconds']:.0f} s",
            search["seconds"] < MOST_SEARCH_SECONDS,
        ),
        Bar(
            "the declared settings are those that the search finds",
            "the same" if same else str(search["settings"]),
            same,
        ),
    ]


def main(arguments: list[str]) -> int:
    """Measure in this process and print JSON."""
    use_case = scored_use_case().use_case
    kind, overrides = arguments[0], json.loads(arguments[-1])
    found = (_search if kind == "search" else _table)(use_case, overrides)
    sys.stdout.write(json.dumps(found) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
