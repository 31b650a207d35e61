"""Feature tables in Unity Catalog of a Databricks workspace, by its REST interface.

Belongs here: requests and answers of that interface. Does not belong here: Spark, or moving rows: a table of the catalog is the Delta table
of the lake, at its address.

Tables are external Delta tables; a primary key with a time column makes one a feature table. Paths and bodies are those of Databricks' own
client (`databricks-sdk`), which the contract suite compares with; that client is a large package for a handful of requests.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import polars as pl

from platform_assets.declaration import EVENT_DAY, UseCase
from platform_assets.declaration.sections.feature_stores import Databricks
from platform_assets.features.feature_stores.base import (
    FeatureStoreAway,
    FeatureStoreError,
    PublishedTable,
    PublishingStore,
    StoreOpener,
    rows_of_day,
)

TIMEOUT_SECONDS = 30.0
TABLES, CONSTRAINTS = "/api/2.1/unity-catalog/tables", "/api/2.1/unity-catalog/constraints"
REACHABLE = ("s3://", "abfss://", "gs://")
"""Addresses that a workspace can read."""
_NOT_NOW = (408, 425, 429, 500, 502, 503, 504)
_TYPES: Mapping[str, tuple[pl.DataType, str, str]] = {
    "LONG": (pl.Int64(), "bigint", "long"),
    "INT": (pl.Int32(), "int", "integer"),
    "SHORT": (pl.Int16(), "smallint", "short"),
    "BYTE": (pl.Int8(), "tinyint", "byte"),
    "DOUBLE": (pl.Float64(), "double", "double"),
    "FLOAT": (pl.Float32(), "float", "float"),
    "BOOLEAN": (pl.Boolean(), "boolean", "boolean"),
    "STRING": (pl.String(), "string", "string"),
    "DATE": (pl.Date(), "date", "date"),
    "TIMESTAMP": (pl.Datetime("us", "UTC"), "timestamp", "timestamp"),
}
"""Of the catalog's names of types: ours, SQL's and Spark's."""


