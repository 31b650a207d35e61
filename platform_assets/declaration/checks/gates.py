"""What is wrong with declared gates: names, metrics and expressions that the rest of the declaration does not know.

Belongs here: rules about `gates` that need other sections. Does not belong here: limits of a single field (pydantic's job).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import polars as pl

from platform_assets.declaration.expressions import columns_of
from platform_assets.declaration.gate_kinds import gate_names
from platform_assets.declaration.sections.behaviour import MinimumCase
from platform_assets.declaration.tasks.registry import declared_tasks, single_feature_metric_names
from platform_assets.declaration.unknown_names import unknown_name

if TYPE_CHECKING:
    from platform_assets.declaration.use_case import UseCase

Path = tuple[int | str, ...]
Problem = tuple[Path, Any, str]


def gate_problems(use_case: UseCase) -> Iterator[Problem]:
    """Path below `gates`, the value there, and the message."""
    yield from _metrics(use_case)
    yield from _slices(use_case)
    yield from _behaviour(use_case)
    yield from _bypasses(use_case)


def _metrics(use_case: UseCase) -> Iterator[Problem]:
    gates, metrics = use_case.gates, use_case.training.metrics
    for j, floor in enumerate(gates.floors):
        if floor.metric not in metrics:
            yield ("floors", j, "metric"), floor.metric, unknown_name("is not measured", floor.metric, metrics)
    yield from _repeated(("floors",), "metric", [floor.metric for floor in gates.floors])
    for metric in gates.plausible:
        if metric not in metrics:
            yield ("plausible", metric), metric, unknown_name("is not measured", metric, metrics)
    for metric in gates.max_single_feature:
        if metric not in single_feature_metric_names():
            message = unknown_name("does not apply to one feature", metric, single_feature_metric_names())
            yield ("max_single_feature", metric), metric, message
    for field in ("max_calibration_error", "max_relative_calibration_error"):
        if getattr(gates, field) is not None and field not in use_case.task.gate_fields:
            tasks = " and ".join(task.name for task in declared_tasks() if field in task.gate_fields)
            yield (
                (field,),
                getattr(gates, field),
                f"applies to {tasks} tasks only, this one is {use_case.training.task}",
            )


def _slices(use_case: UseCase) -> Iterator[Problem]:
    yield from _repeated(("slices",), "name", [item.name for item in use_case.gates.slices])
    known = {*use_case.event_source.column_names, *use_case.feature_names}
    for j, item in enumerate(use_case.gates.slices):
        where: Path = ("slices", j)
        yield from _expression((*where, "expression"), item.expression, known, use_case.label.column)
        if item.metric is not None and item.metric not in use_case.training.metrics:
            message = unknown_name("is not measured", item.metric, use_case.training.metrics)
            yield (*where, "metric"), item.metric, message
        if item.judges_fairness and not use_case.task.has_decision:
            tasks = " and ".join(task.name for task in declared_tasks() if task.has_decision)
            message = f"has bounds on selection or error rates, which apply to {tasks} tasks; this one is {use_case.training.task}"
            yield where, item.name, message


def _behaviour(use_case: UseCase) -> Iterator[Problem]:
    yield from _repeated(("behaviour",), "name", [test.name for test in use_case.gates.behaviour])
    features = set(use_case.feature_names)
    for j, test in enumerate(use_case.gates.behaviour):
        field, values = ("given", test.given) if isinstance(test, MinimumCase) else ("change", test.change)
        for name, value in values.items():
            path: Path = ("behaviour", j, field, name)
            if name not in features:
                yield path, name, unknown_name("no such feature", name, use_case.feature_names)
            if isinstance(value, str):
                yield from _expression(path, value, features, use_case.label.column)
        if not isinstance(test, MinimumCase) and test.where is not None:
            yield from _expression(("behaviour", j, "where"), test.where, features, use_case.label.column)


def _bypasses(use_case: UseCase) -> Iterator[Problem]:
    names = gate_names(use_case.gates, use_case.task)
    for j, bypass in enumerate(use_case.gates.bypasses):
        if bypass.gate not in names:
            yield ("bypasses", j, "gate"), bypass.gate, unknown_name("no such gate", bypass.gate, names)
    yield from _repeated(("bypasses",), "gate", [bypass.gate for bypass in use_case.gates.bypasses])


def _expression(where: Path, expression: str, known: set[str], label: str) -> Iterator[Problem]:
    try:
        roots = set(columns_of(expression))
    except pl.exceptions.PolarsError as error:
        yield where, expression, f"is not an expression in polars' SQL dialect: {error}"
        return
    if label in roots:
        yield where, expression, f"uses the label {label!r}, which is not known when a row is scored"
    unknown = sorted(roots - known - {label})
    if unknown:
        message = unknown_name(f"uses unknown columns {', '.join(unknown)}", unknown, sorted(known))
        yield where, expression, message


def _repeated(where: Path, field: str, names: list[str]) -> Iterator[Problem]:
    for name, count in Counter(names).items():
        if count > 1:
            last = len(names) - 1 - names[::-1].index(name)
            yield (*where, last, field), name, f"{name!r} is declared {count} times: each may be declared once"
