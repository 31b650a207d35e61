"""What happens without a person: conditions follow passed gates only, and a drift asks for one model."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from platform_assets.declaration import UseCase, load_use_case
from platform_assets.installation import Installation, Settings
from platform_assets.lake.lake import Lake
from platform_assets.lake.schemas import VERDICT_SCHEMA
from platform_assets.orchestration.component import use_case_definitions
from platform_assets.orchestration.jobs import build_jobs
from platform_assets.orchestration.resources.build import build_resources
from platform_assets.orchestration.sensors import CAUSE_TAG, retrain_sensor
from platform_assets.testing.day_verdicts import report_verdict

FOLDER = Path(__file__).parents[2] / "platform_assets" / "defs" / "card_fraud"
DAY, NEXT_DAY = "2018-08-20", "2018-08-21"
"""An as-of day that is not the latest: a condition that looks at the latest partition only would never fire."""


@pytest.fixture(scope="module")
def use_case() -> UseCase:
    return load_use_case(FOLDER)


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


def requested_after(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    asset: tuple[str, str],
    *,
    failed: str | None = None,
    not_run: str | None = None,
) -> dict[str, list[str]]:
    """Report an asset of `DAY` with its checks to an automation that has been running; what it asks for then."""
    key = dg.AssetKey(["card_fraud", *asset])
    before = dg.evaluate_automation_conditions(definitions, instance)
    assert before.total_requested == 0, "nothing has happened yet"
    instance.report_runless_asset_event(dg.AssetMaterialization(key, partition=DAY))
    graph = definitions.resolve_asset_graph()
    for check in graph.asset_check_keys:
        if check.asset_key == key and check.name != not_run:
            report_verdict(instance, check, date.fromisoformat(DAY), check.name != failed)
    after = dg.evaluate_automation_conditions(definitions, instance, cursor=before.cursor)
    return {
        "/".join(found.path[1:]): sorted(after.get_requested_partitions(found))
        for found in graph.get_all_asset_keys()
        if after.get_num_requested(found)
    }


def test_passed_gates_promote_and_build(definitions: dg.Definitions, instance: dg.DagsterInstance) -> None:
    """The deployment follows once the service's self-test has passed: see below."""
    requested = requested_after(definitions, instance, ("model", "evaluation"))
    assert requested == {"model/card": [DAY], "model/champion": [DAY], "serving/service": [DAY]}


@pytest.mark.parametrize("gate", ["calibration", "beats_baselines", "no_worse_than_champion"])
def test_a_red_gate_stops_everything_downstream_but_the_card_that_shows_it(
    definitions: dg.Definitions, instance: dg.DagsterInstance, gate: str
) -> None:
    requested = requested_after(definitions, instance, ("model", "evaluation"), failed=gate)
    assert requested == {"model/card": [DAY]}


@pytest.mark.parametrize("red", [DAY, NEXT_DAY])
@pytest.mark.parametrize("red_first", [True, False])
def test_of_two_models_judged_before_one_tick_the_good_one_alone_is_promoted(
    definitions: dg.Definitions, instance: dg.DagsterInstance, red: str, red_first: bool
) -> None:
    """The newest verdict of the asset as a whole says nothing of the other day."""
    key, champion = dg.AssetKey(["card_fraud", "model", "evaluation"]), dg.AssetKey(["card_fraud", "model", "champion"])
    before = dg.evaluate_automation_conditions(definitions, instance)
    [good] = {DAY, NEXT_DAY} - {red}
    for day in (red, good) if red_first else (good, red):
        instance.report_runless_asset_event(dg.AssetMaterialization(key, partition=day))
        for check in definitions.resolve_asset_graph().asset_check_keys:
            if check.asset_key == key:
                passed = day == good or check.name != "calibration"
                report_verdict(instance, check, date.fromisoformat(day), passed)
    after = dg.evaluate_automation_conditions(definitions, instance, cursor=before.cursor)
    assert after.get_requested_partitions(champion) == {good}
    later = dg.evaluate_automation_conditions(definitions, instance, cursor=after.cursor)
    assert later.get_requested_partitions(champion) == set()


def test_a_gate_that_did_not_run_stops_as_well(definitions: dg.Definitions, instance: dg.DagsterInstance) -> None:
    requested = requested_after(definitions, instance, ("model", "evaluation"), not_run="calibration")
    assert requested == {"model/card": [DAY]}


