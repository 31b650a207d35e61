"""Cross-checks of a multi-class task: its classes, and what speaks of one of them.

Belongs here: rules about the label's `allowed` values and about sections that name a class. Does not belong here: which learners and
metrics a task knows (`learner_problems`, `references`), labels in data (`validation/`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from platform_assets.declaration.sections.behaviour import Invariance

if TYPE_CHECKING:
    from platform_assets.declaration.use_case import UseCase

Found = tuple[tuple[int | str, ...], Any, str]
"""Place in the declaration, what was found there, and what is wrong with it."""

FEWEST_CLASSES, MOST_CLASSES = 3, 200
LABEL_TYPES = ("string", "int8", "int32", "int64")


def class_problems(use_case: UseCase) -> Iterator[Found]:
    """Everything about classes that does not fit together; nothing for a declaration whose label's column does not exist."""
    names = list(use_case.label_source.column_names)
    if use_case.label.column not in names:
        return
    if use_case.is_multiclass:
        place = [source.name for source in use_case.sources].index(use_case.label.source)
        yield from _label(use_case, ("sources", place, "columns", names.index(use_case.label.column)))
    yield from _behaviour(use_case)


def _label(use_case: UseCase, where: tuple[int | str, ...]) -> Iterator[Found]:
    column = use_case.label_source.column(use_case.label.column)
    if column.type not in LABEL_TYPES:
        yield (*where, "type"), column.type, f"the label of a multi-class task is one of {', '.join(LABEL_TYPES)}"
        return
    if column.allowed is None:
        told = "the label of a multi-class task lists its classes, in the order in which probabilities are given: [refund, repair, other]"
        yield (*where, "allowed"), None, told
        return
    classes = [str(value) for value in column.allowed]
    if len(classes) == 2:
        yield (*where, "allowed"), classes, "two classes are a binary task: declare it with labels 0 and 1"
    elif not FEWEST_CLASSES <= len(classes) <= MOST_CLASSES:
        told = f"{len(classes)} classes; a multi-class task has from {FEWEST_CLASSES} to {MOST_CLASSES}"
        yield (*where, "allowed"), classes, told
    for name in sorted({name for name in classes if classes.count(name) > 1}):
        yield (*where, "allowed"), name, f"class {name!r} is listed {classes.count(name)} times: classes must differ"
    if not all(name.strip() for name in classes):
        yield (*where, "allowed"), classes, "a class has no name: an empty text cannot be told from a missing label"


def _behaviour(use_case: UseCase) -> Iterator[Found]:
    """A direction and a minimum case are about one class's probability; an invariance about all of them."""
    for j, test in enumerate(use_case.gates.behaviour):
        if isinstance(test, Invariance):
            continue
        where: tuple[int | str, ...] = ("gates", "behaviour", j, "of_class")
        if test.of_class is not None and not use_case.is_multiclass:
            yield where, test.of_class, f"is for multi-class tasks; this one is {use_case.training.task}"
        elif use_case.is_multiclass and test.of_class not in use_case.classes:
            yield (
                where,
                test.of_class,
                f"names the class whose probability is meant; known: {', '.join(use_case.classes)}",
            )
