"""What Kubernetes would be asked for: the shipped settings, and the sizes on every step."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from platform_assets.declaration.loader import declared_use_cases
from platform_assets.orchestration.assets.build import build_assets
from platform_assets.orchestration.kubernetes.sizes import compute_in
from platform_assets.orchestration.resources.build import build_executor
from platform_assets.settings import Settings, SettingsError
from platform_assets.testing.declare import declare

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "deploy" / "helm" / "platform-assets" / "files" / "dagster.yaml"


@pytest.fixture
def launcher_config(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The shipped run launcher's configuration, resolved by dagster-k8s's own schema."""
    from dagster._config import process_config, resolve_to_config_type

    from platform_assets.orchestration.kubernetes.launcher import DeclaredRunLauncher

    monkeypatch.setenv("PLATFORM_ASSETS_NAMESPACE", "ml")
    monkeypatch.setenv("PLATFORM_ASSETS_IMAGE", "platform-assets:1")
    shipped = yaml.safe_load(SHIPPED.read_text())["run_launcher"]["config"]
    processed = process_config(resolve_to_config_type(DeclaredRunLauncher.config_type()), shipped)
    assert processed.success, [error.message for error in processed.errors or []]
    assert processed.value is not None
    return dict(processed.value)


def test_the_shipped_launcher_configuration_is_valid(launcher_config: dict[str, Any]) -> None:
    assert launcher_config["job_namespace"] == "ml"
    assert launcher_config["job_image"] == "platform-assets:1"
    assert launcher_config["env_secrets"] == ["platform-assets-secrets"]
    assert launcher_config["fail_pod_on_run_failure"] is True, "the Job of a failed run is a failed Job"


def test_the_shipped_queue_is_valid() -> None:
    from dagster._config import process_config, resolve_to_config_type

    from platform_assets.orchestration.kubernetes.coordinator import DeclaredRunCoordinator

    shipped = yaml.safe_load(SHIPPED.read_text())
    processed = process_config(
        resolve_to_config_type(DeclaredRunCoordinator.config_type()), shipped["run_coordinator"]["config"]
    )
    assert processed.success, [error.message for error in processed.errors or []]
    assert shipped["run_retries"] == {"enabled": True, "max_retries": 0, "retry_on_asset_or_op_failure": False}
    assert "concurrency" not in shipped, "dagster refuses limits in both places"


def test_every_asset_of_every_use_case_carries_its_declared_size() -> None:
    from platform_assets.definitions import defs

    use_cases = {declared.use_case.name: declared.use_case for declared in declared_use_cases()}
    checked = 0
    for definition in defs().assets or []:
        if not isinstance(definition, dg.AssetsDefinition) or not definition.is_executable:
            continue
        key = sorted(definition.keys)[0]
        use_case, layer, table = key.path
        found = compute_in(definition.op.tags)
        assert found == use_cases[use_case].compute_of(layer, table), key
        checked += 1
    assert checked > 40


def test_a_size_of_no_table_is_refused_with_the_tables_that_there_are() -> None:
    use_case = declare(
        events={"event_id": "int64", "at": "datetime", "amount": "float64"},
        label="is_late",
        compute={"model/clasifier": {"cpus": 1}},
    )
    with pytest.raises(dg.DagsterInvalidDefinitionError, match=r"'model/clasifier'.*model/classifier"):
        build_assets(use_case, ROOT)


def test_steps_run_in_pods_by_setting_alone() -> None:
    from platform_assets.orchestration.kubernetes.steps import declared_k8s_executor

    assert (
        build_executor(Settings.from_environment({"PLATFORM_ASSETS_EXECUTOR": "kubernetes"})) is declared_k8s_executor
    )
    assert build_executor(Settings.from_environment({})).name == "in_process"
    several = Settings.from_environment({"PLATFORM_ASSETS_EXECUTOR": "multiprocess"})
    assert build_executor(several).name == "multiprocess"
    with pytest.raises(SettingsError, match="PLATFORM_ASSETS_EXECUTOR"):
        Settings.from_environment({"PLATFORM_ASSETS_EXECUTOR": "mainframe"})
