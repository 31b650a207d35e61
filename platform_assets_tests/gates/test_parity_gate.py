"""The parity check is red for every kind of fault between a served value and the offline path, and names it; late rows are none."""

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import polars as pl
import pytest

from platform_assets.declaration import EVENT_DAY, feature_contract_hash, load_use_case
from platform_assets.declaration.names import PREDICTION_LOG
from platform_assets.declaration.prediction_log import FEATURE_PREFIX, OPTIONAL_COLUMNS, prediction_log_schema
from platform_assets.features.entity_state import entity_state
from platform_assets.features.offline.feature_table import compute_view
from platform_assets.features.offline.training_set import join_views
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.layout import FEATURES, SERVING
from platform_assets.orchestration.assets.parity import PARITY_CHECK, parity_asset
from platform_assets.pipelines.check_parity import ParityNotProven, require_parity
from platform_assets.pipelines.labelled_events import labelled_events

from .conftest import FOLDER, World, build_world

DELAYED = 7


def events_of(world: World, first: date, last: date) -> pl.DataFrame:
    return labelled_events(Catalog(world.use_case, world.lake()), first, last, last)


def served(world: World, events: pl.DataFrame, scored_at: datetime) -> pl.DataFrame:
    """A day's prediction log, one answer after the other, its features computed from `events`."""
    case, day = world.use_case, world.day
    views = {view.name: compute_view(view, case, events, day, day) for view in case.features}
    asked = events.filter(pl.col(EVENT_DAY) == day).select(list(dict.fromkeys([*case.serving.request, EVENT_DAY])))
    rows = join_views(asked, views, case, day, day).sort(case.event_time, "transaction_id")
    request_id = pl.col("transaction_id").cast(pl.String).alias("request_id")
    given: dict[str, Any] = {
        "scored_at": pl.lit(scored_at) + pl.duration(microseconds=pl.int_range(pl.len())),
        "score": 0.1,
        "decision": pl.lit("approve"),
        "model_version": pl.lit("1"),
        "release": pl.lit("sha256:0"),
        "feature_contract": pl.lit(feature_contract_hash(case)),
        "unknown_entities": pl.lit(""),
        "latency_ms": 1.0,
        **dict.fromkeys(OPTIONAL_COLUMNS, pl.lit(None)),
        **{FEATURE_PREFIX + name: pl.col(name) for name in case.feature_names},
    }
    schema = prediction_log_schema(case)
    return rows.with_columns(request_id, **given).select(pl.col(name).cast(dtype) for name, dtype in schema.items())


@pytest.fixture(scope="module")
def served_lake(good_lake: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pl.DataFrame]:
    """A lake in which the day after the good ones was first served, then loaded; and what was served."""
    root = tmp_path_factory.mktemp("served") / "lake"
    shutil.copytree(good_lake, root)
    with dg.DagsterInstance.ephemeral() as instance:
        world = build_world(root, load_use_case(FOLDER), instance)
        moment, first = datetime.now(UTC), world.use_case.history.first_day
        assert world.materialize(world.table("transactions"), world.day).success
        log = served(world, events_of(world, first, world.day), moment)
        compute_features(world)
    return root, log


@pytest.fixture
def answered(served_lake: tuple[Path, pl.DataFrame], tmp_path: Path) -> Iterator[tuple[World, pl.DataFrame]]:
    shutil.copytree(served_lake[0], tmp_path / "lake")
    with dg.DagsterInstance.ephemeral() as instance:
        yield build_world(tmp_path / "lake", load_use_case(FOLDER), instance), served_lake[1]


def compute_features(world: World) -> None:
    keys = [[world.use_case.name, FEATURES, view.name] for view in world.use_case.features]
    assert world.materialize(keys, world.day).success


def judged(world: World, log: pl.DataFrame) -> dict[str, Any]:
    """The check's evidence after the log was written, with its verdict."""
    case, day = world.use_case, world.day
    table = world.lake().table(case.name, SERVING, PREDICTION_LOG, prediction_log_schema(case))
    table.write_partitions(log, day, day, allow_empty=True)
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [parity_asset(use_case=case)],
            resources=world.resources,
            partition_key=day.isoformat(),
            instance=instance,
            raise_on_error=False,
        )
    (check,) = result.get_asset_check_evaluations()
    assert (check.check_name, check.blocking) == (PARITY_CHECK, True)
    return {"passed": check.passed, **{name: value.value for name, value in check.metadata.items()}}


