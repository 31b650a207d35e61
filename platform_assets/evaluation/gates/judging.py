"""Every declared gate of one model, judged.

Belongs here: which gate looks at what, and that none is left out. Does not belong here: the gates themselves (`verdict`, `slices`,
`behaviour`, `leakage`, `provenance`, `footprint`), arranging the rows (`subject`).

Silence is failure: a gate that could not run is red and says why, and one without a result is red too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, timedelta
from functools import cache, partial

import numpy as np
import polars as pl

from platform_assets.evaluation.gates import classes as class_gates
from platform_assets.evaluation.gates import verdict as gate
from platform_assets.evaluation.gates.behaviour import judge_behaviour
from platform_assets.evaluation.gates.footprint import (
    folder_megabytes,
    is_small_enough,
    scores_in_time,
    scoring_milliseconds,
)
from platform_assets.evaluation.gates.leakage import importance_shares, no_feature_dominates, no_feature_is_the_label
from platform_assets.evaluation.gates.provenance import is_reproducible, not_trained_on_test_days
from platform_assets.evaluation.gates.slices import judge_slice
from platform_assets.evaluation.gates.verdict import GateResult, Verdict, with_bypasses
from platform_assets.evaluation.judged_model import SameRows, Subject
from platform_assets.evaluation.metrics.bootstrap import PairedDifference, paired_difference
from platform_assets.evaluation.metrics.classes import class_reports
from platform_assets.evaluation.metrics.scored_rows import Vector, calibration_error, make_metric
from platform_assets.evaluation.recipe import with_features
from platform_assets.training.compare import MetricError, scored

Judge = Callable[[], Iterable[GateResult]]

COULD_NOT_RUN = (ValueError, ArithmeticError, LookupError, RuntimeError, OSError, pl.exceptions.PolarsError)
"""What a gate may fail with; it is red then, and the others are judged all the same."""


def judge(subject: Subject, same_rows: SameRows, today: date, *, has_champion: bool) -> Verdict:
    """Every declared gate in the declared order, bypasses applied.

    Args:
        subject: the model.
        same_rows: the model and the champion on the same rows.
        today: decides which bypasses hold.
        has_champion: whether there is a champion to be no worse than.
    """
    use_case = subject.use_case
    names = use_case.gates.names(use_case.training.task)
    found: dict[str, GateResult] = {}
    for owned, run in _judges(subject, same_rows, has_champion):
        wanted = [name for name in owned if name in names]
        if wanted:
            found |= {result.name: result for result in guarded(wanted, run)}
    silent = "{} was not judged: it counts as failed."
    results = [found.get(name, GateResult(name, False, None, None, silent.format(name))) for name in names]
    return with_bypasses(results, use_case.gates.bypasses, today)


def guarded(names: Sequence[str], run: Judge) -> list[GateResult]:
    """The results of these gates; red, with the reason, when they could not run."""
    try:
        return list(run())
    except COULD_NOT_RUN as error:
        told = f"could not be judged: {error}"
        return [GateResult(name, False, None, None, f"{name} {told}", details={"error": str(error)}) for name in names]


def _judges(subject: Subject, same_rows: SameRows, has_champion: bool) -> list[tuple[list[str], Judge]]:
    """Groups of gates with what judges them."""
    gates, task = subject.use_case.gates, subject.use_case.training.task
    rows = scored(subject.judged, subject.prediction)
    threshold = subject.use_case.serving.decision.threshold if subject.use_case.serving.decision else None
    by, seed = subject.use_case.training.select_by, subject.use_case.training.seed
    plausible = {str(metric): bound for metric, bound in gates.plausible.items()}
    features, ask = (
        cache(partial(_feature_rows, subject)),
        partial(_ask, subject),
    )  # made inside the gate that asks for them
    return [
        (["training_data"], lambda: [_training_data(subject)]),
        (["training_days"], lambda: gate.covers_its_days(_rows_by_day(subject), gates.min_day_ratio)),
        (["beats_baselines"], lambda: [_baselines(subject)]),
        (["no_worse_than_champion"], lambda: [_champion(subject, same_rows, has_champion)]),
        (["not_trained_on_test_days"], lambda: [not_trained_on_test_days(subject)]),
        ([f"floor_{item.metric}" for item in gates.floors], lambda: gate.keeps_floors(subject.means, gates.floors)),
        ([f"plausible_{name}" for name in gates.plausible], lambda: gate.is_plausible(subject.means, plausible)),
        (["calibration"], lambda: gate.is_calibrated(_calibration_error(subject), gates.max_calibration_error)),
        (["relative_calibration"], lambda: _relative_calibration(subject)),
        (["mean_prediction"], lambda: _mean_prediction(subject)),
        *(
            (
                [f"slice_{item.name}", f"fairness_{item.name}"],
                lambda item=item: judge_slice(item, subject.columns, rows, by, threshold),
            )
            for item in gates.slices
        ),
        *(
            (
                [f"behaviour_{test.name}"],
                lambda test=test: [judge_behaviour(test, features(), ask, seed, subject.use_case.classes)],
            )
            for test in gates.behaviour
        ),
        (["single_feature"], lambda: [_single_feature(subject, gates.single_feature_bounds(task))]),
        (["importance"], lambda: [_importance(subject, gates.max_importance_share or 1.0)]),
        (["scoring_time"], lambda: [_scoring_time(subject, gates.max_scoring_milliseconds or 0.0)]),
        (["model_size"], lambda: [is_small_enough(folder_megabytes(subject.folder), gates.max_model_megabytes or 0.0)]),
        (["reproducible"], lambda: [is_reproducible(subject)]),
    ]


def _feature_rows(subject: Subject) -> pl.DataFrame:
    """The features of the judged rows; what is missing is null."""
    rows = with_features(subject.judged, subject.predictor.features)
    columns = {name: rows.X[:, column] for column, name in enumerate(rows.features)}
    return pl.DataFrame(columns).fill_nan(None)


def _ask(subject: Subject, frame: pl.DataFrame) -> Vector:
    """The model's scores of rows with these features."""
    values = frame.select(pl.col(name).cast(pl.Float64).fill_null(np.nan) for name in subject.predictor.features)
    return subject.predictor.predict(np.ascontiguousarray(values.to_numpy()))


