"""What happens without a person: a gate that is red stops the chain, one that is green moves it on, drift asks once."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from platform_assets.declaration import UseCase, load_use_case
from platform_assets.declaration.gate_kinds import gate_names
from platform_assets.installation import Installation
from platform_assets.lake.layout import MODEL, SERVING
from platform_assets.orchestration.assets.deployment import SELF_TEST_CHECK
from platform_assets.orchestration.checks import day_check
from platform_assets.orchestration.component import use_case_definitions
from platform_assets.orchestration.partitions import as_of_days
from platform_assets.orchestration.resources.build import build_resources
from platform_assets.settings import Settings

FOLDER = Path(__file__).parents[2] / "platform_assets" / "defs" / "card_fraud"
NAME = "card_fraud"
EVALUATION, CHAMPION = dg.AssetKey([NAME, MODEL, "evaluation"]), dg.AssetKey([NAME, MODEL, "champion"])
SERVICE, DEPLOYMENT = dg.AssetKey([NAME, SERVING, "service"]), dg.AssetKey([NAME, SERVING, "deployment"])
DOWNSTREAM = [CHAMPION, SERVICE, DEPLOYMENT]
MODEL_CHAIN = dg.AssetSelection.assets(EVALUATION, *DOWNSTREAM)


@pytest.fixture(scope="module")
def use_case() -> UseCase:
    return load_use_case(FOLDER)


@pytest.fixture
def definitions(use_case: UseCase, tmp_path: Path) -> dg.Definitions:
    settings = Settings.from_environment({"PLATFORM_ASSETS_HOME": str(tmp_path)})
    return dg.Definitions.merge(
        use_case_definitions(use_case, FOLDER), dg.Definitions(resources=build_resources(Installation(settings)))
    )


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as found:
        yield found


def as_of(use_case: UseCase, which: str) -> str:
    keys = as_of_days(use_case).get_partition_keys()
    return {"latest": keys[-1], "earlier": keys[len(keys) // 2]}[which]


def judged(
    instance: dg.DagsterInstance, use_case: UseCase, partition: str, red: str | None, left_out: str = ""
) -> None:
    """An evaluation as of a day with its gates, one of them red or never judged."""
    names = gate_names(use_case.gates, use_case.task)
    assert red is None or red in names

    days = as_of_days(use_case)

    @dg.asset(
        key=EVALUATION,
        partitions_def=days,
        check_specs=[
            day_check(name, EVALUATION, days, description=name, blocking=True) for name in names if name != left_out
        ],
    )
    def evaluation() -> dg.MaterializeResult:
        results = [dg.AssetCheckResult(check_name=name, passed=name != red) for name in names if name != left_out]
        return dg.MaterializeResult(check_results=results)

    dg.materialize([evaluation], instance=instance, partition_key=partition, raise_on_error=False)


class Ticks:
    """The automation's evaluations, one after the other."""

    def __init__(self, definitions: dg.Definitions, instance: dg.DagsterInstance) -> None:
        self._definitions, self._instance = definitions, instance
        self._cursor: dg.AutomationConditionSensorDefinition | None = None
        self._state: object = None

    def next(self) -> dict[dg.AssetKey, set[str]]:
        """Partitions requested in this tick, by asset."""
        result = dg.evaluate_automation_conditions(
            defs=self._definitions, instance=self._instance, asset_selection=MODEL_CHAIN, cursor=self._state
        )
        self._state = result.cursor
        found = {key: result.get_requested_partitions(key) for key in [EVALUATION, *DOWNSTREAM]}
        return {key: {str(partition) for partition in keys} for key, keys in found.items() if keys}


@pytest.mark.parametrize("which", ["latest", "earlier"])
def test_green_gates_ask_for_the_champion(
    definitions: dg.Definitions, instance: dg.DagsterInstance, use_case: UseCase, which: str
) -> None:
    ticks = Ticks(definitions, instance)
    assert ticks.next() == {}
    day = as_of(use_case, which)
    judged(instance, use_case, day, red=None)
    assert ticks.next()[CHAMPION] == {day}
    assert CHAMPION not in ticks.next(), "once"


@pytest.mark.parametrize("which", ["latest", "earlier"])
def test_one_red_gate_asks_for_nothing(
    definitions: dg.Definitions, instance: dg.DagsterInstance, use_case: UseCase, which: str
) -> None:
    ticks = Ticks(definitions, instance)
    ticks.next()
    judged(instance, use_case, as_of(use_case, which), red="no_worse_than_champion")
    assert not set(DOWNSTREAM) & set(ticks.next())
    assert not set(DOWNSTREAM) & set(ticks.next())


def materialized(instance: dg.DagsterInstance, key: dg.AssetKey, partition: str) -> None:
    instance.report_runless_asset_event(dg.AssetMaterialization(key, partition=partition))


def self_tested(instance: dg.DagsterInstance, partition: str, passed: bool) -> None:
    """A service as of a day, with its self-test."""

    days = dg.DailyPartitionsDefinition(partition)

    @dg.asset(
        key=SERVICE,
        partitions_def=days,
        check_specs=[day_check(SELF_TEST_CHECK, SERVICE, days, description="it starts", blocking=True)],
    )
    def service() -> dg.MaterializeResult:
        return dg.MaterializeResult(check_results=[dg.AssetCheckResult(check_name=SELF_TEST_CHECK, passed=passed)])

    dg.materialize([service], instance=instance, partition_key=partition, raise_on_error=False)


@pytest.mark.parametrize("self_test", [True, False])
@pytest.mark.parametrize("which", ["latest", "earlier"])
def test_the_champion_goes_on_to_its_deployment(
    definitions: dg.Definitions, instance: dg.DagsterInstance, use_case: UseCase, which: str, self_test: bool
) -> None:
    """Champion, service, deployment, each once, as of the day of the model; a red self-test ends the way there."""
    ticks, day = Ticks(definitions, instance), as_of(use_case, which)
    ticks.next()
    judged(instance, use_case, day, red=None)
    requested = ticks.next()
    assert requested[CHAMPION] == {day}
    materialized(instance, CHAMPION, day)
    if SERVICE not in requested:
        assert ticks.next() == {SERVICE: {day}}
    self_tested(instance, day, passed=self_test)
    assert ticks.next() == ({DEPLOYMENT: {day}} if self_test else {})
    if self_test:
        materialized(instance, DEPLOYMENT, day)
    assert ticks.next() == {}


def test_a_gate_that_was_never_judged_counts_as_red(
    definitions: dg.Definitions, instance: dg.DagsterInstance, use_case: UseCase
) -> None:
    ticks = Ticks(definitions, instance)
    ticks.next()
    judged(instance, use_case, as_of(use_case, "latest"), red=None, left_out="calibration")
    assert not set(DOWNSTREAM) & set(ticks.next())
