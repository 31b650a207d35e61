"""The sensor that takes rollouts on, and the page that it asks for after a decision."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from platform_assets.orchestration.assets import rollout as rollout_assets
from platform_assets.orchestration.rollout_sensor import rollout_sensor
from platform_assets.pipelines import advance_rollout as advancing
from platform_assets_tests.unit.pipelines.rollout_world import CANARY_AND_KEEP, RolloutWorld
from platform_assets_tests.unit.pipelines.test_advance_rollout import LENIENT


def looked(world: RolloutWorld, cursor: str | None = None) -> dg.SensorResult:
    context = dg.build_sensor_context(cursor=cursor)
    result: Any = rollout_sensor(world.case)(context, models=world.models, serving=world.serving)
    assert isinstance(result, dg.SensorResult)
    return result


def test_a_decision_asks_for_the_page_and_a_look_without_one_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = RolloutWorld(tmp_path, stages=CANARY_AND_KEEP, guards=LENIENT)
    at = world.answered(6)
    look_at = advancing.look_at
    monkeypatch.setattr(advancing, "look_at", lambda case, models, serving, _=None: look_at(case, models, serving, at))
    promoted = looked(world)
    assert promoted.run_requests is not None
    assert [str(key) for key in promoted.run_requests[0].asset_selection or []] == [
        "AssetKey(['parking', 'serving', 'rollout'])"
    ]
    waits = looked(world, promoted.cursor)
    assert not waits.run_requests
    assert "kept for an instant way back" in str(waits.skip_reason)
    assert waits.cursor == promoted.cursor == "1"

    result = dg.materialize(
        [rollout_assets.rollout_asset(use_case=world.case)],
        resources={"serving": dg.ResourceDefinition.hardcoded_resource(world.serving)},
    )
    (made,) = result.asset_materializations_for_node("parking__serving__rollout")
    page = Path(str(made.metadata["page"].value)).read_text()
    assert "v2-ba9876543210 beside v1-0123456789ab" in page
    assert "better or equal" in page
    assert "data:image/svg+xml" in page


def test_without_a_rollout_it_says_so_and_the_page_too(tmp_path: Path) -> None:
    world = RolloutWorld(tmp_path)
    world.target.state = None
    assert "nothing is rolled out" in str(looked(world).skip_reason)
