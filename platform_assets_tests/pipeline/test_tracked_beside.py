"""A use case that names another tracker: its runs stand there as well, with a link to the model that MLflow's registry has."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from platform_assets.declaration import UseCase
from platform_assets.orchestration.resources.mlflow import open_mlflow
from platform_assets.orchestration.resources.tracking import DeclaredTrackers
from platform_assets.registry.tracking import TRACKING_TAG, TrackedDagsterRun, TrackingAddress
from platform_assets.testing.declare import declaration
from platform_assets_tests.contracts.tracker_worlds import no_network, wandb_world


class Log:
    def info(self, text: str) -> None:
        """Nobody reads it."""


@pytest.mark.skipif(find_spec("wandb") is None, reason="W&B is not installed; `make trackers-test` runs this")
def test_wandb_has_the_run_with_its_link_and_mlflow_has_the_model(tmp_path: Path) -> None:
    import mlflow

    run = TrackedDagsterRun(uuid4().hex, "train", Log(), lambda: False)
    address = TrackingAddress(
        f"sqlite:///{tmp_path / 'mlflow.db'}", str(tmp_path / "artifacts"), "unit", str(tmp_path / "tracking")
    )
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "model.json").write_text("{}")
    tags = {"use_case": "parking", "as_of": "2024-01-01", TRACKING_TAG: "wandb"}
    before = mlflow.get_tracking_uri()
    try:
        with (
            no_network(),
            open_mlflow(address, run) as registered,
            DeclaredTrackers(registered, address, run).asset_run("parking as of 2024-01-01", tags) as both,
        ):
            both.log_params({"depth": 3})
            both.log_metrics({"auc_roc": 0.9})
            both.log_folder(tmp_path / "made")
            with both.nested("forest", {"kind": "candidate"}) as candidate:
                candidate.log_metrics({"auc_roc": 0.9})
            both.set_tags({"registered_model": "models:/parking/1"})
            mlflow_run_id = both.run_id
        client = mlflow.MlflowClient(address.uri)
        in_mlflow = client.get_run(mlflow_run_id)
    finally:
        mlflow.set_tracking_uri(before)
    stored = wandb_world(tmp_path / "tracking" / "wandb").stored(run.run_id)
    [model] = [one for one in stored if one.tags.get("as_of") and "kind" not in one.tags]
    assert model.tags["mlflow_run_id"] == mlflow_run_id
    assert model.tags["registered_model"] == "models:/parking/1"
    assert model.files == {"model.json"}
    assert (model.params["depth"], model.points["auc_roc", 0]) == ("3", 0.9)
    assert in_mlflow.data.tags["tracked_as"] == model.run_id
    assert in_mlflow.data.metrics == {"auc_roc": 0.9}


def test_a_tracker_that_ended_is_refused_with_its_day() -> None:
    declared: dict[str, Any] = declaration(
        name="parking", events={"id": "int64", "at": "datetime", "amount": "float64"}, label="is_bad"
    )
    with pytest.raises(ValueError, match="2026-03-05"):
        UseCase.model_validate({**declared, "tracking": "neptune"})
