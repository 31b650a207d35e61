"""Model quality on the handbook's protocol.

Four weekly training days from day 101 on; each: train 7 days, wait 7, test 7; cards known to be compromised when the test
begins are left out, and card precision follows the card-pool protocol (Le Borgne et al., chapters 4 and 5). Belongs here:
building the data in memory, comparing learners. Does not belong here: Dagster.
"""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.report import Bar, Topic
from platform_assets.assets.model import choose, read_dataset
from platform_assets.cli.use_cases import declared_use_cases
from platform_assets.evaluation.metrics import make_metrics
from platform_assets.features.training_set import training_set
from platform_assets.features.windows import compute_view, join_labels
from platform_assets.simulation.generators import load_generator
from platform_assets.spec import EVENT_DAY, SimulatorConnector, UseCase
from platform_assets.training import artifact
from platform_assets.training.compare import Candidate, Comparison, compare, refit
from platform_assets.training.dataset import Dataset
from platform_assets.training.folds import days_needed, prequential_folds, refit_days
from platform_assets.training.learners import make_learner

AS_OF_DAY = 149
BARS = {"auc_roc": 0.86, "average_precision": 0.65, "card_precision_at_100": 0.28}
BOOK = {
    "book: random forest 100 trees, depth 20": ("random_forest", {"n_estimators": 100, "max_depth": 20}),
    "book: xgboost 50 trees, rate 0.3, depth 3": (
        "xgboost",
        {"n_estimators": 50, "learning_rate": 0.3, "max_depth": 3},
    ),
}
SEEDS = range(6)


def build_dataset(use_case: UseCase, as_of: date, overrides: dict[str, Any]) -> Dataset:
    """Training set as of a day, from the simulator through the platform's own features."""
    connector = use_case.event_source.connector
    assert isinstance(connector, SimulatorConnector), "the benchmark needs a simulated use case"
    generator = load_generator(connector.generator, {**connector.settings, **overrides})
    first = use_case.history.first_day
    splits = use_case.training.splits
    days = days_needed(use_case.label_delay_days, splits.train_days, splits.delay_days, splits.test_days, splits.folds)
    last = as_of + timedelta(days=days.last)
    day = pl.col(use_case.event_time).dt.date().alias(EVENT_DAY)
    events = generator.read(use_case.events, first, last).with_columns(day)
    labels = generator.read(use_case.label.source, first, last).with_columns(day)
    events = join_labels(events, labels, use_case)
    start = as_of + timedelta(days=days.first)
    views = {view.name: compute_view(view, use_case, events, start, last) for view in use_case.features}
    return read_dataset(use_case, training_set(labels, views, use_case, as_of, start, last))


def compare_learners(
    use_case: UseCase, dataset: Dataset, as_of: date, candidates: Sequence[Candidate], say: Callable[[str], None]
) -> Comparison:
    """Candidates on the protocol's folds."""
    splits = use_case.training.splits
    folds = prequential_folds(
        as_of, use_case.label_delay_days, splits.train_days, splits.delay_days, splits.test_days, splits.folds
    )
    metrics = make_metrics(list(BARS))
    return compare(dataset, folds, candidates, metrics, use_case.training.seed, say, exclude_known_groups=True)


def measure_quality(say: Callable[[str], None]) -> list[Topic]:
    """Declared learners next to the book's settings, and the same learner over simulator seeds."""
    use_case = declared_use_cases()[0].use_case
    as_of = use_case.history.first_day + timedelta(days=AS_OF_DAY)
    dataset = build_dataset(use_case, as_of, {})
    declared = [
        Candidate(item.name, make_learner(item.kind, item.settings, use_case.training.task), item.baseline)
        for item in use_case.training.learners
    ]
    book = [Candidate(name, make_learner(kind, settings), baseline=True) for name, (kind, settings) in BOOK.items()]
    comparison = compare_learners(use_case, dataset, as_of, [*declared, *book], say)
    winner = choose(comparison, use_case.training.select_by)
    means = comparison.means(winner.name)
    rows = [
        [
            result.candidate.name + (" (champion)" if result.candidate.name == winner.name else ""),
            *(f"{result.mean(metric):.4f} ± {result.std(metric):.4f}" for metric in BARS),
            f"{result.seconds:.1f}",
        ]
        for result in comparison.results
    ]
    bars = [
        Bar(f"champion's mean {metric} at least {bound}", f"{means[metric]:.4f}", means[metric] >= bound)
        for metric, bound in BARS.items()
    ]
    bars.append(_trained_twice(use_case, dataset, as_of, winner))
    peak_gigabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    quality = Topic(
        "Model quality",
        f"Default scale, as of day {AS_OF_DAY}: four folds, train 7 days, delay 7, test 7, {len(dataset):,} rows. Mean and standard "
        f"deviation over the folds; seconds to fit and predict all four. Peak memory {peak_gigabytes:.1f} GB.",
        ["learner", *BARS, "seconds"],
        rows,
        bars,
    )
    return [quality, _over_seeds(use_case, as_of, winner, say)]


def _trained_twice(use_case: UseCase, dataset: Dataset, as_of: date, winner: Candidate) -> Bar:
    days = refit_days(as_of, use_case.label_delay_days, use_case.training.splits.train_days)
    with tempfile.TemporaryDirectory() as scratch:
        models = [refit(dataset, days, winner, use_case.training.seed) for _ in range(2)]
        digests = {artifact.save(model, Path(scratch) / str(index)) for index, model in enumerate(models)}
    what = "the same data and seed, trained twice, give the same model"
    return Bar(what, ", ".join(sorted(digest[:19] for digest in digests)), len(digests) == 1)


def _over_seeds(use_case: UseCase, as_of: date, winner: Candidate, say: Callable[[str], None]) -> Topic:
    rows = []
    for seed in SEEDS:
        started = time.perf_counter()
        dataset = build_dataset(use_case, as_of, {"seed": seed})
        comparison = compare_learners(use_case, dataset, as_of, [winner], lambda _line: None)
        means = comparison.means(winner.name)
        say(f"seed {seed}: {means} in {time.perf_counter() - started:.1f} s")
        chosen = " (default)" if seed == _default_seed(use_case) else ""
        rows.append([f"{seed}{chosen}", *(f"{means[metric]:.4f}" for metric in BARS)])
    return Topic(
        "The same learner on other worlds",
        f"`{winner.name}` on six simulated worlds: how much of the result above is the world.",
        ["simulator seed", *BARS],
        rows,
    )


def _default_seed(use_case: UseCase) -> Any:
    connector = use_case.event_source.connector
    return connector.settings.get("seed") if isinstance(connector, SimulatorConnector) else None
