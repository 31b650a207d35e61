"""A training set made again as known at a moment is the same to the bit, whatever arrived, was corrected or computed since."""

import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from platform_assets.features.offline.feature_table import compute_view, join_labels
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.errors import LakeVersionMissing
from platform_assets.lake.lake import Lake
from platform_assets.lake.layout import FEATURES
from platform_assets.orchestration.assets.feature_quality import feature_quality_asset
from platform_assets.orchestration.assets.training import training_set_asset
from platform_assets.pipelines.build_training_set import current_versions, training_rows, versions_known_at
from platform_assets_tests.unit.features.histories import EVENT_SCHEMA, FIRST_DAY, LAST_DAY, MIDNIGHT, use_case

CASE = use_case()
AS_OF = date(2024, 3, 8)


def payments(count: int) -> pl.DataFrame:
    times = [MIDNIGHT + timedelta(hours=3 * n) for n in range(count)]
    rows = [(n, at, n % 3, n % 2, float(n), at.date()) for n, at in enumerate(times)]
    return pl.DataFrame(rows, schema=EVENT_SCHEMA, orient="row")


EVENTS = payments(80)
LABELS = EVENTS.select(
    "payment_id", "paid_at", (pl.col("payment_id") % 5 == 0).cast(pl.Int8).alias("is_bad"), "event_day"
)


def publish(lake: Lake, events: pl.DataFrame, labels: pl.DataFrame) -> None:
    """Write what is known, and compute the feature tables from it."""
    Catalog(CASE, lake).events.stored.write_partitions(events, FIRST_DAY, LAST_DAY)
    Catalog(CASE, lake).labels.stored.write_partitions(labels, FIRST_DAY, LAST_DAY)
    labelled = join_labels(events, labels, CASE)
    for view in CASE.features:
        table = lake.table(CASE.name, FEATURES, view.table, CASE.feature_schema(view))
        table.write_partitions(compute_view(view, CASE, labelled, FIRST_DAY, LAST_DAY), FIRST_DAY, LAST_DAY)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(root=str(tmp_path))


def later(lake: Lake) -> None:
    """A late payment, a corrected label and a label that arrived since: features and labels change."""
    time.sleep(0.01)
    late = pl.DataFrame(
        [(999, MIDNIGHT + timedelta(days=3, hours=1), 1, 1, 5e4, date(2024, 2, 29))], schema=EVENT_SCHEMA, orient="row"
    )
    corrected = LABELS.with_columns(
        pl.when(pl.col("payment_id") == 41).then(1).otherwise("is_bad").cast(pl.Int8).alias("is_bad")
    )
    known = pl.concat(
        [corrected, late.select("payment_id", "paid_at", pl.lit(1, pl.Int8).alias("is_bad"), "event_day")]
    )
    publish(lake, pl.concat([EVENTS, late]), known)


def test_a_training_set_as_known_at_a_moment_does_not_change(lake: Lake) -> None:
    publish(lake, EVENTS, LABELS)
    catalog = Catalog(CASE, lake)
    first = training_rows(catalog, AS_OF, current_versions(catalog)).frame
    moment = datetime.now(UTC)
    later(lake)
    now = training_rows(catalog, AS_OF, current_versions(catalog)).frame
    assert not now.equals(first)
    changed = now.join(first, on=["payment_id", *CASE.feature_names, "is_bad"], how="anti", nulls_equal=True)
    assert 41 in changed["payment_id"], "its label was corrected"
    assert changed.height > 2, "and features of the same card and shop have changed"
    again = training_rows(catalog, AS_OF, versions_known_at(catalog, moment)).frame
    assert again.equals(first)
    with pytest.raises(LakeVersionMissing, match="no version as of"):
        versions_known_at(catalog, datetime(2024, 3, 8, tzinfo=UTC))


def test_the_asset_makes_it_again_when_it_is_told_the_moment(lake: Lake) -> None:
    publish(lake, EVENTS, LABELS)
    moment = datetime.now(UTC)

    def made(known_at: str | None) -> pl.DataFrame:
        config = {"ops": {"payments__training__training_set": {"config": {"known_at": known_at}}}} if known_at else {}
        with dg.DagsterInstance.ephemeral() as instance:
            result = dg.materialize(
                [training_set_asset(use_case=CASE)],
                resources={"lake": lake},
                partition_key=AS_OF.isoformat(),
                instance=instance,
                run_config=config,
                raise_on_error=known_at != "yesterday",
            )
        if not result.success:
            failures = [event for event in result.all_events if event.event_type_value == "STEP_FAILURE"]
            assert "known_at 'yesterday' is no time" in failures[0].step_failure_data.error_display_string
        return Catalog(CASE, lake).training_sets.read(AS_OF, AS_OF)

    first = made(None)
    later(lake)
    assert not made(None).equals(first)
    assert made(moment.isoformat()).equals(first)
    made("yesterday")


def test_the_quality_of_its_features_is_kept_with_findings_and_a_picture(lake: Lake) -> None:
    publish(lake, EVENTS, LABELS)
    known = {"is_night": pl.col("payment_id").mod(5).eq(0).cast(pl.Float64)}
    table = lake.table(CASE.name, FEATURES, "context", CASE.feature_schema(CASE.features[0]))
    table.write_partitions(table.read().with_columns(**known), FIRST_DAY, LAST_DAY)
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [training_set_asset(use_case=CASE), feature_quality_asset(use_case=CASE)],
            resources={"lake": lake},
            partition_key=AS_OF.isoformat(),
            instance=instance,
        )
    assert result.success, "a finding stops nothing"
    checks = {check.check_name: check for check in result.get_asset_check_evaluations()}
    assert {name: check.blocking for name, check in checks.items()} == {
        "complete": True,
        "no_leakage": False,
        "sound": False,
    }
    assert not checks["no_leakage"].passed
    assert "is_night alone says 1.000 of the label" in str(checks["no_leakage"].metadata["explanation"].value)
    (event,) = result.asset_materializations_for_node("payments__features__feature_quality")
    assert "data:image/png;base64" in str(event.metadata["plot"].value)
    kept = Catalog(CASE, lake).feature_quality.read(AS_OF, AS_OF)
    assert kept["feature"].to_list() == list(CASE.feature_names)
    assert kept.filter("leaks")["feature"].to_list() == ["is_night"]
