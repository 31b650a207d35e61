"""The tracker of a step that no Dagster run stands around.

Belongs here: the outer run, which ends with the step. Does not belong here: what is tracked (`track_training.py`), or Dagster's outer run
(`orchestration/resources/mlflow.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from platform_assets.registry.mlflow_tracker import MlflowTracker
from platform_assets.registry.tracking import Tracker
from platform_assets.settings import Settings

EXPERIMENT_OF_STEPS = "platform_assets"


@contextmanager
def open_tracker(settings: Settings, run_id: str) -> Iterator[Tracker]:
    """A run of the tracker that stands for the orchestrator's run; it ends as finished, or as failed when the block raises."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=settings.mlflow)
    known = client.get_experiment_by_name(EXPERIMENT_OF_STEPS)
    experiment = (
        known.experiment_id
        if known is not None
        else client.create_experiment(EXPERIMENT_OF_STEPS, artifact_location=settings.mlflow_artifacts)
    )
    outer = client.create_run(experiment, run_name=run_id, tags={"orchestrator_run_id": run_id})
    status = "FAILED"
    try:
        yield MlflowTracker(client, experiment, outer.info.run_id, run_id)
        status = "FINISHED"
    finally:
        client.set_terminated(outer.info.run_id, status)
