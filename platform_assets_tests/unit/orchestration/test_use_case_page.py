"""The sensor that keeps a page fresh, and the page as an asset of a use case to which nothing has happened yet."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from platform_assets.declaration.clock import SystemClock
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.lake.lake import Lake
from platform_assets.monitoring.use_case_page.findings import with_findings
from platform_assets.monitoring.use_case_page.state import UseCaseState
from platform_assets.orchestration.assets.use_case_page import (
    IDLE_SECONDS,
    page_asset,
    page_sensor,
    page_sensor_name,
    refreshed,
)
from platform_assets.pipelines.use_case_state.read import STALE_AFTER_SECONDS
from platform_assets.registry.model_store import ModelStore
from platform_assets.testing.declare import declare
from platform_assets_tests.unit.monitoring.use_case_page.states import healthy

USE_CASE = declare(
    name="shop", events={"order_id": "int64", "order_time": "datetime", "amount": "float64"}, label="bad"
)
KEY = dg.AssetKey(["shop", "monitoring", "page"])


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


class Page:
    """Counts how often it is made."""

    def __init__(self) -> None:
        self.made, self.state = 0, with_findings(healthy())

    def make(self) -> tuple[UseCaseState, dict[str, Any]]:
        self.made += 1
        return self.state, {"worst": self.state.worst}


def tick(instance: dg.DagsterInstance, page: Page, cursor: str | None, seconds: float) -> dg.SensorResult:
    context = dg.build_sensor_context(instance=instance, cursor=cursor)
    return refreshed(USE_CASE, context, page.make, lambda: 1e9 + seconds)


def test_a_page_is_made_when_something_happened_and_else_now_and_then(instance: dg.DagsterInstance) -> None:
    page = Page()
    first = tick(instance, page, None, 0.0)
    assert [event.asset_key for event in first.asset_events] == [KEY]
    quiet = tick(instance, page, first.cursor, 60.0)
    assert (page.made, quiet.cursor, list(quiet.asset_events)) == (1, first.cursor, [])
    idle = tick(instance, page, first.cursor, IDLE_SECONDS + 1.0)
    assert (page.made, list(idle.asset_events)) == (2, []), "made again, and the same state is no event"
    instance.report_runless_asset_event(dg.AssetMaterialization("anything"))
    page.state = with_findings(healthy(champion=None))
    worse = tick(instance, page, idle.cursor, IDLE_SECONDS + 61.0)
    assert page.made == 3
    assert [event.metadata["worst"].value for event in worse.asset_events] == ["red"]


def test_an_idle_page_is_never_old_enough_to_be_called_stale() -> None:
    assert 2 * IDLE_SECONDS < STALE_AFTER_SECONDS


def test_sensor_and_asset_write_the_page_of_a_use_case_to_which_nothing_has_happened(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    lake = Lake(str(tmp_path / "lake"))
    home = tmp_path / "home"
    home.mkdir()
    parts: dict[str, Any] = {
        "lake": lake,
        "models": ModelStore("unused", lake),
        "serving": ServingHome(str(home), 18_700),
        "clock": SystemClock(),
    }
    resources = {name: dg.ResourceDefinition.hardcoded_resource(part) for name, part in parts.items()}
    asset = page_asset(use_case=USE_CASE, automation=True)
    sensor = page_sensor(use_case=USE_CASE, automation=True)
    definitions = dg.Definitions(assets=[asset], sensors=[sensor], resources=resources)
    assert sensor.name == page_sensor_name(USE_CASE)
    result = sensor.evaluate_tick(
        dg.build_sensor_context(instance=instance, repository_def=definitions.get_repository_def(), resources=resources)
    )
    (event,) = result.asset_events
    page = (home / "pages" / "shop.html").read_text()
    assert "Nothing was loaded yet" in page
    assert isinstance(event, dg.AssetMaterialization)
    assert event.metadata["worst"].value == "yellow"
    assert "shop" in (home / "pages" / "index.html").read_text()
