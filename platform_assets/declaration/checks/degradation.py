"""What is declared for answers that cannot be trusted has to be possible for the kind of service.

Belongs here: `monitoring.degrade` against task and serving. Does not belong here: the fields themselves (`sections/degradation.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import polars as pl

from platform_assets.declaration.expressions import columns_of
from platform_assets.declaration.expressions.compiled import sql_expression
from platform_assets.declaration.unknown_names import unknown_name

if TYPE_CHECKING:
    from platform_assets.declaration.sections.degradation import DegradeRule
    from platform_assets.declaration.use_case import UseCase


def degrade_problems(use_case: UseCase) -> Iterator[tuple[tuple[int | str, ...], Any, str]]:
    """Problems of `monitoring.degrade`; paths start at the use case."""
    for place, rule in enumerate(use_case.monitoring.degrade):
        path = ("monitoring", "degrade", place, "then")
        yield from _staleness_problems(use_case, place, rule)
        yield from _rule_problems(use_case, place, rule)
        if rule.then == "previous_champion":
            continue
        if not use_case.is_realtime:
            yield (
                path,
                rule.then,
                "is for services: in batch mode nobody waits for an answer; declare previous_champion",
            )
        elif rule.then in ("review", "rule") and use_case.serving.decision is None:
            text = f"needs a decision that it replaces; a {use_case.task.name} task has none: declare refuse"
            yield path, rule.then, text


def _staleness_problems(
    use_case: UseCase, place: int, rule: DegradeRule
) -> Iterator[tuple[tuple[int | str, ...], Any, str]]:
    """Another model answers from the same store; and a store of which nothing is known is never behind."""
    if rule.when != "stale_features":
        return
    path: tuple[int | str, ...] = ("monitoring", "degrade", place)
    if not use_case.is_realtime or not use_case.stored_views:
        yield (*path, "when"), rule.when, "is for services that look features up: this one has no online store"
    elif rule.then == "previous_champion":
        yield (*path, "then"), rule.then, "answers from the same stale features: declare review or refuse"
    if rule.days < 2:
        yield (
            (*path, "days"),
            rule.days,
            "is too few: the store of the newest day may still be under way; declare at least 2",
        )


def _rule_problems(
    use_case: UseCase, place: int, rule: DegradeRule
) -> Iterator[tuple[tuple[int | str, ...], Any, str]]:
    """A rule decides by what a service has at hand: the features of the request."""
    path = ("monitoring", "degrade", place, "rule")
    if (rule.then == "rule") != bool(rule.rule):
        yield path, rule.rule, "belongs to `then: rule`, which is nothing without it"
    if not rule.rule:
        return
    features = dict.fromkeys(use_case.feature_names, pl.Float64())
    try:
        unknown = sorted(set(columns_of(rule.rule)) - set(features))
        if unknown:
            message = f"names {', '.join(unknown)}, which is no feature, and a rule may name features"
            yield path, rule.rule, unknown_name(message, unknown, features)
            return
        gives = pl.DataFrame(schema=features).select(sql_expression(rule.rule, features)).dtypes[0]
    except (pl.exceptions.PolarsError, ValueError) as error:
        yield path, rule.rule, f"cannot be computed of numbers: {error}"
        return
    if gives != pl.Boolean:
        yield path, rule.rule, f"gives {gives}: it must be a condition, such as {next(iter(features))} > 0"
