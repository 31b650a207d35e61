"""Quality of features: distribution, stability, predictive value for the label, and leakage.

Belongs here: statistics of a training set's features, the findings drawn from them, and the test that takes the future away. Does
not belong here: drift of live traffic (`monitoring/`), pictures (`quality/plot.py`), storing.

Leakage shows in two ways. A feature that alone predicts the label almost perfectly, far more than any other, usually knows
it: `single_feature_score` measures that on rows that the rule was not learned on. And a feature whose value changes when later
rows are taken away has read them: `sees_the_future` computes it with and without.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from platform_assets.declaration.sections.features import FeatureView
from platform_assets.declaration.sections.sources import EVENT_DAY
from platform_assets.declaration.time_zones import day_of
from platform_assets.declaration.use_case import UseCase
from platform_assets.features.errors import FeatureError
from platform_assets.features.event_frames import require_columns
from platform_assets.features.offline.feature_table import compute_view
from platform_assets.features.offline.known_labels import is_dated_by_decision
from platform_assets.tasks.registry import task_of

Floats = NDArray[np.float64]
Instability = Callable[[Floats, Floats], float]
"""How far values have moved from a reference: a population stability index, 0 for no movement."""

SAMPLE_ROWS = 20_000
FEWEST_ROWS_OF_A_PERIOD = 200
MOSTLY_MISSING_RATIO = 0.95
UNSTABLE_PSI = 0.25
"""Above it a population is customarily called shifted (Siddiqi, "Credit Risk Scorecards", 2006)."""
SIMILAR = 0.999
STANDS_OUT_FROM = 0.9
STANDS_OUT_RATIO = 0.2
"""A feature stands out when it leaves at most this share of the error that the next best one leaves."""
TREE_DEPTH = 8
MOST_ROWS_OF_A_LEAF = 20
"""A leaf of the tree holds at least a hundredth of the rows, or so many."""


@dataclass(frozen=True)
class FeatureProfile:
    """One feature over the sampled rows.

    Attributes:
        feature: its name.
        missing_ratio: share of rows without a value.
        distinct: different values.
        minimum, lower, median, upper, maximum: with the 1st and 99th percentile; None where there is no value.
        largest_share: share of the most frequent value among those that are there.
        psi_by_period: movement of each later period against the first.
        correlation: Spearman's, with the label, over rows with a value; None for a constant, and for one of several classes.
        single_feature_score: how well the feature alone predicts the label of rows it was not fitted on: area under the
            ROC curve (binary) or share of variance explained (regression, at least 0); None where it cannot be computed.
        most_similar: the feature that it goes along with most, and Spearman's correlation with it.
        findings: what is wrong, in words.
        leaks: whether it knows too much.
    """

    feature: str
    missing_ratio: float
    distinct: int
    minimum: float | None
    lower: float | None
    median: float | None
    upper: float | None
    maximum: float | None
    largest_share: float
    psi_by_period: tuple[float, ...]
    correlation: float | None
    single_feature_score: float | None
    most_similar: tuple[str, float] | None
    findings: tuple[str, ...] = ()
    leaks: bool = False


@dataclass(frozen=True, eq=False)
class FeatureQuality:
    """All features of a training set.

    Attributes:
        rows: rows that were looked at.
        of_rows: rows of the training set.
        periods: first and last day of each.
        features: in contract order.
        similarity: float64 [f, f], Spearman's correlation of features with each other; NaN where one is constant.
    """

    rows: int
    of_rows: int
    periods: tuple[tuple[date, date], ...]
    features: tuple[FeatureProfile, ...]
    similarity: Floats = field(repr=False)

    @property
    def leaking(self) -> tuple[FeatureProfile, ...]:
        """Features that know too much."""
        return tuple(profile for profile in self.features if profile.leaks)

    @property
    def questionable(self) -> tuple[FeatureProfile, ...]:
        """Features with a finding."""
        return tuple(profile for profile in self.features if profile.findings)


def feature_quality(
    rows: pl.DataFrame,
    use_case: UseCase,
    *,
    instability: Instability,
    period_days: int,
    largest_score: float,
    future: Mapping[str, str] | None = None,
    sample_rows: int = SAMPLE_ROWS,
) -> FeatureQuality:
    """Profile the features of a training set.

    Args:
        rows: a training set, with features, label and event day.
        use_case: the declaration.
        instability: how far a period has moved from the first.
        period_days: length of a period; the last one ends with the last day, and the rest at the beginning is left out.
        largest_score: single-feature score from which a feature is taken to know the label.
        future: findings of `sees_the_future`, by feature.
        sample_rows: at most so many rows are looked at, chosen by a fixed seed.

    Raises:
        FeatureError: a column is missing, or there is no labelled row.
    """
    names, label = list(use_case.feature_names), use_case.label.column
    require_columns(rows.columns, [*names, label, EVENT_DAY], "rows of the training set")
    rows = rows.filter(pl.col(label).is_not_null())
    if rows.is_empty():
        raise FeatureError(
            f"training set of {use_case.name!r}: no row has a label, so there is nothing to judge features by"
        )
    order = list(dict.fromkeys([EVENT_DAY, use_case.event_time, *use_case.event_source.primary_key]))
    ordered = rows.sort([name for name in order if name in rows.columns])
    seen = (
        ordered.sample(sample_rows, seed=0).sort(EVENT_DAY, maintain_order=True) if len(rows) > sample_rows else ordered
    )
    values = {name: seen[name].cast(pl.Float64).fill_null(np.nan).to_numpy() for name in names}
    y = task_of(use_case).labels(seen[label], use_case.classes)
    of_classes = use_case.task.has_probabilities
    periods = _periods(seen[EVENT_DAY], period_days)
    inside = [seen[EVENT_DAY].is_between(*period).to_numpy() for period in periods]
    similarity = _spearman(np.column_stack([values[name] for name in names]))
    profiles = [
        _profile(name, values[name], y, [values[name][rows_of] for rows_of in inside], instability, of_classes)
        for name in names
    ]
    if use_case.task.has_classes:
        profiles = [replace(profile, correlation=None) for profile in profiles]  # classes have no order
    judged = _judged(
        profiles,
        _beyond_the_usual(similarity, [values[name] for name in names]),
        largest_score,
        future or {},
        of_classes,
    )
    return FeatureQuality(len(seen), len(rows), tuple(periods), judged, similarity)


def sees_the_future(
    view: FeatureView,
    use_case: UseCase,
    events: pl.DataFrame,
    moment: datetime,
    compute: Callable[..., pl.DataFrame] = compute_view,
) -> dict[str, str]:
    """Features of the view that change when events after a moment are left out, each with an example.

    The rows of the moment's day up to the moment are computed twice: from all events, and from those up to the moment with the
    labels that were known by then. They have to be equal to the bit.

    Args:
        view: the features.
        use_case: the declaration.
        events: clean rows from `history_needed` on to some time after the moment, with the label joined in where the view uses it.
        moment: with its zone; best a busy time of day.
        compute: computes a view's rows of some days, as `windows.compute_view`.
    """
    day, time, label = day_of(moment, use_case.time_zone), use_case.event_time, use_case.label.column
    keys = list(use_case.event_source.primary_key)
    past = events.filter(pl.col(time) <= moment)
    if label in past.columns and not is_dated_by_decision(use_case):
        known = pl.col(EVENT_DAY) + pl.duration(days=use_case.label_delay_days) <= day
        past = past.with_columns(pl.when(known).then(pl.col(label)).alias(label))
    whole = compute(view, use_case, events, day, day).join(
        past.select(keys), on=keys, how="semi", maintain_order="left"
    )
    alone = compute(view, use_case, past, day, day)
    both = whole.join(
        alone.select(*keys, *view.feature_names), on=keys, how="left", suffix="__past", maintain_order="left"
    )
    findings = {}
    for name in view.feature_names:
        changed = both.filter(pl.col(name).ne_missing(pl.col(f"{name}__past")))
        if not changed.is_empty():
            row = changed.row(0, named=True)
            findings[name] = (
                f"changes when what came after {moment:%Y-%m-%d %H:%M} is taken away, in {len(changed)} of {len(both)} rows: "
                f"{ {key: row[key] for key in keys} } has {row[name]!r} with the future and {row[f'{name}__past']!r} without"
            )
    return findings


def _periods(days: pl.Series, period_days: int) -> list[tuple[date, date]]:
    """Whole periods up to the last day, the oldest first, each with enough rows."""
    first, last = days.min(), days.max()
    assert isinstance(first, date), "event days are there"
    assert isinstance(last, date), "event days are there"
    periods = []
    while last - timedelta(days=period_days - 1) >= first:
        begin = last - timedelta(days=period_days - 1)
        if int(days.is_between(begin, last).sum()) >= FEWEST_ROWS_OF_A_PERIOD:
            periods.append((begin, last))
        last = begin - timedelta(days=1)
    return periods[::-1]


def _profile(
    name: str, values: Floats, y: Floats, by_period: Sequence[Floats], instability: Instability, binary: bool
) -> FeatureProfile:
    present = values[np.isfinite(values)]
    _, counts = np.unique(present, return_counts=True)
    marks = np.quantile(present, [0, 0.01, 0.5, 0.99, 1]).tolist() if present.size else [None] * 5
    label = _spearman(np.column_stack([values, y]))[0, 1]
    return FeatureProfile(
        feature=name,
        missing_ratio=1 - present.size / max(1, values.size),
        distinct=int(counts.size),
        minimum=marks[0],
        lower=marks[1],
        median=marks[2],
        upper=marks[3],
        maximum=marks[4],
        largest_share=float(counts.max() / present.size) if present.size else 1.0,
        psi_by_period=tuple(instability(by_period[0], later) for later in by_period[1:]),
        correlation=None if np.isnan(label) else float(label),
        single_feature_score=single_feature_score(values, y, binary),
        most_similar=None,
    )


def single_feature_score(values: Floats, y: Floats, binary: bool) -> float | None:
    """How well a feature alone predicts the label: a small decision tree, scored on the half of the rows it was not fitted on.

    Args:
        values: float64 [n] in order of time; NaN is missing, which the tree may use.
        y: float64 [n].
        binary: whether the label is a class: 0 or 1, or the index of one of several.

    Returns:
        The mean of both halves: area under the ROC curve, of several classes the mean of each against all others, or share of variance
        explained, not below 0; None where a half holds one class or value only.
    """
    from sklearn.metrics import r2_score
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    column = np.where(np.isfinite(values), values, np.nan).reshape(-1, 1)
    middle = len(y) // 2
    halves = (slice(0, middle), slice(middle, None))
    if any(np.unique(y[half]).size < 2 for half in halves):
        return None
    settings = {
        "max_depth": TREE_DEPTH,
        "min_samples_leaf": min(MOST_ROWS_OF_A_LEAF, max(2, len(y) // 100)),
        "random_state": 0,
    }
    scores = []
    for learned, judged in (halves, halves[::-1]):
        if binary:
            tree = DecisionTreeClassifier(**settings).fit(column[learned], y[learned])
            scores.append(_area(y[judged], tree.predict_proba(column[judged]), tree.classes_))
        else:
            tree = DecisionTreeRegressor(**settings).fit(column[learned], y[learned])
            scores.append(max(0.0, r2_score(y[judged], tree.predict(column[judged]))))
    return float(np.mean(scores))


def _area(y: Floats, probabilities: Floats, classes: Floats) -> float:
    """Area under the ROC curve, of several classes the mean of each against all others; a class the tree has not seen counts a half."""
    from sklearn.metrics import roc_auc_score

    if len(classes) == 2 and np.isin(y, classes).all():
        return float(roc_auc_score(y, probabilities[:, 1]))
    column = {value: index for index, value in enumerate(classes.tolist())}
    areas = [
        roc_auc_score(y == value, probabilities[:, column[value]]) if value in column else 0.5
        for value in np.unique(y).tolist()
    ]
    return float(np.mean(areas))


def _spearman(columns: Floats) -> Floats:
    """Spearman's rank correlation of columns with each other, a missing value ranking below all others; NaN for constants."""
    from scipy.stats import rankdata

    ranks = rankdata(np.where(np.isfinite(columns), columns, -np.inf), axis=0)
    centred = ranks - ranks.mean(axis=0)
    lengths = np.sqrt((centred**2).sum(axis=0))
    with np.errstate(invalid="ignore", divide="ignore"):
        correlations: Floats = (centred.T @ centred) / np.outer(lengths, lengths)
    return correlations


