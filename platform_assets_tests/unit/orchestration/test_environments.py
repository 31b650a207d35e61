"""Environments of one home: each has an address, store keys, locks, state and predictions of its own, and shares data and models."""

import os
from pathlib import Path

import pytest

from platform_assets.deployment.errors import PortInUse
from platform_assets.deployment.local.state import TargetState, save_state
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.features.online.store import WriteLock
from platform_assets.installation import Installation
from platform_assets.lake.layout import CLEAN, FEATURES, LAYERS, MODEL, MONITORING, PREDICTIONS, SERVING, TRAINING
from platform_assets.orchestration.dagster_folder import use_dagster_of_environment
from platform_assets.testing.declare import declare

CASE = declare(events={"visit": "int64", "at": "datetime", "lot": "int32", "speed": "float64"}, label="unpaid")
REDIS = '{"type": "redis", "connection_string": "redis:6379"}'


def installed(home: Path, environment: str = "", **more: str) -> Installation:
    named = {"HOME": str(home), "ENVIRONMENT": environment, **more}
    return Installation.from_environment({f"PLATFORM_ASSETS_{name}": value for name, value in named.items()})


@pytest.mark.parametrize("environment", ["staging", "dev"])
def test_what_runs_and_what_it_writes_is_the_environment_s_own(tmp_path: Path, environment: str) -> None:
    production, other = installed(tmp_path), installed(tmp_path, environment)
    assert production.settings.own_home == tmp_path, "production's files lie where they always lay"
    one, two = production.serving, other.serving
    assert one.target().address(CASE.name) == "http://127.0.0.1:8700/v1/small"
    assert two.target().address(CASE.name) != one.target().address(CASE.name)
    assert one.log_folder(CASE.name) != two.log_folder(CASE.name)
    assert one.bento_root() != two.bento_root()
    first, second = one.target(), two.target()
    for private in ("root", "_target_id"):
        assert getattr(first, private) != getattr(second, private)
    feast = [each.feature_store.settings(CASE) for each in (production, other)]
    assert feast[0].project == "small"
    assert feast[1].project == f"small_{environment}"
    assert feast[0].sqlite_path != feast[1].sqlite_path
    assert feast[0].registry != feast[1].registry


def test_environments_that_share_redis_and_registry_share_no_key_and_no_lock(tmp_path: Path) -> None:
    shared = {"FEAST_ONLINE_STORE": REDIS, "FEAST_REGISTRY": "postgresql://feast@db/feast"}
    settings = [installed(tmp_path, name, **shared).feature_store.settings(CASE) for name in ("", "staging", "dev")]
    assert len({each.project for each in settings}) == 3
    assert len({WriteLock(each)._name for each in settings}) == 3


def test_data_and_models_are_shared_and_what_services_answered_is_not(tmp_path: Path) -> None:
    production, staging = (
        installed(tmp_path, LAKE="s3://bucket/lake"),
        installed(tmp_path, "staging", LAKE="s3://bucket/lake"),
    )
    own = {
        layer for layer in LAYERS if production.lake.uri("small", layer, "t") != staging.lake.uri("small", layer, "t")
    }
    assert own == {SERVING, PREDICTIONS, MONITORING}
    assert not {CLEAN, FEATURES, TRAINING, MODEL} & own
    assert production.lake.uri("small", SERVING, "t") == "s3://bucket/lake/small/serving/t"
    assert staging.lake.uri("small", SERVING, "t") == "s3://bucket/lake/environments/staging/small/serving/t"
    assert staging.catalog(CASE).predictions.uri.startswith("s3://bucket/lake/environments/staging/")
    assert production.settings.mlflow == staging.settings.mlflow


@pytest.mark.parametrize(("owner", "taker"), [("", "staging"), ("staging", ""), ("staging", "dev")])
def test_an_address_of_another_environment_is_refused_also_while_nothing_runs(
    tmp_path: Path, owner: str, taker: str
) -> None:
    folder = installed(tmp_path, owner).settings.own_home / "serving"
    folder.mkdir(parents=True)
    save_state(folder / "state.json", TargetState(target_id="a", envoy_port=18700, admin_port=18701))
    target = installed(tmp_path, taker, PORT="18700").serving.target()
    with pytest.raises(
        PortInUse, match=f"18700.*the environment {owner or 'production'} of this home.*PLATFORM_ASSETS_PORT"
    ):
        target.ensure_running()
    assert not (installed(tmp_path, taker).settings.own_home / "serving" / "state.json").exists()


def test_each_environment_remembers_what_it_materialized(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLATFORM_ASSETS_DAGSTER", str(tmp_path / "dagster"))
    production, staging = (installed(tmp_path, name).settings for name in ("", "staging"))
    use_dagster_of_environment(production.home, production.own_home)
    assert os.environ["PLATFORM_ASSETS_DAGSTER"] == str(tmp_path / "dagster")
    use_dagster_of_environment(staging.home, staging.own_home)
    assert os.environ["PLATFORM_ASSETS_DAGSTER"] == str(tmp_path / "environments" / "staging" / "dagster")
    monkeypatch.setenv("PLATFORM_ASSETS_DAGSTER", str(tmp_path / "elsewhere"))
    use_dagster_of_environment(staging.home, staging.own_home)
    assert os.environ["PLATFORM_ASSETS_DAGSTER"] == str(tmp_path / "elsewhere")


def test_a_home_tells_machines_apart(tmp_path: Path) -> None:
    assert ServingHome(str(tmp_path), 8700).name.endswith(f":{tmp_path}")
