"""Checks that judge each day by itself.

Belongs here: the check of a partitioned asset, its results and the metadata of its days, for single days and for loads of a range
alike. Does not belong here: what is checked, or what follows from it (`conditions.py`).

In a run over a range Dagster writes one evaluation, which counts for no partition, so each day's is reported here beside it. It is
reported for the run: `report_runless_asset_event` stores one verdict of a check on a partition, and fails on the second.
"""

import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData as Target,
)

from platform_assets.pipelines.required_days import DaysMissing


@dataclass(frozen=True)
class DayVerdict:
    """What a check says of one day.

    Attributes:
        passed: the verdict.
        metadata: its evidence.
    """

    passed: bool
    metadata: Mapping[str, Any] = field(default_factory=dict)


@contextmanager
def missing_days_refused() -> Iterator[None]:
    """End a run that lacks days of its input as failed, with the sentence that says which and what to run; trying again does not help."""
    try:
        yield
    except DaysMissing as error:
        raise dg.Failure(description=str(error), allow_retries=False) from error


def day_check(
    name: str,
    key: dg.AssetKey,
    partitions_def: dg.PartitionsDefinition[str] | None,
    *,
    description: str,
    blocking: bool = False,
) -> dg.AssetCheckSpec:
    """A check with a verdict of its own on each partition of its asset; of the whole where there are none."""
    with warnings.catch_warnings():
        # Partitions of checks are called a preview; FACTS of what they do are held by tests.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return dg.AssetCheckSpec(
            name, asset=key, partitions_def=partitions_def, description=description, blocking=blocking
        )


def describe_days(context: dg.AssetExecutionContext, key: dg.AssetKey, days: Mapping[date, Mapping[str, Any]]) -> None:
    """Give each day of a load metadata of its own, in place of what the load as a whole says under the same names.

    Args:
        context: of the run.
        key: the asset, which is not materialized yet.
        days: metadata of each day.
    """
    for day, metadata in days.items():
        context.add_asset_metadata(metadata, asset_key=key, partition_key=day.isoformat())


def day_results(
    context: dg.AssetExecutionContext,
    check: dg.AssetCheckSpec,
    days: Mapping[date, DayVerdict],
    whole: dg.AssetCheckResult,
) -> Iterator[dg.AssetCheckResult]:
    """The results of a check after its asset was materialized: each day's in a run over a range, and that of the run.

    Args:
        context: of the run.
        check: the check.
        days: a verdict on each day of the run; empty for an asset without partitions.
        whole: the result of the run, which is that of its day in a run over one partition.
    """
    if days and not context.has_partition_key:
        targets = _latest_materializations(context.instance, check.asset_key, days, context.run_id)
        for day, verdict in days.items():
            evaluation = dg.AssetCheckEvaluation(
                asset_key=check.asset_key,
                check_name=check.name,
                passed=verdict.passed,
                metadata=dict(verdict.metadata),
                severity=whole.severity,
                blocking=check.blocking,
                partition=day.isoformat(),
                target_materialization_data=targets.get(day),
            )
            event = dg.DagsterEvent(
                event_type_value=dg.DagsterEventType.ASSET_CHECK_EVALUATION.value,
                job_name=context.job_name,
                event_specific_data=evaluation,
            )
            context.instance.report_dagster_event(event, run_id=context.run_id)
    yield whole


def _latest_materializations(
    instance: dg.DagsterInstance, key: dg.AssetKey, days: Iterable[date], run_id: str
) -> dict[date, Target]:
    """What each day's verdict is about: one that names no materialization does not count for a day that has one."""
    numbers = instance.event_log_storage.get_latest_storage_id_by_partition(
        key, dg.DagsterEventType.ASSET_MATERIALIZATION, {day.isoformat() for day in days}
    )
    now = datetime.now(UTC).timestamp()
    return {
        date.fromisoformat(day): Target(run_id=run_id, storage_id=number, timestamp=now)
        for day, number in numbers.items()
    }
