"""Files, as declared.

Belongs here: the declaration, and what does not fit together in it. Does not belong here: reading files (`connectors/files/`).
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from platform_assets.declaration.sections.columns import Column
from platform_assets.declaration.sections.connectors.base import ConnectorDeclaration, ConnectorProblem, deletion_mark
from platform_assets.declaration.sections.connectors.dated_path import DatedPath

if TYPE_CHECKING:
    from platform_assets.declaration.sections.sources import Source


SEPARATORS: Mapping[str, str] = MappingProxyType({"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"})
"""What stands between the cells of a CSV file, by the name that a declaration uses."""


class FilesConnector(ConnectorDeclaration):
    """Rows read from files."""

    reader: ClassVar[str] = "platform_assets.connectors.files.reader:FILES"
    incremental_field: ClassVar[str] = "incremental"

    kind: Literal["files"] = Field(description="Files on disk or in an object store.")
    format: Literal["csv", "parquet", "jsonl"] = Field(description="File format.")
    path: str = Field(
        description="File, folder or glob, relative to the use case's folder, or `s3://bucket/...`. `{event_day}` stands for the day, "
        "`{event_month}` for the month (2024-03) and `{event_year}` for the year of a file with many days, `{event_hour}` for the "
        "hour (05); another way to write them stands behind a colon, `{event_day:%Y/%m/%d}`."
    )
    separator: Literal["comma", "semicolon", "tab", "pipe"] = Field(
        default="comma", description="CSV only: what stands between cells."
    )
    encoding: Literal["utf-8", "windows-1252", "latin-1", "utf-16"] = Field(
        default="utf-8",
        description="CSV and JSON lines: how characters are written. Spreadsheets of western Windows write windows-1252.",
    )
    missing_hours: Literal["refuse", "allow"] = Field(
        default="refuse",
        description="With `{event_hour}`: whether a day is loaded when some of its hours have no file.",
    )
    incremental: bool = Field(
        default=False,
        description="Whether each new or changed file below the path is a delivery of changes, by arrival instead of by event day.",
    )
    settle_seconds: float = Field(
        default=5,
        ge=0,
        description="Incremental only: a local file that changed less long ago than this may be incomplete and waits for the next read.",
    )

    deleted: str = deletion_mark()

    @property
    def separating_character(self) -> str:
        """The separator itself."""
        return SEPARATORS[self.separator]

    @property
    def own_columns(self) -> tuple[str, ...]:
        """As `ConnectorDeclaration.own_columns`."""
        return (self.deleted,) if self.incremental else ()

    @property
    def is_incremental(self) -> bool:
        """As declared."""
        return self.incremental

    def arrives_as_text(self, column: Column) -> bool:
        """CSV and JSON lines have no types of their own; in Parquet text may stand for a time, as many writers keep them."""
        return self.format in ("csv", "jsonl") or column.type in ("datetime", "date")

    def problems(self, source: "Source") -> Iterator[ConnectorProblem]:
        """As `ConnectorDeclaration.problems`."""
        where = ("connector", "path")
        if self.separator != "comma" and self.format != "csv":
            yield ConnectorProblem(("connector", "separator"), self.separator, "is for `format: csv`")
        if self.encoding != "utf-8" and self.format == "parquet":
            yield ConnectorProblem(("connector", "encoding"), self.encoding, "is for `format: csv` and `jsonl`")
        dated = DatedPath(self.path)
        if self.incremental and dated.is_dated:
            message = "an incremental source takes every new file, whatever its day: write `*` for `{event_day}`"
            yield ConnectorProblem(where, self.path, message)
        elif dated.is_dated and not source.is_daily:
            message = "a table that is loaded whole has no days: declare its event_time, or write `*`"
            yield ConnectorProblem(where, self.path, message)
        for message in dated.problems():
            yield ConnectorProblem(where, self.path, message)
        if "://" in self.path and not self.path.startswith("s3://"):
            yield ConnectorProblem(where, self.path, "only s3:// addresses and local paths can be read")
