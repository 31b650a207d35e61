"""Looked-up rows in the online store: for each key the versions that a request of today, or one up to a day late, can ask for.

Belongs here: writing them at a midnight, reading them back, and which version counts for a request. Does not belong here: which row
counts offline (`offline/lookups.py`), of which this is the same rule for one row.

What a reference table no longer has keeps its last value here until the key is written again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Any

import polars as pl

from platform_assets.declaration.checks.features import lookup_on
from platform_assets.declaration.sections.features import FeatureView, Lookup
from platform_assets.declaration.time_zones import day_of
from platform_assets.declaration.use_case import UseCase
from platform_assets.features.entities import combined_value
from platform_assets.features.entity_state import LATE_REQUEST_DAYS
from platform_assets.features.errors import OlderState, StateError
from platform_assets.features.event_frames import microseconds, midnight
from platform_assets.features.feast_import import feast_module
from platform_assets.features.offline.lookups import KNOWN_DAY, LOOKUP_KEY, arrival_days, looked_up_rows
from platform_assets.features.online.feast_connection import (
    FeastSettings,
    connected_store,
    feast_store,
    is_set,
)

KNOWN_DAYS = "known_days"
KEYS_PER_CHUNK = 500
_ALWAYS = 0
_EPOCH, _EPOCH_TIME = date(1970, 1, 1), datetime(1970, 1, 1, tzinfo=UTC)
_ABSENT = -(2**63)


@dataclass(frozen=True)
class LookupLayout:
    """What the online store keeps of a look-up.

    Attributes:
        use_case: the declaration.
        view: the view that looks up.
        lookup: the look-up.
    """

    use_case: UseCase
    view: FeatureView
    lookup: Lookup

    @cached_property
    def on(self) -> dict[str, str]:
        """Column of the event: column of the table."""
        return lookup_on(self.use_case, self.lookup)

    @cached_property
    def types(self) -> dict[str, pl.DataType]:
        """Type of each looked-up name, as expressions and functions see it."""
        columns = self.use_case.source(self.lookup.source).column
        kinds = {name: columns(column).polars_type for name, column in self.lookup.names.items()}
        return {n: pl.Float64() if t.is_numeric() or t == pl.Boolean() else t for n, t in kinds.items()}

    @cached_property
    def key(self) -> str:
        """Name of the key in the store."""
        return f"{self.lookup.name}_key"

    @cached_property
    def name(self) -> str:
        """Name of the Feast view: with a hash of all that gives what is stored a meaning."""
        source = self.use_case.source(self.lookup.source)
        types = {name: str(dtype) for name, dtype in self.types.items()}
        meaning = [source.name, self.on, types, self.lookup.names, self.lookup.max_age_days, arrival_days(source)]
        digest = hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()[:8]
        return f"{self.view.name}_{self.lookup.name}_{digest}"

    @cached_property
    def days_kept(self) -> int | None:
        """How many days before a midnight a row has to count from to be found; None without limit."""
        if self.lookup.max_age_days is None:
            return None
        return self.lookup.max_age_days - arrival_days(self.use_case.source(self.lookup.source))

    def key_of(self, event: Mapping[str, Any]) -> str | None:
        """The key that a request asks for; None where a part is missing."""
        return combined_value(event[name] for name in self.on)


def lookup_layouts(use_case: UseCase, views: Sequence[FeatureView] | None = None) -> list[LookupLayout]:
    """The look-ups of the use case's views, in declared order."""
    chosen = use_case.features if views is None else views
    return [LookupLayout(use_case, view, lookup) for view in chosen for lookup in view.lookups]


