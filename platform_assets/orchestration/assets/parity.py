"""Parity, always on: every feature value that a prediction was made from, compared with the offline path.

Belongs here: the asset that replays a day's logged predictions, what the lake held when they were scored, and the question that promotion
asks. Does not belong here: comparing (`features/consistency/parity.py`), computing (`features/consistency/replay.py`), promotion itself.

The asset lies below the prediction log, and the log below the deployment of a champion: an edge from here to the champion would
close a circle. So promotion asks the table that is written here (`require_parity`).
"""

import json
from datetime import date, timedelta
from typing import Any

import dagster as dg
import numpy as np
import polars as pl

from platform_assets.declaration import EVENT_DAY, FeatureView, Source, UseCase
from platform_assets.declaration.names import PARITY
from platform_assets.declaration.prediction_log import prediction_log_schema
from platform_assets.features.consistency.parity import Mismatch, ParityVerdict, parity_verdict
from platform_assets.features.consistency.replay import SCORED_AT, replayed_features
from platform_assets.features.offline.feature_table import join_labels, uses_label
from platform_assets.features.offline.training_set import join_views
from platform_assets.lake.errors import LakeVersionMissing
from platform_assets.lake.lake import Lake
from platform_assets.lake.layout import FEATURES, MONITORING
from platform_assets.lake.schemas import PARITY_SCHEMA
from platform_assets.lake.table import LakeTable
from platform_assets.orchestration.assets.monitoring import predictions_key, read_predictions
from platform_assets.orchestration.metadata import (
    asset_key,
    column_lineage,
    column_schema,
    commit_metadata,
    data_version,
    policy,
)
from platform_assets.orchestration.partitions import event_days, partition_range
from platform_assets.pipelines.tables import clean_rows, clean_schema, clean_table

PARITY_CHECK = "equal"
SHOWN_MISMATCHES = 20
NO_VERSION = -1


class ParityNotProven(RuntimeError):
    """Online and offline features differ, or nobody has looked; the message says which and what to do next."""


def parity_table(lake: Lake, use_case: UseCase) -> LakeTable:
    """The table of verdicts."""
    return lake.table(use_case.name, MONITORING, PARITY, PARITY_SCHEMA)


def parity_asset(*, use_case: UseCase) -> dg.AssetsDefinition:
    """Every feature value of every logged prediction of a day, against the offline path."""
    key = asset_key(use_case, MONITORING, PARITY)
    features = [asset_key(use_case, FEATURES, view.table) for view in use_case.features]

    @dg.asset(
        key=key,
        deps=[predictions_key(use_case), *features],
        description="Logged predictions replayed through the offline path: every feature value they were made from, compared.",
        kinds={"deltalake", "polars"},
        metadata=column_schema(PARITY_SCHEMA, {}),
        partitions_def=event_days(use_case),
        backfill_policy=dg.BackfillPolicy.single_run(),
        code_version="1",
        check_specs=[
            dg.AssetCheckSpec(
                PARITY_CHECK,
                asset=key,
                blocking=True,
                description="Every logged feature value is what the offline path gives. No model is promoted while it is not.",
            )
        ],
        **policy(use_case, MONITORING),
    )
    def parity(context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake]) -> dg.MaterializeResult:
        days = partition_range(context)
        verdicts = {day: day_parity(use_case, lake, day) for day in days.days}
        rows = [_row(day, verdict) for day, verdict in verdicts.items()]
        commit = parity_table(lake, use_case).write_partitions(
            pl.DataFrame(rows, schema=PARITY_SCHEMA, orient="row"), days.first, days.last
        )
        evidence = _evidence(verdicts)
        return dg.MaterializeResult(
            metadata={
                **commit_metadata(commit, parity_table(lake, use_case).uri),
                **column_lineage(use_case, key, PARITY_SCHEMA),
                **evidence,
            },
            data_version=data_version(commit),
            check_results=[
                dg.AssetCheckResult(
                    check_name=PARITY_CHECK,
                    passed=all(verdict.passed for verdict in verdicts.values()),
                    metadata=evidence,
                )
            ],
        )

    return parity


