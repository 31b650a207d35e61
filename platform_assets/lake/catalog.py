"""The catalog: the tables of one use case, by what they hold.

Belongs here: which tables a use case has, each with its schema, its partitions and its versions; what counts as a delivered and as a
published row. Does not belong here: columns (`schemas.py`), writing (`table.py`), judging rows (`validation/`).

    catalog = Catalog(use_case, lake)
    catalog.raw("transactions").delivered_rows(days)
    catalog.clean("transactions").read(first, last)
    catalog.features(view)   catalog.training_sets   catalog.predictions   catalog.verdicts(DRIFT)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

import polars as pl

from platform_assets.declaration.days import DayRange
from platform_assets.declaration.delivered_columns import (
    DELIVERED_DAY,
    EXTRA,
    SOURCE_LINE,
    SOURCE_POSITION,
    UNCAST,
    row_positions,
)
from platform_assets.declaration.names import (
    DAILY_PREDICTIONS,
    FEATURE_QUALITY,
    PARITY,
    PREDICTION_LOG,
    RETRAIN_DECISION,
    SHADOW_LOG,
    TABLES,
    TRAINING_SET,
    USAGE,
)
from platform_assets.declaration.prediction_log import prediction_log_schema
from platform_assets.declaration.sections.changes import CHANGE_SEQUENCE, IS_DELETED, VERSION_SINCE, VERSION_UNTIL
from platform_assets.declaration.sections.features import FeatureView
from platform_assets.declaration.sections.migrations import Migration
from platform_assets.declaration.sections.sources import EVENT_DAY, Source
from platform_assets.declaration.use_case import UseCase
from platform_assets.lake.changes import current_rows, deleted_rows, versions, with_deleted
from platform_assets.lake.evolution import Evolution
from platform_assets.lake.lake import Lake
from platform_assets.lake.layout import (
    ACCEPTANCES,
    CLEAN,
    FEATURES,
    HISTORY,
    LAYERS,
    MAINTENANCE,
    MODEL,
    MONITORING,
    PREDICTIONS,
    PROFILE,
    QUARANTINE,
    RAW,
    RELEASES,
    SERVING,
    TRAINING,
)
from platform_assets.lake.maintenance import stored_tables
from platform_assets.lake.row_versions import row_versions as known_row_versions
from platform_assets.lake.schemas import (
    ACCEPTANCE_SCHEMA,
    AS_OF,
    FEATURE_QUALITY_SCHEMA,
    LEDGER_SCHEMA,
    PARITY_SCHEMA,
    RETRAIN_SCHEMA,
    UPKEEP_SCHEMA,
    USAGE_SCHEMA,
    VERDICT_SCHEMA,
    added_columns,
    clean_schema,
    history_schema,
    keeps_deleted,
    profile_schema,
    quarantine_schema,
    raw_schema,
    releases_schema,
    training_set_schema,
)
from platform_assets.lake.table import LakeTable
from platform_assets.lake.versions import stored_table

LEDGER = "ledger"
CARRIED = "carried"
"""Folder beside the layers with the carried state of feature views."""

_NEVER = pl.lit(None, dtype=pl.Date)


@dataclass(frozen=True)
class RawTable:
    """What a source delivered, as it was delivered.

    Attributes:
        source: the declared source.
        stored: the Delta table.
    """

    source: Source
    stored: LakeTable

    def delivered_rows(self, days: DayRange | None) -> pl.DataFrame:
        """Rows to audit: what was delivered for these days, or the whole of a reference table.

        Of an incremental source these are the rows that are there after all changes; a deleted row is not among them.

        Returns:
            The declared columns, `source_position`, `source_line`, `uncast`, `extra` and `delivered_day` (null in a reference table).
        """
        rows = self._rows(days)
        if self.source.is_incremental:
            rows = current_rows(rows, self.source.primary_key)
        return self._as_delivered(rows)

    def with_kept_deletions(self, days: DayRange | None, accepted: pl.DataFrame) -> pl.DataFrame:
        """What to publish of rows that passed the audit: with `deletes: soft`, the deleted rows of the same days as well.

        Args:
            days: The days that were audited; None for a reference table.
            accepted: Good rows of days that passed.

        Returns:
            Rows with the columns of `clean_schema`.
        """
        if not keeps_deleted(self.source):
            return accepted
        rows = self._as_delivered(deleted_rows(self._rows(days), self.source.primary_key))
        if self.source.is_daily:
            rows = rows.rename({DELIVERED_DAY: EVENT_DAY})
        return with_deleted(accepted, rows)

    def row_versions(self, days: DayRange) -> pl.DataFrame:
        """Every version of the rows of these days, as delivered, with the columns of `history_schema`."""
        rows = versions(self._rows(days), self.source.primary_key)
        return rows.with_columns(row_positions(rows)).select(list(history_schema(self.source)))

    def known_versions(self, last: date, version: int | None = None) -> pl.DataFrame:
        """Every version that rows had up to the end of a day; see `row_versions`.

        The whole table is read: what a change took the place of may lie in any day.

        Returns:
            The columns of `delivered_rows`, then `change_sequence`, `version_since` and `version_until`.
        """
        assert self.source.event_time is not None, "an incremental source without event time is refused"
        found = known_row_versions(self.stored.read(version=version), self.source.primary_key, self.source.event_time)
        found = found.filter(pl.col(VERSION_SINCE).dt.date() <= last)
        times = found.select(CHANGE_SEQUENCE, VERSION_SINCE, VERSION_UNTIL)
        return pl.concat([self._as_delivered(found), times], how="horizontal")

    def _rows(self, days: DayRange | None) -> pl.DataFrame:
        if days is None:
            return self.stored.read().with_columns(_NEVER.alias(EVENT_DAY))
        return self.stored.read(days.first, days.last)

    def _as_delivered(self, rows: pl.DataFrame) -> pl.DataFrame:
        names = (*self.source.column_names, SOURCE_POSITION, SOURCE_LINE, UNCAST, EXTRA)
        return rows.select(*names, pl.col(EVENT_DAY).alias(DELIVERED_DAY))


@dataclass(frozen=True)
class CleanTable:
    """Published rows of a source that count: those that are kept as deleted are left out.

    Attributes:
        source: the declared source.
        stored: the Delta table, deleted rows included where it keeps them.
    """

    source: Source
    stored: LakeTable

    @property
    def uri(self) -> str:
        """The table's address."""
        return self.stored.uri

    def exists(self) -> bool:
        """Whether anything was ever published."""
        return self.stored.exists()

    def version(self) -> int | None:
        """The latest Delta version; None where nothing was published."""
        return self.stored.version()

    def version_at(self, moment: datetime) -> int:
        """The Delta version of a moment.

        Raises:
            LakeTableMissing: nothing was published.
            LakeVersionMissing: the table was made later, or its version of then was removed.
        """
        return self.stored.version_at(moment)

    def read(
        self,
        first: date | None = None,
        last: date | None = None,
        columns: Sequence[str] | None = None,
        *,
        version: int | None = None,
    ) -> pl.DataFrame:
        """Rows of the days from `first` to `last`, both included, or all.

        Raises:
            LakeTableMissing: The source was never published.
            LakeVersionMissing: The version does not exist, or its files are gone.
        """
        if not keeps_deleted(self.source):
            return self.stored.read(first, last, version=version, columns=columns)
        wanted = list(columns) if columns is not None else [name for name in self.stored.schema if name != IS_DELETED]
        rows = self.stored.read(first, last, version=version, columns=[*wanted, IS_DELETED])
        return rows.filter(~pl.col(IS_DELETED)).select(wanted)

    def count_by_day(self) -> dict[date, int]:
        """Rows by day; empty where nothing was published.

        Read from the log where no row is deleted; else the marks are read.
        """
        if not self.exists():
            return {}
        if not keeps_deleted(self.source):
            return self.stored.count_by_partition()
        kept = self.stored.scan(columns=[EVENT_DAY, IS_DELETED], ordered=False).filter(~pl.col(IS_DELETED))
        return dict(kept.group_by(EVENT_DAY).len().sort(EVENT_DAY).collect().iter_rows())


