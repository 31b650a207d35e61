"""Parity, always on: every feature value that a prediction was made from, compared with the offline path.

Belongs here: what Dagster is told of the verdicts. Does not belong here: reaching them (`pipelines/check_parity.py`).

The asset lies below the prediction log, and the log below the deployment of a champion: an edge from here to the champion would
close a circle. So promotion reads the table that is written here (`require_parity`).
"""

import json
from collections.abc import Iterator
from datetime import date
from typing import Any

import dagster as dg

from platform_assets.declaration import UseCase
from platform_assets.declaration.names import PARITY
from platform_assets.features.consistency.parity import Mismatch, ParityVerdict
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake
from platform_assets.lake.layout import FEATURES, MONITORING
from platform_assets.lake.schemas import PARITY_SCHEMA
from platform_assets.orchestration.assets.monitoring import predictions_key
from platform_assets.orchestration.checks import DayVerdict, day_check, day_results, describe_days
from platform_assets.orchestration.kubernetes.sizes import step_tags
from platform_assets.orchestration.metadata import (
    asset_key,
    column_lineage,
    column_schema,
    commit_metadata,
    data_version,
    policy,
)
from platform_assets.orchestration.partitions import event_days, partition_range
from platform_assets.pipelines.check_parity import check_parity

PARITY_CHECK = "equal"
SHOWN_MISMATCHES = 20


def parity_asset(*, use_case: UseCase) -> dg.AssetsDefinition:
    """Every feature value of every logged prediction of a day, against the offline path."""
    key = asset_key(use_case, MONITORING, PARITY)
    features = [asset_key(use_case, FEATURES, view.table) for view in use_case.features]
    check = day_check(
        PARITY_CHECK,
        key,
        event_days(use_case),
        blocking=True,
        description="Every logged feature value is what the offline path gives. No model is promoted while it is not.",
    )

    @dg.asset(
        key=key,
        deps=[predictions_key(use_case), *features],
        description="Logged predictions replayed through the offline path: every feature value they were made from, compared.",
        kinds={"deltalake", "polars"},
        metadata=column_schema(use_case, key, PARITY_SCHEMA),
        partitions_def=event_days(use_case),
        backfill_policy=dg.BackfillPolicy.single_run(),
        code_version="1",
        check_specs=[check],
        op_tags=step_tags(use_case, MONITORING, PARITY),
        **policy(use_case, MONITORING),
    )
    def parity(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake]
    ) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult]:
        checked = check_parity(Catalog(use_case, lake), partition_range(context))
        evidence = _evidence(checked.verdicts)
        by_day = {day: _evidence({day: verdict}) for day, verdict in checked.verdicts.items()}
        describe_days(context, key, {day: {**shown, "dagster/row_count": 1} for day, shown in by_day.items()})
        yield dg.MaterializeResult(
            metadata={
                **commit_metadata(checked.commit, checked.uri),
                **column_lineage(use_case, key, PARITY_SCHEMA),
                **{name: value for name, value in evidence.items() if name != "mismatches"},
            },
            data_version=data_version(checked.commit),
        )
        whole = dg.AssetCheckResult(check_name=PARITY_CHECK, asset_key=key, passed=checked.passed, metadata=evidence)
        verdicts = {day: DayVerdict(checked.verdicts[day].passed, shown) for day, shown in by_day.items()}
        yield from day_results(context, check, verdicts, whole)

    return parity


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