def planted(log: pl.DataFrame, feature: str, row: int, value: Any) -> pl.DataFrame:
    name = FEATURE_PREFIX + feature
    key = log["transaction_id"][row]
    changed = pl.when(pl.col("transaction_id") == key).then(pl.lit(value, pl.Float64)).otherwise(pl.col(name))
    return log.with_columns(changed.alias(name))


def test_what_was_served_right_passes_and_promotion_hears_why(answered: tuple[World, pl.DataFrame]) -> None:
    world, log = answered
    told = judged(world, log)
    assert (told["passed"], told["status"], told["predictions"], told["unequal"]) == (True, "equal", log.height, 0)
    after = (world.day + timedelta(days=1)).isoformat()
    assert "every feature value" in require_parity(Catalog(world.use_case, world.lake()), after)


def test_no_predictions_pass_and_say_so(world: World) -> None:
    assert "no predictions have been logged" in require_parity(
        Catalog(world.use_case, world.lake()), world.day.isoformat()
    )
    empty = pl.DataFrame(schema=prediction_log_schema(world.use_case))
    assert world.materialize(world.table("transactions"), world.day).success
    compute_features(world)
    told = judged(world, empty)
    assert (told["passed"], told["status"]) == (True, "nothing to compare")
    assert "no predictions yet" in told["explanation"]


@pytest.mark.parametrize("feature", ["customer_count_7d", "customer_mean_amount_30d", "terminal_fraud_ratio_30d"])
def test_one_unit_in_the_last_place_is_named(answered: tuple[World, pl.DataFrame], feature: str) -> None:
    world, log = answered
    row = log.with_row_index().filter(pl.col(FEATURE_PREFIX + feature) > 0)["index"][0]
    right = log[FEATURE_PREFIX + feature][row]
    wrong = float(np.nextafter(right, np.inf))
    told = judged(world, planted(log, feature, row, wrong))
    assert (told["passed"], told["unequal"]) == (False, 1)
    entity = "terminal_id" if feature.startswith("terminal") else "customer_id"
    for said in (
        feature,
        f"{entity}={log[entity][row]}",
        log["transaction_time"][row].isoformat(),
        repr(wrong),
        repr(right),
    ):
        assert said in told["explanation"]


def test_null_in_place_of_a_value_and_a_value_in_place_of_null_are_named(answered: tuple[World, pl.DataFrame]) -> None:
    world, log = answered
    missing = log.with_row_index().filter(pl.col("feature__customer_genuine_amount_30d").is_null())["index"][0]
    told = judged(
        world, planted(planted(log, "customer_genuine_amount_30d", missing, 0.0), "customer_count_1d", 3, None)
    )
    assert (told["passed"], told["unequal"]) == (False, 2)
    kept = json.loads(Catalog(world.use_case, world.lake()).parity.read()["mismatches"][0])
    assert {(m["feature"], m["logged"], m["offline"]) for m in kept} == {
        ("customer_genuine_amount_30d", 0.0, None),
        ("customer_count_1d", None, log["feature__customer_count_1d"][3]),
    }


def test_times_read_in_another_zone_are_named(answered: tuple[World, pl.DataFrame]) -> None:
    """The service takes local time for UTC: everything it computes fits its own, wrong, event."""
    world, log = answered
    first = world.use_case.history.first_day
    shifted = pl.col("transaction_time") + pl.duration(hours=2)
    on_day = pl.col(EVENT_DAY) == world.day
    moved = events_of(world, first, world.day).with_columns(
        pl.when(on_day).then(shifted).otherwise("transaction_time").alias("transaction_time")
    )
    kept = moved.filter(pl.col("transaction_time").dt.date() == pl.col(EVENT_DAY))
    told = judged(world, served(world, kept, log["scored_at"][0]))
    assert not told["passed"]
    assert "transaction_time" in told["explanation"]
    assert told["explanation"].count("+00:00") == 3, "the request's time, logged and offline"


