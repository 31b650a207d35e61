"""Slices: parts of the rows on which a model has to be good enough, and across which it has to be fair.

Belongs here: how rows are divided, and the bounds that each part keeps. Does not belong here: measuring (`evaluation/gates/slices.py`).
"""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from platform_assets.declaration.base import Declaration, Identifier
from platform_assets.declaration.sections.training import Metric


class Slice(Declaration):
    """Rows divided by the value of an expression; each part is judged on its own, and the parts against each other."""

    name: Identifier = Field(description="Name of the division; its gates are `slice_<name>` and `fairness_<name>`.")
    expression: str = Field(
        description="Which part a row belongs to, in polars' SQL dialect over columns of the event table and features: "
        "`CASE WHEN amount > 100 THEN 'large' ELSE 'small' END`, or just a column."
    )
    part_names: dict[str, str] = Field(
        default_factory=dict,
        description="What the values of the expression are called on cards and in messages: `{0: day, 1: night}`. Without it the two "
        "values of a flag are the slice's name and `not` before it.",
    )
    min_rows: int = Field(
        default=200,
        ge=1,
        description="A part with fewer rows is reported and not judged; when all are, the gate is red.",
    )
    min_positives: int = Field(
        default=10,
        ge=1,
        description="The same for positive labels, and for negative ones, where labels are looked at; binary only.",
    )
    metric: Metric | None = Field(default=None, description="What is measured in each part; absent for `select_by`.")
    floor: float | None = Field(
        default=None, description="Smallest value in any part; the largest for an error metric."
    )
    max_drop: float | None = Field(
        default=None, ge=0, description="How much worse than on all rows together a part may be, in the metric."
    )
    max_selection_rate_difference: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Demographic parity: largest difference between the parts in the share of rows at or above the threshold "
        "of `serving.decision`; binary only.",
    )
    max_error_rate_difference: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Equalized odds: largest difference between the parts in false positive or true positive rate; binary only.",
    )

    @field_validator("part_names", mode="before")
    @classmethod
    def _keys_as_text(cls, value: Any) -> Any:
        """YAML reads `0:` and `true:` as what they are."""
        return {_plain(str(key)): name for key, name in value.items()} if isinstance(value, Mapping) else value

    def name_of(self, part: str) -> str:
        """What a part is called in words: `night` and `not night` of a flag, whose values are 0 and 1.

        Args:
            part: the value of the expression, as text.
        """
        plain = _plain(part)
        if plain in self.part_names:
            return self.part_names[plain]
        words = self.name.replace("_", " ")
        return {"1": words, "0": f"not {words}"}.get(plain, part) if self.is_flag else part

    @property
    def is_flag(self) -> bool:
        """Whether the expression is a column that says by its name that 0 and 1 mean no and yes."""
        return self.expression.isidentifier() and self.expression.startswith(("is_", "has_"))

    @property
    def judges_quality(self) -> bool:
        """Whether every part is held to a bound of its own."""
        return self.floor is not None or self.max_drop is not None

    @property
    def judges_fairness(self) -> bool:
        """Whether the parts are compared with each other."""
        return self.max_selection_rate_difference is not None or self.max_error_rate_difference is not None

    @property
    def needs_labels(self) -> bool:
        """Whether a part needs labels of both kinds to be judged; who is selected can be seen without."""
        return self.judges_quality or self.max_error_rate_difference is not None

    @model_validator(mode="after")
    def _has_a_bound(self) -> Self:
        if not self.judges_quality and not self.judges_fairness:
            raise ValueError(
                f"slice {self.name!r} has no bound: declare floor, max_drop, max_selection_rate_difference or "
                "max_error_rate_difference"
            )
        return self


def _plain(value: str) -> str:
    """A value of a flag however it was written: `1.0`, `true` and `1` are one."""
    return {"0.0": "0", "1.0": "1", "false": "0", "true": "1"}.get(value.lower(), value)
