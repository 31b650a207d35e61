"""Whether an estimate may be believed: what it rests on is tested wherever it can be.

An estimate holds while inputs are such as were seen with labels (support), and while labels given the outputs are what they were
(calibration). The first is tested on the window itself. The second is tested on the newest rows whose labels have come, the negative
control: an estimate that is wrong there says nothing of today. A change of what labels mean that has left no label yet is seen by nobody:
belief is then `unconfirmed` at best, never proven.

Belongs here: the tests and their wording. Does not belong here: the estimate (`estimate`), what a withdrawn one means for a bound (`kept`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from platform_assets.declaration import UseCase
from platform_assets.monitoring.estimates.estimate import FittedOutcomes, ScoredRows, estimate_metric
from platform_assets.tasks.base import TrainingLabels
from platform_assets.tasks.metric import Matrix, MetricError, NamedMetric, Vector
from platform_assets.tasks.outcomes import Residuals
from platform_assets.tasks.registry import task_of

Standing = Literal["believed", "unconfirmed", "withdrawn"]

ERROR_RATE = 0.005
"""Of each control: a sound estimate is withdrawn by chance in one window of a hundred at most, two controls being looked at."""
BINS = 5
LEAST_VARIANCE = 4.0
"""Of a bin of the calibration control, in rows' worth of outcomes: below, sums are far from normal."""
REDRAWS = 40
MOST_OUTSIDE_RATIO = 0.02
"""Rows beyond what was seen with labels, in any one input or in the output. Within it lies what two halves of a quiet month differ by."""
LEAST_LABELLED_ROWS = 50
WITHOUT_LABELS = ("support", "implied labels")
"""Controls that need no label that came: they can withdraw an estimate and confirm none."""


@dataclass(frozen=True, slots=True)
class Control:
    """One test of what an estimate rests on.

    Attributes:
        name: `support`, `implied labels`, `calibration of ...` or `truth`.
        passed: None where it could not be made.
        explanation: one sentence with the figures.
        p_value: of a statistical test; else None.
    """

    name: str
    passed: bool | None
    explanation: str
    p_value: float | None = None


@dataclass(frozen=True, slots=True)
class Belief:
    """Whether an estimate may be believed.

    Attributes:
        standing: `withdrawn` when a control failed, `unconfirmed` when no label has come that could contradict, else `believed`.
        reason: one sentence.
        controls: every test.
    """

    standing: Standing
    reason: str
    controls: tuple[Control, ...]

    @classmethod
    def of(cls, controls: Sequence[Control]) -> Belief:
        """All controls together."""
        failed = [one.explanation for one in controls if one.passed is False]
        if failed:
            return cls("withdrawn", " ".join(failed), tuple(controls))
        if not any(one.passed for one in controls if one.name not in WITHOUT_LABELS):
            why = next((one.explanation for one in controls if one.passed is None), "No label has come.")
            return cls("unconfirmed", f"Nothing contradicts it yet. {why}", tuple(controls))
        return cls("believed", "Labels that have come since agree with it.", tuple(controls))


def support_control(reference: ScoredRows, window: ScoredRows, names: Sequence[str]) -> Control:
    """Whether the window's inputs and outputs lie where labelled rows lay.

    Args:
        reference: labelled rows.
        window: rows without labels.
        names: of the inputs.
    """
    before, now = _with_outputs(reference), _with_outputs(window)
    labels = [*names, *(f"output {k}" if before.shape[1] - len(names) > 1 else "score" for k in range(before.shape[1]))]
    worst, where = 0.0, ""
    for column in range(before.shape[1]):
        known = before[:, column][~np.isnan(before[:, column])]
        given = now[:, column]
        missing = np.isnan(given)
        if len(known) == 0:
            outside = float((~missing).mean())
        else:
            outside = float(((given < known.min()) | (given > known.max())).mean())
            if not np.isnan(before[:, column]).any():
                outside += float(missing.mean())
        if outside > worst:
            worst, where = outside, labels[column]
    # Extremes of a finite sample are passed by a few of as many others.
    chance = 3.0 * (1.0 / len(reference) + math.sqrt(1.0 / (len(reference) * max(1, len(window)))))
    limit = MOST_OUTSIDE_RATIO + chance
    if worst > limit:
        text = (
            f"{worst:.1%} of the rows have {where} beyond everything that was seen with labels (at most {limit:.1%})."
        )
        return Control("support", False, text)
    return Control("support", True, f"At most {worst:.1%} of the rows lie beyond what was seen with labels.")


