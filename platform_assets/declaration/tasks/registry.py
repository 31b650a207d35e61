"""The kinds of task that a declaration can name, and what their metrics are called.

Belongs here: the list. Does not belong here: the kinds themselves (one file each), or what computes for them (`platform_assets/tasks`).

A further kind is a file here that says by what it is carried out, and a line in this list.
"""

from collections.abc import Iterator

from platform_assets.declaration.tasks.base import DeclaredTask
from platform_assets.members import MemberRegistry

DECLARED_TASKS: MemberRegistry[DeclaredTask] = MemberRegistry(
    "task",
    {
        "binary": "platform_assets.declaration.tasks.binary:BINARY",
        "multiclass": "platform_assets.declaration.tasks.multiclass:MULTICLASS",
        "regression": "platform_assets.declaration.tasks.regression:REGRESSION",
    },
)


def declared_tasks() -> Iterator[DeclaredTask]:
    """Every kind of task, in the order of the list."""
    return (DECLARED_TASKS[name] for name in DECLARED_TASKS)


def task_names() -> tuple[str, ...]:
    """Every kind of task by name."""
    return DECLARED_TASKS.names


def metric_names() -> tuple[str, ...]:
    """Every metric of any kind of task."""
    return tuple(dict.fromkeys(name for task in declared_tasks() for name in task.metrics))


def single_feature_metric_names() -> tuple[str, ...]:
    """Every metric that applies to one feature."""
    return tuple(dict.fromkeys(name for task in declared_tasks() for name in task.single_feature_metrics))


def is_higher_better(metric: str) -> bool:
    """Whether more of a metric is better; one that no task knows is an error to keep low."""
    return any(task.metrics.get(metric, False) for task in declared_tasks())
