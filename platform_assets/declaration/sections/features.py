"""Entities and features: what is computed, for whom, over which window.

Belongs here: the declaration of features and the names derived from it. Does not belong here: computing them
(`features/`), or storing them (Feast objects are generated in `features/`).
"""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    SerializerFunctionWrapHandler,
    StringConstraints,
    model_serializer,
    model_validator,
)

from platform_assets.declaration.aggregates import AGGREGATES, AggregateName
from platform_assets.declaration.base import Declaration, Identifier
from platform_assets.declaration.sections.categories import TEXT_CODE, Category, with_categories

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


def without(document: dict[str, Any], **unsaid: Any) -> dict[str, Any]:
    """A serialized declaration without fields that hold what they hold when nothing is said.

    Fields that came later are left out so: the contract of older declarations stays what it is.
    """
    return {name: value for name, value in document.items() if name not in unsaid or value != unsaid[name]}


class Entity(Declaration):
    """Something that features describe and that a request names; with `keys`, each combination of several things."""

    name: Identifier = Field(description="Entity name, for example `machine`.")
    key: Identifier = Field(
        default="",
        description="Column of the event table that identifies it, for example `machine_id`. With `keys`, the name of their "
        "combination; by default their names joined by two underscores.",
    )
    keys: tuple[Identifier, ...] = Field(
        default=(),
        description="Columns of the event table that identify it together, for features of a pair such as a customer at a shop.",
    )
    description: str = Field(description="What one entity is.")

    @model_validator(mode="before")
    @classmethod
    def _name_the_combination(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("keys") and not given.get("key"):
            return {**given, "key": "__".join(map(str, given["keys"]))}
        return given

    @model_validator(mode="after")
    def _needs_a_key(self) -> Self:
        if not self.key:
            raise ValueError("an entity needs `key`, or `keys` for a combination")
        return self

    @model_serializer(mode="wrap")
    def _without_unset(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        document: dict[str, Any] = handler(self)
        if not self.keys:
            document.pop("keys", None)
        return document

    @property
    def is_combined(self) -> bool:
        """Whether several columns identify it; `key` then names a column that is made from them."""
        return bool(self.keys)

    @property
    def key_columns(self) -> tuple[str, ...]:
        """Columns of the event table that identify it."""
        return self.keys or (self.key,)


class Window(Declaration):
    """An aggregate over the entity's recent events, one feature for each length.

    The window of a row at time t covers (t - delay - length, t - delay]; with `resolution: day`, t is the last instant of the
    row's UTC day. Without delay the row's own event is part of it (see `own_event`). Events at the same time are ordered by
    primary key, and a row sees those before itself.
    """

    name: Identifier = Field(
        description="Prefix of the feature names; a length of 7 days adds `_7d`, one of 6 hours `_6h`."
    )
    description: str = Field(description="What the value means, with its unit.")
    aggregate: AggregateName = Field(
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
    resolution: Literal["exact", "day"] = Field(
        default="exact",
        description="`exact` counts delay and length back from the event's own time. `day` counts whole UTC days: the newest is "
        "`delay_days` before the event's day, and all of it is in. So a label window sees every outcome that had arrived by the "
        "midnight at which the event's day began, also those of payments later in the day.",
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
    def _without_unset(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Fields that came later are left out where they say nothing: the contract of older declarations stays what it is."""
        document: dict[str, Any] = handler(self)
        for name in ("condition", "where", "lengths", "delay", "own_event"):
            if name in document and not document[name] and document[name] is not False:
                del document[name]
        return without(document, resolution="exact")

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
    def covers_whole_days(self) -> bool:
        """Whether it covers whole UTC days, counted back from the event's day."""
        return self.resolution == "day"

    @property
    def counts_own_event(self) -> bool:
        """Whether the row's own event is part of its window; never with a delay."""
        if self.delay_microseconds > 0:
            return False
        return not AGGREGATES[self.aggregate].is_about_the_past if self.own_event is None else self.own_event

    @property
    def value_when_empty(self) -> float | None:
        """Value of an empty window; None is null."""
        return AGGREGATES[self.aggregate].when_empty if self.when_empty is None else self.when_empty

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
    """A value computed from the event's own columns, or from window features and look-ups of the same view."""

    name: Identifier = Field(description="Feature name.")
    description: str = Field(description="What the value means, with its unit.")
    expression: str = Field(description="Expression in polars' SQL dialect over the event's columns.")
    default: float | None = Field(default=None, description="Value where the expression gives none; absent means null.")

    @model_serializer(mode="wrap")
    def _without_unset(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return without(handler(self), default=None)


class Lookup(Declaration):
    """Columns of another table of the use case, as they were known at the event.

    Of a table with an event time, the newest row of the key counts, from 00:00 UTC of the day after its own (later where the
    table arrives later): what a batch can have brought by then, so that a request sees the same. Of a source of changes every version of
    a row counts for its time, until the next change or a delete of the row. A reference table has one row for each key, which counts for
    every event.
    """

    name: Identifier = Field(description="Prefix of the names: column `score` of look-up `holder` is `holder_score`.")
    description: str = Field(description="What is looked up.")
    source: Identifier = Field(description="The table.")
    columns: tuple[Identifier, ...] = Field(default=(), description="Numbers and booleans that become features.")
    inputs: tuple[Identifier, ...] = Field(
        default=(), description="Further columns, of any type, for row expressions and functions of the same view."
    )
    on: dict[Identifier, Identifier] = Field(
        default_factory=dict,
        description="Column of the event: column of the table that must be equal; by default the table's primary key, under the "
        "same names.",
    )
    max_age_days: int | None = Field(
        default=None,
        ge=1,
        description="How many days back a row is looked for; needed for a table with an event time, and only there.",
    )
    defaults: dict[Identifier, float] = Field(
        default_factory=dict, description="Value of a column where there is no row or no value; absent means null."
    )
    until: Identifier | None = Field(
        default=None,
        description="Column of the table with the time at which a row stops counting, like `valid_to` of a table that keeps its history "
        "in rows; a row without one counts until a newer one does.",
    )

    @model_serializer(mode="wrap")
    def _without_unset(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return without(handler(self), until=None)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of its features."""
        return tuple(f"{self.name}_{column}" for column in self.columns)

    @property
    def names(self) -> dict[str, str]:
        """The table's columns that are looked up, by the name they get."""
        return {f"{self.name}_{column}": column for column in dict.fromkeys((*self.columns, *self.inputs))}


FunctionPath = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_]*$")]


class FunctionFeature(Declaration):
    """A value that a Python function computes where no declaration can say it.

    The function takes a polars Series for each of `columns` and returns one of numbers, of the same length; each value must depend on
    its own row only, and on nothing else. The same function is called for a table and for a single request.
    """

    name: Identifier = Field(description="Feature name.")
    description: str = Field(description="What the value means, with its unit.")
    function: FunctionPath = Field(
        description="`module:function`, in the use case's folder: for example `platform_assets.defs.machines.functions:distance`. "
        "The module's source is part of the feature contract."
    )
    columns: tuple[Identifier, ...] = Field(
        min_length=1,
        description="Its arguments, in order: columns of the event, or window features, look-ups and row features of the same view.",
    )
    default: float | None = Field(default=None, description="Value where the function gives none; absent means null.")


class FeatureView(Declaration):
    """A group of features that is computed and stored together; becomes one feature table."""

    name: Identifier = Field(description="Name of the feature table.")
    description: str = Field(description="What these features describe.")
    entity: Identifier | None = Field(
        default=None, description="Entity the windows are about; absent for row features only."
    )
    windows: tuple[Window, ...] = Field(default=(), description="Aggregates over the entity's recent events.")
    rows: tuple[RowFeature, ...] = Field(default=(), description="Values from the event itself.")
    lookups: tuple[Lookup, ...] = Field(default=(), description="Columns of other tables, as of the event.")
    functions: tuple[FunctionFeature, ...] = Field(default=(), description="Values from Python functions.")
    categories: tuple[Category, ...] = Field(
        default=(),
        description="Columns whose values are names: each becomes features of 0 and 1, which stand among `rows`, or one whose values the "
        "training learns, which stands among `functions`.",
    )
    version: int = Field(
        default=1,
        ge=1,
        description="Raise it when the features' meaning changes: from version 2 on the table is called `<name>_v<version>`, and "
        "the older one can be kept up under `previous_features`.",
    )

    @model_serializer(mode="wrap")
    def _without_unset(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        document: dict[str, Any] = handler(self)
        for name in ("lookups", "functions", "categories"):
            if not document.get(name):
                document.pop(name, None)
        return without(document, version=1)

    @model_validator(mode="before")
    @classmethod
    def _spread_categories(cls, given: Any) -> Any:
        return with_categories(given)

    @property
    def learned_categories(self) -> tuple[str, ...]:
        """Features that stand for a text whose values the training learns."""
        return tuple(item.name for item in self.functions if item.function == TEXT_CODE)

    @property
    def table(self) -> str:
        """Name of the feature table."""
        return self.name if self.version == 1 else f"{self.name}_v{self.version}"

    @property
    def feature_names(self) -> tuple[str, ...]:
        """All feature names in declared order: of windows, rows, look-ups, functions."""
        names = [name for window in self.windows for name in window.feature_names]
        looked_up = [name for lookup in self.lookups for name in lookup.feature_names]
        return (*names, *(row.name for row in self.rows), *looked_up, *(item.name for item in self.functions))

    @property
    def computed_from(self) -> tuple[str, ...]:
        """Names of window features and look-ups: what row features and functions can use besides the event's columns."""
        return (
            *(name for window in self.windows for name in window.feature_names),
            *(name for lookup in self.lookups for name in lookup.names),
        )

    @property
    def span_days(self) -> int:
        """How many days of earlier events the view needs; 0 for row features."""
        return max((window.span_days for window in self.windows), default=0)
