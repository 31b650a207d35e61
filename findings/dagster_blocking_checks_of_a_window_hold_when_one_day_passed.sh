#!/usr/bin/env bash
# dagster 1.13.27
# `AutomationCondition.all_deps_blocking_checks_passed()` is true for a partition as soon as ONE of the upstream partitions that it maps to has
# passed, although the name says all: with a window of four days, a day whose own check failed, and three before it that passed, is requested.
# Seen: `checks: 01 02 03 passed, 04 failed; requested with the window: ['2024-01-04'], requested with the same day alone: []`
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet "dagster==1.13.27"
cat > "$work/check.py" <<'PY'
import warnings

warnings.simplefilter("ignore")

import dagster as dg

DAYS = dg.DailyPartitionsDefinition("2024-01-01", end_date="2024-01-05")
WINDOW = dg.TimeWindowPartitionMapping(start_offset=-3, end_offset=0, allow_nonexistent_upstream_partitions=True)
CONDITION = (
    dg.AutomationCondition.eager().without(dg.AutomationCondition.in_latest_time_window())
    & dg.AutomationCondition.all_deps_blocking_checks_passed()
)
CHECK = dg.AssetCheckSpec("good", asset="rows", blocking=True, partitions_def=DAYS)


@dg.asset(partitions_def=DAYS, check_specs=[CHECK])
def rows(context: dg.AssetExecutionContext):
    return dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=context.partition_key != "2024-01-04")])


def below(name, mapping):
    @dg.asset(
        name=name,
        deps=[dg.AssetDep("rows", partition_mapping=mapping)],
        partitions_def=DAYS,
        automation_condition=CONDITION,
    )
    def table(): ...

    return table


definitions = dg.Definitions(assets=[rows, below("window", WINDOW), below("same_day", None)])
with dg.DagsterInstance.ephemeral() as instance:

    def materialize(day):
        dg.materialize([rows], instance=instance, partition_key=f"2024-01-{day}", raise_on_error=False)

    for day in ("01", "02", "03"):
        materialize(day)
    before = dg.evaluate_automation_conditions(definitions, instance)
    materialize("04")
    after = dg.evaluate_automation_conditions(definitions, instance, cursor=before.cursor)
    window, same_day = (sorted(after.get_requested_partitions(dg.AssetKey(name))) for name in ("window", "same_day"))
    print(f"checks: 01 02 03 passed, 04 failed; requested with the window: {window}, requested with the same day alone: {same_day}")
    assert window == ["2024-01-04"], window
    assert same_day == [], same_day
PY
"$work/venv/bin/python" "$work/check.py" 2>/dev/null
