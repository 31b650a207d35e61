"""The clean layer: write, audit, publish.

Rows are audited before anything becomes readable. Single bad rows go to quarantine with the rule they broke; a day
that breaks a table rule is not published, and what was published before stays. Belongs here: the clean asset of a
source, with its quarantine and its profile, and what Dagster is told. Does not belong here: the rules (`validation/`),
and a load's way through them (`auditing.py`).
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import polars as pl

from platform_assets.declaration import Source, UseCase
from platform_assets.declaration.days import DayRange
from platform_assets.lake.lake import Lake
from platform_assets.lake.layout import CLEAN, PROFILE, QUARANTINE, RAW
from platform_assets.orchestration.conditions import after_upstream
from platform_assets.orchestration.metadata import (
    asset_key,
    column_lineage,
    column_schema,
    commit_metadata,
    data_version,
    picture,
    policy,
)
from platform_assets.orchestration.partitions import event_days, partition_range
from platform_assets.pipelines.profiles import TREND_DAYS, profile_metadata, profile_schema
from platform_assets.pipelines.publish import (
    Account,
    Tables,
    audit_and_publish,
    consecutive,
    reference_values,
    referenced_columns,
)
from platform_assets.pipelines.quarantine import quarantine_metadata, quarantine_schema
from platform_assets.pipelines.tables import clean_schema
from platform_assets.validation.profile import plot_volume

__all__ = ["clean_asset", "consecutive", "quarantine_schema", "referenced_columns"]

QUALITY_CHECK = "quality"
SHOWN_FAILURES = 20


def _specs(use_case: UseCase, source: Source) -> list[dg.AssetSpec]:
    """The clean asset, its quarantine and its profile."""
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
    summed = f"What each column of {source.name} looked like when it was audited, refused days included."
    return [
        spec(CLEAN, clean_schema(source), kept),
        spec(QUARANTINE, quarantine_schema(source), refused),
        spec(PROFILE, profile_schema(source), summed),
    ]


def clean_asset(*, use_case: UseCase, source: Source) -> dg.AssetsDefinition:
    """The clean asset of one source, with its quarantine and profile, and the blocking check `quality`."""
    layers = (CLEAN, QUARANTINE, PROFILE)
    clean_key, quarantine_key, profile_key = (asset_key(use_case, layer, source.name) for layer in layers)
    description = "No day breaks a table rule: refused rows, volume, totals of the source, hours, distributions."

    @dg.multi_asset(
        name=f"{use_case.name}__clean__{source.name}",
        specs=_specs(use_case, source),
        check_specs=[dg.AssetCheckSpec(QUALITY_CHECK, asset=clean_key, blocking=True, description=description)],
        partitions_def=event_days(use_case) if source.is_daily else None,
        backfill_policy=dg.BackfillPolicy.single_run() if source.is_daily else None,
    )
    def clean(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake]
    ) -> Iterator[dg.AssetCheckResult | dg.AssetMaterialization | dg.MaterializeResult]:
        days = partition_range(context) if source.is_daily else None
        tables = Tables.of(lake, use_case, source)
        account = audit_and_publish(lake, use_case, source, days, reference_values(lake, use_case, source))
        commits = account.commits
        refused = quarantine_metadata(tables.quarantine, commits["quarantine"], account.rows_by_rule_and_column)
        yield dg.MaterializeResult(asset_key=quarantine_key, **refused)
        yield dg.MaterializeResult(
            asset_key=profile_key, **profile_metadata(tables.profile, source, commits["profile"], days)
        )
        verdict = _check_result(clean_key, account)
        if account.passed:
            yield dg.MaterializeResult(
                asset_key=clean_key,
                metadata={
                    **commit_metadata(commits["clean"], tables.clean.uri),
                    "rows_refused": account.rows_refused,
                    "rows_released": account.rows_released,
                    **_trend(tables, days),
                    **column_lineage(use_case, clean_key, tables.clean.schema),
                },
                data_version=data_version(commits["clean"]),
            )
            yield verdict
            return
        yield verdict
        for day in sorted(set(days.days if days else []) - set(account.refused_days)):
            yield dg.AssetMaterialization(clean_key, partition=day.isoformat())
        raise dg.Failure(description=_refusal(source, account), metadata=dict(verdict.metadata), allow_retries=False)

    return clean


def _check_result(key: dg.AssetKey, account: Account) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=QUALITY_CHECK,
        passed=account.passed,
        metadata={
            "rows_accepted": account.rows_accepted,
            "rows_refused": account.rows_refused,
            "rows_released": account.rows_released,
            "refused_days": [day.isoformat() for day in account.refused_days],
            "rows_by_rule": dict(account.rows_by_rule),
            "broken_table_rules": sorted({rule.rule for rule in account.failed_rules}),
            "failed_rules": [rule.explanation for rule in account.failed_rules[:SHOWN_FAILURES]],
            **_picture_of_a_long_load(account),
        },
    )


def _trend(tables: Tables, days: DayRange | None) -> dict[str, Any]:
    """A picture of the last weeks up to the day. A long load has one on its check: metadata is stored for every day."""
    if days is None or len(days.days) > TREND_DAYS:
        return {}
    refused = tables.quarantine.count_by_partition()
    delivered = {day: rows + refused.get(day, 0) for day, rows in tables.clean.count_by_partition().items()}
    shown = {day: rows for day, rows in delivered.items() if 0 <= (days.last - day).days < TREND_DAYS}
    return {"rows_per_day": picture(plot_volume(shown, refused))}


def _picture_of_a_long_load(account: Account) -> dict[str, Any]:
    if len(account.delivered_by_day) <= TREND_DAYS:
        return {}
    return {"rows_per_day": picture(plot_volume(account.delivered_by_day, account.refused_by_day))}


def _refusal(source: Source, account: Account) -> str:
    failed = [rule.explanation for rule in account.failed_rules]
    days = ", ".join(day.isoformat() for day in account.refused_days[:5]) or "the whole table"
    return (
        f"{source.name}: {len(account.refused_days) or 1} partition(s) were not published ({days}): {'; '.join(failed[:3])}. "
        f"What was published before is unchanged. The refused rows are in quarantine; mend the source and load the day again."
    )
