"""Which rows are an entity's: by its key, by the keys of its events, and in rows that are kept as text.

Belongs here: telling rows. Does not belong here: taking them out of tables (`erase.py`).
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from platform_assets.declaration import UseCase
from platform_assets.declaration.sections.features import Entity
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.errors import LakeError
from platform_assets.lake.layout import PREDICTIONS, RAW, SERVING

TEXT = "row"
"""Column that holds a whole refused row as JSON."""


class ErasureRefused(ValueError):
    """What is to be erased cannot be told; the message says what was expected."""


@dataclass(frozen=True, eq=False)
class ErasedEntity:
    """An entity whose rows are to go.

    Attributes:
        use_case: the declaration.
        entity: the declared entity.
        values: of its key columns.
        events: primary keys of its events, a row each.
    """

    use_case: UseCase
    entity: Entity
    values: Mapping[str, Any]
    events: pl.DataFrame

    def columns(self, schema: Mapping[str, pl.DataType]) -> list[str]:
        """Columns of a table by which its rows are told; empty where it has none."""
        own, keys = list(self.values), list(self.use_case.event_source.primary_key)
        named = [*(own if set(own) <= set(schema) else ()), *(keys if set(keys) <= set(schema) else ())]
        return list(dict.fromkeys([*named, *([TEXT] if schema.get(TEXT) == pl.String() else ())]))

    def belongs(self, rows: pl.DataFrame) -> pl.Series:
        """Which rows are the entity's."""
        mask = pl.repeat(False, rows.height, eager=True)
        if set(self.values) <= set(rows.columns):
            equal = [pl.col(name).cast(pl.String) == str(value) for name, value in self.values.items()]
            mask = mask | rows.select(pl.all_horizontal(equal).fill_null(False)).to_series()
        keys = self.events.columns
        if set(keys) <= set(rows.columns) and self.events.height:
            placed = rows.select(
                pl.col(name).cast(self.events.schema[name], strict=False) for name in keys
            ).with_row_index("__place")
            there = placed.join(self.events, on=keys, how="semi")["__place"]
            mask = mask | pl.int_range(rows.height, eager=True).is_in(there.cast(pl.Int64).implode())
        if TEXT in rows.columns and rows.schema[TEXT] == pl.String():
            said = [pl.col(TEXT).str.json_path_match(f"$.{name}") == str(value) for name, value in self.values.items()]
            mask = mask | rows.select(pl.all_horizontal(said).fill_null(False)).to_series()
        return mask.alias("belongs")

    def is_line(self, values: Mapping[str, Any]) -> bool:
        """Whether a line of the log is the entity's."""
        return all(str(values.get(name)) == str(value) for name, value in self.values.items())

    @property
    def mention(self) -> bytes:
        """Text that every line of the entity has."""
        return str(next(iter(self.values.values()))).encode()

    def keyed_hash(self, key: bytes) -> str:
        """What stands for the entity in records: whoever has the key and the value can make it again, nobody else can tell the value."""
        said = "\0".join([self.entity.name, *map(str, self.values.values())])
        return hmac.new(key, said.encode(), hashlib.sha256).hexdigest()


def named_entity(catalog: Catalog, text: str) -> ErasedEntity:
    """The entity that a person names, such as `account=7`, with its events.

    Args:
        catalog: the tables.
        text: `key=value`; of an entity of several columns `name=value,value`.

    Raises:
        ErasureRefused: it names no entity of the use case, or a value that its key cannot have.
    """
    use_case = catalog.use_case
    given, separator, value = text.partition("=")
    entity = next((one for one in use_case.entities if given in (one.name, one.key)), None)
    if entity is None or not separator or not value:
        known = ", ".join(f"{one.key}=VALUE" for one in use_case.entities)
        raise ErasureRefused(f"{text!r} names no entity of {use_case.name}: write one of {known}")
    columns = list(entity.key_columns)
    parts = value.split(",") if len(columns) > 1 else [value]
    if len(parts) != len(columns):
        raise ErasureRefused(
            f"{entity.name} has {len(columns)} key columns ({', '.join(columns)}): write {given}={','.join(columns)}"
        )
    values: dict[str, Any] = {}
    for name, part in zip(columns, parts, strict=True):
        kind = use_case.event_source.column(name).polars_type
        try:
            values[name] = int(part) if kind.is_integer() else part
        except ValueError as error:
            raise ErasureRefused(f"{name} is a whole number; {part!r} is none") from error
    keys = list(use_case.event_source.primary_key)
    schema = {name: use_case.event_source.column(name).polars_type for name in keys}
    found = ErasedEntity(use_case, entity, values, pl.DataFrame(schema=schema))
    frames = [found.events, *(_events_of(catalog, name, found, keys) for name in _with_events(catalog))]
    return ErasedEntity(use_case, entity, values, pl.concat(frames).unique())


def _with_events(catalog: Catalog) -> list[str]:
    """Tables that have an event's key beside its entities'."""
    layers, event_source = (RAW, SERVING, PREDICTIONS), catalog.use_case.events
    return [
        name for name in catalog.stored_names() if name == f"clean/{event_source}" or name.partition("/")[0] in layers
    ]


def _events_of(catalog: Catalog, name: str, entity: ErasedEntity, keys: Sequence[str]) -> pl.DataFrame:
    try:
        table = catalog.stored(name)
    except LakeError:
        return entity.events
    if not {*keys, *entity.values} <= set(table.schema):
        return entity.events
    own = [pl.col(column).cast(pl.String) == str(value) for column, value in entity.values.items()]
    rows = table.scan(columns=list(dict.fromkeys([*keys, *entity.values])), ordered=False).filter(*own)
    return rows.select(pl.col(key).cast(entity.events.schema[key], strict=False) for key in keys).drop_nulls().collect()


def erasure_key(home: Path) -> bytes:
    """The key of the hashes in erasures' records, made when it is first needed; only its owner may read it."""
    path = home / "erasure.key"
    try:
        return path.read_bytes()
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_bytes()
    with os.fdopen(descriptor, "wb") as file:
        file.write(os.urandom(32))
    return path.read_bytes()
