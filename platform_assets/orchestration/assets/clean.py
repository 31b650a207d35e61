"""The clean layer: write, audit, publish.

Rows are audited before anything becomes readable. Single bad rows go to quarantine with the rule they broke; a day
that breaks a table rule is not published, and what was published before stays. Belongs here: the clean asset of a
source, with its quarantine and its profile, and its check `quality`. Does not belong here: the rules (`validation/`),
and a load's way through them (`pipelines/publish.py`).
"""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

import dagster as dg
import polars as pl

from platform_assets.declaration import Source, UseCase
from platform_assets.declaration.days import DayRange
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake
from platform_assets.lake.layout import CLEAN, PROFILE, QUARANTINE, RAW
from platform_assets.lake.schemas import clean_schema, profile_schema, quarantine_schema
from platform_assets.orchestration.checks import DayVerdict, day_check, day_results, describe_days
from platform_assets.orchestration.conditions import after_upstream
from platform_assets.orchestration.glance import GLANCE, glance_of_days
from platform_assets.orchestration.kubernetes.sizes import step_tags
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
from platform_assets.pipelines.publish import PublishedDay, PublishedLoad, publish, referenced_columns

QUALITY_CHECK = "quality"
SHOWN_FAILURES = 20

Published = Iterator[dg.AssetCheckResult | dg.AssetMaterialization | dg.MaterializeResult]


def _specs(use_case: UseCase, source: Source) -> list[dg.AssetSpec]:
    """The clean asset, its quarantine and its profile."""
    tables = dict.fromkeys(table for table, _ in referenced_columns(source))
    deps = [asset_key(use_case, RAW, source.name), *(asset_key(use_case, CLEAN, table) for table in tables)]

    def spec(layer: str, schema: dict[str, pl.DataType], description: str) -> dg.AssetSpec:
        key = asset_key(use_case, layer, source.name)
        return dg.AssetSpec(
            key,
            deps=deps,
            description=description,
            kinds={"deltalake", "pandera"},
            metadata=column_schema(use_case, key, schema),
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
    """The clean asset of one source, with its quarantine and profile, and the blocking check `quality`.

    It can be materialized alone: quarantine and profile are written all the same, and told.
    """
    clean_key = asset_key(use_case, CLEAN, source.name)
    days_def = event_days(use_case) if source.is_daily else None
    check = day_check(
        QUALITY_CHECK,
        clean_key,
        days_def,
        blocking=True,
        description="No day breaks a table rule: refused rows, volume, totals of the source, hours, distributions.",
    )

    @dg.multi_asset(
        name=f"{use_case.name}__clean__{source.name}",
        specs=_specs(use_case, source),
        check_specs=[check],
        op_tags=step_tags(use_case, CLEAN, source.name),
        partitions_def=days_def,
        backfill_policy=dg.BackfillPolicy.single_run() if source.is_daily else None,
        can_subset=True,
    )
    def clean(context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake]) -> Published:
        if clean_key not in context.selected_asset_keys:
            raise dg.Failure(
                f"quarantine and profile of {source.name} are made with {clean_key.to_user_string()}: materialize that",
                allow_retries=False,
            )
        catalog, days = Catalog(use_case, lake), partition_range(context) if source.is_daily else None
        load = publish(catalog, source, days)
        described = _described(load, days)
        for layer in (CLEAN, QUARANTINE, PROFILE):
            if (key := asset_key(use_case, layer, source.name)) in context.selected_asset_keys:
                describe_days(context, key, described[layer])
        for beside in (_quarantined(catalog, source, load), _profiled(catalog, source, load)):
            yield from _beside(context, beside, described)
        for day in sorted(set(load.superseded_by_day) - set(days.days if days else [])):
            # Rows of this load took the place of some of these days: what was made from them is stale.
            yield dg.AssetMaterialization(
                clean_key, partition=day.isoformat(), metadata={"superseded_rows": load.superseded_by_day[day]}
            )
        verdict = _check_result(clean_key, load)
        verdicts = {day: DayVerdict(one.passed, _evidence(one)) for day, one in load.days.items()}
        if load.passed:
            yield _published(catalog, source, load)
            yield from day_results(context, check, verdicts, verdict)
            return
        for day in (day for day, one in load.days.items() if one.passed):
            yield dg.AssetMaterialization(clean_key, partition=day.isoformat(), metadata=described[CLEAN][day])
        yield from day_results(context, check, verdicts, verdict)
        raise dg.Failure(description=_refusal(source, load), metadata=dict(verdict.metadata), allow_retries=False)

    return clean


def _beside(
    context: dg.AssetExecutionContext,
    made: dg.MaterializeResult,
    described: Mapping[str, Mapping[date, dict[str, Any]]],
) -> Iterator[dg.MaterializeResult | dg.AssetMaterialization]:
    """What was made with the clean table: a result where it was asked for too; else it is told day by day, since it was made."""
    key = made.asset_key
    assert key is not None, "each of them is named"
    if key in context.selected_asset_keys:
        yield made
    elif by_day := described[key.path[1]]:
        for day, metadata in by_day.items():
            yield dg.AssetMaterialization(
                key, partition=day.isoformat(), metadata={**(made.metadata or {}), **metadata}
            )
    else:
        yield dg.AssetMaterialization(key, metadata=made.metadata)