def _beyond_the_usual(similarity: Floats, columns: Sequence[Floats]) -> Floats:
    """The similarity, with near-duplicate pairs compared again where either differs from its most frequent value.

    Two features that are 0 nearly everywhere agree there whatever their other values are: a flag of few rows, and for how many days it has
    been set, have a rank correlation near 1.
    """
    corrected = similarity.copy()
    for one, other in zip(*np.nonzero(np.triu(np.abs(similarity) >= SIMILAR, 1)), strict=True):
        unusual = _unusual(columns[one]) | _unusual(columns[other])
        pair = np.column_stack([columns[one][unusual], columns[other][unusual]])
        alike = _spearman(pair)[0, 1] if len(pair) else np.nan
        if np.isnan(alike):  # a constant: the same only if both are
            alike = similarity[one, other] if (np.ptp(np.nan_to_num(pair), axis=0) == 0.0).all() else 0.0
        corrected[one, other] = corrected[other, one] = alike
    return corrected


def _unusual(values: Floats) -> NDArray[np.bool_]:
    """Where a column has not its most frequent value; a missing value counts as one."""
    different, index, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray(index != int(np.argmax(counts))) if len(different) else np.zeros(0, dtype=np.bool_)


def _judged(
    profiles: Sequence[FeatureProfile],
    similarity: Floats,
    largest_score: float,
    future: Mapping[str, str],
    binary: bool,
) -> tuple[FeatureProfile, ...]:
    """The profiles with their nearest neighbour and their findings."""
    scores = sorted((p.single_feature_score for p in profiles if p.single_feature_score is not None), reverse=True)
    what = "area under the ROC curve" if binary else "share of variance explained"
    judged = []
    for index, profile in enumerate(profiles):
        others = np.where(np.arange(len(profiles)) == index, 0.0, np.nan_to_num(similarity[index]))
        nearest = int(np.argmax(np.abs(others)))
        similar = (profiles[nearest].feature, float(others[nearest])) if others[nearest] else None
        leak = _leak(profile, scores, largest_score, what)
        seen = [future[profile.feature]] if profile.feature in future else []
        findings = (*leak, *seen, *_oddities(profile, similar))
        judged.append(replace(profile, most_similar=similar, findings=findings, leaks=bool(leak or seen)))
    return tuple(judged)