def calibration_control(
    outcomes: FittedOutcomes, y: Vector, rows: ScoredRows, newest_days: int | None = None, seed: int = 0
) -> Control:
    """Whether labels that have come are what was expected, over bins of like expectation (a chi-square test).

    Args:
        outcomes: fitted on the reference.
        y: float64 [n], labels that have come since.
        rows: the same rows.
        newest_days: look at so many of the newest labelled days alone; None for all.
        seed: of the redrawn models of outcomes.
    """
    from scipy.stats import chi2

    y, rows, when = _newest(y, rows, newest_days)
    name = f"calibration of {when}"
    if len(y) < LEAST_LABELLED_ROWS:
        return Control(
            name, None, f"{len(y)} labels have come of predictions of this model; {LEAST_LABELLED_ROWS} are needed."
        )
    residuals = outcomes.model.residuals(y, rows.prediction, rows.X)
    random = np.random.default_rng(seed)
    redrawn = [outcomes.redraw(random).residuals(y, rows.prediction, rows.X) for _ in range(REDRAWS)]
    dispersion = outcomes.dispersion_of_a_day if newest_days == 1 else outcomes.dispersion
    total, freedom = 0.0, 0
    for column in range(residuals.variance.shape[1]):
        for members in _bins(residuals, column):
            off = float(residuals.observed_less_expected[members, column].sum())
            by_fit = float(np.var([one.observed_less_expected[members, column].sum() for one in redrawn]))
            variance = dispersion * float(residuals.variance[members, column].sum()) + by_fit
            total, freedom = total + off**2 / variance, freedom + 1
    if freedom == 0:
        return Control(name, None, f"{len(y)} labels say too little: hardly any outcome but one was expected.")
    p_value = float(chi2.sf(total, freedom))
    if p_value < ERROR_RATE:
        text = f"Labels of {when} are not what was expected of such predictions (chi-square {total:.1f} over {freedom} bins)."
        return Control(name, False, text, p_value)
    text = f"Labels of {when} are what was expected (chi-square {total:.1f} over {freedom} bins)."
    return Control(name, True, text, p_value)


def implied_labels_control(
    use_case: UseCase, outcomes: FittedOutcomes, y: Vector, rows: ScoredRows, seed: int = 0
) -> Control:
    """Whether the labels that the estimate implies are about those of the reference, within what is declared of true ones.

    Where inputs move so far that twice as many frauds are expected at once, the likelier reason is that outputs no longer mean what they
    meant: all customers pay more, and each looks like a thief. Before labels come the two cannot be told apart.

    Args:
        use_case: `monitoring.max_label_rate_ratio`, and the classes.
        outcomes: fitted on the reference.
        y: float64 [n], labels of the reference.
        rows: the window's rows.
        seed: of the drawn labels.
    """
    task, random = task_of(use_case), np.random.default_rng(seed)
    counts = np.bincount(y.astype(np.int64), minlength=len(use_case.classes)) if use_case.classes else np.zeros(0)
    known = dict(zip(use_case.classes, counts.astype(int).tolist(), strict=True))
    implied = outcomes.model.draw(rows.prediction, rows.X, random)
    moved = task.moved_labels(implied, use_case, TrainingLabels(len(y), float(y.mean()), known))
    if moved:
        text = (
            f"It implies labels that are unlikely before they are seen: {' '.join(sentence for _, sentence in moved)}"
        )
        return Control("implied labels", False, text)
    return Control("implied labels", True, "The labels that it implies are about as frequent as those known.")


def truth_control(metric: NamedMetric, outcomes: FittedOutcomes, y: Vector, rows: ScoredRows, seed: int = 0) -> Control:
    """Whether the estimate for rows whose labels have come holds their true value."""
    if len(y) < LEAST_LABELLED_ROWS:
        return Control("truth", None, f"{len(y)} labels have come of predictions of this model.")
    try:
        estimate, truth = estimate_metric(metric, outcomes, rows, seed), metric(rows.with_labels(y))
    except MetricError as error:
        return Control("truth", None, f"{metric.name} of the labels that have come cannot be told: {error}.")
    spread = (estimate.high - estimate.low) / 2.0 / 1.96
    z = (truth - estimate.value) / spread if spread > 0.0 else math.inf * abs(truth - estimate.value)
    p_value = math.erfc(abs(z) / math.sqrt(2.0)) if not math.isnan(z) else 1.0
    text = (
        f"{metric.name} of the labels that have come is {truth:.4f}; it had been estimated at {estimate.value:.4f} "
        f"({estimate.low:.4f} to {estimate.high:.4f})."
    )
    return Control("truth", p_value >= ERROR_RATE, text, p_value)


def _newest(y: Vector, rows: ScoredRows, days: int | None) -> tuple[Vector, ScoredRows, str]:
    known = np.unique(rows.event_day)
    if days is None or len(known) <= days:
        return y, rows, f"{len(known)} days" if len(known) != 1 else str(known[0])
    chosen = np.flatnonzero(rows.event_day >= known[-days])
    return y[chosen], rows.taken(chosen), "the newest day" if days == 1 else f"the newest {days} days"


def _bins(residuals: Residuals, column: int) -> list[NDArray[np.int64]]:
    """Rows of like expectation, in at most `BINS` bins of equal variance; one whose variance is too small joins no other but is fewer."""
    variance = residuals.variance[:, column]
    bins = min(BINS, int(variance.sum() / LEAST_VARIANCE))
    if bins < 1:
        return []
    order = np.argsort(residuals.order[:, column], kind="stable")
    share = np.cumsum(variance[order])
    place = np.minimum((share / share[-1] * bins).astype(np.int64), bins - 1)
    return [order[place == one] for one in range(bins) if (place == one).any()]


def _with_outputs(rows: ScoredRows) -> Matrix:
    outputs = rows.prediction[:, np.newaxis] if rows.prediction.ndim == 1 else rows.prediction
    return np.column_stack([rows.X, outputs])