def test_a_rollback_starts_nothing_and_nothing_starts_a_rollback(
    definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    """What was rolled back from stays where it is: neither promotion nor deployment are asked for again."""
    key = dg.AssetKey(["card_fraud", "model", "rollback"])
    assert definitions.resolve_asset_graph().get(key).automation_condition is None
    before = dg.evaluate_automation_conditions(definitions, instance)
    instance.report_runless_asset_event(dg.AssetMaterialization(key))
    assert dg.evaluate_automation_conditions(definitions, instance, cursor=before.cursor).total_requested == 0


def test_a_service_that_failed_its_self_test_is_not_deployed(
    definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    assert requested_after(definitions, instance, ("serving", "service"), failed="self_test") == {}


def test_a_built_service_is_deployed_while_the_online_store_s_latest_day_is_missing(
    definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    assert requested_after(definitions, instance, ("serving", "service")) == {"serving/deployment": [DAY]}


def test_a_refused_clean_table_reaches_no_feature(definitions: dg.Definitions, instance: dg.DagsterInstance) -> None:
    assert requested_after(definitions, instance, ("clean", "transactions"), failed="quality") == {}


def store_verdicts(lake: Lake, name: str, causes: dict[date, list[str]]) -> None:
    """Windows as the monitoring assets store them."""
    table = lake.table("card_fraud", "monitoring", name, VERDICT_SCHEMA)
    for day, found in causes.items():
        status = "drift" if found else "ok"
        row = {
            "status": status,
            "passed": not found,
            "causes": found,
            "model_version": "1",
            "result": "{}",
            "event_day": day,
        }
        table.write_partitions(pl.DataFrame([row], schema=VERDICT_SCHEMA), day, day)


def tick(use_case: UseCase, lake: Lake, instance: dg.DagsterInstance, cursor: str | None) -> dg.SensorResult:
    sensor = retrain_sensor(use_case, build_jobs(use_case))
    context = dg.build_sensor_context(instance=instance, cursor=cursor, resources={"lake": lake})
    result = sensor(context)
    assert isinstance(result, dg.SensorResult)
    return result


def days_from(first: date, count: int) -> list[date]:
    return [first + timedelta(days=index) for index in range(count)]


def test_lasting_drift_asks_for_one_model(use_case: UseCase, instance: dg.DagsterInstance, tmp_path: Path) -> None:
    lake = Lake(root=str(tmp_path))
    quiet, first, second, third, *_ = days_from(date(2018, 9, 10), 6)
    store_verdicts(lake, "drift", {quiet: [], first: ["drift:amount"]})
    once = tick(use_case, lake, instance, None)
    assert not once.run_requests, "one window is not enough"
    store_verdicts(lake, "drift", {second: ["drift:amount"]})
    asked = tick(use_case, lake, instance, once.cursor)
    assert asked.run_requests is not None
    [request] = asked.run_requests
    assert request.partition_key == (second + timedelta(days=1)).isoformat()
    assert request.tags[CAUSE_TAG].startswith("drift:amount")
    again = tick(use_case, lake, instance, asked.cursor)
    assert not again.run_requests, "the same cause asks once"
    store_verdicts(lake, "drift", {third: ["drift:amount", "drift:terminal_count_7d"]})
    cooled = tick(use_case, lake, instance, asked.cursor)
    assert not cooled.run_requests, "within the cooldown nothing else asks"


def test_lost_quality_asks_although_newer_windows_have_no_labels_yet(
    use_case: UseCase, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    lake = Lake(root=str(tmp_path))
    days = days_from(date(2018, 9, 3), 10)
    store_verdicts(lake, "drift", {day: [] for day in days})
    store_verdicts(lake, "quality", {days[0]: ["quality:average_precision"], days[1]: ["quality:average_precision"]})
    result = tick(use_case, lake, instance, None)
    assert result.run_requests is not None
    [request] = result.run_requests
    assert request.partition_key == (days[1] + timedelta(days=7)).isoformat()


def test_without_verdicts_nothing_is_asked(use_case: UseCase, instance: dg.DagsterInstance, tmp_path: Path) -> None:
    result = tick(use_case, Lake(root=str(tmp_path)), instance, None)
    assert not result.run_requests
    assert result.skip_reason is not None
