"""One of several classes: the label is one of its column's `allowed` values, the answer a probability of each.

Belongs here: what may be declared for this kind, and rules about classes and about sections that name one. Does not belong here: labels in
data (`validation/`), computing anything (`platform_assets/tasks/multiclass`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import polars as pl

from platform_assets.declaration.tasks.base import DeclaredTask, Finding
from platform_assets.declaration.unknown_names import unknown_name

if TYPE_CHECKING:
    from platform_assets.declaration.use_case import UseCase

PROBABILITIES = "probabilities"
"""Column of the prediction log: the probability of each class, in the order of the classes."""
FEWEST_CLASSES, MOST_CLASSES = 3, 200
LABEL_TYPES = ("string", "int8", "int32", "int64")


def class_problems(use_case: UseCase) -> Iterator[Finding]:
    """Everything about classes that does not fit together; nothing for a declaration whose label's column does not exist."""
    names = list(use_case.label_source.column_names)
    if use_case.label.column not in names:
        return
    source = [source.name for source in use_case.sources].index(use_case.label.source)
    yield from _label(use_case, ("sources", source, "columns", names.index(use_case.label.column)))
    for j, test in enumerate(use_case.gates.behaviour):
        # a direction and a minimum case are about one class's probability; an invariance about all of them
        if test.kind != "invariance" and test.of_class not in use_case.classes:
            message = "names the class whose probability is meant"
            known = unknown_name(message, str(test.of_class), map(str, use_case.classes))
            yield ("gates", "behaviour", j, "of_class"), test.of_class, known


def _label(use_case: UseCase, where: tuple[int | str, ...]) -> Iterator[Finding]:
    column = use_case.label_source.column(use_case.label.column)
    if column.type not in LABEL_TYPES:
        yield (*where, "type"), column.type, f"the label of a multi-class task is one of {', '.join(LABEL_TYPES)}"
        return
    if column.allowed is None:
        needed = "the label of a multi-class task lists its classes, in the order in which probabilities are given: [refund, repair, other]"
        yield (*where, "allowed"), None, needed
        return
    classes = [str(value) for value in column.allowed]
    if len(classes) == 2:
        yield (*where, "allowed"), classes, "two classes are a binary task: declare it with labels 0 and 1"
    elif not FEWEST_CLASSES <= len(classes) <= MOST_CLASSES:
        wrong = f"{len(classes)} classes; a multi-class task has from {FEWEST_CLASSES} to {MOST_CLASSES}"
        yield (*where, "allowed"), classes, wrong
    for name in sorted({name for name in classes if classes.count(name) > 1}):
        yield (*where, "allowed"), name, f"class {name!r} is listed {classes.count(name)} times: classes must differ"
    if not all(name.strip() for name in classes):
        yield (*where, "allowed"), classes, "a class has no name: an empty text cannot be told from a missing label"


MULTICLASS = DeclaredTask(
    name="multiclass",
    model_name="classifier",
    objective="multiclass",
    metrics={
        "accuracy": True,
        "balanced_accuracy": True,
        "macro_f1": True,
        "worst_class_recall": True,
        "auc_roc": True,
        "average_precision": True,
        "log_loss": False,
        "calibration_error": False,
    },
    single_feature_metrics=("auc_roc", "average_precision"),
    carried_out_by="platform_assets.tasks.multiclass.task:MULTICLASS",
    gate_fields=frozenset({"max_calibration_error", "max_calibration_ratio"}),
    without_decision="a multi-class model answers the class that is most probable",
    has_probabilities=True,
    monotone_problem="a feature that raises one class's probability lowers another's; monotone is for binary and regression tasks",
    has_classes=True,
    log_columns={PROBABILITIES: pl.List(pl.Float64())},
    scored_from=PROBABILITIES,
    problems=class_problems,
)
"""Of a multi-class task `auc_roc` and `average_precision` are means over the classes, each against all others, and `calibration_error` is
that of the predicted class."""
