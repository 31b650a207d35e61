"""The setting of the cluster: what is refused, by which name, and how it reaches a target."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platform_assets.deployment.kubernetes import naming
from platform_assets.deployment.kubernetes.settings import ClusterSettings
from platform_assets.installation import Installation
from platform_assets.settings import Settings, SettingsError

IMAGE = f"registry.example/serving@sha256:{'0' * 64}"
GIVEN: dict[str, Any] = {
    "namespace": "ml",
    "runtime_image": IMAGE,
    "releases": "s3://bucket/releases",
    "gateway": "public",
    "gateway_namespace": "gateways",
    "address": "https://ml.example/",
}


def read(given: Any, home: Path) -> Settings:
    text = given if isinstance(given, str) else json.dumps(given)
    return Settings.from_environment({"PLATFORM_ASSETS_HOME": str(home), "PLATFORM_ASSETS_KUBERNETES": text})


def test_what_is_said_of_the_cluster_reaches_the_target(tmp_path: Path) -> None:
    home = Installation(read(GIVEN, tmp_path)).serving
    assert home.cluster == ClusterSettings(**GIVEN)
    assert home.cluster is not None
    assert home.cluster.address == "https://ml.example"
    assert home.target().address().startswith("http://127.0.0.1:")  # the local target, which has no use for it
    assert Installation(Settings.from_environment({"PLATFORM_ASSETS_HOME": str(tmp_path)})).serving.cluster is None


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"namespace": "ML"}, "namespace"),
        ({"runtime_image": "registry.example/serving:latest"}, "runtime_image"),
        ({"address": "https://me:password@ml.example"}, "address"),
        ({"releases": "bucket/releases"}, "releases"),
        ({"gatway_section": "http"}, "gatway_section"),
        ({"log_folder": "logs"}, "log_folder"),
        ({"shared_paths": {"/a/../b": "claim"}}, "shared_paths"),
        ({"node_classes": {"gpu": {"label": {}}}}, "node_classes.gpu.label"),
        ({"user": 0}, "user"),
        ({"store_ports": [0]}, "store_ports.0"),
        ({"images": "docker"}, "images"),
    ],
)
def test_a_field_that_does_not_fit_is_refused_by_its_name_and_not_shown(
    changed: dict[str, Any], field: str, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError) as refused:
        read(GIVEN | changed, tmp_path)
    assert f"PLATFORM_ASSETS_KUBERNETES {field}: " in str(refused.value)
    assert "password" not in str(refused.value)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"releases": "/releases"}, "release_claim must name"),
        ({"release_claim": "releases"}, "leave one of them out"),
        ({"routes": "istio", "retries": "http_route"}, "retries is of routes gateway_api"),
        ({"gateway_pods": {"app": "gateway"}}, "gateway_pods is of routes istio"),
    ],
)
def test_fields_that_contradict_each_other_are_refused(changed: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=words):
        read(GIVEN | changed, tmp_path)


def test_text_that_is_not_json_is_refused_without_being_shown(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="PLATFORM_ASSETS_KUBERNETES is not JSON") as refused:
        read('{"namespace": hush}', tmp_path)
    assert "hush" not in str(refused.value)


NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,59}", fullmatch=True)


@given(NAMES, NAMES, st.text("0123456789abcdef", min_size=16, max_size=16), st.integers(1, 10**6))
def test_arms_have_names_that_a_cluster_takes_and_that_tell_use_cases_apart(
    use_case: str, other: str, fingerprint: str, generation: int
) -> None:
    name = naming.arm_name(use_case, fingerprint, generation)
    ClusterSettings.model_validate(GIVEN | {"namespace": name})  # a DNS label
    assert (name == naming.arm_name(other, fingerprint, generation)) == (use_case == other)


@given(st.text(max_size=130))
def test_any_version_makes_a_label(version: str) -> None:
    value = naming.label_value(version or "x")
    assert len(value) <= 63
    assert value[0].isalnum()
    assert value[-1].isalnum()
    assert value.isascii()
