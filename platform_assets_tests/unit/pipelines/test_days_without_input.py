"""A day that was never loaded is refused wherever days are read; a day that was published without rows is not."""

from contextlib import nullcontext
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from platform_assets.declaration.days import DayRange
from platform_assets.features.offline.sharding.plan import NO_BOUND
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake
from platform_assets.lake.written_days import absent_days
from platform_assets.orchestration.assets.features import feature_table_asset
from platform_assets.pipelines.build_training_set import build_training_set
from platform_assets.pipelines.compute_features import compute_features
from platform_assets.pipelines.refresh_online_store import refresh_online_store
from platform_assets.pipelines.required_days import DaysMissing, listed_days
from platform_assets.pipelines.watch import watch_drift
from platform_assets.testing.declare import declare
from platform_assets.testing.payments import FIRST_DAY, LAST_DAY, use_case, view_of
from platform_assets_tests.unit.pipelines.test_training_set_as_known import EVENTS, LABELS

CASE = use_case()
DAY = date(2024, 3, 5)
ONE = timedelta(days=1)
EVERY = set(DayRange(FIRST_DAY, LAST_DAY).days)


def lake_with(root: Path, events: set[date], labels: set[date], empty: set[date] = frozenset()) -> Catalog:
    """A lake with clean days of events and labels, loaded one by one."""
    catalog = Catalog(CASE, Lake(str(root)))
    for table, rows, days in ((catalog.events, EVENTS, events), (catalog.labels, LABELS, labels)):
        for day in sorted(days):
            of_day = rows.filter((pl.col("event_day") == day) & pl.lit(day not in empty))
            table.stored.write_partitions(of_day, day, day, allow_empty=True, metadata={"load": str(day)})
    return catalog


@pytest.mark.parametrize("view", [view.name for view in CASE.features])
@pytest.mark.parametrize("days", [DayRange(DAY, DAY), DayRange(DAY - ONE, DAY)])
def test_features_of_a_day_that_was_never_published_are_refused(tmp_path: Path, view: str, days: DayRange) -> None:
    catalog = lake_with(tmp_path, EVERY - {DAY}, EVERY)
    with pytest.raises(DaysMissing, match=rf"payments/clean/payments has no {DAY} .*payments__load"):
        compute_features(catalog, view_of(CASE, view), days)
    assert not catalog.features(view_of(CASE, view)).exists()


def test_a_window_that_reaches_a_day_that_was_never_published_is_refused(tmp_path: Path) -> None:
    catalog = lake_with(tmp_path, EVERY - {DAY - 2 * ONE}, EVERY)
    compute_features(catalog, view_of(CASE, "context"), DayRange(DAY, DAY))
    with pytest.raises(DaysMissing, match=str(DAY - 2 * ONE)):
        compute_features(catalog, view_of(CASE, "card_activity"), DayRange(DAY, DAY))


def test_labels_that_should_have_arrived_are_refused_and_later_ones_are_not_expected(tmp_path: Path) -> None:
    known = {day for day in EVERY if day <= DAY - 2 * ONE}
    compute_features(lake_with(tmp_path / "known", EVERY, known), view_of(CASE, "shop_risk"), DayRange(DAY, DAY))
    lacking = lake_with(tmp_path / "lacking", EVERY, known - {DAY - 3 * ONE})
    with pytest.raises(DaysMissing, match=rf"payments/clean/labels has no {DAY - 3 * ONE} .*payments__labels"):
        compute_features(lacking, view_of(CASE, "shop_risk"), DayRange(DAY, DAY))


def test_the_first_days_of_the_history_expect_nothing_before_it(tmp_path: Path) -> None:
    catalog = lake_with(tmp_path, {FIRST_DAY}, set())
    for view in CASE.features:
        computed = compute_features(catalog, view, DayRange(FIRST_DAY, FIRST_DAY))
        assert computed.completeness[FIRST_DAY].passed


