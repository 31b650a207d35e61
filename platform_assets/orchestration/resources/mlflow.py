"""Experiment tracking: dagster-mlflow's resource, and one MLflow run for each asset and partition.

dagster-mlflow makes one MLflow run for each Dagster run and, without its hook, leaves it running for ever; this
resource keeps its conventions (resource key `mlflow`, experiment, tag `dagster_run_id`) and closes that run itself.
Belongs here: runs and what is logged to them. Does not belong here: registered models (`registry/`).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import time
from types import SimpleNamespace
from typing import Any, cast

import dagster as dg

PARAMS_A_REQUEST, METRICS_A_REQUEST = 100, 1000
"""What MLflow takes in one request."""


@dataclass(frozen=True)
class TrackedRun:
    """One MLflow run, written through `MlflowClient`."""

    client: Any
    run_id: str
    page: str | None = None
    """Address of the run's page; None where MLflow is used without a server."""
    dagster_run_id: str = ""

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Log parameters, 100 in a request, as MLflow allows; values are cut at 500 characters, its limit for older stores."""
        from mlflow.entities import Param

        found = [Param(key, str(value)[:500]) for key, value in params.items()]
        for start in range(0, len(found), PARAMS_A_REQUEST):
            self.client.log_batch(self.run_id, params=found[start : start + PARAMS_A_REQUEST])

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Log metrics of one step."""
        self.log_points([(key, value, step) for key, value in metrics.items()])

    def log_points(self, points: Sequence[tuple[str, float, int]]) -> None:
        """Log metrics as name, value and step, 1,000 in a request, as MLflow allows."""
        from mlflow.entities import Metric

        now = int(time() * 1000)
        found = [Metric(key, float(value), now, step) for key, value, step in points]
        for start in range(0, len(found), METRICS_A_REQUEST):
            self.client.log_batch(self.run_id, metrics=found[start : start + METRICS_A_REQUEST])

    def log_folder(self, folder: Path, artifact_path: str | None = None) -> None:
        """Log a folder of artifacts."""
        self.client.log_artifacts(self.run_id, str(folder), artifact_path)

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags in one request."""
        from mlflow.entities import RunTag

        self.client.log_batch(self.run_id, tags=[RunTag(key, str(value)) for key, value in tags.items()])


@dataclass(frozen=True)
class Tracker:
    """What assets get as `mlflow`: the Dagster run's MLflow run, with a nested run for each asset."""

    parent: Any

    @contextmanager
    def asset_run(self, name: str, tags: Mapping[str, str]) -> Iterator[TrackedRun]:
        """An MLflow run nested below the Dagster run's; it ends FINISHED, or FAILED when the block raises."""
        client = self.parent.tracking_client
        run = client.create_run(
            self.parent.experiment.experiment_id,
            run_name=name,
            tags={
                "mlflow.parentRunId": self.parent.mlflow_run_id or self.parent.active_run().info.run_id,
                "dagster_run_id": self.parent.dagster_run_id,
                **tags,
            },
        )
        status = "FAILED"
        address = str(client.tracking_uri).rstrip("/")
        dagster_run = str(self.parent.dagster_run_id)
        place = f"{address}/#/experiments/{self.parent.experiment.experiment_id}/runs/{run.info.run_id}"
        try:
            yield TrackedRun(client, run.info.run_id, place if address.startswith("http") else None, dagster_run)
            status = "FINISHED"
        finally:
            client.set_terminated(run.info.run_id, status)


@dg.resource(
    config_schema={"experiment_name": str, "mlflow_tracking_uri": str, "artifact_location": str},
    description="dagster-mlflow's tracking resource; its MLflow run ends with the Dagster run.",
)
def mlflow_tracking(context: dg.InitResourceContext) -> Iterator[Tracker]:
    """Open dagster-mlflow's run for this Dagster run and close it whatever happens.

    The import happens here because mlflow costs seconds that loading the definitions must not pay.
    """
    import mlflow
    from dagster_mlflow.resources import MlFlow

    config = cast(dict[str, Any], context.resource_config)
    client = mlflow.MlflowClient(tracking_uri=config["mlflow_tracking_uri"])
    if client.get_experiment_by_name(config["experiment_name"]) is None:
        client.create_experiment(config["experiment_name"], artifact_location=config["artifact_location"])
    known = {**config, "mlflow_run_id": _run_of(client, config["experiment_name"], context.run_id)}
    parent = MlFlow(
        SimpleNamespace(log=context.log, dagster_run=context.run, run_id=context.run_id, resource_config=known)
    )
    status = "FAILED"
    try:
        yield Tracker(parent)
        status = "FINISHED"
    finally:
        # A failed step closes this generator without an exception: the Dagster run's own events say more.
        if status == "FINISHED" and _has_failed_step(context):
            status = "FAILED"
        parent.end_run(status=status)


def _run_of(client: Any, experiment_name: str, dagster_run_id: str | None) -> str | None:
    """The MLflow run that an earlier process of this Dagster run opened, if any.

    dagster-mlflow takes the newest run with the tag, which may be one of the nested runs: it would be opened again and
    everything that follows would hang below it.
    """
    experiment = client.get_experiment_by_name(experiment_name)
    found = client.search_runs([experiment.experiment_id], f"tags.dagster_run_id = '{dagster_run_id}'")
    own = [run for run in found if "mlflow.parentRunId" not in run.data.tags]
    return own[0].info.run_id if own else None


def _has_failed_step(context: dg.InitResourceContext) -> bool:
    if context.instance is None or context.run is None:
        return False
    failures = context.instance.get_records_for_run(
        context.run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE, limit=1
    )
    return bool(failures.records)


def mlflow_resource(tracking_uri: str, artifact_location: str, experiment_name: str) -> dg.ResourceDefinition:
    """The `mlflow` resource for one tracking address and experiment."""
    return mlflow_tracking.configured(
        {
            "experiment_name": experiment_name,
            "mlflow_tracking_uri": tracking_uri,
            "artifact_location": artifact_location,
        },
    )