def test_stale_states_are_named(answered: tuple[World, pl.DataFrame]) -> None:
    """The online store was last written four days ago: the lake knew of what came since, the service did not."""
    world, log = answered
    first, stale = world.use_case.history.first_day, world.day - timedelta(days=4)
    events = events_of(world, first, world.day)
    assert entity_state(world.use_case.features[1], world.use_case, events, stale).height > 0
    known = events.filter((pl.col(EVENT_DAY) < stale) | (pl.col(EVENT_DAY) == world.day))
    told = judged(world, served(world, known, log["scored_at"][0]))
    assert not told["passed"]
    assert told["unequal"] > log.height / 2
    assert "customer_count_7d" in told["explanation"]


def test_a_wrong_delay_is_named(answered: tuple[World, pl.DataFrame]) -> None:
    """The service computes the terminals' windows with a delay of six days in place of seven."""
    world, log = answered
    case, day = world.use_case, world.day
    view = next(view for view in case.features if view.name == "terminal_risk")
    other = view.model_copy(update={"windows": tuple(w.model_copy(update={"delay_days": 8}) for w in view.windows)})
    events = events_of(world, case.history.first_day, day)
    wrong = compute_view(other, case, events, day, day)
    names = [pl.col(name).alias(FEATURE_PREFIX + name) for name in view.feature_names]
    told = judged(world, log.update(wrong.select("transaction_id", *names), on="transaction_id", include_nulls=True))
    assert not told["passed"]
    assert "terminal_count_1d" in told["explanation"]
    assert "customer_count" not in told["explanation"]


def test_a_row_that_arrived_late_is_no_fault_and_is_counted(answered: tuple[World, pl.DataFrame]) -> None:
    world, log = answered
    lake, case, eve = world.lake(), world.use_case, world.day - timedelta(days=1)
    add_late_row(world, eve, customer=int(log["customer_id"][0]))
    compute_features(world)
    told = judged(world, log)
    assert (told["passed"], told["status"], told["unequal"]) == (True, "equal as known then", 0)
    assert told["equal_as_known_then"] == log.filter(pl.col("customer_id") == log["customer_id"][0]).height
    assert Catalog(case, lake).events.read(eve, eve)["transaction_id"].max() == LATE_KEY


def test_an_event_that_was_refused_later_is_compared_as_known_then(answered: tuple[World, pl.DataFrame]) -> None:
    world, log = answered
    case = world.use_case
    for view in case.features:
        table = world.lake().table(case.name, FEATURES, view.name, case.feature_schema(view))
        rows = table.read(world.day, world.day).filter(pl.col("transaction_id") != log["transaction_id"][0])
        table.write_partitions(rows, world.day, world.day)
    told = judged(world, log)
    assert (told["passed"], told["equal_as_known_then"]) == (True, 1)


LATE_KEY = 10**9


def add_late_row(world: World, day: date, customer: int) -> None:
    table = Catalog(world.use_case, world.lake()).events.stored
    rows = table.read(day, day)
    late = rows.head(1).with_columns(
        pl.lit(LATE_KEY, pl.Int64).alias("transaction_id"), pl.lit(customer, pl.Int64).alias("customer_id")
    )
    table.write_partitions(pl.concat([rows, late]), day, day)


def test_promotion_waits_for_the_verdict_on_the_newest_predictions(answered: tuple[World, pl.DataFrame]) -> None:
    world, log = answered
    case, catalog = world.use_case, Catalog(world.use_case, world.lake())
    after = (world.day + timedelta(days=1)).isoformat()
    table = world.lake().table(case.name, SERVING, PREDICTION_LOG, prediction_log_schema(case))
    table.write_partitions(log.head(10), world.day, world.day)
    with pytest.raises(ParityNotProven, match=rf"10 of 10 predictions of {world.day} were never compared.*materialize"):
        require_parity(catalog, after)
    assert "before" in require_parity(catalog, world.day.isoformat())
    judged(world, log.head(10))
    assert require_parity(catalog, after).startswith(str(world.day))
    table.write_partitions(log.head(12), world.day, world.day)
    with pytest.raises(ParityNotProven, match=r"2 of 12 predictions"):
        require_parity(catalog, after)
    judged(world, planted(log.head(12), "amount", 5, 1.5))
    for as_of in (after, world.day.isoformat()):
        with pytest.raises(ParityNotProven, match=r"no model is promoted while features differ.*amount \(1\)"):
            require_parity(catalog, as_of)
