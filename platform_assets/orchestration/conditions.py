"""Automation conditions, by name.

Belongs here: when an asset is materialized without a person. Does not belong here: sensors
(`orchestration/`).

Every day is judged by itself. Dagster's `all_deps_blocking_checks_passed()` holds for a day as soon as one upstream day that it maps to
has passed, and without partitions on checks it looks at the newest evaluation of the whole asset: a good day opened the one that was
refused before it, and a refused one closed good ones. So an update of an upstream day counts only once that day's own checks have passed,
and an asset's day waits for the checks of the same day upstream (`with_gates`). Earlier days that a window reads have to be there; a
later delivery of one that was refused changes nothing of what is published, and closes nothing.

`EntityMatchesCondition` on a check is no public name of Dagster: `AutomationCondition.asset_matches` takes assets only, and maps by the
dependency's window instead of the same day.
"""

from collections.abc import Sequence
from typing import Any

import dagster as dg
from dagster._core.definitions.declarative_automation.operators import EntityMatchesCondition

Condition = dg.AutomationCondition[dg.AssetKey]
GATED = "after upstream passed its gates"
"""Label of conditions that `with_gates` completes."""


def after_upstream(ignoring: Sequence[dg.AssetKey] = ()) -> Condition:
    """Materialize a partition once its upstream was updated and every blocking check upstream has passed.

    Dagster's `eager()` looks at the latest partition only and does not wait for blocking checks. Here a late day or
    an as-of day in the past counts as well, and a check that failed or never ran keeps the condition closed.

    Args:
        ignoring: upstream assets that neither trigger nor hold back, such as a daily table below an asset that only
            needs it to exist: its latest day is missing most of the time, which would keep the condition closed.
    """
    condition: Any = (
        dg.AutomationCondition.eager()
        .without(dg.AutomationCondition.in_latest_time_window())
        .replace("any_deps_updated", _passed_updates())
    )
    if ignoring:
        condition = condition.ignore(dg.AssetSelection.assets(*ignoring))
    gated: Condition = condition.with_label(GATED)
    return gated


def _passed_updates() -> dg.AutomationCondition[Any]:
    """An upstream day was updated and its own blocking checks have passed, in whichever order the two are seen."""
    passed = dg.AutomationCondition.all_checks_match(dg.AutomationCondition.check_passed(), blocking_only=True)
    by_another_run = dg.AutomationCondition.newly_updated() & ~dg.AutomationCondition.executed_with_root_target()
    return dg.AutomationCondition.any_deps_match(
        (by_another_run & passed)
        | (~dg.AutomationCondition.missing() & passed).newly_true()
        | dg.AutomationCondition.will_be_requested()
    ).with_label("any_deps_updated_and_passed")


def with_gates(assets: Sequence[dg.AssetsDefinition]) -> list[dg.AssetsDefinition]:
    """The assets, each that follows its upstream waiting for that one's blocking checks of the same day as well."""
    checks = [check for asset in assets for check in asset.check_specs if check.blocking]

    def gated(spec: dg.AssetSpec) -> dg.AssetSpec:
        condition: Any = spec.automation_condition
        if condition is None or condition.get_label() != GATED:
            return spec
        same_day = {dep.asset_key for dep in spec.deps if _maps_to_the_same_day(dep.partition_mapping)}
        for check in sorted((check.key for check in checks if check.asset_key in same_day), key=str):
            condition = condition & EntityMatchesCondition(key=check, operand=dg.AutomationCondition.check_passed())
        return spec.replace_attributes(automation_condition=condition.with_label(GATED))

    return [asset.map_asset_specs(gated) for asset in assets]


def _maps_to_the_same_day(mapping: dg.PartitionMapping | None) -> bool:
    """Whether a day depends on the same day upstream; a dependency without a mapping does, or on a whole table."""
    if isinstance(mapping, dg.TimeWindowPartitionMapping):
        return mapping.start_offset <= 0 <= mapping.end_offset
    return mapping is None
