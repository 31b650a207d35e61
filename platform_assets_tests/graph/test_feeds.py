"""Feeds in the graph: what a touched day asks for, and which job loads what."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from platform_assets.declaration import UseCase, load_use_case
from platform_assets.declaration.days import DayRange
from platform_assets.installation import Installation, Settings
from platform_assets.orchestration.component import use_case_definitions
from platform_assets.orchestration.feeding import days_to_compute, feed_and_compute, stale_days
from platform_assets.orchestration.jobs import build_jobs
from platform_assets.orchestration.resources.build import build_resources
from platform_assets.orchestration.schedules import build_schedules

FOLDER = Path(__file__).parents[2] / "platform_assets" / "defs" / "card_fraud"
DAY = "2018-08-20"


@pytest.fixture(scope="module")
def use_case() -> UseCase:
    declared = load_use_case(FOLDER).model_dump(mode="json")
    for source in declared["sources"]:
        if source["name"] == "transactions":
            source["connector"] = {"kind": "change_feed", "path": "in"}
            source["changes"] = {"deletes": "history"}
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


def pass_checks(definitions: dg.Definitions, instance: dg.DagsterInstance, asset: dg.AssetKey) -> None:
    for check in definitions.resolve_asset_graph().asset_check_keys:
        if check.asset_key == asset:
            instance.report_runless_asset_event(
                dg.AssetCheckEvaluation(asset_key=asset, check_name=check.name, passed=True, metadata={}, blocking=True)
            )


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
    pass_checks(definitions, instance, key("clean", "transactions"))
    last = dg.evaluate_automation_conditions(definitions, instance, cursor=after.cursor)
    requested = last.get_requested_partitions(key("features", "transaction_context"))
    assert DAY in requested


def test_the_feed_has_a_job_and_a_schedule_and_the_daily_load_leaves_it_alone(
    use_case: UseCase, definitions: dg.Definitions
) -> None:
    jobs = build_jobs(use_case)
    assert jobs.feed is not None
    graph = definitions.resolve_asset_graph()
    feed = definitions.resolve_job_def(jobs.feed.name).asset_layer.selected_asset_keys
    load = definitions.resolve_job_def(jobs.load.name).asset_layer.selected_asset_keys
    assert feed == {key("raw", "transactions_feed")}
    assert {key("clean", "transactions"), key("history", "transactions")} <= load
    assert not load & {key("raw", "transactions"), key("raw", "transactions_feed")}
    assert not graph.get(key("raw", "transactions")).is_executable
    [schedule] = [found for found in build_schedules(use_case, jobs) if found.job_name == jobs.feed.name]
    assert schedule.cron_schedule == "*/5 * * * *"
    assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED


def test_stale_days_are_those_told_after_they_were_cleaned(use_case: UseCase, instance: dg.DagsterInstance) -> None:
    source = use_case.source("transactions")
    for day in ("2018-08-20", "2018-08-21", "2018-08-22"):
        report(instance, "raw", "transactions", day)
    report(instance, "clean", "transactions", "2018-08-21")
    report(instance, "clean", "transactions", "2018-08-22")
    report(instance, "raw", "transactions", "2018-08-22")
    assert stale_days(use_case, instance, source) == [date(2018, 8, 20), date(2018, 8, 22)]


def test_features_that_look_back_at_a_touched_day_are_computed_again(use_case: UseCase) -> None:
    span = max(view.span_days for view in use_case.features)
    [days] = days_to_compute(use_case, [date(2018, 4, 5), date(2018, 4, 7)])
    assert (days.first, days.last) == (date(2018, 4, 5), date(2018, 4, 7) + timedelta(days=span))
    [days] = days_to_compute(use_case, [date(2018, 9, 29)])
    assert days.last == date(2018, 9, 30), "not past the history"


def test_in_one_process_the_feed_runs_and_then_what_it_made_stale(
    use_case: UseCase, instance: dg.DagsterInstance
) -> None:
    ran: list[str] = []

    def execute(job: Any, days: DayRange | None) -> None:
        ran.append(f"{job.name.split('__')[1]} {days or ''}".strip())
        if job.name.endswith("feed"):
            report(instance, "raw", "transactions", "2018-09-20")
        else:
            report(instance, "clean", "transactions", "2018-09-20")

    jobs = build_jobs(use_case)
    computed = feed_and_compute(use_case, jobs, instance, execute, until=date(2018, 9, 22))
    assert ran == ["feed", "load 2018-09-20 .. 2018-09-22"]
    assert [str(days) for days in computed] == ["2018-09-20 .. 2018-09-22"]
    assert stale_days(use_case, instance, use_case.source("transactions")) == []
