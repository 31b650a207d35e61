"""What every tracker promises, held by each member of the list and by one that only this suite adds."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

import dagster as dg
import pytest

from platform_assets.orchestration.resources.tracking import (
    TRACKERS,
    TrackedDagsterRun,
    TrackingAddress,
    tracker_resource,
)
from platform_assets.registry.tracking import TrackedDataset, Tracker
from platform_assets_tests.contracts.members.folder_tracker import open_folder
from platform_assets_tests.contracts.tracker_worlds import StoredRun, TrackerWorld, no_network, wandb_world


def mlflow_world(folder: Path) -> TrackerWorld:
    from mlflow import MlflowClient
    from mlflow.artifacts import list_artifacts

    address = TrackingAddress(f"sqlite:///{folder / 'mlflow.db'}", str(folder / "artifacts"), "contract")

    def stored(dagster_run_id: str) -> list[StoredRun]:
        client = MlflowClient(address.uri)
        experiment = client.get_experiment_by_name("contract")
        runs = []
        for run in client.search_runs([experiment.experiment_id], f"tags.dagster_run_id = '{dagster_run_id}'"):
            points = {
                (name, point.step): point.value
                for name in run.data.metrics
                for point in client.get_metric_history(run.info.run_id, name)
            }
            files = {item.path for item in list_artifacts(run_id=run.info.run_id, tracking_uri=address.uri)}
            tags = dict(run.data.tags)
            parent = tags.get("mlflow.parentRunId")
            runs.append(StoredRun(run.info.run_id, parent, run.info.status, tags, run.data.params, points, files))
        return runs

    return TrackerWorld("mlflow", address, stored)


def folder_world(folder: Path) -> TrackerWorld:
    address = TrackingAddress(str(folder), "", "contract")

    def stored(dagster_run_id: str) -> list[StoredRun]:
        runs = []
        for path in (folder / "contract").iterdir():
            texts = {item.stem: json.loads(item.read_text()) for item in path.glob("*.json")}
            tags = texts.get("tags", {})
            points = {
                (key.split("@")[0], int(key.split("@")[1])): value for key, value in texts.get("points", {}).items()
            }
            files = {item.name for item in (path / "artifacts").glob("*")}
            if tags.get("dagster_run_id") == dagster_run_id:
                status, params = texts["run"]["status"], texts.get("params", {})
                runs.append(StoredRun(path.name, tags.get("parent"), status, tags, params, points, files))
        return runs

    return TrackerWorld("folder", address, stored)


WORLDS = {"mlflow": mlflow_world, "wandb": wandb_world, "folder": folder_world}
INSTALLED_BY = {"wandb": "make trackers-test"}
"""Trackers whose packages no environment of the project has, and what runs this suite on them."""


@pytest.fixture(scope="module", params=list(WORLDS))
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrackerWorld]:
    import mlflow

    if request.param in INSTALLED_BY and find_spec(request.param) is None:
        pytest.skip(
            f"NOT HELD TO THE CONTRACT HERE: {request.param} is not installed; `{INSTALLED_BY[request.param]}` runs this"
        )
    before = mlflow.get_tracking_uri()
    with ExitStack() as stack:
        stack.enter_context(no_network())
        if request.param not in TRACKERS:
            stack.enter_context(TRACKERS.with_member(request.param, open_folder))
        yield WORLDS[request.param](tmp_path_factory.mktemp(request.param))
    mlflow.set_tracking_uri(before)


def dagster_run(run_id: str = "", *, has_failed: bool = False) -> TrackedDagsterRun:
    class Log:
        def info(self, text: str) -> None:
            """Nobody reads it."""

    return TrackedDagsterRun(run_id or uuid4().hex, "train", Log(), lambda: has_failed)


def opened(world: TrackerWorld, run: TrackedDagsterRun, work: Callable[[Tracker], None]) -> list[StoredRun]:
    """What is stored of a Dagster run after some work, the outer run first."""
    with TRACKERS[world.kind](world.address, run) as tracker:
        work(tracker)
    return sorted(world.stored(run.run_id), key=lambda stored: stored.parent is not None)


def test_every_member_of_the_list_is_held_to_this() -> None:
    assert set(TRACKERS.names) <= set(WORLDS)


def test_a_nested_run_keeps_what_was_logged(world: TrackerWorld, tmp_path: Path) -> None:
    (tmp_path / "model.txt").write_text("fitted")
    run = dagster_run()

    def work(tracker: Tracker) -> None:
        with tracker.asset_run("parking as of 2024-01-01", {"as_of": "2024-01-01"}) as nested:
            assert nested.dagster_run_id == run.run_id
            assert nested.page is None
            nested.log_params({"depth": 3})
            nested.log_metrics({"auc_roc": 0.9})
            nested.log_points([("fold.auc_roc", 0.8, 0), ("fold.auc_roc", 0.7, 1)])
            nested.set_tags({"learner": "forest"})
            nested.log_folder(tmp_path)

    outer, nested = opened(world, run, work)
    assert (outer.parent, nested.parent) == (None, outer.run_id)
    assert (outer.status, nested.status) == ("FINISHED", "FINISHED")
    assert (nested.tags["as_of"], nested.tags["learner"]) == ("2024-01-01", "forest")
    assert nested.params == {"depth": "3"}
    assert nested.points == {("auc_roc", 0): 0.9, ("fold.auc_roc", 0): 0.8, ("fold.auc_roc", 1): 0.7}
    assert nested.files == {"model.txt"}


def test_runs_stand_below_a_run_as_deep_as_wanted(world: TrackerWorld) -> None:
    """A candidate below the model, and its folds below the candidate: the same names of metrics in each."""
    rows = TrackedDataset("training set", "/lake/training_set", 3, {"amount": "float64", "label": "int8"}, 40, "a" * 32)

    def work(tracker: Tracker) -> None:
        with tracker.asset_run("model", {"as_of": "2024-01-01"}) as model:
            model.log_dataset(rows)
            model.describe("**Made** by nobody.")
            with model.nested("forest", {"kind": "candidate"}) as candidate:
                candidate.log_params({"depth": 3})
                candidate.log_metrics({"auc_roc": 0.9})
                for number in range(2):
                    with candidate.nested(f"forest {number}", {"kind": "fold"}) as fold:
                        fold.log_params({"depth": 3, "fold": number})
                        fold.log_metrics({"auc_roc": 0.8 + number / 10})

    run = dagster_run()
    stored = opened(world, run, work)
    by_kind = {kind: [one for one in stored if one.tags.get("kind") == kind] for kind in ("candidate", "fold")}
    [candidate], folds = by_kind["candidate"], by_kind["fold"]
    [model] = [one for one in stored if one.run_id == candidate.parent]
    assert model.tags["as_of"] == "2024-01-01"
    assert {fold.parent for fold in folds} == {candidate.run_id}
    assert {fold.params["fold"]: fold.points["auc_roc", 0] for fold in folds} == {"0": 0.8, "1": 0.9}
    assert candidate.points == {("auc_roc", 0): 0.9}
    assert {one.status for one in stored} == {"FINISHED"}


def test_a_block_that_raises_fails_its_run_and_the_outer_one(world: TrackerWorld) -> None:
    run = dagster_run()

    def work(tracker: Tracker) -> None:
        with tracker.asset_run("broken", {}) as nested:
            nested.log_metrics({"auc_roc": 0.1})
            raise RuntimeError("no more memory")

    with pytest.raises(RuntimeError, match="no more memory"):
        opened(world, run, work)
    assert [stored.status for stored in world.stored(run.run_id)] == ["FAILED", "FAILED"]


def test_a_step_that_failed_elsewhere_fails_the_outer_run_only(world: TrackerWorld) -> None:
    def work(tracker: Tracker) -> None:
        with tracker.asset_run("good", {}):
            pass

    outer, nested = opened(world, dagster_run(has_failed=True), work)
    assert (outer.status, nested.status) == ("FAILED", "FINISHED")


def test_processes_of_one_dagster_run_share_the_outer_run(world: TrackerWorld) -> None:
    run = dagster_run()

    def work(tracker: Tracker) -> None:
        with tracker.asset_run("a step", {}):
            pass

    opened(world, run, work)
    outer, *nested = opened(world, dagster_run(run.run_id), work)
    assert [stored.parent for stored in nested] == [outer.run_id] * 2


def test_the_resource_opens_any_kind(world: TrackerWorld) -> None:
    @dg.asset
    def model(mlflow: dg.ResourceParam[Tracker]) -> None:
        with mlflow.asset_run("model", {}) as run:
            run.log_params({"depth": 3})

    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [model], resources={"mlflow": tracker_resource(world.address, world.kind)}, instance=instance
        )
    stored = world.stored(result.run_id)
    assert sorted(run.status for run in stored) == ["FINISHED", "FINISHED"]
    assert [run.params for run in stored if run.parent] == [{"depth": "3"}]