def lookup_objects(use_case: UseCase, views: Sequence[FeatureView]) -> list[tuple[Any, Any]]:
    """Feast's entity and view for each look-up."""
    feast = feast_module()
    from feast.types import Array, Float64, Int64, String

    objects = []
    for layout in lookup_layouts(use_case, views):
        entity = feast.Entity(
            name=f"{layout.name}_key",
            join_keys=[layout.key],
            value_type=feast.ValueType.STRING,
            description=layout.lookup.description,
            owner=use_case.owner,
        )
        kinds = {
            name: String if t == pl.String() else Float64 if t == pl.Float64() else Int64
            for name, t in layout.types.items()
        }
        fields = [feast.Field(name=name, dtype=Array(kind)) for name, kind in ({KNOWN_DAYS: Int64} | kinds).items()]
        view = feast.FeatureView(
            name=layout.name,
            entities=[entity],
            schema=[feast.Field(name=layout.key, dtype=String), *fields],
            description=layout.lookup.description,
            owner=use_case.owner,
            tags={"view": layout.view.name, "lookup": layout.lookup.name},
        )
        objects.append((entity, view))
    return objects


@dataclass(frozen=True, eq=False)
class LookupTable:
    """A look-up in the online store: one handle to read or write it.

    Attributes:
        layout: what is kept.
        store: Feast's online store object, with a connection of its own.
        config: Feast's configuration.
        view: Feast's view.
    """

    layout: LookupLayout
    store: Any
    config: Any
    view: Any

    def value(self, key: str, fields: Mapping[str, Any] | None, time: datetime) -> dict[str, Any] | None:
        """What is looked up at a time, of the stored fields of a key, defaults not yet put in; None where no row counts.

        Raises:
            StateError: what is stored is damaged.
        """
        if fields is None:
            return None
        try:
            days = list(fields[KNOWN_DAYS].int64_list_val.val)
            today = (day_of(time, self.layout.use_case.time_zone) - _EPOCH).days
            kept = self.layout.days_kept
            positions = [n for n, day in enumerate(days) if kept is None or today - kept <= day <= today]
            if not positions:
                return None
            return {name: _decoded(fields[name], t, positions[-1]) for name, t in self.layout.types.items()}
        except (KeyError, IndexError, AttributeError) as error:
            raise StateError(
                f"look-up {self.layout.lookup.name!r} of view {self.layout.view.name!r}: what is stored for {key!r} is damaged "
                f"({error}); materialize the online store asset again"
            ) from error

    def read(self, keys: list[str]) -> list[dict[str, Any] | None]:
        """Stored fields of each key, as Feast's values; None for a key that is not there."""
        rows = self.store.online_read(self.config, self.view, [self.key(key) for key in keys])
        return [self.stored(fields) for _, fields in rows]

    def write(self, rows: list[tuple[str, dict[str, Any]]], moment: datetime) -> None:
        """Overwrite what is kept of keys."""
        batch = [(self.key(key), fields, moment, None) for key, fields in rows]
        self.store.online_write_batch(self.config, self.view, batch, None)

    def stored(self, fields: dict[str, Any] | None) -> dict[str, Any] | None:
        """Fields that were read; None where there is no row under the key."""
        return fields if fields and is_set(fields.get(KNOWN_DAYS)) else None

    def key(self, name: str) -> Any:
        """Feast's key of a looked-up row."""
        from feast.protos.feast.types.EntityKey_pb2 import EntityKey
        from feast.protos.feast.types.Value_pb2 import Value

        return EntityKey(join_keys=[self.layout.key], entity_values=[Value(string_val=name)])


def lookup_table(layout: LookupLayout, store: Any) -> LookupTable:
    """A handle with a connection of its own.

    Raises:
        StateError: the look-up is not in Feast's registry.
    """
    from feast.errors import FeatureViewNotFoundException

    try:
        view = store.registry.get_feature_view(layout.name, store.project, allow_cache=False)
    except FeatureViewNotFoundException as error:
        raise StateError(
            f"look-up {layout.lookup.name!r} of view {layout.view.name!r} is not in Feast's registry as {layout.name!r}: "
            "materialize the online store asset"
        ) from error
    return LookupTable(layout, connected_store(store.config), store.config, view)


