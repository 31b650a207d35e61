"""MLflow runs end with the Dagster run that opened them, as it ended, with one nested run for each asset."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.utils import make_new_run_id

from platform_assets.orchestration.resources.tracking import TrackingAddress, tracker_resource
from platform_assets.pipelines.steps.tracker import open_tracker
from platform_assets.registry.tracking import TrackedDataset, Tracker
from platform_assets.settings import Settings


@dg.asset
def good(context: dg.AssetExecutionContext, mlflow: dg.ResourceParam[Tracker]) -> None:
    with mlflow.asset_run("good as of 2024-01-01", {"as_of": "2024-01-01"}) as run:
        run.log_params({"depth": 3, "long": "x" * 900})
        run.log_metrics({"auc_roc": 0.9})


@dg.asset
def fails_while_tracked(mlflow: dg.ResourceParam[Tracker]) -> None:
    with mlflow.asset_run("broken", {}) as run:
        run.log_metrics({"auc_roc": 0.1})
        raise RuntimeError("no more memory")


@dg.asset(deps=[good])
def fails_without_a_run_of_its_own(mlflow: dg.ResourceParam[Tracker]) -> None:
    raise RuntimeError("nothing was tracked here")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    import mlflow

    folder = tmp_path_factory.mktemp("tracking")
    before = mlflow.get_tracking_uri()
    yield f"sqlite:///{folder / 'mlflow.db'}", folder / "artifacts"
    mlflow.set_tracking_uri(before)


def runs_of(address: tuple[str, Path], *assets: dg.AssetsDefinition) -> tuple[dg.ExecuteInProcessResult, list[Any]]:
    """Materialize; the MLflow runs of that Dagster run, the outer one first."""
    from mlflow import MlflowClient

    resource = tracker_resource(TrackingAddress(address[0], str(address[1]), "unit"))
    result = dg.materialize(list(assets), resources={"mlflow": resource}, raise_on_error=False)
    client = MlflowClient(address[0])
    experiment = client.get_experiment_by_name("unit")
    found = client.search_runs([experiment.experiment_id], f"tags.dagster_run_id = '{result.run_id}'")
    assert not client.search_runs([experiment.experiment_id], "attributes.status = 'RUNNING'")
    return result, sorted(found, key=lambda run: "mlflow.parentRunId" in run.data.tags)


def test_a_run_that_succeeds_is_finished_and_holds_a_run_for_the_asset(address: tuple[str, Path]) -> None:
    result, (outer, inner) = runs_of(address, good)
    assert result.success
    assert [outer.info.status, inner.info.status] == ["FINISHED", "FINISHED"]
    assert inner.data.tags["mlflow.parentRunId"] == outer.info.run_id
    assert inner.data.tags["as_of"] == "2024-01-01"
    assert inner.data.metrics == {"auc_roc": 0.9}
    assert inner.data.params == {"depth": "3", "long": "x" * 500}
    assert inner.info.artifact_uri.startswith(str(address[1]))


@dg.asset
def two_use_cases(mlflow: dg.ResourceParam[Tracker]) -> None:
    rows = TrackedDataset("training set", "/lake/training_set", 3, {"amount": "float64"}, 40, "a" * 32)
    for use_case in ("parking", "bikes", "parking"):
        with mlflow.asset_run(f"{use_case} model", {"use_case": use_case}) as run:
            run.log_dataset(rows)
            run.describe("Made by [a run](http://127.0.0.1:3000/runs/1).")


def test_each_use_case_has_an_experiment_of_its_own(address: tuple[str, Path]) -> None:
    """Also where one Dagster run trains several: each has its outer run there, and none is left running."""
    from mlflow import MlflowClient

    resource = tracker_resource(TrackingAddress(address[0], str(address[1]), "unit"))
    assert dg.materialize([two_use_cases], resources={"mlflow": resource}).success
    client = MlflowClient(address[0])
    for use_case, models in {"parking": 2, "bikes": 1}.items():
        found = client.search_runs([client.get_experiment_by_name(use_case).experiment_id])
        [outer] = [run for run in found if "mlflow.parentRunId" not in run.data.tags]
        inner = [run for run in found if run is not outer]
        assert [run.data.tags["mlflow.parentRunId"] for run in inner] == [outer.info.run_id] * models
        assert {run.info.status for run in found} == {"FINISHED"}
        [named] = inner[0].inputs.dataset_inputs
        assert (named.dataset.name, named.dataset.source_type) == ("training set", "delta_table")
        assert json.loads(named.dataset.source) == {"path": "/lake/training_set", "delta_table_version": 3}
        assert "3000/runs/1" in inner[0].data.tags["mlflow.note.content"]


def test_a_step_without_dagster_is_tracked_in_the_same_experiment(address: tuple[str, Path]) -> None:
    from mlflow import MlflowClient

    uri, artifacts = address
    named = {"HOME": str(artifacts.parent), "MLFLOW": uri, "MLFLOW_ARTIFACTS": str(artifacts)}
    settings = Settings.from_environment({f"PLATFORM_ASSETS_{name}": value for name, value in named.items()})
    resource = tracker_resource(TrackingAddress(uri, str(artifacts), "unit"))
    assert dg.materialize([two_use_cases], resources={"mlflow": resource}).success
    with (
        open_tracker(settings, "parking", "run of a step") as tracker,
        tracker.asset_run("parking model", {"use_case": "parking"}),
    ):
        pass
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("parking").experiment_id
    outer, inner = client.search_runs([experiment], order_by=["attributes.start_time"])[-2:]
    assert outer.info.run_name == "run of a step"
    assert inner.data.tags["mlflow.parentRunId"] == outer.info.run_id
    assert inner.info.artifact_uri.startswith(str(artifacts))


def test_an_asset_that_fails_fails_its_run_and_the_outer_one(address: tuple[str, Path]) -> None:
    result, (outer, inner) = runs_of(address, fails_while_tracked)
    assert not result.success
    assert [outer.info.status, inner.info.status] == ["FAILED", "FAILED"]
    assert inner.data.metrics == {"auc_roc": 0.1}, "what was logged before is kept"


def test_what_succeeded_before_a_failure_stays_finished(address: tuple[str, Path]) -> None:
    _, (outer, inner) = runs_of(address, good, fails_without_a_run_of_its_own)
    assert [outer.info.status, inner.info.status] == ["FAILED", "FINISHED"]


def test_each_dagster_run_has_an_mlflow_run_of_its_own(address: tuple[str, Path]) -> None:
    outers = {runs_of(address, good)[1][0].info.run_id for _ in range(2)}
    assert len(outers) == 2


def test_steps_in_processes_of_their_own_share_the_outer_run(address: tuple[str, Path]) -> None:
    """The multiprocess executor opens the resource again for each step, and the nested run carries the same tag."""
    import mlflow

    resource = tracker_resource(TrackingAddress(address[0], str(address[1]), "unit"))
    definitions = dg.Definitions(assets=[good], resources={"mlflow": resource}, jobs=[dg.define_asset_job("train")])
    job, run_id = definitions.resolve_job_def("train"), make_new_run_id()
    for _ in range(2):
        with dg.DagsterInstance.ephemeral() as instance:
            assert job.execute_in_process(instance=instance, run_id=run_id).success
    client = mlflow.MlflowClient(address[0])
    experiment = client.get_experiment_by_name("unit")
    found = client.search_runs([experiment.experiment_id], f"tags.dagster_run_id = '{run_id}'")
    (outer,) = [run for run in found if "mlflow.parentRunId" not in run.data.tags]
    inner = [run for run in found if run is not outer]
    assert [run.data.tags["mlflow.parentRunId"] for run in inner] == [outer.info.run_id] * 2
    assert outer.info.status == "FINISHED"
    assert mlflow.active_run() is None