def _leak(profile: FeatureProfile, scores: Sequence[float], largest_score: float, what: str) -> list[str]:
    """Findings that the feature leaks the label."""
    score = profile.single_feature_score
    if score is None:
        return []
    finding = f"alone says {score:.3f} of the label ({what}, on rows it was not fitted on)"
    if score >= largest_score:
        return [f"{finding}, and from {largest_score:g} on it is taken to know it"]
    stands_out = len(scores) > 1 and score == scores[0] and 1 - score <= STANDS_OUT_RATIO * (1 - scores[1])
    if score >= STANDS_OUT_FROM and stands_out:
        return [f"{finding}, far above the next feature's {scores[1]:.3f}"]
    return []


def _oddities(profile: FeatureProfile, similar: tuple[str, float] | None) -> list[str]:
    """Findings about a feature that does not leak."""
    findings = []
    if profile.distinct <= 1:
        findings.append("has a single value" if profile.distinct else "has no value at all")
    elif profile.missing_ratio > MOSTLY_MISSING_RATIO:
        findings.append(f"is missing in {profile.missing_ratio:.1%} of the rows")
    worst = max(profile.psi_by_period, default=0.0)
    if worst > UNSTABLE_PSI:
        findings.append(f"moves between periods: PSI {worst:.2f}, above {UNSTABLE_PSI:g}")
    if similar is not None and abs(similar[1]) >= SIMILAR:
        findings.append(f"says the same as {similar[0]}: rank correlation {similar[1]:.4f}")
    return findings