@dataclass(frozen=True)
class UnityCatalog:
    """Unity Catalog of a workspace.

    Attributes:
        workspace: its address.
        token: never shown.
        declared: what the declaration says of it.
        object_store: options by which the lake is read.
        reachable: beginnings of addresses that the workspace can read.
    """

    workspace: str
    token: str = field(repr=False)
    declared: Databricks
    object_store: Mapping[str, str] = field(default_factory=dict, repr=False)
    reachable: tuple[str, ...] = REACHABLE

    def apply(self, table: PublishedTable) -> None:
        """Make the table known, with its key; one that is there stays, and a key that lacks is added."""
        if not table.location.startswith(self.reachable):
            raise FeatureStoreError(
                f"table {table.name} lies at {table.location}, which no workspace can read: put the lake (PLATFORM_ASSETS_LAKE) into an "
                f"object store ({', '.join(self.reachable)}) that is an external location of the workspace"
            )
        known = self._asked("GET", f"{TABLES}/{self._full_name(table.name)}", table.name, absent_is_none=True)
        if known is None:
            self._asked("POST", TABLES, table.name, self._body(table))
            known = {}
        if not _primary_key(known):
            self._asked("POST", CONSTRAINTS, table.name, self._key_body(table))
        found = self.described(table.name)
        if found is None:
            raise FeatureStoreError(
                f"Unity Catalog took table {table.name}, and does not know it: look at the workspace"
            )
        table.require_same(
            found, "Unity Catalog", f"Drop it (`DROP TABLE {self._full_name(table.name)}`): its rows stay in the lake"
        )

    def described(self, name: str) -> PublishedTable | None:
        """The table as the catalog knows it."""
        answer = self._asked("GET", f"{TABLES}/{self._full_name(name)}", name, absent_is_none=True)
        if answer is None:
            return None
        key = _primary_key(answer)
        times = tuple(key.get("timeseries_columns") or ())
        columns = sorted(answer.get("columns") or (), key=lambda column: int(column.get("position", 0)))
        return PublishedTable(
            name,
            str((answer.get("properties") or {}).get("comment", "")),
            {str(column["name"]): _TYPES.get(str(column.get("type_name")), (pl.Null(),))[0] for column in columns},
            tuple(str(column) for column in key.get("child_columns") or () if column not in times),
            str(times[0]) if times else "",
            str(answer.get("storage_location", "")),
        )

    def take_day(self, table: PublishedTable, day: date, rows: pl.DataFrame) -> None:
        """The day is there once the lake's table has it; the online table is told to follow."""
        rows_of_day(rows, table, day)
        if self.declared.online_store is None or (
            self.declared.publish_mode == "continuous" and self._is_online(table)
        ):
            return
        name = self._full_name(table.name)
        spec = {
            "online_store": self.declared.online_store,
            "online_table_name": f"{name}_online",
            "publish_mode": self.declared.publish_mode.upper(),
        }
        self._asked("POST", f"/api/2.0/feature-store/tables/{name}/publish", table.name, {"publish_spec": spec})

    def read_day(self, table: PublishedTable, day: date) -> pl.DataFrame:
        """The rows of the Delta table that the catalog names."""
        found = self.described(table.name)
        if found is None:
            raise FeatureStoreError(f"Unity Catalog knows no table {table.name}: apply it first")
        columns = list(table.columns)
        options = dict(self.object_store) or None
        try:
            scanned = pl.scan_delta(found.location.removeprefix("file://"), storage_options=options)
        except OSError as error:
            raise FeatureStoreAway(
                f"table {table.name}: {found.location} cannot be read ({error}). Try again"
            ) from error
        return scanned.filter(pl.col(EVENT_DAY) == day).select(columns).collect()

    def _is_online(self, table: PublishedTable) -> bool:
        name = f"{self._full_name(table.name)}_online"
        return self._asked("GET", f"{TABLES}/{name}", table.name, absent_is_none=True) is not None

    def _full_name(self, name: str) -> str:
        return f"{self.declared.unity_schema}.{name}"

    def _body(self, table: PublishedTable) -> dict[str, Any]:
        catalog, _, schema = self.declared.unity_schema.partition(".")
        return {
            "catalog_name": catalog,
            "columns": [_column(table, name, place) for place, name in enumerate(table.columns)],
            "data_source_format": "DELTA",
            "name": table.name,
            "properties": {"comment": table.description},
            "schema_name": schema,
            "storage_location": table.location,
            "table_type": "EXTERNAL",
        }

    def _key_body(self, table: PublishedTable) -> dict[str, Any]:
        key = {
            "child_columns": [*table.key, table.time_column],
            "name": f"{table.name}_key",
            "timeseries_columns": [table.time_column],
        }
        return {"constraint": {"primary_key_constraint": key}, "full_name_arg": self._full_name(table.name)}

    def _asked(
        self, method: str, path: str, what: str, body: Mapping[str, Any] | None = None, *, absent_is_none: bool = False
    ) -> dict[str, Any] | None:
        """What the workspace answers.

        Raises:
            FeatureStoreAway: it does not answer, or not now.
            FeatureStoreError: it refuses the request.
        """
        import httpx

        headers = {"Accept": "application/json", "Authorization": f"Bearer {self.token}"}
        try:
            with httpx.Client(timeout=TIMEOUT_SECONDS) as client:
                answer = client.request(method, f"{self.workspace.rstrip('/')}{path}", headers=headers, json=body)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise FeatureStoreAway(
                f"table {what}: the workspace does not answer ({type(error).__name__}). Check the address in {self.declared.workspace} and "
                "the network, and try again"
            ) from None
        if answer.status_code == 404 and absent_is_none:
            return None
        if answer.status_code in (401, 403):
            raise FeatureStoreError(
                f"table {what}: the workspace refuses {method} {path} ({answer.status_code}, {_reason(answer)}). Check the token in "
                f"{self.declared.token}, and its rights on {self.declared.unity_schema}"
            )
        if answer.status_code in _NOT_NOW:
            raise FeatureStoreAway(f"table {what}: the workspace answered {answer.status_code}. Try again later")
        if answer.status_code != 200:
            raise FeatureStoreError(
                f"table {what}: the workspace refuses {method} {path} ({answer.status_code}): {_reason(answer)}"
            )
        try:
            found = answer.json()
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise FeatureStoreError(
                f"table {what}: {self.declared.workspace} is no workspace: it answers no JSON object"
            )
        return found


def _reason(answer: Any) -> str:
    """What the workspace says of an error, in one line."""
    try:
        found = answer.json()
    except ValueError:
        return "no reason given"
    return (
        " ".join(str(found.get("message", "no reason given")).split())[:300]
        if isinstance(found, dict)
        else "no reason given"
    )


def _primary_key(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    for constraint in answer.get("table_constraints") or ():
        if found := constraint.get("primary_key_constraint"):
            return dict(found)
    return {}


def _column(table: PublishedTable, name: str, place: int) -> dict[str, Any]:
    dtype = table.columns[name]
    type_name = next((known for known, (ours, _, _) in _TYPES.items() if ours == dtype), None)
    if type_name is None:
        raise FeatureStoreError(
            f"table {table.name}: column {name} is {dtype}, for which Unity Catalog has no type here"
        )
    _, sql, spark = _TYPES[type_name]
    described = {"name": name, "type": spark, "nullable": name not in (*table.key, table.time_column), "metadata": {}}
    return {
        "name": name,
        "nullable": described["nullable"],
        "position": place,
        "type_json": json.dumps(described),
        "type_name": type_name,
        "type_text": sql,
    }


def _opened(use_case: UseCase, variables: Mapping[str, str], object_store: Mapping[str, str]) -> PublishingStore:
    declared = use_case.databricks
    assert declared is not None, "a declaration without it is refused"
    lacking = [name for name in (declared.workspace, declared.token) if not variables.get(name, "").strip()]
    if lacking:
        raise FeatureStoreError(
            f"use case {use_case.name}: {' and '.join(lacking)}, named by `databricks`, "
            f"{'is' if len(lacking) == 1 else 'are'} not set: set address and token of the workspace where runs start"
        )
    return UnityCatalog(
        variables[declared.workspace].strip(), variables[declared.token].strip(), declared, object_store
    )


OPENED: StoreOpener = _opened
