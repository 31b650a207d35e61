"""Cross-checks of categories: that their columns hold such values, and that learners read them as categories.

Belongs here: rules that compare categories with columns and learners. Does not belong here: the features they stand for, which are checked
like any other (`checks/features.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from platform_assets.declaration.learner_kinds import DECLARED_LEARNERS
from platform_assets.declaration.unknown_names import unknown_name

if TYPE_CHECKING:
    from platform_assets.declaration.sections.categories import Category
    from platform_assets.declaration.sections.columns import Column
    from platform_assets.declaration.sections.features import FeatureView
    from platform_assets.declaration.use_case import UseCase

Problem = tuple[tuple[int | str, ...], Any, str]
"""A path in the declaration, the value there, and the message."""

_TYPES: Mapping[str, type] = {"string": str, "int8": int, "int32": int, "int64": int, "bool": bool}


def category_problems(use_case: UseCase, view: FeatureView) -> Iterator[Problem]:
    """Problems of a view's categories; paths start at the view."""
    columns = _columns(use_case, view)
    for i, category in enumerate(view.categories):
        where = ("categories", i)
        column = columns.get(category.column)
        if column is None:
            message = unknown_name("no such column", category.column, columns)
            yield (*where, "column"), category.column, message
        elif column.type not in _TYPES:
            message = f"is {column.type}: a category is text, whole numbers or booleans"
            yield (*where, "column"), category.column, message
        else:
            yield from (((*where, "values"), value, message) for value, message in _values(category, column))


def learned_category_problems(use_case: UseCase) -> Iterator[Problem]:
    """Features that stand for texts must be read as categories, by learners that can; paths start at the use case."""
    training, features = use_case.training, use_case.feature_names
    learned = [name for view in use_case.features for name in view.learned_categories]
    for name in learned:
        if name not in training.categories:
            message = (
                f"{name} stands for a text whose values the training learns: list it here, or it counts as an amount"
            )
            yield ("training", "categories"), name, message
    for j, learner in enumerate(training.learners):
        read = sorted(set(learned) & set(learner.inputs or features))
        if read and learner.kind in DECLARED_LEARNERS and DECLARED_LEARNERS[learner.kind].reads_amounts:
            names = ", ".join(read)
            message = f"{learner.kind} would take {names} for amounts: declare the category's values, or name `inputs` without it"
            yield ("training", "learners", j, "inputs"), learner.name, message


def _columns(use_case: UseCase, view: FeatureView) -> dict[str, Column]:
    """Columns of the event, and what the view looks up, by name."""
    columns = {column.name: column for column in use_case.event_source.columns}
    known = {source.name: source for source in use_case.sources}
    for lookup in view.lookups:
        source = known.get(lookup.source)
        names = lookup.names if source is not None else {}
        columns |= {name: source.column(at) for name, at in names.items() if source and at in source.column_names}
    return columns


def _values(category: Category, column: Column) -> Iterator[tuple[Any, str]]:
    values = category.declared_values
    for value in values:
        if type(value) is not _TYPES[column.type]:
            yield value, f"{value!r} is no {column.type}, as {column.name!r} is"
        elif column.allowed is not None and value not in column.allowed:
            yield (
                value,
                f"{value!r} is none of the values that {column.name!r} may have: {', '.join(map(str, column.allowed))}",
            )
