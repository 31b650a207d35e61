"""The clean layer: write, audit, publish.

Rows are audited before anything becomes readable. Single bad rows go to quarantine with the rule they broke; a day
that breaks a table rule is not published, and what was published before stays. Belongs here: the clean and the
quarantine asset of a source. Does not belong here: the rules (`validation/`).
"""

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import groupby
from typing import Any

import dagster as dg
import polars as pl

from platform_assets.assets.common import (
    asset_key,
    column_lineage,
    column_schema,
    commit_metadata,
    data_version,
    picture,
    policy,
)
from platform_assets.assets.conditions import after_upstream
from platform_assets.assets.partitions import DayRange, event_days, partition_range
from platform_assets.assets.tables import clean_rows, clean_table, delivered_rows
from platform_assets.lake.layout import CLEAN, QUARANTINE, RAW
from platform_assets.lake.table import LakeTable
from platform_assets.resources.lake import LakeResource
from platform_assets.spec import EVENT_DAY, Source, UseCase
from platform_assets.validation.audit import QUARANTINE_SCHEMA, Audit, audit
from platform_assets.validation.profile import plot_volume

QUALITY_CHECK = "quality"
TREND_DAYS = 28


def referenced_columns(source: Source) -> list[tuple[str, str]]:
    """The (table, column) pairs that the source refers to."""
    found = [column.references.split(".") for column in source.columns if column.references]
    return [(table, column) for table, column in found]


def _specs(use_case: UseCase, source: Source) -> list[dg.AssetSpec]:
    """The clean asset and its quarantine."""
    tables = dict.fromkeys(table for table, _ in referenced_columns(source))
    deps = [asset_key(use_case, RAW, source.name), *(asset_key(use_case, CLEAN, table) for table in tables)]

    def spec(layer: str, schema: dict[str, pl.DataType], description: str) -> dg.AssetSpec:
        return dg.AssetSpec(
            asset_key(use_case, layer, source.name),
            deps=deps,
            description=description,
            kinds={"deltalake", "pandera"},
            metadata=column_schema(schema, {column.name: column.description for column in source.columns}),
            skippable=True,
            code_version="1",
            automation_condition=after_upstream(),
            **policy(use_case, layer),
        )

    kept = f"{source.description} Only rows that keep every rule, of days that passed the audit."
    refused = f"Refused rows of {source.name}, each with the rule it broke and where it came from."
    return [spec(CLEAN, source.polars_schema(), kept), spec(QUARANTINE, quarantine_schema(source), refused)]


def clean_asset(*, use_case: UseCase, source: Source) -> dg.AssetsDefinition:
    """The clean asset of one source, with its quarantine, and the blocking check `quality`."""
    clean_key, quarantine_key = (asset_key(use_case, layer, source.name) for layer in (CLEAN, QUARANTINE))
    description = "No day exceeds its share of refused rows or leaves the expected volume."

    @dg.multi_asset(
        name=f"{use_case.name}__clean__{source.name}",
        specs=_specs(use_case, source),
        check_specs=[dg.AssetCheckSpec(QUALITY_CHECK, asset=clean_key, blocking=True, description=description)],
        partitions_def=event_days(use_case) if source.is_daily else None,
        backfill_policy=dg.BackfillPolicy.single_run() if source.is_daily else None,
    )
    def clean(
        context: dg.AssetExecutionContext, lake: LakeResource
    ) -> Iterator[dg.AssetCheckResult | dg.AssetMaterialization | dg.MaterializeResult]:
        days = partition_range(context) if source.is_daily else None
        table = clean_table(lake, use_case, source)
        result = _audit(use_case, source, lake, table, days)
        quarantine = lake.table(use_case.name, QUARANTINE, source.name, quarantine_schema(source))
        yield dg.MaterializeResult(asset_key=quarantine_key, **_publish_quarantine(quarantine, result, days))
        verdict = _check_result(clean_key, result)
        commits = _publish(table, result, days)
        if result.passed:
            yield dg.MaterializeResult(
                asset_key=clean_key,
                metadata={
                    **commit_metadata(commits[-1], table.uri),
                    "rows_refused": result.quarantine.height,
                    **_trend(table, quarantine, days),
                    **column_lineage(use_case, clean_key, table.schema),
                },
                data_version=data_version(commits[-1]),
            )
            yield verdict
            return
        yield verdict
        for day in sorted(set(days.days if days else []) - set(result.refused_days)):
            yield dg.AssetMaterialization(clean_key, partition=day.isoformat())
        raise dg.Failure(description=_refusal(source, result), metadata=dict(verdict.metadata), allow_retries=False)

    return clean


