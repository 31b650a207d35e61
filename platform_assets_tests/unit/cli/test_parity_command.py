"""`parity environments` as somebody types it: 0 differing keys outside the allow-list, and red for each planted one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from platform_assets.cli import app
from platform_assets.orchestration import rendered_step
from platform_assets.pipelines import step_environment
from platform_assets.pipelines.step_environment import ALLOWED, described

CHART = Path(__file__).parents[3] / "deploy" / "helm" / "platform-assets"
SETTINGS = {
    "HOME": "/tmp",
    "PLATFORM_ASSETS_HOME": "/var/lib/platform-assets",
    "PLATFORM_ASSETS_ENVIRONMENT": "staging",
    "PLATFORM_ASSETS_EXECUTOR": "kubernetes",
    "PLATFORM_ASSETS_IMAGE": "registry.example/platform-assets:1",
    "PLATFORM_ASSETS_LAKE": "s3://lake",
    "PLATFORM_ASSETS_NAMESPACE": "ml",
    "SHOP_REGION": "north",
}
SECRETS = {"PLATFORM_ASSETS_OBJECT_STORE": '{"AWS_SECRET_ACCESS_KEY": "hush"}', "DAGSTER_PG_PASSWORD": "hush"}
OF_THE_CLUSTER_ALONE = ("HOME", "PLATFORM_ASSETS_HOME", "PLATFORM_ASSETS_EXECUTOR", "PLATFORM_ASSETS_IMAGE")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cluster's manifests and its image's description, and a machine that is set up for the same installation."""
    for name in described()["variables"]:
        monkeypatch.delenv(name)
    for name, value in {**SETTINGS, "PLATFORM_ASSETS_OBJECT_STORE": SECRETS["PLATFORM_ASSETS_OBJECT_STORE"]}.items():
        if name not in OF_THE_CLUSTER_ALONE:
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("PLATFORM_ASSETS_HOME", str(tmp_path / "home"))
    instance = (CHART / "files" / "dagster.yaml").read_text()
    write(
        tmp_path / "manifests.yaml",
        config_map("platform-assets-settings", SETTINGS),
        config_map("platform-assets-dagster-instance", {"dagster.yaml": instance}),
        {"kind": "Secret", "metadata": {"name": "platform-assets-secrets"}, "stringData": SECRETS},
    )
    result = CliRunner().invoke(app, ["parity", "describe"])
    assert result.exit_code == 0, result.output
    assert "hush" not in result.output
    image = json.loads(result.output)
    (tmp_path / "image.json").write_text(json.dumps({**image, "variables": {}}))
    return tmp_path


@pytest.fixture
def no_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child costs seconds, and what it finds is looked at once."""
    monkeypatch.setattr(step_environment, "described_by_child", described)


def config_map(name: str, data: dict[str, str]) -> dict[str, Any]:
    return {"kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def write(path: Path, *manifests: dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump_all(manifests))


def compared(place: Path, *options: str) -> tuple[int, str]:
    files = ("--manifests", str(place / "manifests.yaml"), "--image", str(place / "image.json"))
    result = CliRunner().invoke(app, ["parity", "environments", "card_fraud", *files, *options])
    assert "hush" not in result.output
    return result.exit_code, " ".join(result.output.split())


def test_one_installation_is_the_same_in_process_in_a_child_and_in_a_pod(place: Path) -> None:
    code, said = compared(place)
    assert code == 0, said
    assert "card_fraud/model/classifier: in-process and multiprocess: 0 differing keys" in said
    assert "card_fraud/model/classifier: in-process and Kubernetes: 0 differing keys" in said
    assert "(allowed: only a pod has one)" in said, "what may differ is shown with its reason"
    assert all(ALLOWED.values())


def lost_setting(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PLATFORM_ASSETS_LAKE")


def other_value(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_REGION", "south")


def threads(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def lost_secret(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PLATFORM_ASSETS_OBJECT_STORE")


def other_package(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = json.loads((place / "image.json").read_text())
    image["versions"]["package numpy"] = "1.26.4"
    (place / "image.json").write_text(json.dumps(image))


def lost_size(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendered_step, "_container", lambda *_: {"resources": {"requests": {"cpu": "500m"}}})


@pytest.mark.usefixtures("no_child")
@pytest.mark.parametrize(
    ("plant", "key"),
    [
        (lost_setting, "variable PLATFORM_ASSETS_LAKE: - | s3://lake"),
        (other_value, "variable SHOP_REGION: south | north"),
        (threads, "variable OMP_NUM_THREADS: 1 | -"),
        (lost_secret, "secret PLATFORM_ASSETS_OBJECT_STORE: - | (set)"),
        (other_package, "| 1.26.4"),
        (lost_size, "resource memory_gigabytes:"),
    ],
)
def test_a_planted_difference_is_red(plant: Any, key: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(place, monkeypatch)
    code, said = compared(place)
    assert code == 1
    assert key in said
    assert "in-process and Kubernetes: 0 differing" not in said


@pytest.mark.usefixtures("no_child")
def test_a_difference_is_allowed_with_a_reason_only(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads(place, monkeypatch)
    code, said = compared(place, "--allow", "variable *_NUM_THREADS=this machine has two cores")
    assert code == 0
    assert "OMP_NUM_THREADS: 1 | - (allowed: this machine has two cores)" in said
    assert "never leave out why" in compared(place, "--allow", "variable X=")[1]


@pytest.mark.usefixtures("no_child")
def test_what_cannot_be_compared_is_red_and_says_what_to_give(place: Path) -> None:
    assert "write layer/table" in compared(place, "--step", "model")[1]
    written = list(yaml.safe_load_all((place / "manifests.yaml").read_text()))
    write(place / "manifests.yaml", *written[:2])
    code, said = compared(place)
    assert code != 0
    assert "Secret platform-assets-secrets, which runs read, is not among the manifests: name its variables" in said
    named = [option for name in SECRETS for option in ("--secret", name)]
    assert compared(place, *named)[0] == 0
    write(place / "manifests.yaml", written[0])
    assert "has no ConfigMap with dagster.yaml" in compared(place, *named)[1]
    (place / "image.json").write_text("{}")
    write(place / "manifests.yaml", *written)
    assert "is not what `platform-assets parity describe` prints" in compared(place)[1]
