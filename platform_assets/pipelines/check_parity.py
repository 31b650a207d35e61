"""Check parity: every feature value that a prediction was made from, compared with the offline path.

Belongs here: replaying a day's logged predictions over what the lake held when they were scored, storing the verdicts, and the question
that promotion asks. Does not belong here: comparing (`features/consistency/parity.py`), computing (`features/consistency/replay.py`),
promotion itself.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from platform_assets.declaration import EVENT_DAY
from platform_assets.declaration.days import DayRange
from platform_assets.declaration.names import PARITY
from platform_assets.features.consistency.parity import ParityVerdict, parity_verdict
from platform_assets.features.consistency.replay import SCORED_AT, replayed_features
from platform_assets.features.offline.training_set import join_views
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.commits import Commit
from platform_assets.lake.errors import LakeVersionMissing
from platform_assets.lake.layout import MONITORING
from platform_assets.lake.schemas import PARITY_SCHEMA
from platform_assets.pipelines.build_training_set import starts_from_events
from platform_assets.pipelines.known_then import events_then, reached_days, rows_then, versions_then


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
        name: numbers.alias(f"__{name.replace(' ', '_')}")
        for name, numbers in versions_then(catalog, rows[SCORED_AT]).items()
    }
    first, last = reached_days(catalog, rows[EVENT_DAY])
    answered = catalog.predictions.read(first, last) if use_case.is_realtime else rows.clear()
    placed = rows.with_row_index("__place").with_columns(versions.values())
    replayed = []
    together = [series.name for series in versions.values()]
    if starts_from_events(use_case):
        together.append(EVENT_DAY)
    for _, group in placed.group_by(together, maintain_order=True):
        numbers = {name: int(group[series.name][0]) for name, series in versions.items()}
        try:
            tables = rows_then(catalog, numbers, (first, last))
        except LakeVersionMissing as error:
            raise ParityNotProven(
                f"{catalog.use_case.name}: {group.height} predictions of {group[EVENT_DAY].min()!s} .. {group[EVENT_DAY].max()!s} differ "
                f"from today's feature tables, and what the lake held when they were scored is gone: {error} They cannot be "
                "judged; materialize a later day's parity, and keep versions longer than predictions go unchecked."
            ) from error
        events = events_then(catalog, tables, group[EVENT_DAY][0])
        features = replayed_features(group, events, answered, use_case, tables)
        replayed.append(features.with_columns(group["__place"]))
    return pl.concat(replayed).sort("__place").drop("__place")


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
