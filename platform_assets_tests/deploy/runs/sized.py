"""A code location with two assets of declared sizes, whose steps run in the run's pod.

Belongs here: definitions that the tests launch on every path. Does not belong here: the tests.
"""

from typing import Any

import dagster as dg

from platform_assets.orchestration.kubernetes.sizes import step_tags
from platform_assets.testing.declare import declare

SIZES: dict[str, Any] = {
    "raw": {"cpus": 6, "memory_gigabytes": 2, "priority": "high", "timeout_minutes": 10},
    "model": {
        "cpus": 2,
        "memory_gigabytes": 8,
        "gpus": 1,
        "node_class": "gpu",
        "priority": "low",
        "spot": True,
        "timeout_minutes": 20,
    },
}
USE_CASE = declare(
    events={"event_id": "int64", "at": "datetime", "amount": "float64"}, label="is_late", name="sized", compute=SIZES
)
DAYS = dg.StaticPartitionsDefinition(["2024-01-01"])


@dg.asset(
    key=["sized", "raw", "events"],
    partitions_def=DAYS,
    op_tags=step_tags(USE_CASE, "raw", "events"),
    automation_condition=dg.AutomationCondition.missing(),
)
def events() -> None:
    """The small one with many cores."""


@dg.asset(
    key=["sized", "model", "classifier"],
    deps=[events],
    partitions_def=DAYS,
    op_tags=step_tags(USE_CASE, "model", "classifier"),
    automation_condition=dg.AutomationCondition.missing(),
    check_specs=[dg.AssetCheckSpec("gate", asset=["sized", "model", "classifier"])],
)
def classifier() -> dg.MaterializeResult:
    """The large one with a GPU."""
    return dg.MaterializeResult(
        check_results=[dg.AssetCheckResult(passed=True, check_name="gate", asset_key=["sized", "model", "classifier"])]
    )


ASSETS = [events, classifier]
defs = dg.Definitions(assets=ASSETS, jobs=[dg.define_asset_job("sized__train", ASSETS)])
