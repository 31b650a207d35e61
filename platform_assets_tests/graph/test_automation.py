"""What happens without a person: conditions follow passed gates only, and a drift asks for one model."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from platform_assets.declaration import UseCase, load_use_case
from platform_assets.installation import Installation
from platform_assets.orchestration.component import use_case_definitions
from platform_assets.orchestration.resources.build import build_resources
from platform_assets.settings import Settings
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
