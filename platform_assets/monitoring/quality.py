"""Quality in production: predictions joined with the labels that have arrived since, measured and held to the
evaluation's figures.

Belongs here: the join that respects label delay, the bounds, and the wording of a violation. Does not belong here: the
metrics themselves (`evaluation`), their uncertainty (`intervals`), what is done about a violation (`verdict`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Any, Literal

import polars as pl

from platform_assets.declaration.sections.sources import EVENT_DAY
from platform_assets.declaration.use_case import UseCase
from platform_assets.features.errors import PointInTimeError
from platform_assets.features.offline.known_labels import is_dated_by_decision, labels_of_rows
from platform_assets.monitoring.intervals import metric_interval
from platform_assets.tasks.base import TrainingLabels
from platform_assets.tasks.intervals import Interval
from platform_assets.tasks.metric import MetricError, NamedMetric, Scored
from platform_assets.tasks.registry import metric_of, task_of
from platform_assets.training.folds import last_labelled_day

QualityStatus = Literal["ok", "violated", "no_verdict"]
Cause = Literal["quality", "label_rate", "scores"]

MIN_CLASS_ROWS = 10
"""Fewest labelled rows of either class that allow a verdict on a binary task. With three positives the interval of any
metric spans almost everything, so that nothing could ever violate its bound: that is no verdict, not a pass."""


class QualityError(ValueError):
    """Tables that cannot be joined or measured; the message says which column is at fault."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A bound that was broken.

    Attributes:
        cause: `quality` (the metric), `label_rate`, or `scores` (predictions that are no numbers).
        name: what was measured.
        explanation: one sentence with value, interval, bound and rows.
    """

    cause: Cause
    name: str
    explanation: str


@dataclass(frozen=True, slots=True)
class QualityResult:
    """How well the labelled predictions of a window were right.

    Attributes:
        first_day: first event day among the rows, None without rows.
        last_day: last event day.
        rows: predictions whose label should be known.
        labelled_rows: those whose label is.
        coverage_ratio: labelled_rows / rows, None without rows.
        metrics: value by name; a metric that could not be computed is absent.
        problems: why, by name.
        intervals: 90 % bootstrap interval of the followed metric and of those with a declared bound, by name.
        bounds: the value that must not be lost, by name.
        label_rate: share of positives, or the mean label of a regression; None without labels, and of a multi-class task.
        status: `no_verdict` when there are too few labelled rows, one class only, or no reference; it counts as failed.
        violations: bounds that were broken.
        explanation: one sentence.
        reference: what the evaluation promised of the followed metric; None without one.
        newest_day_lost: whether the followed metric is past its bound on the newest labelled day alone, its whole interval.
    """

    first_day: date | None
    last_day: date | None
    rows: int
    labelled_rows: int
    coverage_ratio: float | None
    metrics: Mapping[str, float]
    problems: Mapping[str, str]
    intervals: Mapping[str, Interval]
    bounds: Mapping[str, float]
    label_rate: float | None
    status: QualityStatus
    violations: tuple[Violation, ...]
    explanation: str
    reference: float | None = None
    newest_day_lost: bool = False

    @property
    def passed(self) -> bool:
        """Whether the model is as good as promised; without a verdict it is not."""
        return self.status == "ok"

    def to_dict(self) -> dict[str, Any]:
        """The result as plain values, ready for JSON."""
        days = {
            "first_day": self.first_day.isoformat() if self.first_day else None,
            "last_day": self.last_day.isoformat() if self.last_day else None,
        }
        plain = {name: dict(getattr(self, name)) for name in ("metrics", "problems", "bounds")}
        return asdict(self) | days | plain | {"passed": self.passed}


def quality_days(use_case: UseCase, as_of: date) -> tuple[date, date]:
    """The window that quality is measured on as of a day: the latest `window_days` whose labels are known,
    inclusive."""
    last = last_labelled_day(as_of, use_case.label_delay_days)
    return last - timedelta(days=use_case.monitoring.window_days - 1), last


def join_labels(
    log: pl.DataFrame,
    labels: pl.DataFrame,
    use_case: UseCase,
    as_of: date,
    model_versions: Collection[str] | None = None,
    loaded: Collection[date] | None = None,
) -> pl.DataFrame:
    """Predictions whose label should be known, one for each event, with the label where it is.

    An event that was scored more than once counts once, with the answer given first: a client that asks again after a
    timeout has already acted on it. Labels of event days after the last labelled day of `as_of` are not looked at, even
    if the table has them.

    Args:
        log: rows of the prediction log.
        labels: rows of the label's source with `event_day`; a null label is not known yet.
        use_case: names keys, label and delay.
        as_of: known is what is known at 00:00 UTC of this day.
        model_versions: versions that were champion; predictions of others (shadow or challenger) are left out. None
            keeps all.
        loaded: days of the label's source that were loaded, where an absent label means something; None for all.

    Returns:
        The log's columns and the label as Float64, a class as String, under its own name, ordered by (event_day, scored_at, request_id).

    Raises:
        QualityError: a column is missing, or the labels have more than one row for a key.
    """
    key, label = list(use_case.event_source.primary_key), use_case.label.column
    _require(log, [*key, EVENT_DAY, "scored_at", "request_id", "score", "model_version"], "the prediction log")
    _require(labels, [*key, EVENT_DAY, label], f"the label table {use_case.label_source.name}")
    last = last_labelled_day(as_of, use_case.label_delay_days)
    scored = log.filter(pl.col(EVENT_DAY) <= last)
    if model_versions is not None:
        scored = scored.filter(pl.col("model_version").is_in(sorted(model_versions)))
    first = scored.sort("scored_at", "request_id").unique(subset=key, keep="first", maintain_order=True)
    if not is_dated_by_decision(use_case):
        labels = labels.filter(pl.col(EVENT_DAY) <= last, pl.col(label).is_not_null())
    try:
        joined = labels_of_rows(first.drop(label, strict=False), labels, use_case, as_of, loaded)
    except PointInTimeError as error:
        raise QualityError(f"the label table {use_case.label_source.name}: {error}") from error
    return joined.with_columns(pl.col(label).cast(task_of(use_case).label_type)).sort(
        EVENT_DAY, "scored_at", "request_id"
    )


def production_quality(
    joined: pl.DataFrame,
    use_case: UseCase,
    reference_metrics: Mapping[str, float],
    reference_label_rate: float | None,
    seed: int = 0,
    class_rows: Mapping[str, int] | None = None,
) -> QualityResult:
    """Measure a window and hold it to what the evaluation promised.

    The followed metric is violated when even the favourable end of its 90 % bootstrap interval is past the bound, so
    that a small window does not cry wolf: with no loss at all that happens far less often than once in twenty windows.
    The bound is the reference less `max_quality_loss_ratio` of it (plus, for an error metric), or the declared one where
    that is stricter; every other metric with a declared bound is held to it in the same way. The label rate is
    violated when its whole 90 % interval lies outside the declared ratio around the reference.

    Args:
        joined: rows of `join_labels`, of the window only.
        use_case: task, metrics and limits.
        reference_metrics: the evaluation's figures by metric name.
        reference_label_rate: share of positives (mean label of a regression) that the model was trained on; None skips
            the comparison.
        seed: seed of the bootstrap.
        class_rows: of a multi-class task the rows of each class that the model was trained on, which take the place of the label rate:
            the share of every class is held to the declared ratio. None skips the comparison.
    """
    task = task_of(use_case)
    labelled = joined.filter(pl.col(use_case.label.column).is_not_null())
    finite = labelled.filter(pl.col("score").is_finite())
    violations = _score_violations(labelled.height - finite.height, labelled.height)
    rows = _scored(finite, use_case)
    metrics, problems = _measure(rows, use_case)
    followed = use_case.monitoring.quality_metric
    obstacle = _obstacle(rows, use_case, metrics, problems, reference_metrics)
    if len(rows.y) >= use_case.monitoring.min_rows:
        trained_on = TrainingLabels(sum((class_rows or {}).values()), reference_label_rate, class_rows or {})
        violations += [Violation("label_rate", *moved) for moved in task.moved_labels(rows.y, use_case, trained_on)]
    bounds = {} if obstacle is not None else metric_bounds(use_case, metrics, reference_metrics)
    intervals = {name: metric_interval(metric_of(use_case, name), rows, seed=seed) for name in bounds}
    for name, bound in bounds.items():
        violations += _metric_violations(metric_of(use_case, name), metrics[name], intervals[name], bound, len(rows.y))
    explanations = [violation.explanation for violation in violations] + ([obstacle] if obstacle else [])
    return QualityResult(
        first_day=_day(joined[EVENT_DAY].min()),
        last_day=_day(joined[EVENT_DAY].max()),
        rows=joined.height,
        labelled_rows=labelled.height,
        coverage_ratio=labelled.height / joined.height if joined.height else None,
        metrics=metrics,
        problems=problems,
        intervals=intervals,
        bounds=bounds,
        label_rate=task.label_rate(rows.y),
        status="violated" if violations else "no_verdict" if obstacle else "ok",
        violations=tuple(violations),
        explanation=" ".join(explanations)
        or f"{followed} {metrics[followed]:.4f} on {len(rows.y)} rows keeps the bound of {bounds[followed]:.4f}.",
        reference=reference_metrics.get(followed),
        newest_day_lost=followed in bounds and _newest_day_lost(finite, use_case, bounds[followed], seed),
    )


def _newest_day_lost(labelled: pl.DataFrame, use_case: UseCase, bound: float, seed: int) -> bool:
    """Whether the newest labelled day alone shows the followed metric past its bound: a week shows a loss days later."""
    day = labelled.filter(pl.col(EVENT_DAY) == labelled[EVENT_DAY].max())
    rows, task = _scored(day, use_case), task_of(use_case)
    metric = metric_of(use_case, use_case.monitoring.quality_metric)
    if task.too_few_labels(rows.y, use_case, MIN_CLASS_ROWS) is not None:
        return False
    try:
        value = metric(rows)
        if (value >= bound) if metric.higher_is_better else (value <= bound):
            return False
        interval = metric_interval(metric, rows, seed=seed)
    except MetricError:
        return False
    return bool(_metric_violations(metric, value, interval, bound, len(rows.y)))


def measured(joined: pl.DataFrame, use_case: UseCase) -> dict[str, float]:
    """Every declared metric of labelled rows; one that could not be computed is absent."""
    usable = joined.filter(pl.col(use_case.label.column).is_not_null(), pl.col("score").is_finite())
    return _measure(_scored(usable, use_case), use_case)[0]


def quality_bound(use_case: UseCase, reference: float) -> float:
    """The value of the followed metric that must not be lost, given the evaluation's."""
    loss = use_case.monitoring.max_quality_loss_ratio * abs(reference)
    return (
        reference - loss
        if task_of(use_case).metric(use_case.monitoring.quality_metric).higher_is_better
        else reference + loss
    )


