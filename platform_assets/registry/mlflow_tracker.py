"""Experiment tracking in MLflow, through `MlflowClient` only: a nested run for each asset and partition.

Belongs here: nested runs and what is logged to them. Does not belong here: the outer run of a Dagster run
(`orchestration/resources/mlflow.py`), or registered models (`mlflow_registry.py`).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import time
from typing import Any

PARAMS_A_REQUEST, METRICS_A_REQUEST = 100, 1000
"""What MLflow takes in one request."""


@dataclass(frozen=True)
class MlflowRun:
    """One MLflow run, written through `MlflowClient`: a `TrackedRun`."""

    client: Any
    run_id: str
    page: str | None = None
    """Address of the run's page; None where MLflow is used without a server."""
    dagster_run_id: str = ""

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Log parameters, 100 in a request, as MLflow allows; values are cut at 500 characters, its limit for older stores."""
        from mlflow.entities import Param

        batch = [Param(key, str(value)[:500]) for key, value in params.items()]
        for start in range(0, len(batch), PARAMS_A_REQUEST):
            self.client.log_batch(self.run_id, params=batch[start : start + PARAMS_A_REQUEST])

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Log metrics of one step."""
        self.log_points([(key, value, step) for key, value in metrics.items()])

    def log_points(self, points: Sequence[tuple[str, float, int]]) -> None:
        """Log metrics as name, value and step, 1,000 in a request, as MLflow allows."""
        from mlflow.entities import Metric

        now = int(time() * 1000)
        batch = [Metric(key, float(value), now, step) for key, value, step in points]
        for start in range(0, len(batch), METRICS_A_REQUEST):
            self.client.log_batch(self.run_id, metrics=batch[start : start + METRICS_A_REQUEST])

    def log_folder(self, folder: Path, artifact_path: str | None = None) -> None:
        """Log a folder of artifacts."""
        self.client.log_artifacts(self.run_id, str(folder), artifact_path)

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags in one request."""
        from mlflow.entities import RunTag

        self.client.log_batch(self.run_id, tags=[RunTag(key, str(value)) for key, value in tags.items()])


@dataclass(frozen=True)
class MlflowTracker:
    """Runs nested below one MLflow run: a `Tracker`.

    Attributes:
        client: MLflow's client.
        experiment_id: the experiment of all runs.
        outer_run_id: the MLflow run below which they are nested.
        dagster_run_id: the Dagster run they belong to; a tag of each.
    """

    client: Any
    experiment_id: str
    outer_run_id: str
    dagster_run_id: str

    @contextmanager
    def asset_run(self, name: str, tags: Mapping[str, str]) -> Iterator[MlflowRun]:
        """An MLflow run nested below the Dagster run's; it ends FINISHED, or FAILED when the block raises."""
        run = self.client.create_run(
            self.experiment_id,
            run_name=name,
            tags={"mlflow.parentRunId": self.outer_run_id, "dagster_run_id": self.dagster_run_id, **tags},
        )
        status = "FAILED"
        address = str(self.client.tracking_uri).rstrip("/")
        page = f"{address}/#/experiments/{self.experiment_id}/runs/{run.info.run_id}"
        try:
            yield MlflowRun(
                self.client, run.info.run_id, page if address.startswith("http") else None, self.dagster_run_id
            )
            status = "FINISHED"
        finally:
            self.client.set_terminated(run.info.run_id, status)
