"""Automation conditions, by name.

Belongs here: when an asset is materialized without a person. Does not belong here: schedules and sensors
(`orchestration/`).
"""

from collections.abc import Sequence

import dagster as dg


def after_upstream(ignoring: Sequence[dg.AssetKey] = ()) -> dg.AutomationCondition[dg.AssetKey]:
    """Materialize a partition once its upstream was updated and every blocking check upstream has passed.

    Dagster's `eager()` looks at the latest partition only and does not wait for blocking checks. Here a late day or
    an as-of day in the past counts as well, and a check that failed or never ran keeps the condition closed.

    Args:
        ignoring: upstream assets that neither trigger nor hold back, such as a daily table below an asset that only
            needs it to exist: its latest day is missing most of the time, which would keep the condition closed.
    """
    condition = (
        dg.AutomationCondition.eager().without(dg.AutomationCondition.in_latest_time_window())
        & dg.AutomationCondition.all_deps_blocking_checks_passed()
    )
    if ignoring:
        condition = condition.ignore(dg.AssetSelection.assets(*ignoring))
    return condition.with_label("after upstream passed its gates")
