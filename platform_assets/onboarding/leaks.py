"""Columns that no model should learn from: consequences of the label, parts of it, and what another model said.

Belongs here: recognising them. Does not belong here: the gates that judge a trained model (`evaluation/gates/`).
"""

from __future__ import annotations

from itertools import combinations
from typing import Any, cast

import numpy as np
import polars as pl

from platform_assets.declaration.tasks.registry import DECLARED_TASKS
from platform_assets.onboarding.facts import ColumnFacts

LEAK_AUC = 0.99
"""A single column that separates the classes better than this is taken for a consequence of the label."""
LEAK_R2 = 0.999
"""Columns that together explain this much of a number are taken for its parts."""
_ROWS = 20_000
_MOST_COLUMNS = 30
_FEWEST_ABSENT = 20
_SCORE_WORDS = frozenset(
    {
        "score",
        "scores",
        "prob",
        "proba",
        "probability",
        "pred",
        "preds",
        "predicted",
        "prediction",
        "predictions",
        "propensity",
    }
    | {"yhat", "logit", "logits", "likelihood", "decile"}
)


def is_score(facts: ColumnFacts) -> bool:
    """Whether a column is named like what another model said, and holds numbers or a few grades."""
    words = set(facts.name.split("_"))
    return bool(words & _SCORE_WORDS) and (facts.is_numeric or facts.values is not None)


def knows_label(frame: pl.DataFrame, facts: ColumnFacts, label: str, task: str) -> bool:
    """Whether the column alone gives the label away."""
    declared = DECLARED_TASKS[task]
    kind = pl.String if declared.has_classes else pl.Float64
    if declared.has_decision and _tells_by_absence(frame[facts.name].is_null(), frame[label].cast(pl.Float64)):
        return True
    rows = frame.select(pl.col(facts.name).alias("x"), pl.col(label).cast(kind).alias("y")).drop_nulls()
    if rows.height < 50 or rows["y"].n_unique() < 2:
        return False
    if declared.has_classes or not facts.is_numeric:
        few = facts.values is not None and facts.distinct <= 10
        return few and bool((rows.group_by("x").agg(pl.col("y").n_unique())["y"] == 1).all())
    if declared.has_decision:
        ranks = rows["x"].cast(pl.Float64).rank()
        positive = rows["y"] == rows["y"].max()
        p, n = int(positive.sum()), rows.height - int(positive.sum())
        auc = (float(ranks.filter(positive).sum()) - p * (p + 1) / 2) / (p * n)
        return max(auc, 1 - auc) > LEAK_AUC
    return abs(float(cast(float, rows.select(pl.corr("x", "y")).item() or 0.0))) > LEAK_AUC


def _tells_by_absence(absent: pl.Series, label: pl.Series) -> bool:
    """Whether a column has a value for one answer only: the reason for leaving of those who left."""
    known = label.is_not_null()
    without, having = label.filter(absent & known), label.filter(~absent & known)
    enough = min(len(without), len(having)) >= _FEWEST_ABSENT
    return enough and without.n_unique() == 1 and having.n_unique() == 1 and without[0] != having[0]


def parts_of_label(frame: pl.DataFrame, numbers: list[str], label: str) -> tuple[str, ...]:
    """Two or three numbers that make a label together (`registered + casual`); nothing where none do."""
    rows = frame.select(label, *numbers[:_MOST_COLUMNS]).drop_nulls().cast(pl.Float64)
    rows = rows.gather_every(max(1, rows.height // _ROWS)).filter(pl.all_horizontal(pl.all().is_finite()))
    if rows.height < 50 or rows[label].n_unique() < 10:
        return ()
    y = rows[label].to_numpy()
    names = [name for name in rows.columns[1:] if _explained(rows.select(name).to_numpy(), y) < LEAK_R2]
    if len(names) < 2:
        return ()
    matrix = rows.select(names).to_numpy()
    if _explained(matrix, y) < LEAK_R2:
        return ()
    for size in (2, 3):
        if size == 3 and len(names) > 12:
            break
        for chosen in combinations(range(len(names)), size):
            if _explained(matrix[:, chosen], y) >= LEAK_R2:
                return tuple(names[i] for i in chosen)
    return ()


def _explained(matrix: Any, y: Any) -> float:
    """Share of the variance of `y` [n] that a linear combination of the columns [n, c] explains."""
    design = np.column_stack([matrix, np.ones(len(y))])
    weights, *_ = np.linalg.lstsq(design, y, rcond=None)
    rest = y - design @ weights
    total = float(((y - y.mean()) ** 2).sum())
    return 1 - float((rest**2).sum()) / total if total > 0 else 0.0
