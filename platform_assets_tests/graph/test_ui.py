"""What Dagster's web UI is answered, through its own GraphQL schema: runs of this process are shown, and no launchpad shows a secret."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext, WorkspaceRequestContext
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster_graphql.test.utils import execute_dagster_graphql

from platform_assets.declaration.loader import declared_use_cases
from platform_assets.installation import Installation
from platform_assets.orchestration.in_process import InProcess
from platform_assets.orchestration.run_origin import LOCATION, MODULE
from platform_assets.pipelines.due import DueJob
from platform_assets.pipelines.jobs import JOBS, MAINTAIN, job_tables
from platform_assets_tests.graph import launchpad_with_secret

ROOT = Path(__file__).parents[2]
SECRET = "only-for-the-object-store-and-redis"
REPOSITORY = {"repositoryName": "__repository__", "repositoryLocationName": LOCATION}
USE_CASES = [declared.use_case for declared in declared_use_cases()]
JOBS_OF_ALL = [f"{use_case.name}__{job}" for use_case in USE_CASES for job in JOBS if job in job_tables(use_case)]
LABEL = f"__repository__@{LOCATION}"


@dataclass(frozen=True)
class Ui:
    """The server's side of the UI."""

    context: WorkspaceRequestContext

    def answer(self, query: str, **variables: Any) -> dict[str, Any]:
        """Data of a query's answer."""
        result = execute_dagster_graphql(self.context, query, variables)
        assert not result.errors, result.errors
        data: dict[str, Any] = result.data
        return data


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Settings with a secret wherever one may stand."""
    return {
        "PLATFORM_ASSETS_HOME": str(tmp_path_factory.mktemp("home")),
        "PLATFORM_ASSETS_FEAST_ONLINE_STORE": json.dumps(
            {"type": "redis", "connection_string": f"redis:6379,password={SECRET}"}
        ),
        "PLATFORM_ASSETS_OBJECT_STORE": json.dumps({"AWS_SECRET_ACCESS_KEY": SECRET}),
        "PLATFORM_ASSETS_FEAST_REGISTRY": f"postgresql://feast:{SECRET}@db/feast",
        "PLATFORM_ASSETS_MLFLOW": f"postgresql://mlflow:{SECRET}@db/mlflow",
    }


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    folder, silent = str(tmp_path_factory.mktemp("dagster")), {"telemetry": {"enabled": False}}
    with dg.DagsterInstance.local_temp(folder, overrides=silent) as instance:
        yield instance


@pytest.fixture(scope="module")
def run_id(instance: dg.DagsterInstance, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A run of one of the platform's own jobs, in this process."""
    installation = Installation.from_environment({"PLATFORM_ASSETS_HOME": str(tmp_path_factory.mktemp("lived_in"))})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dg.DagsterInstance, "get", lambda: instance)
        InProcess.of(installation, lambda line: None).execute(USE_CASES[0], DueJob(MAINTAIN))
    [run] = instance.get_runs()
    return run.run_id


@contextmanager
def loaded(instance: dg.DagsterInstance, target: LoadableTargetOrigin) -> Iterator[Ui]:
    """A workspace with one code location, loaded in this process."""
    location = InProcessCodeLocationOrigin(loadable_target_origin=target, location_name=LOCATION)
    with WorkspaceProcessContext(instance, InProcessWorkspaceLoadTarget([location])) as process:
        yield Ui(process.create_request_context())