def day_parity(use_case: UseCase, lake: Lake, day: date) -> ParityVerdict:
    """The verdict on the predictions of one event day.

    Raises:
        ParityNotProven: predictions differ from today's feature tables, and what the lake held when they were scored is gone.
    """
    _, layer, name = predictions_key(use_case).path
    table = lake.table(use_case.name, layer, name, prediction_log_schema(use_case))
    log = table.read(day, day) if table.exists() else pl.DataFrame(schema=table.schema)
    offline = _stored_features(use_case, lake, log, day)
    return parity_verdict(log, offline, use_case, lambda rows: replayed_from_lake(use_case, lake, rows))


def _stored_features(use_case: UseCase, lake: Lake, log: pl.DataFrame, day: date) -> pl.DataFrame:
    """What the feature tables hold of the logged events; an event that any of them lacks is left out."""
    keys = list(use_case.event_source.primary_key)
    known = log.select(keys).unique(maintain_order=True)
    views = {}
    for view in use_case.features:
        table = lake.table(use_case.name, FEATURES, view.table, use_case.feature_schema(view))
        views[view.name] = table.read(day, day) if table.exists() else pl.DataFrame(schema=table.schema)
        known = known.join(views[view.name].select(keys), on=keys, how="semi", maintain_order="left")
    return join_views(known, views, use_case, day, day)


def replayed_from_lake(use_case: UseCase, lake: Lake, rows: pl.DataFrame) -> pl.DataFrame:
    """Features of logged rows from the versions of the clean tables that were current when each was scored.

    In batch mode the events themselves were in the lake when they were scored; a service has its own requests besides.

    Raises:
        ParityNotProven: such a version was removed.
    """
    versions = {
        source.name: _versions_at(clean_table(lake, use_case, source), rows[SCORED_AT]).alias(f"__{source.name}")
        for source in _read_by_features(use_case)
    }
    days = rows[EVENT_DAY]
    first, last = days.min(), days.max()
    assert isinstance(first, date), "rows to replay have an event day"
    assert isinstance(last, date), "rows to replay have an event day"
    first -= timedelta(days=max(_reach_days(view) for view in use_case.features))
    answered = read_predictions(use_case, lake, first, last) if use_case.is_realtime else rows.clear()
    placed = rows.with_row_index("__place").with_columns(versions.values())
    found = []
    for _, group in placed.group_by([series.name for series in versions.values()], maintain_order=True):
        tables = _held(use_case, lake, group, (first, last))
        events = tables[use_case.events]
        if use_case.label_source.name in tables:
            events = join_labels(events, tables[use_case.label_source.name], use_case)
        features = replayed_features(group, events, answered, use_case, tables)
        found.append(features.with_columns(group["__place"]))
    return pl.concat(found).sort("__place").drop("__place")


def _read_by_features(use_case: UseCase) -> list[Source]:
    """The sources that features are computed from."""
    names = [use_case.events]
    if any(uses_label(view, use_case) for view in use_case.features):
        names.append(use_case.label_source.name)
    names += [lookup.source for view in use_case.features for lookup in view.lookups]
    return [use_case.source(name) for name in dict.fromkeys(names)]


def _reach_days(view: FeatureView) -> int:
    """How many days before an event the view reads."""
    return max(view.span_days, *(lookup.max_age_days or 0 for lookup in view.lookups), 0) + 1