def _described(load: PublishedLoad, days: DayRange | None) -> dict[str, dict[date, dict[str, Any]]]:
    """What each day's materializations say instead of what the load as a whole says; a picture of weeks stands on its last day."""
    described: dict[str, dict[date, dict[str, Any]]] = {CLEAN: {}, QUARANTINE: {}, PROFILE: {}}
    for day, one in load.days.items():
        described[QUARANTINE][day] = {
            "dagster/row_count": one.rows_refused,
            "rows_by_rule": dict(one.rows_by_rule_and_column),
        }
        described[PROFILE][day] = {"dagster/row_count": load.profile_rows_by_day.get(day, 0)}
        if one.passed:
            described[CLEAN][day] = {"dagster/row_count": one.rows_accepted, "rows_refused": one.rows_refused}
    for layer, versions in load.versions.items():
        for day, version in versions.items():
            described[layer].setdefault(day, {})["delta_version"] = version
    rows = {day: float(count) for day, count in {**load.delivered_by_day, **load.trend}.items()}
    for day in described[CLEAN]:
        described[CLEAN][day][GLANCE] = glance_of_days(rows, day, "rows delivered")
    if days is not None:
        pictures = {
            CLEAN: _picture_if("rows_per_day", load.trend_plot),
            PROFILE: _picture_if("columns", load.profile_plot),
        }
        for layer, shown in pictures.items():
            if days.last in described[layer]:
                described[layer][days.last] |= shown
    return described


def _quarantined(catalog: Catalog, source: Source, load: PublishedLoad) -> dg.MaterializeResult:
    commit = load.commits[QUARANTINE]
    return dg.MaterializeResult(
        asset_key=asset_key(catalog.use_case, QUARANTINE, source.name),
        metadata={
            **commit_metadata(commit, catalog.quarantine(source.name).uri),
            "rows_by_rule": dict(load.rows_by_rule_and_column),
        },
        data_version=data_version(commit),
    )


def _profiled(catalog: Catalog, source: Source, load: PublishedLoad) -> dg.MaterializeResult:
    commit = load.commits[PROFILE]
    return dg.MaterializeResult(
        asset_key=asset_key(catalog.use_case, PROFILE, source.name),
        metadata={
            **commit_metadata(commit, catalog.profile(source.name).uri),
            **({} if source.is_daily else _picture_if("columns", load.profile_plot)),
        },
        data_version=data_version(commit),
    )


def _published(catalog: Catalog, source: Source, load: PublishedLoad) -> dg.MaterializeResult:
    commit, key = load.commits[CLEAN], asset_key(catalog.use_case, CLEAN, source.name)
    table = catalog.clean(source.name).stored
    return dg.MaterializeResult(
        asset_key=key,
        metadata={
            **commit_metadata(commit, table.uri),
            "rows_refused": load.rows_refused,
            **({"rows_released": load.rows_released} if len(load.days) < 2 else {}),
            **column_lineage(catalog.use_case, key, table.schema),
        },
        data_version=data_version(commit),
    )


def _check_result(key: dg.AssetKey, load: PublishedLoad) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=QUALITY_CHECK,
        passed=load.passed,
        metadata={
            "rows_accepted": load.rows_accepted,
            "rows_refused": load.rows_refused,
            "rows_released": load.rows_released,
            "refused_days": [day.isoformat() for day in load.refused_days],
            "rows_by_rule": dict(load.rows_by_rule),
            "broken_table_rules": sorted({rule.rule for rule in load.failed_rules}),
            "failed_rules": [rule.explanation for rule in load.failed_rules[:SHOWN_FAILURES]],
            **({"accepted_rules": [rule.explanation for rule in load.accepted_rules]} if load.accepted_rules else {}),
            **_without_events(load),
            **_picture_if("rows_per_day", load.volume_plot),
        },
    )


def _evidence(day: PublishedDay) -> dict[str, Any]:
    return {
        "rows_accepted": day.rows_accepted,
        "rows_refused": day.rows_refused,
        "rows_by_rule": dict(day.rows_by_rule_and_column),
        "broken_table_rules": sorted({rule.rule for rule in day.failed_rules}),
        "failed_rules": [rule.explanation for rule in day.failed_rules[:SHOWN_FAILURES]],
    }


def _picture_if(name: str, png: bytes | None) -> dict[str, Any]:
    return {} if png is None else {name: picture(png)}


def _without_events(load: PublishedLoad) -> dict[str, Any]:
    days = load.days_without_events
    return {"days_without_events": {day.isoformat(): reason for day, reason in days.items()}} if days else {}


def _refusal(source: Source, load: PublishedLoad) -> str:
    failed = [rule.explanation for rule in load.failed_rules]
    days = ", ".join(day.isoformat() for day in load.refused_days[:5]) or "the whole table"
    return (
        f"{source.name}: {len(load.refused_days) or 1} partition(s) were not published ({days}): {'; '.join(failed[:3])}. "
        f"What was published before is unchanged. The refused rows are in quarantine; mend the source and load the day again."
    )