@pytest.fixture(scope="module")
def ui(instance: dg.DagsterInstance, environment: dict[str, str]) -> Iterator[Ui]:
    """The code location of `workspace.yaml`."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        with loaded(instance, LoadableTargetOrigin(module_name=MODULE)) as ui:
            yield ui


def test_a_run_in_this_process_carries_the_origin_of_its_job(instance: dg.DagsterInstance, run_id: str) -> None:
    [run] = instance.get_runs(dg.RunsFilter(tags={".dagster/repository": LABEL}))
    assert run.run_id == run_id
    assert run.remote_job_origin is not None
    assert run.remote_job_origin.job_name == run.job_name == f"{USE_CASES[0].name}__maintain"
    assert run.remote_job_origin.location_name == LOCATION


def test_the_first_page_and_the_timeline_show_it(ui: Ui, run_id: str) -> None:
    feed = ui.answer(
        "query($filter: RunsFilter) { runsFeedOrError(limit: 10, view: ROOTS, filter: $filter)"
        " { ... on RunsFeedConnection { results { id jobName } } } }",
        filter={"tags": [{"key": ".dagster/repository", "value": LABEL}]},
    )
    assert [entry["id"] for entry in feed["runsFeedOrError"]["results"]] == [run_id]
    timeline = ui.answer(
        "{ runsOrError { ... on Runs { results { id repositoryOrigin { repositoryName repositoryLocationName } } } } }"
    )
    assert timeline["runsOrError"]["results"] == [{"id": run_id, "repositoryOrigin": REPOSITORY}]


def test_the_job_s_page_lists_it(ui: Ui, run_id: str) -> None:
    page = ui.answer(
        "query($selector: PipelineSelector!) { pipelineOrError(params: $selector) { ... on Pipeline { runs { id } } } }",
        selector={**REPOSITORY, "pipelineName": f"{USE_CASES[0].name}__maintain"},
    )
    assert page["pipelineOrError"]["runs"] == [{"id": run_id}]


def test_its_sensor_s_page_lists_it(ui: Ui, run_id: str) -> None:
    query = (
        "query($selector: SensorSelector!) { sensorOrError(sensorSelector: $selector)"
        " { ... on Sensor { sensorState { runs { id } } } } }"
    )
    for sensor, runs in (("due", [{"id": run_id}]), ("retrain", [])):
        page = ui.answer(query, selector={**REPOSITORY, "sensorName": f"{USE_CASES[0].name}__{sensor}"})
        assert page["sensorOrError"]["sensorState"]["runs"] == runs


def launchpad(ui: Ui, job: str) -> str:
    """What the launchpad of a job is made from."""
    page = ui.answer(
        "query($selector: PipelineSelector!) { runConfigSchemaOrError(selector: $selector)"
        " { __typename ... on RunConfigSchema { rootDefaultYaml allConfigTypes { key"
        " ... on CompositeConfigType { fields { name defaultValueAsJson } } } } } }",
        selector={**REPOSITORY, "pipelineName": job},
    )["runConfigSchemaOrError"]
    assert page["__typename"] == "RunConfigSchema"
    return json.dumps(page)


@pytest.mark.parametrize("job", JOBS_OF_ALL)
def test_no_launchpad_shows_a_secret(ui: Ui, job: str) -> None:
    assert SECRET not in launchpad(ui, job)


def test_a_secret_in_a_launchpad_would_be_seen(instance: dg.DagsterInstance) -> None:
    with loaded(instance, LoadableTargetOrigin(module_name=launchpad_with_secret.__name__)) as ui:
        assert launchpad_with_secret.PLANTED in launchpad(ui, "load")


def test_the_origin_is_that_of_the_workspace() -> None:
    [entry] = yaml.safe_load((ROOT / "workspace.yaml").read_text())["load_from"]
    assert entry["python_module"] == {"module_name": MODULE, "location_name": LOCATION}


def test_the_workaround_is_still_needed() -> None:
    """When this fails, Dagster gives its own runs in a process an origin: `orchestration/run_origin.py` can go."""

    @dg.asset
    def rows() -> None: ...

    job = dg.Definitions([rows], jobs=[dg.define_asset_job("load", [rows])]).resolve_job_def("load")
    with dg.DagsterInstance.ephemeral() as instance:
        run = job.execute_in_process(instance=instance).dagster_run
    assert run.remote_job_origin is None
