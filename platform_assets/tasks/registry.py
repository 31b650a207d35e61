"""What computes for each kind of task.

Belongs here: finding it by declaration. Does not belong here: the kinds (one folder each), or their list, which is the declaration's
(`declaration/tasks/registry.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from platform_assets.declaration.tasks.registry import DECLARED_TASKS
from platform_assets.members import ImplementationRegistry
from platform_assets.tasks.base import Task
from platform_assets.tasks.metric import NamedMetric

if TYPE_CHECKING:
    from platform_assets.declaration import UseCase

TASKS: ImplementationRegistry[Task] = ImplementationRegistry(DECLARED_TASKS, lambda declared: declared.carried_out_by)


def task_of(use_case: UseCase) -> Task:
    """Whoever knows what a prediction of this use case is."""
    return TASKS[use_case.training.task]


def metric_of(use_case: UseCase, name: str) -> NamedMetric:
    """A metric as the use case means it: one of decisions is that of its declared threshold.

    Raises:
        MetricError: there is no such metric for its kind of task.
    """
    metric, rule = task_of(use_case).metric(name), use_case.serving.decision
    return metric if metric.at is None or rule is None else metric.at(rule.threshold)


def metrics_of(use_case: UseCase) -> tuple[NamedMetric, ...]:
    """Every metric that the use case declares, in their order."""
    return tuple(metric_of(use_case, name) for name in use_case.training.metrics)


def leaves_out_known_groups(use_case: UseCase) -> bool:
    """Whether folds are judged without groups that are known to be positive."""
    return use_case.training.group is not None and task_of(use_case).leaves_out_known_groups


def make_metrics(names: Iterable[str], task: str) -> tuple[NamedMetric, ...]:
    """Metrics of a kind of task by name, in the same order.

    Raises:
        MetricError: there is no such metric.
    """
    return tuple(TASKS[task].metric(name) for name in names)
