"""Behaviour tests: the model asked about rows that people understand.

Belongs here: changing rows, asking, counting what behaves otherwise. Does not belong here: which tests
(`declaration/sections/behaviour.py`).

The three kinds are the invariance, directional expectation and minimum functionality tests of Ribeiro et al., Beyond Accuracy:
Behavioral Testing of NLP Models with CheckList, ACL 2020, on tables instead of text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import polars as pl

from platform_assets.declaration.expressions import sql_expression
from platform_assets.declaration.sections.behaviour import BehaviourTest, Direction, Invariance, MinimumCase
from platform_assets.evaluation.gates.base import GateInputs
from platform_assets.tasks.gate_result import GateResult
from platform_assets.tasks.metric import MetricError, Vector

Ask: TypeAlias = Callable[[pl.DataFrame], Vector]
"""Scores of rows, float64 [n], from a frame with the features; of a multi-class task the probability of each class, [n, K]."""

MOST_ROWS = 1000


def judge_behaviour(
    test: BehaviourTest, rows: pl.DataFrame, ask: Ask, seed: int = 0, classes: Sequence[str] = ()
) -> GateResult:
    """One behaviour test on real rows.

    Args:
        test: the declaration.
        rows: real rows, features only; a sample of those that the test tries is drawn from them.
        ask: the model.
        seed: decides the sample.
        classes: of a multi-class task: what a test says of a score is about its class, and an invariance about the class whose
            probability moves farthest.

    Raises:
        MetricError: there are no rows, or too few that the test tries.
        polars.exceptions.PolarsError: an expression cannot be computed.
        InputError: the changed rows cannot be scored.
    """
    if rows.is_empty():
        raise MetricError("there are no rows to try")
    if isinstance(test, MinimumCase):
        return _minimum_case(test, rows, partial(_of_class, ask, test.of_class, classes))
    tried = rows if test.where is None else rows.filter(sql_expression(test.where, rows.schema))
    if len(tried) < test.min_rows:
        counted = f"{len(tried):,} of {len(rows):,} rows can be tried"
        raise MetricError(
            f"{counted}{f' where {test.where}' if test.where else ''}; at least {test.min_rows:,} are needed"
        )
    tried = tried.sample(min(len(tried), MOST_ROWS), seed=seed)
    changed = tried.with_columns(
        (sql_expression(value, tried.schema) if isinstance(value, str) else pl.lit(value)).cast(pl.Float64).alias(name)
        for name, value in test.change.items()
    )
    before, after = ask(tried), ask(changed)
    if isinstance(test, Direction):
        before, after = (_one_class(scores, test.of_class, classes) for scores in (before, after))
    elif before.ndim == 2:
        rows_of, farthest = np.arange(len(before)), np.argmax(np.abs(after - before), axis=1)
        before, after = before[rows_of, farthest], after[rows_of, farthest]
    move = after - before
    excess = np.abs(move) - test.max_change if isinstance(test, Invariance) else _wrong_way(test, move)
    violating = ~(excess <= 0.0)  # a score that is not a number violates
    ratio = float(violating.mean())
    worst = int(np.argmax(np.where(np.isfinite(excess), excess, np.inf)))
    details = {
        "kind": test.kind,
        "rows": len(tried),
        "violating_rows": int(violating.sum()),
        "worst": {"before": float(before[worst]), "after": float(after[worst])},
        "worst_row": _shown(tried.row(worst, named=True)),
    }
    explanation = (
        f"{_expected(test)} {int(violating.sum()):,} of {len(tried):,} rows behave otherwise; at most "
        f"{test.max_violating_ratio:.1%} may. The farthest goes from {before[worst]:.4f} to {after[worst]:.4f}."
    )
    passed = ratio <= test.max_violating_ratio
    return GateResult(f"behaviour_{test.name}", passed, ratio, test.max_violating_ratio, explanation, details=details)


def _one_class(scores: Vector, of_class: str | None, classes: Sequence[str]) -> Vector:
    """The scores themselves, or of a multi-class task the probability of one class."""
    return scores if of_class is None else scores[:, list(classes).index(of_class)]


def _of_class(ask: Ask, of_class: str | None, classes: Sequence[str], rows: pl.DataFrame) -> Vector:
    return _one_class(ask(rows), of_class, classes)


def _wrong_way(test: Direction, move: Vector) -> Vector:
    """By how much each score moved the wrong way, beyond the tolerance."""
    return (-move if test.score == "not_lower" else move) - test.tolerance


def _expected(test: Invariance | Direction) -> str:
    """What the test asks for, in words."""
    change = ", ".join(f"{name} becomes {value}" for name, value in test.change.items())
    where = f" where {test.where}" if test.where else ""
    if isinstance(test, Invariance):
        return f"When {change}{where}, a score moves by at most {test.max_change:g}."
    return f"When {change}{where}, no score gets {'lower' if test.score == 'not_lower' else 'higher'}."


def _minimum_case(test: MinimumCase, rows: pl.DataFrame, ask: Ask) -> GateResult:
    """One row: the given values, and the median of the real rows for the rest."""
    typical = rows.median().with_columns(pl.lit(value).alias(name) for name, value in test.given.items())
    score = float(ask(typical)[0])
    low = -np.inf if test.at_least is None else test.at_least
    high = np.inf if test.at_most is None else test.at_most
    given = ", ".join(f"{name} {value:g}" for name, value in test.given.items())
    bounds = [f"at least {low:g}"] * (test.at_least is not None) + [f"at most {high:g}"] * (test.at_most is not None)
    explanation = f"A typical row with {given} scores {score:.4f}; it must score {' and '.join(bounds)}."
    bound = test.at_least if test.at_least is not None and not score >= low else test.at_most
    details = {"kind": test.kind, "row": _shown(typical.row(0, named=True))}
    return GateResult(
        f"behaviour_{test.name}",
        low <= score <= high,
        score if np.isfinite(score) else None,
        bound if bound is not None else test.at_least,
        explanation,
        details=details,
    )


def _shown(row: dict[str, Any]) -> dict[str, float | None]:
    """A row as plain numbers."""
    return {name: None if value is None else float(value) for name, value in row.items()}


def behaviour_gate(inputs: GateInputs, name: str) -> GateResult:
    """One declared test of behaviour."""
    use_case = inputs.model.use_case
    [test] = [test for test in inputs.gates.behaviour if name == f"behaviour_{test.name}"]
    return judge_behaviour(test, inputs.feature_rows, inputs.predict, use_case.training.seed, use_case.classes)
