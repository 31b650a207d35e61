"""What Kubernetes would be asked for: rendered by dagster-k8s from the shipped settings and the declaration, not run."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from platform_assets.declaration import load_use_case
from platform_assets.declaration.sections.compute import Compute
from platform_assets.installation import Settings, SettingsError
from platform_assets.orchestration.assets.model import model_asset
from platform_assets.orchestration.metadata import kubernetes_tags
from platform_assets.orchestration.resources.build import build_executor

ROOT = Path(__file__).parents[2]


@pytest.fixture
def launcher_config(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The shipped run launcher's configuration, resolved by dagster-k8s's own schema."""
    from dagster._config import process_config, resolve_to_config_type
    from dagster_k8s import K8sRunLauncher

    monkeypatch.setenv("PLATFORM_ASSETS_NAMESPACE", "ml")
    monkeypatch.setenv("PLATFORM_ASSETS_IMAGE", "platform-assets:1")
    shipped = yaml.safe_load((ROOT / "deploy" / "helm" / "platform-assets" / "files" / "dagster.yaml").read_text())[
        "run_launcher"
    ]["config"]
    processed = process_config(resolve_to_config_type(K8sRunLauncher.config_type()), shipped)
    assert processed.success, [error.message for error in processed.errors or []]
    assert processed.value is not None
    return dict(processed.value)


def test_the_shipped_launcher_configuration_is_valid(launcher_config: dict[str, Any]) -> None:
    assert launcher_config["job_namespace"] == "ml"
    assert launcher_config["job_image"] == "platform-assets:1"
    assert launcher_config["env_secrets"] == ["platform-assets-secrets"]
    assert launcher_config["fail_pod_on_run_failure"] is True, "the Job of a failed run is a failed Job"


def test_a_training_step_becomes_a_job_of_the_declared_size(launcher_config: dict[str, Any]) -> None:
    from dagster_k8s import construct_dagster_k8s_job
    from dagster_k8s.job import DagsterK8sJobConfig, get_user_defined_k8s_config

    tags = kubernetes_tags(Compute(cpus=3, memory_gigabytes=6, gpus=1))
    job = construct_dagster_k8s_job(
        DagsterK8sJobConfig(
            job_image=launcher_config["job_image"],
            dagster_home=launcher_config["dagster_home"],
            instance_config_map=launcher_config["instance_config_map"],
            service_account_name=launcher_config["service_account_name"],
            env_secrets=launcher_config["env_secrets"],
        ),
        args=["dagster", "api", "execute_step"],
        job_name="train",
        user_defined_k8s_config=get_user_defined_k8s_config({name: json.dumps(value) for name, value in tags.items()}),
    ).to_dict()
    [container] = job["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "platform-assets:1"
    assert container["resources"]["requests"] == {"cpu": "3", "memory": "6000M"}
    assert container["resources"]["limits"] == {"cpu": "3", "memory": "6000M", "nvidia.com/gpu": "1"}
    assert job["spec"]["template"]["spec"]["service_account_name"] == "platform-assets-runs"


def test_the_model_asset_carries_its_declared_size() -> None:
    use_case = load_use_case(ROOT / "platform_assets" / "defs" / "card_fraud")
    tags = dict(model_asset(use_case=use_case).op.tags)
    expected = kubernetes_tags(use_case.compute_of("model", use_case.model_name))["dagster-k8s/config"]
    found = tags["dagster-k8s/config"]
    assert (yaml.safe_load(found) if isinstance(found, str) else found) == expected


def test_steps_run_in_pods_by_setting_alone() -> None:
    from dagster_k8s import k8s_job_executor

    assert build_executor(Settings.from_environment({"PLATFORM_ASSETS_EXECUTOR": "kubernetes"})) is k8s_job_executor
    assert build_executor(Settings.from_environment({})).name == "multiprocess"
    with pytest.raises(SettingsError, match="PLATFORM_ASSETS_EXECUTOR"):
        Settings.from_environment({"PLATFORM_ASSETS_EXECUTOR": "mainframe"})
