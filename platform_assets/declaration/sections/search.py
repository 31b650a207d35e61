"""Search over a learner's settings: which may vary, how far, and what it may cost.

Belongs here: the declared space and budget. Does not belong here: searching (`training/tuning/search.py`), settings that are fixed
(`training.py`).
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from platform_assets.declaration.base import Declaration


class IntRange(Declaration):
    """Whole numbers, both ends included."""

    type: Literal["int"] = Field(description="`int`.")
    low: int = Field(description="Smallest value.")
    high: int = Field(description="Largest value.")
    log: bool = Field(default=False, description="Whether small values are looked at as finely as large ones.")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.low >= self.high or (self.log and self.low < 1):
            raise ValueError(f"from {self.low} to {self.high}: low must be below high, and at least 1 with `log`")
        return self


class FloatRange(Declaration):
    """Numbers, both ends included."""

    type: Literal["float"] = Field(description="`float`.")
    low: float = Field(allow_inf_nan=False, description="Smallest value.")
    high: float = Field(allow_inf_nan=False, description="Largest value.")
    log: bool = Field(default=False, description="Whether small values are looked at as finely as large ones.")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.low >= self.high or (self.log and self.low <= 0.0):
            raise ValueError(f"from {self.low:g} to {self.high:g}: low must be below high, and above 0 with `log`")
        return self


class Choices(Declaration):
    """One of several values."""

    type: Literal["categorical"] = Field(description="`categorical`.")
    choices: tuple[bool | int | float | str | None, ...] = Field(min_length=2, description="The values.")


Dimension = Annotated[IntRange | FloatRange | Choices, Field(discriminator="type")]


class Search(Declaration):
    """How good settings of a learner are looked for: on the folds, never on the final test period."""

    space: dict[str, Dimension] = Field(min_length=1, description="What may vary, by setting; the others stay.")
    trials: int = Field(
        default=30, ge=1, description="Most trials; the declared settings, where they lie in the space, are the first."
    )
    seconds: float | None = Field(
        default=None,
        gt=0,
        description="Most time for all trials, in seconds; none is started after it, and one on its way is left.",
    )
    pruning: Literal["median", "none"] = Field(
        default="median",
        description="Whether a trial is left after a fold on which it is worse than the median of those before.",
    )
    parallel: int = Field(
        default=1,
        ge=1,
        le=64,
        description="Trials at a time. With 1 the same seed and number of trials give the same result.",
    )
    engine: Literal["optuna", "ray"] = Field(
        default="optuna", description="`optuna` searches in this process; `ray` on a cluster, with the extra `ray`."
    )
    storage: str | None = Field(
        default=None,
        description="SQLAlchemy address that keeps finished trials, so that a search that was stopped goes on; by default a "
        "SQLite file under the platform's home.",
    )

    @property
    def extra(self) -> str:
        """The extra of the distribution that the engine takes; empty for none."""
        return "" if self.engine == "optuna" else self.engine
