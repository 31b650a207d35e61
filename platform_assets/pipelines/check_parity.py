"""Check parity: every feature value that a prediction was made from, compared with the offline path.

Belongs here: replaying a day's logged predictions over what the lake held when they were scored, storing the verdicts, and the question
that promotion asks. Does not belong here: comparing (`features/consistency/parity.py`), computing (`features/consistency/replay.py`),
promotion itself.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl

from platform_assets.declaration import EVENT_DAY, FeatureView, Source
from platform_assets.declaration.days import DayRange
from platform_assets.declaration.names import PARITY
from platform_assets.declaration.time_zones import UTC_ZONE
from platform_assets.features.consistency.parity import ParityVerdict, parity_verdict
from platform_assets.features.consistency.replay import SCORED_AT, replayed_features
from platform_assets.features.offline.feature_table import join_labels, uses_label
from platform_assets.features.offline.training_set import join_views
from platform_assets.lake.catalog import Catalog, CleanTable, RawTable
from platform_assets.lake.commits import Commit
from platform_assets.lake.errors import LakeVersionMissing
from platform_assets.lake.layout import MONITORING
from platform_assets.lake.schemas import PARITY_SCHEMA, clean_schema
from platform_assets.pipelines.build_training_set import starts_from_events
from platform_assets.pipelines.labelled_events import has_versions, label_rows, loaded_label_days
from platform_assets.pipelines.row_versions import known_rows

NO_VERSION = -1


class ParityNotProven(RuntimeError):
    """Online and offline features differ, or were not compared; the message names which and the remedy."""


@dataclass(frozen=True)
class CheckedParity:
    """Verdicts on the predictions of some days.

    Attributes:
        verdicts: by day.
        commit: of the table of verdicts.
        uri: its address.
    """

    verdicts: dict[date, ParityVerdict]
    commit: Commit
    uri: str

    @property
    def passed(self) -> bool:
        """Whether every day's predictions passed."""
        return all(verdict.passed for verdict in self.verdicts.values())


def check_parity(catalog: Catalog, days: DayRange) -> CheckedParity:
    """Compare the logged predictions of each day with the offline path, and store the verdicts.

    Raises:
        ParityNotProven: predictions differ from today's feature tables, and what the lake held when they were scored is gone.
    """
    verdicts = {day: day_parity(catalog, day) for day in days.days}
    rows = [_row(day, verdict) for day, verdict in verdicts.items()]
    table = catalog.parity
    commit = table.write_partitions(pl.DataFrame(rows, schema=PARITY_SCHEMA, orient="row"), days.first, days.last)
    return CheckedParity(verdicts, commit, table.uri)


def day_parity(catalog: Catalog, day: date) -> ParityVerdict:
    """The verdict on the predictions of one event day.

    Raises:
        ParityNotProven: predictions differ from today's feature tables, and what the lake held when they were scored is gone.
    """
    table = catalog.predictions
    log = table.read(day, day) if table.exists() else pl.DataFrame(schema=table.schema)
    offline = _stored_features(catalog, log, day)
    return parity_verdict(log, offline, catalog.use_case, lambda rows: replayed_from_lake(catalog, rows))


def _stored_features(catalog: Catalog, log: pl.DataFrame, day: date) -> pl.DataFrame:
    """What the feature tables hold of the logged events; an event that any of them lacks is left out."""
    use_case = catalog.use_case
    keys = list(use_case.event_source.primary_key)
    known = log.select(keys).unique(maintain_order=True)
    views = {}
    for view in use_case.features:
        table = catalog.features(view)
        views[view.name] = table.read(day, day) if table.exists() else pl.DataFrame(schema=table.schema)
        known = known.join(views[view.name].select(keys), on=keys, how="semi", maintain_order="left")
    return join_views(known, views, use_case, day, day)


def replayed_from_lake(catalog: Catalog, rows: pl.DataFrame) -> pl.DataFrame:
    """Features of logged rows from the versions of the clean tables that were current when each was scored.

    In batch mode the events themselves were in the lake when they were scored; a service has its own requests besides.

    Raises:
        ParityNotProven: such a version was removed.
    """
    use_case = catalog.use_case
    versions = {
        table.source.name: _versions_at(table, rows[SCORED_AT]).alias(f"__{table.source.name}")
        for table in _read_by_features(catalog)
    }
    for source in _changing_lookups(catalog):
        moments = _versions_at(catalog.raw(source.name), rows[SCORED_AT])
        versions[f"{source.name} raw"] = moments.alias(f"__{source.name}_raw")
    days = rows[EVENT_DAY]
    first, last = days.min(), days.max()
    assert isinstance(first, date), "rows to replay have an event day"
    assert isinstance(last, date), "rows to replay have an event day"
    first -= timedelta(days=max(_reach_days(view) for view in use_case.features) + (use_case.time_zone != UTC_ZONE))
    answered = catalog.predictions.read(first, last) if use_case.is_realtime else rows.clear()
    placed = rows.with_row_index("__place").with_columns(versions.values())
    replayed = []
    together = [series.name for series in versions.values()]
    if starts_from_events(use_case):
        together.append(EVENT_DAY)
    for _, group in placed.group_by(together, maintain_order=True):
        tables = _held(catalog, group, (first, last))
        events = _with_labels(catalog, tables, group[EVENT_DAY][0])
        features = replayed_features(group, events, answered, use_case, tables)
        replayed.append(features.with_columns(group["__place"]))
    return pl.concat(replayed).sort("__place").drop("__place")