def _training_data(subject: Subject) -> GateResult:
    trained_on = subject.predictor.trained_on
    gates, classes = subject.use_case.gates, subject.use_case.classes
    if classes:
        by_class = dict(zip(subject.predictor.classes, trained_on.class_rows, strict=True))
        return class_gates.has_enough_of_each_class(
            trained_on.rows, {name: by_class.get(name, 0) for name in classes}, gates
        )
    positives = round(trained_on.rows * trained_on.label_mean) if subject.use_case.is_binary else None
    return gate.has_enough_data(trained_on.rows, positives, gates)


def _rows_by_day(subject: Subject) -> dict[date, int]:
    """Rows of every day of the model's training period."""
    trained_on = subject.predictor.trained_on
    first = date.fromisoformat(trained_on.first_day)
    last = date.fromisoformat(trained_on.last_day)
    declared = subject.use_case.training.splits.train_days
    first = min(first, last - timedelta(days=declared - 1))
    days, counts = np.unique(subject.dataset.rows(first, last).event_day, return_counts=True)
    found = {date.fromisoformat(str(day)): int(count) for day, count in zip(days, counts, strict=True)}
    return {day: found.get(day, 0) for day in (first + timedelta(days=n) for n in range((last - first).days + 1))}


def _baselines(subject: Subject) -> GateResult:
    gates, by = subject.use_case.gates, subject.use_case.training.select_by
    model, baselines = subject.means.get(by), subject.baselines
    if gates.baseline_margin == 0.0 or not baselines:
        return gate.beats_baselines(by, model, baselines, gates.baseline_margin)
    best = gate.best_baseline(by, baselines)
    difference, problem = None, f"{best} left no predictions"
    if best in subject.predictions:
        difference, problem = _difference(
            subject, SameRows(subject.judged, subject.prediction, subject.predictions[best])
        )
    return gate.beats_baselines(by, model, baselines, gates.baseline_margin, difference, problem)


def _champion(subject: Subject, same_rows: SameRows, has_champion: bool) -> GateResult:
    by, tolerance = subject.use_case.training.select_by, subject.use_case.gates.champion_tolerance
    difference, problem = None, same_rows.problem
    if has_champion and not problem:
        difference, problem = _difference(subject, same_rows)
    return gate.no_worse_than_champion(
        by, difference, tolerance, has_champion=has_champion, how=same_rows.how, problem=problem
    )


def _difference(subject: Subject, same_rows: SameRows) -> tuple[PairedDifference | None, str]:
    """The difference between the two predictions, or why there is none."""
    by = subject.use_case.training.select_by
    if same_rows.champion is None:
        return None, "it gave no predictions"
    first, second = (scored(same_rows.rows, values) for values in (same_rows.model, same_rows.champion))
    try:
        return paired_difference(
            by, first, second, subject.use_case.gates.confidence, subject.use_case.training.seed
        ), ""
    except MetricError as error:
        return None, f"{by} could not be computed: {error}"


def _calibration_error(subject: Subject) -> float | None:
    """Its mean over the folds where it is measured, else that of the latest fold."""
    if "calibration_error" in subject.means:
        return subject.means["calibration_error"]
    return make_metric("calibration_error")(scored(subject.judged, subject.prediction))


def _base_rate(subject: Subject) -> float:
    return float(subject.judged.y.mean()) if len(subject.judged) else 0.0


def _relative_calibration(subject: Subject) -> list[GateResult]:
    bound = subject.use_case.gates.max_relative_calibration_error
    error = calibration_error(subject.judged.y, subject.prediction)
    return gate.is_calibrated_for_the_base_rate(error, _base_rate(subject), bound)


def _mean_prediction(subject: Subject) -> list[GateResult]:
    bound, rows = subject.use_case.gates.max_calibration_ratio, len(subject.judged)
    if subject.use_case.is_multiclass:
        least = subject.use_case.gates.min_positives
        reports = class_reports(subject.judged.y, subject.prediction, subject.use_case.classes)
        return class_gates.predicts_the_share_of_each_class(reports, rows, bound, least)
    mean = float(subject.prediction.mean()) if rows else float("nan")
    return gate.predicts_the_base_rate(mean, _base_rate(subject), rows, bound)


def _single_feature(subject: Subject, bounds: Mapping[str, float]) -> GateResult:
    fold, use_case = subject.fold, subject.use_case
    train = subject.dataset.rows(fold.train_first, fold.train_last)
    return no_feature_is_the_label(
        train, subject.judged, bounds, binary=use_case.is_binary, seed=use_case.training.seed
    )


def _importance(subject: Subject, bound: float) -> GateResult:
    by = subject.use_case.training.select_by
    rows = with_features(subject.judged, subject.predictor.features)
    shares = importance_shares(subject.predictor, rows, by, subject.use_case.training.seed)
    return no_feature_dominates(shares, by, bound)


def _scoring_time(subject: Subject, bound: float) -> GateResult:
    X = with_features(subject.judged, subject.predictor.features).X
    return scores_in_time(scoring_milliseconds(subject.predictor, X), bound)
