"""Gate `contracts`: a use case takes from its sources what their owners promise to deliver, and no more.

Belongs here: data contracts beside a declaration (`contracts/*.odcs.yaml` in the use case's folder) against its sources. Does not belong
here: what rows really are, which the checks of every load look at (`validation/`).

A contract is written in the Open Data Contract Standard, version 3, by those who deliver; the parts of it that say what a row looks like
are read, all else is theirs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from platform_assets.declaration.sections.sources import Source
from platform_assets.declaration.yaml_text import line_of, load_yaml
from platform_assets.pipelines.change.gates.base import ChangeFinding
from platform_assets.pipelines.change.sides import ChangeSide, RepositoryChange

PATTERN: Final = "contracts/*.odcs.yaml"
FITTING: Final[Mapping[str, frozenset[str]]] = {
    "int8": frozenset({"integer"}),
    "int32": frozenset({"integer"}),
    "int64": frozenset({"integer"}),
    "float64": frozenset({"number", "integer"}),
    "string": frozenset({"string"}),
    "bool": frozenset({"boolean"}),
    "datetime": frozenset({"timestamp", "date"}),
    "date": frozenset({"date"}),
}
"""For each type of a declared column, the logical types of a contract whose values it holds."""
_NEXT_STEP: Final = "declare what is promised, or agree on another contract with those who deliver"


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", populate_by_name=True)


class ContractProperty(_Part):
    """A promised column."""

    name: str
    logical_type: str | None = Field(default=None, alias="logicalType")
    options: dict[str, Any] = Field(default_factory=dict, alias="logicalTypeOptions")
    required: bool = False
    unique: bool = False
    primary_key: bool = Field(default=False, alias="primaryKey")


class ContractTable(_Part):
    """A promised table."""

    name: str
    properties: list[ContractProperty] = Field(min_length=1)


class DataContract(_Part):
    """The parts of a data contract that say what rows look like."""

    kind: str = Field(pattern="^DataContract$")
    version: str
    tables: list[ContractTable] = Field(alias="schema", min_length=1)


@dataclass(frozen=True)
class _Contracts:
    about: str = "sources take what the data contracts beside the declaration promise"

    def judge(self, change: RepositoryChange) -> Iterator[ChangeFinding]:
        """What each contract does not promise, each that cannot be read, and each that is gone."""
        for name in change.after.use_cases:
            declaration = change.after.use_cases[name]["declaration"]
            sources = {source["name"]: Source.model_validate(source) for source in declaration["sources"]}
            for path in _files(change.after, name):
                yield from _of_file(change, name, path, sources)
            if name in change.before.use_cases:
                gone = set(_files(change.before, name)) - set(_files(change.after, name))
                for path in sorted(gone):
                    message = "the contract is gone: what is delivered is held to nothing before it comes"
                    yield ChangeFinding(
                        f"{name} {Path(path).name}", path, 1, message, "put it back, or have the change accepted"
                    )


def _files(side: ChangeSide, name: str) -> list[str]:
    folder = side.root / side.use_cases[name]["folder"]
    return [path.relative_to(side.root).as_posix() for path in sorted(folder.glob(PATTERN))]


def _of_file(change: RepositoryChange, name: str, path: str, sources: Mapping[str, Source]) -> Iterator[ChangeFinding]:
    file = change.after.root / path
    try:
        document, node = load_yaml(file.read_text(encoding="utf-8-sig"))
        contract = DataContract.model_validate(document)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        yield ChangeFinding("", path, 1, f"no YAML: {error}".replace("\n", " "), "mend it")
        return
    except ValidationError as error:
        for detail in error.errors():
            message = f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}"
            yield ChangeFinding(
                "",
                path,
                line_of(node, detail["loc"]),
                message,
                "it has to be a contract of the Open Data Contract Standard 3",
            )
        return
    for place, table in enumerate(contract.tables):
        if table.name not in sources:
            message = (
                f"the contract promises {table.name}, which is no source of {name}; there are {', '.join(sources)}"
            )
            yield ChangeFinding("", path, line_of(node, ("schema", place)), message, "name it like the source")
            continue
        for column, message in broken_promises(table, sources[table.name]):
            where = _place(list(sources), sources[table.name], column)
            key = f"{name} contract {table.name}.{column}"
            at = change.after.line(name, where)
            text = f"{table.name}.{column}: {message} (contract {Path(path).name}, version {contract.version})"
            yield ChangeFinding(key, change.after.file(name), at, text, _NEXT_STEP)


def _place(names: Sequence[str], source: Source, column: str) -> tuple[int | str, ...]:
    where: tuple[int | str, ...] = ("sources", names.index(source.name))
    return (*where, "columns", source.column_names.index(column)) if column in source.column_names else (*where, column)


def broken_promises(table: ContractTable, source: Source) -> Iterator[tuple[str, str]]:
    """Each column, or field, of a source that wants more than a contract promises, with what.

    Args:
        table: what is promised.
        source: what is declared.
    """
    promised = {item.name: item for item in table.properties}
    for column in source.columns:
        for name in column.delivered_names:
            if name not in promised:
                yield column.name, f"{name} is not promised; there are {', '.join(promised)}"
        if len(column.delivered_names) != 1 or column.delivered_names[0] not in promised:
            continue
        item = promised[column.delivered_names[0]]
        is_text = item.logical_type == "string" and (column.has_written_form or bool(column.format))
        if item.logical_type is not None and item.logical_type not in FITTING[column.type] and not is_text:
            yield column.name, f"declared as {column.type}, promised as {item.logical_type}"
        if not (item.required or item.primary_key or column.nullable):
            yield column.name, "may be missing by the contract, and the declaration refuses such rows: `nullable: true`"
        if column.unique and not (item.unique or (item.primary_key and len(_key(table)) == 1)):
            yield column.name, "declared as unique, which is not promised"
        yield from _limits(column.name, column.minimum, column.maximum, item.options)
    key = _key(table)
    if key and {name for part in source.primary_key for name in source.column(part).delivered_names or (part,)} != set(
        key
    ):
        yield "primary_key", f"declared as {', '.join(source.primary_key)}, promised as {', '.join(key)}"


def _key(table: ContractTable) -> list[str]:
    return [item.name for item in table.properties if item.primary_key]


def _limits(
    column: str, minimum: float | None, maximum: float | None, options: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    least, most = options.get("minimum"), options.get("maximum")
    if minimum is not None and isinstance(least, int | float) and minimum > least:
        yield column, f"values from {least} on are promised, and those below {minimum:g} are refused"
    if maximum is not None and isinstance(most, int | float) and maximum < most:
        yield column, f"values up to {most} are promised, and those above {maximum:g} are refused"


CONTRACTS = _Contracts()