def quarantine_schema(source: Source) -> dict[str, pl.DataType]:
    """Schema of the quarantine; a reference table has no delivery day."""
    schema = dict(QUARANTINE_SCHEMA)
    if not source.is_daily:
        schema.pop(EVENT_DAY)
    return schema


def _audit(use_case: UseCase, source: Source, lake: LakeResource, table: LakeTable, days: DayRange | None) -> Audit:
    references = {
        f"{name}.{column}": clean_rows(lake, use_case, use_case.source(name), columns=[column])[column]
        for name, column in referenced_columns(source)
    }
    history = table.count_by_partition() if days and table.exists() else {}
    frame = delivered_rows(lake, use_case, source, days)
    return audit(frame, source, days.days if days else [], references, history)


def _publish(table: LakeTable, result: Audit, days: DayRange | None) -> list[Any]:
    """Write what was accepted, leaving refused days as they were."""
    if days is None:
        return [table.replace(result.accepted)] if result.passed else []
    good = [day for day in days.days if day not in set(result.refused_days)]
    return [
        table.write_partitions(result.accepted.filter(pl.col(EVENT_DAY).is_between(first, last)), first, last)
        for first, last in consecutive(good)
    ]


def _publish_quarantine(quarantine: LakeTable, result: Audit, days: DayRange | None) -> dict[str, Any]:
    if days is None:
        commit = quarantine.replace(result.quarantine.drop(EVENT_DAY, strict=False), allow_empty=True)
    else:
        commit = quarantine.write_partitions(result.quarantine, days.first, days.last, allow_empty=True)
    by_rule = result.quarantine.group_by("rule", "column").len().sort("rule", "column").rows()
    return {
        "metadata": {
            **commit_metadata(commit, quarantine.uri),
            "rows_by_rule": {f"{rule}:{column}": rows for rule, column, rows in by_rule},
        },
        "data_version": data_version(commit),
    }


def consecutive(days: list[date]) -> list[tuple[date, date]]:
    """Runs of consecutive days as (first, last) pairs."""
    runs = []
    for _, run in groupby(enumerate(sorted(days)), key=lambda item: item[1] - timedelta(days=item[0])):
        members = [day for _, day in run]
        runs.append((members[0], members[-1]))
    return runs


def _check_result(key: dg.AssetKey, result: Audit) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=QUALITY_CHECK,
        passed=result.passed,
        metadata={
            "rows_accepted": result.accepted.height,
            "rows_refused": result.quarantine.height,
            "refused_days": [day.isoformat() for day in result.refused_days],
            "rows_by_rule": dict(result.rows_by_rule),
            "failed_rules": [rule.explanation for rule in result.failed_rules[:20]],
            **_picture_of_a_long_load(result),
        },
    )


def _trend(table: LakeTable, quarantine: LakeTable, days: DayRange | None) -> dict[str, Any]:
    """A picture of the last weeks up to the day. A long load has one on its check: metadata is stored for every day."""
    if days is None or len(days.days) > TREND_DAYS:
        return {}
    refused = quarantine.count_by_partition()
    delivered = {day: rows + refused.get(day, 0) for day, rows in table.count_by_partition().items()}
    shown = {day: rows for day, rows in delivered.items() if 0 <= (days.last - day).days < TREND_DAYS}
    return {"rows_per_day": picture(plot_volume(shown, refused))}


def _picture_of_a_long_load(result: Audit) -> dict[str, Any]:
    delivered = _by_day(result.delivered_rows)
    if len(delivered) <= TREND_DAYS:
        return {}
    return {"rows_per_day": picture(plot_volume(delivered, _by_day(result.refused_rows)))}


def _by_day(counts: dict[date | None, int]) -> dict[date, int]:
    return {day: rows for day, rows in counts.items() if day is not None}


def _refusal(source: Source, result: Audit) -> str:
    failed = [rule.explanation for rule in result.failed_rules]
    days = ", ".join(day.isoformat() for day in result.refused_days[:5]) or "the whole table"
    return (
        f"{source.name}: {len(result.refused_days) or 1} partition(s) were not published ({days}): {'; '.join(failed[:3])}. "
        f"What was published before is unchanged. The refused rows are in quarantine; mend the source and load the day again."
    )