def metric_bounds(
    use_case: UseCase, metrics: Collection[str], reference_metrics: Mapping[str, float]
) -> dict[str, float]:
    """What each bounded metric must keep: the followed one a share of the evaluation's, and each what is declared of it."""
    followed = use_case.monitoring.quality_metric
    bounds = {followed: quality_bound(use_case, reference_metrics[followed])}
    for name, declared in use_case.monitoring.bounds.items():
        stricter = max if metric_of(use_case, name).higher_is_better else min
        bounds[name] = stricter(declared, bounds.get(name, declared))
    return {name: bound for name, bound in bounds.items() if name in metrics}


def quality_by_day(joined: pl.DataFrame, use_case: UseCase) -> pl.DataFrame:
    """The followed metric of every event day, for a plot.

    Args:
        joined: rows of `join_labels`.
        use_case: names label and metric.

    Returns:
        `event_day`, `labelled_rows`, `value` (null where the day's rows do not allow the metric), ascending.
    """
    metric = metric_of(use_case, use_case.monitoring.quality_metric)
    usable = joined.filter(pl.col(use_case.label.column).is_not_null(), pl.col("score").is_finite())
    days: list[tuple[object, int, float | None]] = []
    for (day,), rows in sorted(usable.partition_by(EVENT_DAY, as_dict=True).items()):
        try:
            value = metric(_scored(rows, use_case))
        except MetricError:
            value = None
        days.append((day, rows.height, value))
    schema = {EVENT_DAY: pl.Date, "labelled_rows": pl.Int64, "value": pl.Float64}
    return pl.DataFrame(days, schema=schema, orient="row")


