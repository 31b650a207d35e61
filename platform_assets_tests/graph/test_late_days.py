"""A day that changed after the fact is computed again together with exactly the days whose windows reach it."""

from datetime import date, timedelta

import dagster as dg

from platform_assets.features.offline.sharding.plan import NO_BOUND
from platform_assets.lake.lake import Lake
from platform_assets.orchestration.assets.features import feature_table_asset
from platform_assets.orchestration.partitions import event_days
from platform_assets.testing.carried_days import days_touched
from platform_assets.testing.declare import declare, window

DAY = date(2024, 2, 15)
AROUND = [DAY + timedelta(days=n) for n in range(-40, 46)]


def test_a_late_row_asks_for_the_days_it_touches_and_no_other() -> None:
    use_case = declare(
        events={"payment": "int64", "at": "datetime", "card": "int64", "amount": "float64"},
        label="is_bad",
        label_delay_days=7,
        history={"first_day": AROUND[0], "last_day": AROUND[-1]},
        features=[
            "amount",
            {"name": "activity", "entity": "card", "windows": [window("n", "count", None, [30], delay_days=7)]},
        ],
    )
    features = [feature_table_asset(use_case=use_case, view=view) for view in use_case.features]
    events, labels = (dg.AssetKey([use_case.name, "clean", name]) for name in ("events", "labels"))
    clean = [dg.AssetSpec(key, partitions_def=event_days(use_case)) for key in (events, labels)]
    definitions = dg.Definitions(
        assets=[*clean, *features], resources={"lake": Lake(root="none"), "capacity": NO_BOUND}
    )
    with dg.DagsterInstance.ephemeral() as instance:

        def report(key: dg.AssetKey, days: list[date]) -> None:
            for day in days:
                instance.report_runless_asset_event(dg.AssetMaterialization(key, partition=str(day)))

        for key in (events, labels, *(asset.key for asset in features)):
            report(key, AROUND)
        before = dg.evaluate_automation_conditions(definitions, instance)
        assert before.total_requested == 0
        report(events, [DAY])
        after = dg.evaluate_automation_conditions(definitions, instance, cursor=before.cursor)
        for view, asset in zip(use_case.features, features, strict=True):
            first, last = days_touched(view, DAY)
            touched = {str(day) for day in AROUND if first <= day <= last}
            assert after.get_requested_partitions(asset.key) == touched, view.name
        assert len(touched) == 38
