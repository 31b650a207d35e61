"""A release in a pod's terms, and what no pod could read."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from platform_assets.deployment.errors import InvalidRelease
from platform_assets.deployment.kubernetes.translate import beside_command, pod_command
from platform_assets.deployment.packaging import BuiltBento, serve_command
from platform_assets.deployment.release import HOST_PLACEHOLDER, Release
from platform_assets_tests.unit.deployment.kubernetes.objects import settings as cluster_settings
from serving.settings import ServingSettings

REDIS = {"project": "p", "registry": "postgresql://db/feast", "online_store": {"type": "redis"}, "home": "/home/ml"}


def release(root: Path, feast: dict[str, Any], log: str = "/var/lib/platform-assets/prediction-log/p") -> Release:
    folder = root / "bentos" / "parking" / "1"
    (folder / "src").mkdir(parents=True)
    bento = BuiltBento("parking:1", folder, "sha256:12", 10)
    settings = ServingSettings(feast=feast, log_folder=Path(log))
    command, environment = serve_command(bento, settings, host=HOST_PLACEHOLDER)
    return Release("parking", "1", command, "/readyz", bento.code_folder, environment, root=bento.path)


def test_a_bento_is_served_by_the_runtime_image_from_where_the_pod_has_it(tmp_path: Path) -> None:
    settings = cluster_settings(log_claim="log")
    told = pod_command(release(tmp_path, REDIS), settings)
    assert told.command == (
        "python", "-B", "-P", "/opt/platform-assets/start.py", "/release/src", "serving", "/release", "--host", "$(POD_IP)",
        "--port", "3000",
    )  # fmt: skip
    assert told.working_dir == "/release/src"
    assert told.environment["PYTHONPATH"] == "/release/src"
    assert str(tmp_path) not in json.dumps(dict(told.environment))
    assert json.loads(told.environment["PLATFORM_ASSETS_SERVING_FEAST"])["online_store"] == {"type": "redis"}


@pytest.mark.parametrize(
    ("feast", "log", "said"),
    [
        (REDIS | {"registry": "sqlite:///HERE/registry.db"}, None, "FEAST_REGISTRY"),
        (REDIS | {"online_store": {"type": "sqlite", "path": "online.db"}, "home": "HERE"}, None, "FEAST_ONLINE_STORE"),
        (REDIS, "HERE/log", "log_folder"),
    ],
)
def test_what_lies_on_this_machine_only_is_refused_with_the_setting_to_change(
    tmp_path: Path, feast: dict[str, Any], log: str | None, said: str
) -> None:
    here = json.loads(json.dumps(feast).replace("HERE", str(tmp_path)))
    path = (log or "/var/lib/platform-assets/prediction-log/p").replace("HERE", str(tmp_path))
    one = release(tmp_path / "home", here, path)
    with pytest.raises(InvalidRelease, match=f"on this machine only.*{said}"):
        pod_command(one, cluster_settings(log_claim="log"))
    shared = cluster_settings(log_claim="log", shared_paths={str(tmp_path): "shared"})
    assert str(tmp_path) in "".join(pod_command(one, shared).environment.values())


def test_a_log_that_would_end_with_each_pod_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRelease, match="set log_claim"):
        pod_command(release(tmp_path, REDIS), cluster_settings())


def test_addresses_are_no_paths(tmp_path: Path) -> None:
    told = beside_command(
        "beside-stream",
        [sys.executable, "-m", "stream", "--topic", "a/b"],
        {"BROKERS": "kafka:9092", "URL": "https://host/tmp/x?y=/z", "REDIS": "redis://host:6379/0"},
        tmp_path,
        cluster_settings(),
    )
    assert (told.command[0], told.working_dir) == ("python", "/tmp")
    assert told.environment["URL"] == "https://host/tmp/x?y=/z"
