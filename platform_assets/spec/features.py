"""Entities and features: what is computed, for whom, over which window.

Belongs here: the declaration of features and the names derived from it. Does not belong here: computing them
(`features/`), or storing them (Feast objects are generated in `features/`).
"""

from typing import Literal

from pydantic import Field

from platform_assets.spec.base import Declaration, Identifier

Aggregate = Literal["count", "sum", "mean", "min", "max"]


class Entity(Declaration):
    """Something that features describe and that a request names."""

    name: Identifier = Field(description="Entity name, for example `machine`.")
    key: Identifier = Field(description="Column of the event table that identifies it, for example `machine_id`.")
    description: str = Field(description="What one entity is.")


class Window(Declaration):
    """An aggregate over the entity's recent events, one feature for each length.

    The window of a row at time t covers (t - delay - length, t - delay]. Without delay the row's own event is part
    of it. Events at the same time are ordered by primary key, and a row sees those up to itself.
    """

    name: Identifier = Field(description="Prefix of the feature names; a length of 7 days adds `_7d`.")
    description: str = Field(description="What the value means, with its unit.")
    aggregate: Aggregate = Field(description="How the values in the window are combined.")
    column: Identifier | None = Field(
        default=None, description="Column of the event table, or the label; not needed for `count`."
    )
    lengths_days: tuple[int, ...] = Field(min_length=1, description="Window lengths, in days.")
    delay_days: int = Field(default=0, ge=0, description="How long before the event the window ends, in days.")
    when_empty: float | None = Field(
        default=None, description="Value when no event is in the window; absent means null. A count is 0."
    )

    def feature_name(self, length_days: int) -> str:
        """Name of the feature for one window length."""
        return f"{self.name}_{length_days}d"

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of all features of this window, in the order of its lengths."""
        return tuple(self.feature_name(length) for length in self.lengths_days)

    @property
    def span_days(self) -> int:
        """How far back the longest window reaches, in days, its delay included."""
        return self.delay_days + max(self.lengths_days)


class RowFeature(Declaration):
    """A value computed from the event's own columns, or from window features of the same view."""

    name: Identifier = Field(description="Feature name.")
    description: str = Field(description="What the value means, with its unit.")
    expression: str = Field(description="Expression in polars' SQL dialect over the event's columns.")


class FeatureView(Declaration):
    """A group of features that is computed and stored together; becomes one feature table."""

    name: Identifier = Field(description="Name of the feature table.")
    description: str = Field(description="What these features describe.")
    entity: Identifier | None = Field(
        default=None, description="Entity the windows are about; absent for row features only."
    )
    windows: tuple[Window, ...] = Field(default=(), description="Aggregates over the entity's recent events.")
    rows: tuple[RowFeature, ...] = Field(default=(), description="Values from the event itself.")

    @property
    def feature_names(self) -> tuple[str, ...]:
        """All feature names: windows first, in declared order, then row features."""
        names = [name for window in self.windows for name in window.feature_names]
        return (*names, *(row.name for row in self.rows))

    @property
    def span_days(self) -> int:
        """How many days of earlier events the view needs; 0 for row features."""
        return max((window.span_days for window in self.windows), default=0)
