"""The delivery asset reconciles, its check says who disagrees, and the sensor asks for it once for each disagreement."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from platform_assets.installation import Installation
from platform_assets.orchestration.assets import delivery as delivery_assets
from platform_assets.orchestration.component import use_case_definitions
from platform_assets.orchestration.resources.build import build_resources
from platform_assets_tests.unit.pipelines.delivery_world import DeliveryWorld
from platform_assets_tests.unit.pipelines.test_reconcile import serving


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DeliveryWorld:
    return DeliveryWorld(tmp_path, monkeypatch)


def resources(world: DeliveryWorld) -> dict[str, Any]:
    feast = SimpleNamespace(drivers=lambda: (), credentials=None, secrets=None)
    return {"models": world.models, "feast": feast, "serving": world.serving, "releases": world.releases}


def asked(world: DeliveryWorld, cursor: str | None = None) -> dg.SensorResult:
    context = dg.build_sensor_context(cursor=cursor)
    found: Any = delivery_assets.delivery_sensor(world.case)(context, **resources(world))
    assert isinstance(found, dg.SensorResult)
    return found


def materialized(world: DeliveryWorld) -> dg.ExecuteInProcessResult:
    return dg.materialize([delivery_assets.delivery_asset(use_case=world.case)], resources=resources(world))


def keys(definitions: dg.Definitions) -> set[dg.AssetKey]:
    return {key for asset in definitions.assets or [] if isinstance(asset, dg.AssetsDefinition) for key in asset.keys}


def test_a_merge_asks_for_a_run_once_and_the_run_deploys_it(world: DeliveryWorld) -> None:
    serving(world, "1")
    assert "all four say the same" in str(asked(world).skip_reason)
    world.merge("2")
    first = asked(world)
    assert first.run_requests is not None
    assert [str(key) for key in first.run_requests[0].asset_selection or []] == [
        "AssetKey(['parking', 'serving', 'delivery'])"
    ]
    again = asked(world, first.cursor)
    assert not again.run_requests
    assert "a run was asked for" in str(again.skip_reason)
    long_ago = json.dumps({**json.loads(str(first.cursor)), "asked": 0})
    assert asked(world, long_ago).run_requests
    result = materialized(world)
    assert world.champion == "2"
    [check] = result.get_asset_check_evaluations()
    assert check.passed
    [made] = result.asset_materializations_for_node("parking__serving__delivery")
    assert made.metadata["git"].value == "2"
    assert not asked(world, first.cursor).run_requests


def test_what_a_person_has_to_see_to_is_red_and_asks_for_no_run(world: DeliveryWorld) -> None:
    serving(world, "1")
    world.releases.files["production", "parking"] = "kind: Release\n"
    found = asked(world)
    assert not found.run_requests
    assert "model: Field required" in str(found.skip_reason)
    [check] = materialized(world).get_asset_check_evaluations()
    assert not check.passed
    assert "model: Field required" in str(check.metadata["left"].value)


def test_a_repository_that_does_not_answer_is_a_reason_and_no_crash(world: DeliveryWorld) -> None:
    world.releases.is_reachable = False
    assert "did not answer" in str(asked(world).skip_reason)


def test_it_is_part_of_the_graph_where_a_repository_is_named_and_only_there(
    world: DeliveryWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = dg.AssetKey(["parking", "serving", "delivery"])
    monkeypatch.delenv("PLATFORM_ASSETS_GITOPS", raising=False)
    assert key not in keys(use_case_definitions(world.case, tmp_path))
    monkeypatch.setenv("PLATFORM_ASSETS_GITOPS", json.dumps({"repository": str(tmp_path)}))
    definitions = use_case_definitions(world.case, tmp_path)
    assert key in keys(definitions)
    [champion] = [
        one
        for one in definitions.assets or []
        if isinstance(one, dg.AssetsDefinition) and dg.AssetKey(["parking", "model", "champion"]) in one.keys
    ]
    assert "releases" in champion.required_resource_keys, "it proposes"
    assert "parking__delivery" in {sensor.name for sensor in definitions.sensors or []}
    assert "releases" in build_resources(Installation.from_environment())