def test_a_day_that_was_published_without_rows_is_no_missing_one(tmp_path: Path) -> None:
    catalog = lake_with(tmp_path, EVERY, EVERY, empty={DAY})
    for view in CASE.features:
        computed = compute_features(catalog, view, DayRange(DAY, DAY + ONE))
        assert computed.completeness[DAY].passed
        assert (computed.completeness[DAY].rows, computed.completeness[DAY].absent_days) == (0, ())


def test_the_asset_fails_with_the_sentence_and_writes_nothing(tmp_path: Path) -> None:
    catalog = lake_with(tmp_path, EVERY - {DAY}, EVERY)
    asset = feature_table_asset(use_case=CASE, view=view_of(CASE, "context"))
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [asset],
            resources={"lake": catalog.lake, "capacity": NO_BOUND},
            partition_key=str(DAY),
            instance=instance,
            raise_on_error=False,
        )
        assert not instance.fetch_materializations(asset.key, limit=1).records
    assert not result.success
    [failure] = [event for event in result.all_events if event.event_type_value == "STEP_FAILURE"]
    assert failure.step_failure_data.user_failure_data is not None
    assert "Materialize payments/clean/payments for 2024-03-05" in str(
        failure.step_failure_data.user_failure_data.description
    )


@pytest.mark.parametrize("lacking", ["labels", "context", "shop_risk"])
def test_a_training_set_whose_days_lack_is_refused(tmp_path: Path, lacking: str) -> None:
    last = date(2024, 3, 4)
    catalog = lake_with(tmp_path, EVERY, EVERY - ({last} if lacking == "labels" else set()))
    for view in CASE.features:
        end = last - ONE if view.name == lacking else last
        compute_features(catalog, view, DayRange(FIRST_DAY, end)) if lacking != "labels" else compute_features(
            catalog, view, DayRange(FIRST_DAY, last)
        )
    with pytest.raises(DaysMissing, match=rf"training_set as of 2024-03-06: .*{lacking} has no {last}"):
        build_training_set(catalog, date(2024, 3, 6))
    assert not catalog.training_sets.exists()


def test_a_training_set_names_the_days_that_it_has(tmp_path: Path) -> None:
    last = date(2024, 3, 4)
    catalog = lake_with(tmp_path, EVERY, EVERY, empty={last, date(2024, 3, 2)})
    for view in CASE.features:
        compute_features(catalog, view, DayRange(FIRST_DAY, last))
    built = build_training_set(catalog, date(2024, 3, 6))
    assert built.completeness.passed
    assert built.last_day == last - ONE
    assert set(built.days_without_rows) >= {last, date(2024, 3, 2)}


def test_a_table_that_is_looked_into_has_to_have_its_days(tmp_path: Path) -> None:
    weather = {
        "name": "weather",
        "description": "weather",
        "connector": {"kind": "files", "format": "csv", "path": "none.csv"},
        "columns": [
            {"name": "reading", "type": "int64", "description": "reading"},
            {"name": "measured_at", "type": "datetime", "description": "when"},
            {"name": "lot", "type": "int32", "description": "where"},
            {"name": "degrees", "type": "float64", "description": "how warm"},
        ],
        "primary_key": ["reading"],
        "event_time": "measured_at",
    }
    view = {
        "name": "warmth",
        "entity": "lot",
        "lookups": [
            {
                "name": "outside",
                "description": "outside",
                "source": "weather",
                "on": {"lot": "lot"},
                "columns": ["degrees"],
                "max_age_days": 2,
            }
        ],
    }
    case = declare(
        events={"visit": "int64", "at": "datetime", "lot": "int32"},
        label="unpaid",
        features=[view],
        sources=[weather],
    )
    catalog = Catalog(case, Lake(str(tmp_path)))
    first = case.history.first_day
    table = catalog.events.stored
    table.write_partitions(
        pl.DataFrame(schema=table.schema), first, first + 5 * ONE, allow_empty=True, metadata={"a": "b"}
    )
    readings = catalog.clean("weather").stored
    readings.write_partitions(
        pl.DataFrame(schema=readings.schema), first, first + 2 * ONE, allow_empty=True, metadata={"a": "b"}
    )
    compute_features(catalog, case.features[0], DayRange(first + 3 * ONE, first + 3 * ONE))
    with pytest.raises(DaysMissing, match=rf"small/clean/weather has no {first + 3 * ONE}"):
        compute_features(catalog, case.features[0], DayRange(first + 4 * ONE, first + 4 * ONE))


