"""Experiment tracking in MLflow, through `MlflowClient` only: a nested run for each asset and partition.

Belongs here: nested runs, what is logged to them, and which experiment they stand in. Does not belong here: the outer run of a Dagster run
(`orchestration/resources/mlflow.py`), or registered models (`mlflow_registry.py`).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import time
from typing import Any, Self

from platform_assets.registry.tracking import TrackedDataset, TrackingAddress

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
    experiment_id: str = ""

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

    def log_dataset(self, dataset: TrackedDataset) -> None:
        """Name the rows as the run's input; MLflow shows their source, version and columns beside its metrics."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        columns = [{"type": _COLUMN_TYPES.get(kind, "string"), "name": n} for n, kind in dataset.columns.items()]
        source = {"path": dataset.path, "delta_table_version": dataset.table_version}
        logged = Dataset(
            name=dataset.name,
            digest=dataset.digest,
            source_type="delta_table",
            source=json.dumps(source),
            schema=json.dumps({"mlflow_colspec": columns}),
            profile=json.dumps({"num_rows": dataset.rows, "num_elements": dataset.rows * len(columns)}),
        )
        self.client.log_inputs(self.run_id, [DatasetInput(logged, [InputTag("mlflow.data.context", "training")])])

    def describe(self, text: str) -> None:
        """Set the run's description."""
        self.set_tags({"mlflow.note.content": text})

    @contextmanager
    def nested(self, name: str, tags: Mapping[str, str]) -> Iterator[Self]:
        """A run below this one, in its experiment."""
        with below(self.client, self.experiment_id, self.run_id, self.dagster_run_id, name, tags) as run:
            yield type(self)(**vars(run))


_COLUMN_TYPES = {
    "float64": "double",
    "float32": "float",
    "int64": "long",
    "int32": "integer",
    "int8": "integer",
    "boolean": "boolean",
}
"""MLflow's words for types of columns."""


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
        with below(self.client, self.experiment_id, self.outer_run_id, self.dagster_run_id, name, tags) as run:
            yield run


@contextmanager
def below(
    client: Any, experiment_id: str, parent: str, dagster_run_id: str, name: str, tags: Mapping[str, str]
) -> Iterator[MlflowRun]:
    """An MLflow run nested below another; it ends FINISHED, or FAILED when the block raises."""
    belongs = {"mlflow.parentRunId": parent, "dagster_run_id": dagster_run_id}
    run = client.create_run(experiment_id, run_name=name, tags={**belongs, **tags})
    status = "FAILED"
    address = str(client.tracking_uri).rstrip("/")
    page = f"{address}/#/experiments/{experiment_id}/runs/{run.info.run_id}"
    try:
        yield MlflowRun(
            client, run.info.run_id, page if address.startswith("http") else None, dagster_run_id, experiment_id
        )
        status = "FINISHED"
    finally:
        client.set_terminated(run.info.run_id, status)


def experiment_at(client: Any, address: TrackingAddress) -> str:
    """Name of the experiment whose artifacts lie where the settings say; it is made when it is not there.

    MLflow never moves an experiment's artifacts: one that was made under other settings keeps its runs, and new runs go to one whose name
    carries the place.
    """
    for name in (address.experiment, f"{address.experiment} in {address.artifacts or 'the server'}"):
        known = client.get_experiment_by_name(name)
        if known is None:
            client.create_experiment(name, artifact_location=address.artifacts)
            return name
        if _same_place(str(known.artifact_location), address.artifacts):
            return name
    return name


def _same_place(location: str, wanted: str | None) -> bool:
    """Whether an experiment's artifacts lie where the settings say; a server's own choice is any place but a folder."""
    path = location.removeprefix("file://")
    if wanted is None:
        return not path.startswith("/")
    return path.rstrip("/") == wanted.removeprefix("file://").rstrip("/")
