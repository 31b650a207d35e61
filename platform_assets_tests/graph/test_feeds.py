"""Feeds in the graph: what a touched day asks for, and which job loads what."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from platform_assets.declaration import UseCase, load_use_case
from platform_assets.declaration.days import DayRange
from platform_assets.installation import Installation
from platform_assets.orchestration.component import use_case_definitions
from platform_assets.orchestration.due_runs import read_materialized
from platform_assets.orchestration.jobs import build_jobs
from platform_assets.orchestration.resources.build import build_resources
from platform_assets.pipelines.due import DueJob, due, polled, stale_days
from platform_assets.pipelines.jobs import FEED, LOAD
from platform_assets.settings import Settings
from platform_assets.testing.day_verdicts import report_verdict

FOLDER = Path(__file__).parents[2] / "platform_assets" / "defs" / "card_fraud"
DAY = "2018-08-20"


@pytest.fixture(scope="module")
def use_case() -> UseCase:
    declared = load_use_case(FOLDER).model_dump(mode="json")
    for source in declared["sources"]:
        if source["name"] == "transactions":
            source["connector"] = {"kind": "change_feed", "path": "in"}
            source["changes"] = {"deletes": "history"}
            source.pop("late")  # a rule of days, which a feed has none of
    return UseCase.model_validate(declared)


@pytest.fixture(scope="module")
def definitions(use_case: UseCase, tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    settings = Settings.from_environment({"PLATFORM_ASSETS_HOME": str(tmp_path_factory.mktemp("home"))})
    return dg.Definitions.merge(
        use_case_definitions(use_case, FOLDER), dg.Definitions(resources=build_resources(Installation(settings)))
    )


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def key(layer: str, table: str) -> dg.AssetKey:
    return dg.AssetKey(["card_fraud", layer, table])


def report(instance: dg.DagsterInstance, layer: str, table: str, day: str | None = None) -> None:
    instance.report_runless_asset_event(dg.AssetMaterialization(key(layer, table), partition=day))


def pass_checks(
    definitions: dg.Definitions, instance: dg.DagsterInstance, asset: dg.AssetKey, day: str | None = None
) -> None:
    for check in definitions.resolve_asset_graph().asset_check_keys:
        if check.asset_key == asset:
            report_verdict(instance, check, date.fromisoformat(day) if day else None, True)


def test_a_touched_day_is_cleaned_and_its_features_follow(
    definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    for table in ("customers", "terminals"):
        report(instance, "clean", table)
        pass_checks(definitions, instance, key("clean", table))
    before = dg.evaluate_automation_conditions(definitions, instance)
    report(instance, "raw", "transactions", DAY)
    after = dg.evaluate_automation_conditions(definitions, instance, cursor=before.cursor)
    for layer in ("clean", "quarantine", "history"):
        assert after.get_requested_partitions(key(layer, "transactions")) == {DAY}, layer
    report(instance, "clean", "transactions", DAY)
    pass_checks(definitions, instance, key("clean", "transactions"), DAY)
    last = dg.evaluate_automation_conditions(definitions, instance, cursor=after.cursor)
    requested = last.get_requested_partitions(key("features", "transaction_context"))
    assert DAY in requested


def test_the_feed_has_a_job_and_the_daily_load_leaves_it_alone(use_case: UseCase, definitions: dg.Definitions) -> None:
    jobs = build_jobs(use_case)
    assert "feed" in jobs
    graph = definitions.resolve_asset_graph()
    feed = definitions.resolve_job_def(jobs["feed"].name).asset_layer.selected_asset_keys
    load = definitions.resolve_job_def(jobs["load"].name).asset_layer.selected_asset_keys
    assert feed == {key("raw", "transactions_feed")}
    assert {key("clean", "transactions"), key("history", "transactions")} <= load
    assert not load & {key("raw", "transactions"), key("raw", "transactions_feed")}
    assert not graph.get(key("raw", "transactions")).is_executable


def test_stale_days_are_those_touched_after_they_were_cleaned(use_case: UseCase, instance: dg.DagsterInstance) -> None:
    for day in ("2018-08-20", "2018-08-21", "2018-08-22"):
        report(instance, "raw", "transactions", day)
    report(instance, "clean", "transactions", "2018-08-21")
    report(instance, "clean", "transactions", "2018-08-22")
    report(instance, "raw", "transactions", "2018-08-22")
    materialized = read_materialized(use_case, instance)
    assert stale_days(materialized, use_case.source("transactions")) == [date(2018, 8, 20), date(2018, 8, 22)]


def test_reference_tables_are_remembered_without_a_day(use_case: UseCase, instance: dg.DagsterInstance) -> None:
    assert not read_materialized(use_case, instance)["clean", "customers"]
    report(instance, "clean", "customers")
    assert set(read_materialized(use_case, instance)["clean", "customers"]) == {None}


def test_after_the_feed_the_days_that_it_touched_are_due_and_once_loaded_no_more(
    use_case: UseCase, instance: dg.DagsterInstance
) -> None:
    history = DayRange(date(2018, 9, 1), date(2018, 9, 22))
    view = use_case.features[-1].table
    for day in history.days:
        report(instance, "clean", "transactions", day.isoformat())
        report(instance, "features", view, day.isoformat())
    for table in ("customers", "terminals"):
        report(instance, "clean", table)

    def loads() -> list[DueJob]:
        return due(use_case, read_materialized(use_case, instance), date(2018, 9, 23), {LOAD: history})

    assert polled(use_case) == [DueJob(FEED)]
    assert loads() == []
    report(instance, "raw", "transactions", "2018-09-20")
    assert loads() == [DueJob(LOAD, DayRange(date(2018, 9, 20), date(2018, 9, 22)))]
    report(instance, "clean", "transactions", "2018-09-20")
    assert loads() == [DueJob(LOAD, DayRange(date(2018, 9, 20), date(2018, 9, 22)))], "its features are older than it"
    report(instance, "features", view, "2018-09-20")
    assert loads() == []
