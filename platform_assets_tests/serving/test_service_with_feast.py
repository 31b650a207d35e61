"""The real service on a real Feast store."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from platform_assets.declaration import UseCase, feature_contract_hash
from platform_assets.deployment.packaging import BuiltBento
from platform_assets.features.online.credentials import ONLINE_STORE, REGISTRY
from platform_assets.features.online.feast_connection import FeastSettings
from platform_assets.features.online.store import apply
from platform_assets.monitoring.prediction_log import read_segments
from platform_assets.secret_sources.delivered import deliver
from platform_assets_tests.serving.conftest import Service
from platform_assets_tests.serving.parking import DECLARATION, EVENT, use_case

REAL_STORE = "serving.online:open_online_features"


def filled_store(folder: Path, declared: UseCase) -> dict[str, Any]:
    folder.mkdir(parents=True, exist_ok=True)
    settings = FeastSettings(
        project="parking",
        registry=f"sqlite:///{folder / 'registry.db'}",
        online_store={"type": "sqlite", "path": "online.db"},
        home=str(folder),
    )
    apply(declared, settings)
    return settings.model_dump()


@pytest.fixture(scope="module")
def feast(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return filled_store(tmp_path_factory.mktemp("feast"), use_case())


def test_events_are_remembered_and_a_killed_process_leaves_whole_lines(
    bento: BuiltBento, feast: dict[str, Any], tmp_path: Path
) -> None:
    service = Service(bento, tmp_path, feast=feast, online_features=REAL_STORE).wait_until_ready()
    try:
        unknown = []
        for number in range(1, 4):
            event = EVENT | {
                "arrival": f"T-{number}",
                "speed": float(number),
                "arrived_at": f"2024-03-31T10:00:0{number}Z",
            }
            unknown.append(service.score(event).body.get("unknown_entities"))
            service.score(event)
            service.eventually(lambda expected=2 * number: len(service.logged()) == expected)
    finally:
        service.stop(signal.SIGKILL)
    frame = read_segments(service.log_folder, use_case()).frame
    assert unknown == [["lot"], None, None]
    assert frame["feature__lot_count_1d"].to_list() == [1.0, 1.0, 2.0, 2.0, 3.0, 3.0]
    assert frame["feature__lot_speed_7d"].to_list() == [1.0, 1.0, 1.5, 1.5, 2.0, 2.0]


def test_logins_that_the_settings_leave_out_are_read_from_their_folder(
    bento: BuiltBento, feast: dict[str, Any], tmp_path: Path
) -> None:
    folder = tmp_path / "credentials"
    left_out = feast | {"registry": "", "online_store": {}, "credentials": str(folder)}
    said = Service(bento, tmp_path / "without", feast=left_out, online_features=REAL_STORE).refusal()
    assert f"the folder {folder} does not exist" in said
    deliver({REGISTRY: feast["registry"], ONLINE_STORE: json.dumps(feast["online_store"])}, folder)
    service = Service(bento, tmp_path / "with", feast=left_out, online_features=REAL_STORE).wait_until_ready()
    try:
        assert service.score(EVENT).status == 200
    finally:
        service.stop(signal.SIGKILL)


def test_a_store_filled_under_another_contract_is_refused_at_start(bento: BuiltBento, tmp_path: Path) -> None:
    features = json.loads(json.dumps(DECLARATION["features"]))
    features[1]["windows"][0]["lengths_days"] = [3]
    other = use_case(features=features)
    store = filled_store(tmp_path / "feast", other)
    said = Service(bento, tmp_path / "service", feast=store, online_features=REAL_STORE).refusal()
    assert feature_contract_hash(other) in said
    assert feature_contract_hash(use_case()) in said
    assert "Traceback" not in said