def test_the_online_store_is_not_filled_from_days_that_lack(tmp_path: Path) -> None:
    nothing: Any = None
    catalog = lake_with(tmp_path, EVERY - {DAY}, EVERY)
    with pytest.raises(DaysMissing, match=f"online store of payments as of the end of {DAY}"):
        refresh_online_store(catalog, nothing, DAY, print)


def test_a_window_of_predictions_with_a_hole_is_not_judged(tmp_path: Path) -> None:
    nothing: Any = None
    catalog = Catalog(CASE, Lake(str(tmp_path)))
    table = catalog.predictions
    with pytest.raises(DaysMissing, match="has no"):
        watch_drift(catalog, nothing, tmp_path, DAY)
    row = dict.fromkeys(table.schema) | {"request_id": "a", "event_day": DAY - 3 * ONE}
    rows = pl.DataFrame([row], schema=table.schema)
    table.write_partitions(rows, DAY - 3 * ONE, DAY - 3 * ONE)
    table.write_partitions(rows.with_columns(event_day=DAY), DAY, DAY)
    with pytest.raises(DaysMissing, match=f"has no {DAY - 2 * ONE} .. {DAY - ONE} \\(2 of 4 days\\)"):
        watch_drift(catalog, nothing, tmp_path, DAY)


def test_days_are_told_from_the_log(tmp_path: Path) -> None:
    catalog = lake_with(tmp_path, {FIRST_DAY, FIRST_DAY + 2 * ONE}, set(), empty={FIRST_DAY + 2 * ONE})
    table = catalog.events.stored
    assert absent_days(table, FIRST_DAY, FIRST_DAY + 3 * ONE) == [FIRST_DAY + ONE, FIRST_DAY + 3 * ONE]
    assert absent_days(table, FIRST_DAY, FIRST_DAY + 2 * ONE, version=1) == [FIRST_DAY + ONE, FIRST_DAY + 2 * ONE]
    assert absent_days(catalog.labels.stored, DAY, DAY) == [DAY], "a table that does not exist has no day"
    assert listed_days([DAY, DAY + ONE, DAY + 3 * ONE]) == "2024-03-05 .. 2024-03-06, 2024-03-08"
    many = [DAY + 2 * n * ONE for n in range(8)]
    assert listed_days(many).endswith("and 3 more ranges")


def test_a_day_that_is_left_out_by_the_rule_is_required_nowhere(tmp_path: Path) -> None:
    """Features of later days, and the training set, are those of a lake in which the day had no rows."""
    whole = lake_with(tmp_path / "empty", EVERY, EVERY, empty={DAY})
    lacking = lake_with(tmp_path / "lacking", EVERY - {DAY}, EVERY)
    left_out = Catalog(CASE, lacking.lake, {CASE.events: frozenset({DAY})})
    for view in CASE.features:
        for days in (DayRange(FIRST_DAY, DAY - ONE), DayRange(DAY + ONE, LAST_DAY)):
            with pytest.raises(DaysMissing) if days.first > DAY and view.windows else nullcontext():
                compute_features(lacking, view, days)
            compute_features(left_out, view, days)
            compute_features(whole, view, days)
            rows = [catalog.features(view).read(days.first, days.last) for catalog in (left_out, whole)]
            keys = list(CASE.event_source.primary_key)
            assert rows[0].sort(keys).equals(rows[1].sort(keys)), view.name