@dataclass(frozen=True)
class Catalog:
    """The tables of a use case in a lake.

    Attributes:
        use_case: the declaration.
        lake: where they are.
        left_out: days of sources that count as absent where days are required, by the rule of `late`.
    """

    use_case: UseCase
    lake: Lake
    left_out: Mapping[str, frozenset[date]] = field(default_factory=dict, compare=False)

    def raw(self, source: str) -> RawTable:
        """What a source delivered."""
        declared = self.use_case.source(source)
        migrations = (*declared.migrations, *added_columns(declared))
        return RawTable(declared, self._table(RAW, source, raw_schema(declared), migrations=migrations))

    def clean(self, source: str) -> CleanTable:
        """What was published of a source."""
        declared = self.use_case.source(source)
        return CleanTable(declared, self._table(CLEAN, source, clean_schema(declared), migrations=declared.migrations))

    @property
    def events(self) -> CleanTable:
        """The published events that are scored."""
        return self.clean(self.use_case.events)

    @property
    def labels(self) -> CleanTable:
        """The published rows that carry labels."""
        return self.clean(self.use_case.label.source)

    def quarantine(self, source: str) -> LakeTable:
        """Refused rows of a source, each with the rule it broke."""
        return self._table(QUARANTINE, source, quarantine_schema(self.use_case.source(source)))

    def releases(self, source: str) -> LakeTable:
        """Decisions to publish refused rows."""
        return self._table(RELEASES, source, releases_schema(self.use_case.source(source)))

    def acceptances(self, source: str) -> LakeTable:
        """Decisions about days that rules refuse."""
        return self._table(ACCEPTANCES, source, ACCEPTANCE_SCHEMA)

    def profile(self, source: str) -> LakeTable:
        """What each column of each day looked like when it was audited."""
        return self._table(PROFILE, source, profile_schema(self.use_case.source(source)))

    def history(self, source: str) -> LakeTable:
        """Every version of every row of a source with `deletes: history`."""
        return self._table(HISTORY, source, history_schema(self.use_case.source(source)))

    def features(self, view: FeatureView) -> LakeTable:
        """The feature table of a view."""
        return self._table(FEATURES, view.table, self.use_case.feature_schema(view))

    def carried_state_uri(self, view: FeatureView) -> str:
        """Address of the file with a view's carried state."""
        return f"{self.lake.root.rstrip('/')}/{self.use_case.name}/{CARRIED}/{view.table}.parquet"

    def online_events_uri(self, view: FeatureView) -> str:
        """Address of the file with the events that a view's states were last made from."""
        return f"{self.lake.root.rstrip('/')}/{self.use_case.name}/{CARRIED}/{view.table}_online.parquet"

    @property
    def feature_quality(self) -> LakeTable:
        """A profile of every feature of each training set."""
        return self._table(FEATURES, FEATURE_QUALITY, FEATURE_QUALITY_SCHEMA, partition_by=AS_OF)

    @property
    def training_sets(self) -> LakeTable:
        """Labelled events with their features, by as-of day."""
        return self._table(TRAINING, TRAINING_SET, training_set_schema(self.use_case), partition_by=AS_OF)

    @property
    def predictions(self) -> LakeTable:
        """What callers were given: the service's log, or in batch mode the predictions of each day."""
        layer, table = predictions_path(self.use_case)
        return self._table(layer, table, prediction_log_schema(self.use_case))

    @property
    def shadow_predictions(self) -> LakeTable:
        """What versions in shadow answered, which nobody was given: a table of its own, so that no reader takes it for an answer."""
        return self._table(SERVING, SHADOW_LOG, prediction_log_schema(self.use_case))

    def verdicts(self, name: str) -> LakeTable:
        """Stored verdicts of a monitor (`DRIFT`, `QUALITY`, `ESTIMATE`, `BUSINESS_MEASURES`): a row for each window."""
        return self._table(MONITORING, name, VERDICT_SCHEMA)

    @property
    def retrain_decisions(self) -> LakeTable:
        """Whether a new model was asked for, and on which evidence, by as-of day."""
        return self._table(MONITORING, RETRAIN_DECISION, RETRAIN_SCHEMA, partition_by=AS_OF)

    @property
    def parity(self) -> LakeTable:
        """Whether served and offline feature values agreed, by day."""
        return self._table(MONITORING, PARITY, PARITY_SCHEMA)

    @property
    def upkeep(self) -> LakeTable:
        """What maintenance did, a row for each table and run."""
        return self._table(MAINTENANCE, TABLES, UPKEEP_SCHEMA)

    @property
    def usage(self) -> LakeTable:
        """What work took, by step, process and table."""
        return self._table(MONITORING, USAGE, USAGE_SCHEMA)

    @property
    def ledger(self) -> LakeTable:
        """Moves of the champion and releases; one written before a column was added gets the column with its next entry."""
        uri = self.lake.uri(self.use_case.name, MODEL, LEDGER)
        options = self.lake.storage_options()
        known = self.lake.known(self.use_case.name, MODEL, LEDGER)
        copied_to = self.lake.copy_of(self.use_case.name, MODEL, LEDGER)
        automatic = Evolution(automatic=True)
        return LakeTable(uri, dict(LEDGER_SCHEMA), None, options, evolution=automatic, known=known, copied_to=copied_to)

    def stored_names(self) -> list[str]:
        """Tables that are there, as `layer/table`, in order."""
        roots = {self.lake.root_of(layer) for layer in LAYERS}
        options = self.lake.storage_options()
        found = ((root, name) for root in roots for name in stored_tables(root, self.use_case.name, options))
        return sorted(name for root, name in found if root == self.lake.root_of(name.partition("/")[0]))

    def stored(self, name: str, version: int | None = None) -> LakeTable:
        """A table as it is on disk, whatever is declared; `name` is `layer/table`.

        Raises:
            LakeTableMissing: there is none.
            LakeVersionMissing: the version does not exist.
        """
        layer, _, table = name.partition("/")
        uri = self.lake.uri(self.use_case.name, layer, table)
        known = self.lake.known(self.use_case.name, layer, table)
        return stored_table(uri, self.lake.storage_options(), version, known=known)

    def path(self, table: LakeTable | CleanTable) -> str:
        """A table's path below the lake's root, by which data versions are recorded: `/<use_case>/<layer>/<table>`."""
        return table.uri.removeprefix(self.lake.root)

    def _table(
        self,
        layer: str,
        name: str,
        schema: dict[str, pl.DataType],
        *,
        partition_by: str = EVENT_DAY,
        migrations: tuple[Migration, ...] = (),
    ) -> LakeTable:
        return self.lake.table(self.use_case.name, layer, name, schema, partition_by, migrations)


def predictions_path(use_case: UseCase) -> tuple[str, str]:
    """Layer and table of what is predicted: the service's log, or the predictions of each day."""
    return (SERVING, PREDICTION_LOG) if use_case.is_realtime else (PREDICTIONS, DAILY_PREDICTIONS)
