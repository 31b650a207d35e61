"""Metrics of resampled rows without reading the rows again: from sums of clusters, computed once.

Belongs here: the forms that several metrics share: a mean of losses, a ranking, a share of variance. Does not belong here: drawing clusters
and the intervals of the draws (`evaluation/metrics/bootstrap`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from platform_assets.tasks.metric import Counts, LabelsDoNotVary, Measure, Vector


def mean_loss(loss: Vector, cluster: Counts, *, root: bool) -> Measure:
    """Mean of a loss, or its root, from the sums of the clusters."""
    sums, sizes = np.bincount(cluster, loss), np.bincount(cluster)

    def measure(weights: Counts) -> float:
        mean = float(weights @ sums) / float(weights @ sizes)
        return float(np.sqrt(mean)) if root else mean

    return measure


def explained_variance(y: Vector, prediction: Vector, cluster: Counts) -> Measure:
    """Share of the variance that is explained, from the sums of the clusters."""
    centred = y - y.mean()
    errors, sizes = np.bincount(cluster, (y - prediction) ** 2), np.bincount(cluster)
    firsts, squares = np.bincount(cluster, centred), np.bincount(cluster, centred**2)

    def measure(weights: Counts) -> float:
        spread = float(weights @ squares) - float(weights @ firsts) ** 2 / float(weights @ sizes)
        return 1.0 - float(weights @ errors) / spread if spread > 0.0 else float("nan")

    return measure


def ranking(metric: str, y: Vector, prediction: Vector, cluster: Counts) -> Measure:
    """Average precision or area under the ROC curve, ties entering together.

    Rows are ordered once for all draws. Both metrics change only at scores that a positive row has, so the rows between two such scores
    are added up in one go: with rare positives a draw costs little more than looking up how often each row is taken.
    """
    order = np.argsort(-prediction, kind="stable")
    positive, ordered, cluster_of = y[order] == 1.0, prediction[order], cluster[order]
    first_of_tie = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    tie = np.cumsum(np.isin(np.arange(len(ordered)), first_of_tie)) - 1
    ties_with_positives = np.unique(tie[positive])
    starts = first_of_tie[ties_with_positives]
    ends = np.append(first_of_tie, len(ordered))[ties_with_positives + 1]
    cuts = np.unique(np.concatenate([[0], starts, ends[ends < len(ordered)]]))
    segment = np.searchsorted(cuts, np.flatnonzero(positive), side="right") - 1
    clusters_with_positives = cluster_of[positive]

    def measure(weights: Counts) -> float:
        rows = np.add.reduceat(weights[cluster_of], cuts)
        gained = np.bincount(segment, weights[clusters_with_positives], minlength=len(cuts))
        positives, total = float(gained.sum()), float(rows.sum())
        if positives in (0.0, total):
            return float("nan")
        above = np.cumsum(gained)
        if metric == "average_precision":
            return float(gained @ (above / np.maximum(np.cumsum(rows), 1)) / positives)
        rejected = rows - gained
        return float(rejected @ (above - gained / 2.0) / (positives * (total - positives)))

    return measure


def ranking_of_labels(metric: str, prediction: Vector) -> Callable[[Vector], float]:
    """Average precision or area under the ROC curve of labels to the same predictions, which are ordered once; ties enter together."""
    order = np.argsort(-prediction, kind="stable")
    ordered = prediction[order]
    last_of_tie = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
    above = last_of_tie + 1

    def measure(y: Vector) -> float:
        found = np.cumsum(y[order])[last_of_tie]
        positives, total = float(found[-1]) if len(found) else 0.0, len(ordered)
        if positives in (0.0, total):
            raise LabelsDoNotVary(f"all {total} labels are alike: both classes are needed")
        gained = np.diff(found, prepend=0.0)
        if metric == "average_precision":
            return float(gained @ (found / above) / positives)
        rejected = above - found
        return float(np.diff(rejected, prepend=0.0) @ (found - gained / 2.0) / (positives * (total - positives)))

    return measure
