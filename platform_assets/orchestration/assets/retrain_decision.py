"""The retrain decision as an asset: whether a model is asked for as of a day, on which evidence, and what other settings would have said.

Belongs here: what Dagster is told of it. Does not belong here: deciding (`pipelines/retrain.py`), or asking (`orchestration/sensors.py`).
"""

from dataclasses import asdict
from datetime import date
from typing import Any

import dagster as dg

from platform_assets.declaration import UseCase
from platform_assets.declaration.names import DRIFT, ONLINE_STORE, QUALITY, RETRAIN_DECISION
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake
from platform_assets.lake.layout import FEATURES, MONITORING
from platform_assets.lake.schemas import RETRAIN_SCHEMA
from platform_assets.orchestration.checks import day_check
from platform_assets.orchestration.kubernetes.sizes import step_tags
from platform_assets.orchestration.metadata import (
    asset_key,
    column_schema,
    commit_metadata,
    data_version,
    policy,
)
from platform_assets.orchestration.partitions import as_of_days, earlier_days
from platform_assets.orchestration.retrain_requests import read_requests
from platform_assets.pipelines.due import newest_day
from platform_assets.pipelines.jobs import JUDGE, WATCH
from platform_assets.pipelines.retrain import Loss, StoredDecision, decide_retrain
from platform_assets.registry.model_store import ModelStore

ANSWERED_CHECK = "answered"
JUDGED_CHECK = "judged"
TRUSTED_CHECK = "trusted"
_CHECKS = {
    ANSWERED_CHECK: "What monitoring found is answered by training: the data is not at fault, and trainings do not fail again and again.",
    TRUSTED_CHECK: "Nothing lasts that is declared to degrade the answers (`monitoring.degrade`).",
    JUDGED_CHECK: "Drift was judged as of this day: without its verdict nothing is decided.",
}


def retrain_decision_asset(*, use_case: UseCase) -> dg.AssetsDefinition:
    """Whether a new model is asked for as of a day; the sensor only carries it out."""
    key, days = asset_key(use_case, MONITORING, RETRAIN_DECISION), as_of_days(use_case)

    def dep(monitor: str, job: str) -> dg.AssetDep:
        today = date(2000, 1, 31)
        back = (newest_day(use_case, job, today) - today).days
        return dg.AssetDep(asset_key(use_case, MONITORING, monitor), partition_mapping=earlier_days(back, back))

    @dg.asset(
        key=key,
        deps=[dep(DRIFT, WATCH), dep(QUALITY, JUDGE)],
        description="Whether a new model is asked for as of the day: drift, loss, labels, age and cost, the verdict and its reason, and "
        "what other settings would have said of the last 30 days.",
        kinds={"deltalake"},
        metadata=column_schema(use_case, key, RETRAIN_SCHEMA),
        partitions_def=days,
        code_version="1",
        check_specs=[day_check(name, key, days, description=text) for name, text in _CHECKS.items()],
        op_tags=step_tags(use_case, MONITORING, RETRAIN_DECISION),
        **policy(use_case, MONITORING),
    )
    def retrain_decision(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], models: dg.ResourceParam[ModelStore]
    ) -> dg.MaterializeResult:
        day = date.fromisoformat(context.partition_key)
        requested, store_day = read_requests(context.instance, use_case), _store_day(context.instance, use_case)
        decided = decide_retrain(Catalog(use_case, lake), models.registry(), day, requested, store_day)
        return dg.MaterializeResult(
            metadata={**commit_metadata(decided.commit, decided.uri), **_described(decided)},
            data_version=data_version(decided.commit),
            check_results=_check_results(decided),
        )

    return retrain_decision


def _store_day(instance: dg.DagsterInstance, use_case: UseCase) -> date | None:
    """The newest day whose features the online store holds; None where it was never made, or there is none."""
    made = instance.get_materialized_partitions(asset_key(use_case, FEATURES, ONLINE_STORE))
    return max(map(date.fromisoformat, made), default=None)


def _described(decided: StoredDecision) -> dict[str, Any]:
    decision, figures = decided.decision, dict[str, Any]()
    if decided.drift_size is not None:
        figures["drift_size"] = round(decided.drift_size, 3)
    if decided.label_coverage_ratio is not None:
        figures["label_coverage_ratio"] = round(decided.label_coverage_ratio, 4)
    if decided.training_seconds is not None:
        figures["training_seconds"] = round(decided.training_seconds, 1)
    if decided.model is not None:
        figures |= {"model_version": decided.model.version, "model_age_days": decided.model_age_days}
    return {
        "verdict": decision.kind,
        "reason": decision.reason,
        **({"cause": decision.cause} if decision.cause else {}),
        **({"attempt": decision.attempt} if decision.attempt else {}),
        "failed_requests": decision.failed,
        **figures,
        "drifted_columns": list(decided.drifted[:20]),
        "measured_loss": _in_words(decided.measured, "not measured as of this day"),
        "estimated_loss": _in_words(decided.estimated, "no estimate that may be believed"),
        "other_settings": dg.MetadataValue.md(_table(decided)),
    }


def _in_words(loss: Loss | None, otherwise: str) -> str:
    if loss is None:
        return otherwise
    interval = f" ({loss.low:.1%} to {loss.high:.1%})" if loss.low is not None and loss.high is not None else ""
    return f"{loss.ratio:.1%}{interval} of what the evaluation promised"


def _table(decided: StoredDecision) -> str:
    lines = ["| settings | days on which they would have asked |", "|---|---|"]
    for other in decided.others:
        lines.append(f"| {other.name} | {', '.join(day.isoformat() for day in other.asked) or 'none'} |")
    return "\n".join(lines)


def _check_results(decided: StoredDecision) -> list[dg.AssetCheckResult]:
    decision = decided.decision
    return [
        dg.AssetCheckResult(
            check_name=ANSWERED_CHECK,
            passed=decision.kind not in ("mend", "given_up"),
            metadata={"verdict": decision.kind, "reason": decision.reason, "failed_requests": decision.failed},
        ),
        dg.AssetCheckResult(
            check_name=TRUSTED_CHECK,
            passed=decided.degradation is None,
            metadata=asdict(decided.degradation) if decided.degradation else {"degraded": "nothing"},
        ),
        dg.AssetCheckResult(
            check_name=JUDGED_CHECK,
            passed=decided.model is None or DRIFT not in decided.missing,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"not_judged": ", ".join(decided.missing)},
        ),
    ]
