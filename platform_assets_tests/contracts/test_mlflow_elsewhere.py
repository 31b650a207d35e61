"""MLflow by HTTP, and artifacts in an object store: by settings alone, and nothing stays on this machine's disk."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from platform_assets.installation import Installation, lend_object_store
from platform_assets.orchestration.resources.build import build_resources
from platform_assets.registry.tracking import Tracker
from platform_assets.settings import Settings, SettingsError
from platform_assets.testing.servers import S3, mlflow_server, s3

Variables = dict[str, str]
LENT = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION", "AWS_REGION", "MLFLOW_S3_ENDPOINT_URL")


@pytest.fixture(autouse=True)
def no_keys_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is lent to MLflow's client is taken back after each test."""
    for name in (*LENT, "AWS_RETRY_MODE", "AWS_MAX_ATTEMPTS"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


@pytest.fixture(scope="module")
def store() -> Iterator[S3]:
    with s3() as running:
        running.bucket("mlflow")
        yield running


def of_the_store(store: S3) -> Variables:
    import json

    return {"PLATFORM_ASSETS_OBJECT_STORE": json.dumps(store.options)}


def keys_of_the_server(store: S3) -> Variables:
    options = store.options
    named = {name: options[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    return named | {"MLFLOW_S3_ENDPOINT_URL": store.endpoint, "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.fixture(scope="module", params=["proxied by the server", "named by the server", "named by the settings"])
def elsewhere(
    request: pytest.FixtureRequest, store: S3, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Variables]:
    """Variables of an installation whose artifacts lie in the object store, one way or another."""
    folder = tmp_path_factory.mktemp("server")
    if request.param == "named by the settings":
        yield of_the_store(store) | {"PLATFORM_ASSETS_MLFLOW_ARTIFACTS": "s3://mlflow/settings"}
    elif request.param == "named by the server":
        options = ("--default-artifact-root", "s3://mlflow/root", "--no-serve-artifacts")
        with mlflow_server(folder, *options) as address:
            yield of_the_store(store) | {"PLATFORM_ASSETS_MLFLOW": address}
    else:
        options = ("--artifacts-destination", "s3://mlflow/proxied")
        with mlflow_server(folder, *options, **keys_of_the_server(store)) as address:
            yield {"PLATFORM_ASSETS_MLFLOW": address}  # the server has the keys, this machine needs none


def tracked(installation: Installation, folder: Path) -> Any:
    """Log a folder in an asset's run and register it, as the model asset does; the registered version."""
    run_ids = []

    @dg.asset
    def model(mlflow: dg.ResourceParam[Tracker]) -> None:
        with mlflow.asset_run("model", {}) as run:
            run.log_folder(folder)
            run_ids.append(run.run_id)  # type: ignore[attr-defined]

    tracker = build_resources(installation)["mlflow"]
    assert dg.materialize([model], resources={"mlflow": tracker}).success
    return installation.models.registry().register("payments", run_ids[0], {})


def test_what_one_machine_logs_another_reads_and_no_disk_holds_it(elsewhere: Variables, tmp_path: Path) -> None:
    made = tmp_path / "made"
    (made / "model").mkdir(parents=True)
    (made / "model" / "weights").write_text("3.5")
    homes = [tmp_path / "first", tmp_path / "second"]
    here, there = (Installation.from_environment(elsewhere | {"PLATFORM_ASSETS_HOME": str(home)}) for home in homes)
    if here.settings.mlflow.startswith("sqlite"):  # one tracking database of two machines
        there = Installation(there.settings.model_copy(update={"mlflow": here.settings.mlflow}))
    here.settings.prepare()
    version = tracked(here, made)
    assert not list(homes[0].rglob("weights"))
    assert (there.models.registry().run_folder(version) / "model" / "weights").read_text() == "3.5"


def test_a_home_that_kept_artifacts_on_disk_keeps_its_runs_and_new_ones_go_where_the_settings_say(
    store: S3, tmp_path: Path
) -> None:
    made = tmp_path / "made"
    (made / "model").mkdir(parents=True)
    (made / "model" / "weights").write_text("3.5")
    variables = {"PLATFORM_ASSETS_HOME": str(tmp_path / "home")}
    before = Installation.from_environment(variables)
    before.settings.prepare()
    first = tracked(before, made)
    assert len(list((tmp_path / "home").rglob("weights"))) == 1
    after = Installation.from_environment(
        variables | of_the_store(store) | {"PLATFORM_ASSETS_MLFLOW_ARTIFACTS": "s3://mlflow/later"}
    )
    second = tracked(after, made)
    assert len(list((tmp_path / "home").rglob("weights"))) == 1
    for version in (first, second):
        assert (after.models.registry().run_folder(version) / "model" / "weights").read_text() == "3.5"


def settings_of(**variables: str) -> Settings:
    return Settings.from_environment({f"PLATFORM_ASSETS_{name}": value for name, value in variables.items()})


KEYS = (
    '{"aws_access_key_id": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_ENDPOINT_URL": "http://store", "AWS_REGION": "eu"}'
)


def test_keys_are_lent_where_artifacts_need_them_and_nowhere_else() -> None:
    lent: Variables = {"AWS_DEFAULT_REGION": "mine"}
    lend_object_store(settings_of(OBJECT_STORE=KEYS, MLFLOW_ARTIFACTS="s3://bucket/mlflow"), lent)
    assert lent["AWS_ACCESS_KEY_ID"] == "a"
    assert lent["AWS_SECRET_ACCESS_KEY"] == "b"
    assert lent["MLFLOW_S3_ENDPOINT_URL"] == "http://store"
    assert lent["AWS_DEFAULT_REGION"] == "mine", "what is set keeps its value"
    nothing: Variables = {}
    lend_object_store(settings_of(OBJECT_STORE=KEYS, LAKE="s3://bucket/lake"), nothing)
    assert nothing == {}


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    hidden: Callable[[str], object] = lambda name: None  # noqa: E731
    monkeypatch.setattr("platform_assets.extras.find_spec", hidden)
    with pytest.raises(SettingsError, match=r"MLFLOW_ARTIFACTS.*boto3.*platform-assets\[s3\]"):
        settings_of(MLFLOW_ARTIFACTS="s3://bucket/mlflow")
