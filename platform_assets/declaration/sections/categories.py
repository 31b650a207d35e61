"""Text, codes and yes-or-no columns as features: a column of 0 and 1 for each value, or a code whose values the training learns.

Belongs here: the declaration of a category, and the features that it stands for. Does not belong here: learning values
(`training/learners/categories.py`), and computing features (`features/`).
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from platform_assets.declaration.base import Declaration, Identifier

TEXT_CODE = "platform_assets.features.text_codes:text_code"
"""Function of a feature whose values the training learns."""
UNKNOWN = "unknown"
MISSING_CODE = -1.0
"""Stands for no value: a value of its own, which no text has and which is not filled in from others."""

Value = bool | int | str
_LONGEST_NAME = 63


class Category(Declaration):
    """A column of the event, or an input of a look-up, whose values are names and not amounts."""

    column: Identifier = Field(description="The column; text, a whole number or a boolean.")
    description: str = Field(description="What the value means.")
    name: Identifier | None = Field(
        default=None,
        description="Prefix of the feature names, or with `values: learned` the feature's name; default: the column, then `_code`.",
    )
    values: Literal["learned"] | tuple[Value, ...] | dict[Identifier, Value] = Field(
        description="The values that are told apart, each of which becomes a feature of 0 and 1, beside one for all other values and "
        "none (`_unknown`); with names of their own as `{north: 'N/01'}`. Or `learned`: one feature that stands for the text, of which the "
        "training takes the values of its rows; it has to stand under `training.categories`, and a value that was not there is unknown to "
        "the model."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.values == "learned":
            return self
        named = list(self._named())
        if not named:
            raise ValueError("name the values, or write `values: learned`")
        names = [name for name, _ in named]
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            example = [value for name, value in named if name == doubled[0]]
            raise ValueError(
                f"{example} would both be feature {doubled[0]!r}: name them, as `values: {{a_name: {example[0]!r}, ...}}`"
            )
        long = [name for name in names if len(name) > _LONGEST_NAME]
        if long:
            raise ValueError(
                f"feature name {long[0]!r} is longer than {_LONGEST_NAME} characters: name the value, as `values: {{a_name: ...}}`"
            )
        return self

    @property
    def prefix(self) -> str:
        """Begins the names of its features."""
        return self.name or self.column

    @property
    def is_learned(self) -> bool:
        """Whether training learns the values."""
        return self.values == "learned"

    @property
    def declared_values(self) -> tuple[Value, ...]:
        """The values that are told apart; none where training learns them."""
        return tuple(value for _, value in self._named())

    def rows(self) -> Iterator[dict[str, Any]]:
        """The row features of declared values: exactly one of them is 1."""
        if self.is_learned:
            return
        literals = []
        for name, value in self._named():
            literals.append(_literal(value))
            described = f"{self.description}: 1 for {value!r}"
            yield _row(name, described, f"CASE WHEN {self.column} = {literals[-1]} THEN 1.0 ELSE 0.0 END")
        other = f"CASE WHEN {self.column} IN ({', '.join(literals)}) THEN 0.0 ELSE 1.0 END"
        yield _row(f"{self.prefix}_{UNKNOWN}", f"{self.description}: 1 for any other value, and for none", other)

    def functions(self) -> Iterator[dict[str, Any]]:
        """The feature whose values training learns."""
        if self.is_learned:
            name = self.name or f"{self.column}_code"
            declared = {"name": name, "description": self.description, "function": TEXT_CODE, "columns": [self.column]}
            yield {**declared, "default": MISSING_CODE}

    def _named(self) -> Iterator[tuple[str, Value]]:
        if isinstance(self.values, Mapping):
            yield from ((f"{self.prefix}_{name}", value) for name, value in self.values.items())
        elif not isinstance(self.values, str):
            yield from ((f"{self.prefix}_{_as_name(value)}", value) for value in self.values)


def with_categories(view: Any) -> Any:
    """A declared view with its categories' features among its rows and functions; one that has them already as it is."""
    if not isinstance(view, dict) or not view.get("categories"):
        return view
    categories = [one if isinstance(one, Category) else Category.model_validate(one) for one in view["categories"]]
    made = {
        "rows": [row for one in categories for row in one.rows()],
        "functions": [item for one in categories for item in one.functions()],
    }
    spread = {**view, "categories": categories}
    for field, items in made.items():
        declared = list(view.get(field) or ())
        names = {one.get("name") if isinstance(one, dict) else getattr(one, "name", None) for one in declared}
        spread[field] = [*declared, *(item for item in items if item["name"] not in names)]
    return spread


def _row(name: str, description: str, expression: str) -> dict[str, Any]:
    return {"name": name, "description": description, "expression": expression}


def _as_name(value: Value) -> str:
    text = re.sub(r"[^a-z0-9]+", "_", str(value).lower()).strip("_")
    return text or "blank"


def _literal(value: Value) -> str:
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"