def _require(frame: pl.DataFrame, columns: list[str], where: str) -> None:
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise QualityError(f"{where} lacks the column {', '.join(missing)}; it has {', '.join(frame.columns)}")


def _scored(rows: pl.DataFrame, use_case: UseCase) -> Scored:
    task, group = task_of(use_case), use_case.training.group
    return Scored(
        y=task.labels(rows[use_case.label.column], use_case.classes),
        prediction=task.logged_predictions(rows, use_case),
        event_day=rows[EVENT_DAY].to_numpy(),
        group=rows[group].to_numpy() if group is not None and group in rows.columns else None,
    )


def _measure(rows: Scored, use_case: UseCase) -> tuple[dict[str, float], dict[str, str]]:
    """Every declared metric, and why the others could not be computed."""
    metrics: dict[str, float] = {}
    problems: dict[str, str] = {}
    for name in dict.fromkeys(
        [use_case.monitoring.quality_metric, *use_case.monitoring.bounds, *use_case.training.metrics]
    ):
        try:
            metrics[name] = metric_of(use_case, name)(rows)
        except MetricError as error:
            problems[name] = str(error)
    return metrics, problems


def _obstacle(
    rows: Scored,
    use_case: UseCase,
    metrics: Mapping[str, float],
    problems: Mapping[str, str],
    reference_metrics: Mapping[str, float],
) -> str | None:
    """Why there can be no verdict, or None."""
    count, followed = len(rows.y), use_case.monitoring.quality_metric
    if count < use_case.monitoring.min_rows:
        return (
            f"No verdict: {count} labelled rows, {use_case.monitoring.min_rows} are needed; wait for labels or traffic."
        )
    too_few = task_of(use_case).too_few_labels(rows.y, use_case, MIN_CLASS_ROWS)
    if too_few is not None:
        return f"No verdict: {too_few}"
    if followed not in metrics:
        return f"No verdict: {followed} cannot be computed: {problems[followed]}."
    lacking = [name for name in use_case.monitoring.bounds if name not in metrics]
    if lacking:
        return f"No verdict: {lacking[0]} has a bound and cannot be computed: {problems[lacking[0]]}."
    if followed not in reference_metrics:
        return f"No verdict: the evaluation has no {followed}; it has {', '.join(reference_metrics) or 'nothing'}."
    return None


def _score_violations(broken: int, rows: int) -> list[Violation]:
    if not broken:
        return []
    return [Violation("scores", "score", f"{broken} of {rows} labelled predictions have no finite score.")]


def _metric_violations(
    metric: NamedMetric, value: float, interval: Interval, bound: float, rows: int
) -> list[Violation]:
    name, higher = metric.name, metric.higher_is_better
    lost = interval.high < bound if higher else interval.low > bound
    if not lost:
        return []
    text = (
        f"{name} is {value:.4f} (90 % interval {interval.low:.4f} to {interval.high:.4f}, {rows} labelled rows), "
        f"{'below' if higher else 'above'} the bound of {bound:.4f}."
    )
    return [Violation("quality", name, text)]


def _day(value: object) -> date | None:
    return value if isinstance(value, date) else None
