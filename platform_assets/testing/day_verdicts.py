"""Verdicts of checks on single days, reported as if a run had reached them.

Belongs here: what tests of automation report. Does not belong here: how runs report theirs (`orchestration/checks.py`).
"""

from datetime import UTC, date, datetime

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData as Target,
)


def report_verdict(
    instance: dg.DagsterInstance, check: dg.AssetCheckKey, day: date | None, passed: bool, *, blocking: bool = True
) -> None:
    """Report a verdict on a day, about its latest materialization, or on an asset without partitions; once for a check and a day."""
    partition = None if day is None else day.isoformat()
    numbers = (
        {}
        if partition is None
        else instance.event_log_storage.get_latest_storage_id_by_partition(
            check.asset_key, dg.DagsterEventType.ASSET_MATERIALIZATION, {partition}
        )
    )
    now = datetime.now(UTC).timestamp()
    target = next((Target(run_id="", storage_id=number, timestamp=now) for number in numbers.values()), None)
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(
            asset_key=check.asset_key,
            check_name=check.name,
            passed=passed,
            metadata={},
            blocking=blocking,
            partition=partition,
            target_materialization_data=target,
        )
    )
