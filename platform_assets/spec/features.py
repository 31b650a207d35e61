"""Entities and features: what is computed, for whom, over which window.

Belongs here: the declaration of features and the names derived from it. Does not belong here: computing them
(`features/`), or storing them (Feast objects are generated in `features/`).
"""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, SerializerFunctionWrapHandler, model_serializer

from platform_assets.spec.base import Declaration, Identifier

Aggregate = Literal["count", "sum", "mean", "min", "max", "std", "ratio", "distinct", "last", "seconds_since_last"]
ABOUT_THE_PAST: frozenset[str] = frozenset({"last", "seconds_since_last"})
"""Aggregates that leave the row's own event out unless told otherwise: what was before it is what they ask for."""
WITHOUT_COLUMN: frozenset[str] = frozenset({"count", "ratio", "seconds_since_last"})
"""Aggregates that can do without a column."""
OF_NUMBERS: frozenset[str] = frozenset({"sum", "mean", "min", "max", "std", "last"})
"""Aggregates whose column must be a number."""

MICROSECONDS = {"d": 86_400_000_000, "h": 3_600_000_000, "m": 60_000_000}
_DURATION = re.compile(r"([1-9][0-9]{0,5})([dhm])")


def _is_duration(text: str) -> str:
    if _DURATION.fullmatch(text) is None:
        raise ValueError(f"{text!r} is no duration: write a whole number and d, h or m, for example 7d, 6h or 30m")
    return text


Duration = Annotated[str, AfterValidator(_is_duration)]


def microseconds_of(duration: str) -> int:
    """A duration like `7d`, `6h` or `30m` in microseconds; a day is 24 hours.

    Raises:
        ValueError: it is not written so.
    """
    return int(_is_duration(duration)[:-1]) * MICROSECONDS[duration[-1]]


class Entity(Declaration):
    """Something that features describe and that a request names."""

    name: Identifier = Field(description="Entity name, for example `machine`.")
    key: Identifier = Field(description="Column of the event table that identifies it, for example `machine_id`.")
    description: str = Field(description="What one entity is.")


class Window(Declaration):
    """An aggregate over the entity's recent events, one feature for each length.

    The window of a row at time t covers (t - delay - length, t - delay]. Without delay the row's own event is part
    of it (see `own_event`). Events at the same time are ordered by primary key, and a row sees those before itself.
    """

    name: Identifier = Field(
        description="Prefix of the feature names; a length of 7 days adds `_7d`, one of 6 hours `_6h`."
    )
    description: str = Field(description="What the value means, with its unit.")
    aggregate: Aggregate = Field(
        description="How the values in the window are combined. `std` is the sample's standard deviation, null below two "
        "values; `ratio` the share of events for which `condition` holds; `distinct` the number of different values; `last` "
        "the newest value; `seconds_since_last` the time since the newest event."
    )
    column: Identifier | None = Field(
        default=None,
        description="Column of the event table, or the label; not needed for `count` and `seconds_since_last`, and not taken "
        "by `ratio`.",
    )
    condition: str | None = Field(
        default=None, description="For `ratio`: a condition on the event's columns in polars' SQL dialect."
    )
    where: str | None = Field(
        default=None,
        description="Condition on the event's columns in polars' SQL dialect; events that do not satisfy it do not count.",
    )
    lengths_days: tuple[int, ...] = Field(default=(), description="Window lengths, in days.")
    lengths: tuple[Duration, ...] = Field(default=(), description="Further window lengths, for example `6h` or `30m`.")
    delay_days: int = Field(default=0, ge=0, description="How long before the event the window ends, in days.")
    delay: Duration | None = Field(
        default=None,
        description="How long before the event the window ends, in place of `delay_days`, for example `2h`.",
    )
    own_event: bool | None = Field(
        default=None,
        description="Whether the row's own event is part of a window without delay; by default it is, except for `last` and "
        "`seconds_since_last`.",
    )
    when_empty: float | None = Field(
        default=None, description="Value when no event is in the window; absent means null. A count is 0."
    )

    @model_serializer(mode="wrap")
    def _without_what_is_not_said(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Fields that came later are left out where they say nothing: the contract of older declarations stays what it is."""
        document: dict[str, Any] = handler(self)
        for name in ("condition", "where", "lengths", "delay", "own_event"):
            if name in document and not document[name] and document[name] is not False:
                del document[name]
        return document

    def feature_name(self, length_days: int) -> str:
        """Name of the feature for one window length in days."""
        return f"{self.name}_{length_days}d"

    @property
    def durations(self) -> tuple[str, ...]:
        """All lengths as durations: those in days first."""
        return (*(f"{days}d" for days in self.lengths_days), *self.lengths)

    @property
    def lengths_microseconds(self) -> tuple[int, ...]:
        """All lengths, in the order of the feature names."""
        return (*(days * MICROSECONDS["d"] for days in self.lengths_days), *map(microseconds_of, self.lengths))

    @property
    def delay_microseconds(self) -> int:
        """How long before the event the window ends."""
        return self.delay_days * MICROSECONDS["d"] if self.delay is None else microseconds_of(self.delay)

    @property
    def counts_own_event(self) -> bool:
        """Whether the row's own event is part of its window; never with a delay."""
        if self.delay_microseconds > 0:
            return False
        return self.aggregate not in ABOUT_THE_PAST if self.own_event is None else self.own_event

    @property
    def value_when_empty(self) -> float | None:
        """Value of an empty window; None is null."""
        return 0.0 if self.when_empty is None and self.aggregate in ("count", "distinct") else self.when_empty

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of all features of this window, in the order of its lengths."""
        return tuple(f"{self.name}_{duration}" for duration in self.durations)

    @property
    def expressions(self) -> dict[str, str]:
        """The SQL it carries, by field."""
        texts = {"condition": self.condition, "where": self.where}
        return {field: text for field, text in texts.items() if text is not None}

    @property
    def span_microseconds(self) -> int:
        """How far back the longest window reaches, its delay included."""
        return self.delay_microseconds + max(self.lengths_microseconds, default=0)

    @property
    def span_days(self) -> int:
        """The same in days, a part of a day counting as one."""
        return -(-self.span_microseconds // MICROSECONDS["d"])


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