def write_lookup(
    layout: LookupLayout, rows: pl.DataFrame, settings: FeastSettings, at: date, *, anew: bool = False
) -> int:
    """Write what counts at 00:00 UTC of a day, read it back, then move the watermark.

    Args:
        layout: the look-up.
        rows: clean rows of its table; of one with an event time the days that `days_to_read` names for the day before and the day.
        settings: where Feast keeps its registry and values.
        at: the day.
        anew: the store lost what it held: the watermark is about rows that are gone.

    Returns:
        How many keys were written.

    Raises:
        OlderState: a later day was written before; nothing was written.
        StateError: what was written reads back differently.
        PointInTimeError: a reference table has two rows for a key.
    """
    store = feast_store(settings)
    table, moment = lookup_table(layout, store), midnight(at, layout.use_case.time_zone)
    ends = [end if end.tzinfo else end.replace(tzinfo=UTC) for _, end in table.view.materialization_intervals]
    if ends and moment < max(ends) and not anew:
        raise OlderState(
            f"look-up {layout.lookup.name!r} as of {at} is older than the one in the online store, as of {max(ends)}; write "
            "look-ups in time order"
        )
    count = 0
    for chunk in _chunks(kept_versions(layout, rows, at), KEYS_PER_CHUNK):
        table.write(chunk, moment)
        for (key, fields), stored in zip(chunk, table.read([key for key, _ in chunk]), strict=True):
            if stored is None or stored[KNOWN_DAYS] != fields[KNOWN_DAYS]:
                raise StateError(
                    f"look-up {layout.lookup.name!r}: {key!r} reads back differently from what was written; the watermark stays "
                    "where it was: check the store and write again"
                )
        count += len(chunk)
    begin = moment - timedelta(days=1 + (layout.lookup.max_age_days or 0))
    store.registry.apply_materialization(table.view, settings.project, begin, moment, commit=True)
    return count


def kept_versions(layout: LookupLayout, rows: pl.DataFrame, at: date) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each key with its versions, oldest first, as Feast's values."""
    known = looked_up_rows(layout.use_case, layout.lookup, rows)
    if layout.days_kept is not None:
        oldest = at - timedelta(days=layout.days_kept + LATE_REQUEST_DAYS)
        known = known.filter(pl.col(KNOWN_DAY).is_between(oldest, at))
    grouped = known.group_by(LOOKUP_KEY, maintain_order=True).agg(pl.all())
    for key, days, *columns in grouped.iter_rows():
        times = [_ALWAYS if day is None else (day - _EPOCH).days for day in days]
        fields = {KNOWN_DAYS: _encoded(times, pl.Int64())}
        for (name, dtype), values in zip(layout.types.items(), columns, strict=True):
            fields[name] = _encoded(values, dtype)
        yield key, fields


def _chunks(items: Iterator[Any], size: int) -> Iterator[list[Any]]:
    chunk: list[Any] = []
    for item in items:
        chunk.append(item)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _encoded(values: Sequence[Any], dtype: pl.DataType) -> Any:
    """Values as a list of Feast's, which knows no missing items: NaN, the smallest whole number, or a text without its mark."""
    from feast.protos.feast.types.Value_pb2 import Value

    value = Value()
    if dtype == pl.String():
        value.string_list_val.val.extend("" if item is None else f"={item}" for item in values)
    elif dtype == pl.Float64():
        value.double_list_val.val.extend(float("nan") if item is None else item for item in values)
    else:
        value.int64_list_val.val.extend(_ABSENT if item is None else _whole(item) for item in values)
    return value


def _whole(item: Any) -> int:
    if isinstance(item, datetime):
        return microseconds(item)
    return (item - _EPOCH).days if isinstance(item, date) else int(item)


def _decoded(value: Any, dtype: pl.DataType, position: int) -> Any:
    item = getattr(value, value.WhichOneof("val")).val[position]
    if dtype == pl.String():
        return item[1:] if item else None
    if dtype == pl.Float64():
        return None if item != item else item
    if item == _ABSENT:
        return None
    return _EPOCH + timedelta(days=item) if dtype == pl.Date() else _EPOCH_TIME + timedelta(microseconds=item)