def _with_labels(catalog: Catalog, tables: dict[str, pl.DataFrame], day: date) -> pl.DataFrame:
    """Events with the labels that the lake held; dated ones as they were known at the midnight of a day."""
    use_case = catalog.use_case
    events = tables[use_case.events]
    if use_case.label_source.name not in tables:
        return events
    as_of = day if starts_from_events(use_case) else None
    labels = tables[use_case.label_source.name]
    if has_versions(use_case):
        labels = label_rows(catalog, use_case.history.first_day, day)
    return join_labels(events, labels, use_case, as_of, loaded_label_days(catalog))


def _read_by_features(catalog: Catalog) -> list[CleanTable]:
    """The tables that features are computed from."""
    use_case = catalog.use_case
    names = [use_case.events]
    if any(uses_label(view, use_case) for view in use_case.features):
        names.append(use_case.label_source.name)
    names += [lookup.source for view in use_case.features for lookup in view.lookups]
    return [catalog.clean(name) for name in dict.fromkeys(names)]


def _changing_lookups(catalog: Catalog) -> list[Source]:
    """Sources of changes that features look into: all versions of their rows are read."""
    names = dict.fromkeys(lookup.source for view in catalog.use_case.features for lookup in view.lookups)
    return [source for source in map(catalog.use_case.source, names) if source.is_incremental]


def _reach_days(view: FeatureView) -> int:
    """How many days before an event the view reads."""
    return max(view.span_days, *(lookup.max_age_days or 0 for lookup in view.lookups), 0) + 1


def _held(catalog: Catalog, group: pl.DataFrame, days: tuple[date, date]) -> dict[str, pl.DataFrame]:
    """Clean rows of these days, or of a whole reference table, in the versions that the rows of a group name; by source."""
    tables = {}
    for table in _read_by_features(catalog):
        source = table.source
        version = int(group[f"__{source.name}"][0])
        if version == NO_VERSION:
            tables[source.name] = pl.DataFrame(schema=clean_schema(source))
            continue
        try:
            if source in _changing_lookups(catalog):
                raw = int(group[f"__{source.name}_raw"][0])
                tables[source.name] = known_rows(catalog, source, days, version, raw)
                continue
            wanted = days if source.is_daily else (None, None)
            tables[source.name] = table.read(*wanted, version=version)
        except LakeVersionMissing as error:
            raise ParityNotProven(
                f"{catalog.use_case.name}: {group.height} predictions of {group[EVENT_DAY].min()!s} .. {group[EVENT_DAY].max()!s} differ "
                f"from today's feature tables, and what the lake held when they were scored is gone: {error} They cannot be "
                "judged; materialize a later day's parity, and keep versions longer than predictions go unchecked."
            ) from error
    return tables


def _versions_at(table: CleanTable | RawTable, moments: pl.Series) -> pl.Series:
    """The version of a table that was current at each moment; NO_VERSION before the first."""
    if not table.stored.exists():
        return pl.Series([NO_VERSION], dtype=pl.Int64).new_from_index(0, len(moments))
    entries = sorted((entry.committed_at, entry.version) for entry in table.stored.history(None))
    times = pl.Series([moment for moment, _ in entries], dtype=moments.dtype).to_physical().to_numpy()
    positions = np.searchsorted(times, moments.to_physical().to_numpy(), side="right") - 1
    numbers = np.array([number for _, number in entries], dtype=np.int64)
    return pl.Series(np.where(positions < 0, NO_VERSION, numbers[np.maximum(positions, 0)]))


def require_parity(catalog: Catalog, as_of: str) -> str:
    """What the verdicts allow a promotion, in a sentence.

    The newest verdict must have passed, and the newest day with predictions before `as_of` must have one about all of them.

    Args:
        catalog: the tables.
        as_of: the day of the model that is to be promoted, ISO.

    Raises:
        ParityNotProven: they differ, or predictions were logged that nobody compared.
    """
    use_case, log = catalog.use_case, catalog.predictions
    counts = log.count_by_partition() if log.exists() else {}
    if not counts:
        return "no predictions have been logged yet, so there is nothing to compare"
    table = catalog.parity
    verdicts = table.read().sort(EVENT_DAY) if table.exists() else pl.DataFrame(schema=PARITY_SCHEMA)
    materialize = f"materialize {use_case.name}/{MONITORING}/{PARITY}"
    judged = verdicts.filter((pl.col("predictions") + pl.col("not_comparable")) > 0)
    if judged.height and not judged["passed"][-1]:
        raise ParityNotProven(
            f"{use_case.name}: no model is promoted while features differ online and offline. "
            f"{judged[EVENT_DAY][-1]}: {judged['explanation'][-1]}. Find the fault, then {materialize} of a day that is right."
        )
    due = max((day for day in counts if day < date.fromisoformat(as_of)), default=None)
    if due is None:
        return f"no predictions have been logged of days before {as_of}, so there is nothing to compare"
    seen = judged.filter(pl.col(EVENT_DAY) == due)
    compared = 0 if seen.is_empty() else int(seen["predictions"][0] + seen["not_comparable"][0])
    if compared < counts[due]:
        raise ParityNotProven(
            f"{use_case.name}: {counts[due] - compared:,} of {counts[due]:,} predictions of {due} were never compared with the "
            f"offline path, and silence is failure: {materialize} of {due}, then promote again."
        )
    return f"{due}: {seen['explanation'][0]}"


def _row(day: date, verdict: ParityVerdict) -> dict[str, Any]:
    mismatches = [
        {
            "feature": m.feature,
            "entity": m.entity,
            "key": m.key,
            "time": m.time,
            "logged": m.logged,
            "offline": m.offline,
        }
        for m in verdict.mismatches
    ]
    names = ("status", "passed", "predictions", "as_known", "unequal", "not_comparable", "explanation")
    return {
        **{name: getattr(verdict, name) for name in names},
        "mismatches": json.dumps(mismatches, default=str),
        EVENT_DAY: day,
    }
