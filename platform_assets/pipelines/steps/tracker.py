"""The tracker of a step that no Dagster run stands around.

Belongs here: the outer run, which ends with the step. Does not belong here: what is tracked (`track_training.py`), or Dagster's outer run
(`orchestration/resources/mlflow.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from platform_assets.registry.mlflow_tracker import MlflowTracker, experiment_at
from platform_assets.registry.tracking import Tracker, TrackingAddress
from platform_assets.settings import Settings


@contextmanager
def open_tracker(settings: Settings, experiment_name: str, run_id: str) -> Iterator[Tracker]:
    """A run of the tracker that stands for the orchestrator's run; it ends as finished, or as failed when the block raises.

    Args:
        settings: where runs are tracked.
        experiment_name: that of the use case, the same as under Dagster.
        run_id: the orchestrator's.
    """
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=settings.mlflow)
    named = experiment_at(client, TrackingAddress(settings.mlflow, settings.mlflow_artifacts, experiment_name))
    experiment = client.get_experiment_by_name(named).experiment_id
    outer = client.create_run(experiment, run_name=run_id, tags={"orchestrator_run_id": run_id})
    status = "FAILED"
    try:
        yield MlflowTracker(client, experiment, outer.info.run_id, run_id)
        status = "FINISHED"
    finally:
        client.set_terminated(outer.info.run_id, status)