def _held(use_case: UseCase, lake: Lake, group: pl.DataFrame, days: tuple[date, date]) -> dict[str, pl.DataFrame]:
    """Clean rows of these days, or of a whole reference table, in the versions that the rows of a group name; by source."""
    tables = {}
    for source in _read_by_features(use_case):
        version = int(group[f"__{source.name}"][0])
        if version == NO_VERSION:
            tables[source.name] = pl.DataFrame(schema=clean_schema(source))
            continue
        try:
            wanted = days if source.is_daily else (None, None)
            tables[source.name] = clean_rows(lake, use_case, source, *wanted, version=version)
        except LakeVersionMissing as error:
            raise ParityNotProven(
                f"{use_case.name}: {group.height} predictions of {group[EVENT_DAY].min()!s} .. {group[EVENT_DAY].max()!s} differ "
                f"from today's feature tables, and what the lake held when they were scored is gone: {error} They cannot be "
                "judged; materialize a later day's parity, and keep versions longer than predictions go unchecked."
            ) from error
    return tables


def _versions_at(table: LakeTable, moments: pl.Series) -> pl.Series:
    """The version of a table that was current at each moment; NO_VERSION before the first."""
    if not table.exists():
        return pl.Series([NO_VERSION], dtype=pl.Int64).new_from_index(0, len(moments))
    entries = sorted((entry.committed_at, entry.version) for entry in table.history(None))
    times = pl.Series([moment for moment, _ in entries], dtype=moments.dtype).to_physical().to_numpy()
    places = np.searchsorted(times, moments.to_physical().to_numpy(), side="right") - 1
    numbers = np.array([number for _, number in entries], dtype=np.int64)
    return pl.Series(np.where(places < 0, NO_VERSION, numbers[np.maximum(places, 0)]))


def _row(day: date, verdict: ParityVerdict) -> dict[str, Any]:
    told = [
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
        "mismatches": json.dumps(told, default=str),
        EVENT_DAY: day,
    }


def _evidence(verdicts: dict[date, ParityVerdict]) -> dict[str, Any]:
    """Counts over all days, the explanation of the day that matters most, and a table of what is unequal."""
    day, first = min(verdicts.items(), key=lambda item: (item[1].passed, item[1].predictions == 0))
    records = [_shown(m) for verdict in verdicts.values() for m in verdict.mismatches][:SHOWN_MISMATCHES]
    return {
        "status": first.status,
        "explanation": f"{day}: {first.explanation}",
        "predictions": sum(verdict.predictions for verdict in verdicts.values()),
        "equal_as_known_then": sum(verdict.as_known for verdict in verdicts.values()),
        "unequal": sum(verdict.unequal for verdict in verdicts.values()),
        "not_comparable": sum(verdict.not_comparable for verdict in verdicts.values()),
        **({"mismatches": dg.MetadataValue.table(records)} if records else {}),
    }


def _shown(mismatch: Mismatch) -> dg.TableRecord:
    """A mismatch as a line for the UI; values as Python writes them, so that the last bit shows."""
    return dg.TableRecord(
        {
            "feature": mismatch.feature,
            "entity": json.dumps(mismatch.entity, default=str),
            "time": mismatch.time.isoformat(),
            "logged": repr(mismatch.logged),
            "offline": repr(mismatch.offline),
        }
    )


def require_parity(use_case: UseCase, lake_root: str, as_of: str) -> str:
    """What parity says to a promotion, in a sentence.

    The newest verdict must have passed, and the newest day with predictions before `as_of` must have one about all of them.

    Args:
        use_case: the declaration.
        lake_root: where the tables are.
        as_of: the day of the model that is to be promoted, ISO.

    Raises:
        ParityNotProven: they differ, or predictions were logged that nobody compared.
    """
    lake = Lake(root=lake_root)
    _, layer, name = predictions_key(use_case).path
    log = lake.table(use_case.name, layer, name, prediction_log_schema(use_case))
    counts = log.count_by_partition() if log.exists() else {}
    if not counts:
        return "no predictions have been logged yet, so there is nothing to compare"
    table = parity_table(lake, use_case)
    verdicts = table.read().sort(EVENT_DAY) if table.exists() else pl.DataFrame(schema=PARITY_SCHEMA)
    materialize = f"materialize {asset_key(use_case, MONITORING, PARITY).to_user_string()}"
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
