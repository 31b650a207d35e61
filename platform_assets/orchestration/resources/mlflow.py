"""MLflow as the tracker of a Dagster run: dagster-mlflow's outer run, closed when the Dagster run ends.

dagster-mlflow makes one MLflow run for each Dagster run and, without its hook, leaves it running for ever; its conventions are kept
(resource key `mlflow`, experiment, tag `dagster_run_id`), and the run is closed here. Belongs here: opening and closing that run. Does not
belong here: nested runs and what is logged to them (`registry/mlflow_tracker.py`).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from platform_assets.registry.mlflow_tracker import MlflowRun, MlflowTracker, experiment_at
from platform_assets.registry.tracking import TrackedDagsterRun, TrackingAddress


@contextmanager
def open_mlflow(address: TrackingAddress, run: TrackedDagsterRun) -> Iterator["DagsterRunInMlflow"]:
    """The tracker of a Dagster run; dagster-mlflow's run for it is opened when something is tracked, and closed whatever happens."""
    tracker = DagsterRunInMlflow(address, run)
    status = "FAILED"
    try:
        yield tracker
        status = "FINISHED"
    finally:
        # A failed step closes this generator without an exception: the Dagster run's own events say more.
        if status == "FINISHED" and run.has_failed():
            status = "FAILED"
        tracker.close(status)


class DagsterRunInMlflow:
    """Runs nested below dagster-mlflow's run for a Dagster run, in an experiment for each use case: a `Tracker`.

    dagster-mlflow knows one active run in a process. A Dagster run that trains two use cases has an outer run in each experiment, one open
    at a time.
    """

    def __init__(self, address: TrackingAddress, run: TrackedDagsterRun) -> None:
        """Describe it; nothing is opened."""
        self._address, self._run = address, run
        self._experiment = ""
        self._outer: Any = None
        self._tracker: MlflowTracker | None = None

    @contextmanager
    def asset_run(self, name: str, tags: Mapping[str, str]) -> Iterator[MlflowRun]:
        """A nested run, in the experiment of the use case that the tags name."""
        with self._opened(tags.get("use_case", self._address.experiment)).asset_run(name, tags) as run:
            yield run

    def close(self, status: str) -> None:
        """End the outer run, where one was opened."""
        if self._outer is not None:
            self._outer.end_run(status=status)
            self._outer = self._tracker = None

    def _opened(self, experiment: str) -> MlflowTracker:
        """The outer run in an experiment. mlflow is imported here: it costs seconds that loading the definitions must not pay."""
        if self._tracker is not None and experiment == self._experiment:
            return self._tracker
        self.close("FINISHED")
        import mlflow
        from dagster_mlflow.resources import MlFlow

        client = mlflow.MlflowClient(tracking_uri=self._address.uri)
        named = experiment_at(client, replace(self._address, experiment=experiment))
        config = {
            "experiment_name": named,
            "mlflow_tracking_uri": self._address.uri,
            "mlflow_run_id": _outer_run(client, named, self._run.run_id),
        }
        outer: Any = MlFlow(
            SimpleNamespace(
                log=self._run.log,
                dagster_run=SimpleNamespace(job_name=self._run.job_name),
                run_id=self._run.run_id,
                resource_config=config,
            )
        )
        outer_run_id = outer.mlflow_run_id or outer.active_run().info.run_id
        self._experiment, self._outer = experiment, outer
        self._tracker = MlflowTracker(
            outer.tracking_client, outer.experiment.experiment_id, outer_run_id, self._run.run_id
        )
        return self._tracker


def _outer_run(client: Any, experiment_name: str, dagster_run_id: str) -> str | None:
    """The MLflow run that an earlier process of this Dagster run opened, if any.

    dagster-mlflow takes the newest run with the tag, which may be one of the nested runs: it would be opened again and
    everything that follows would hang below it.
    """
    experiment = client.get_experiment_by_name(experiment_name)
    runs = client.search_runs([experiment.experiment_id], f"tags.dagster_run_id = '{dagster_run_id}'")
    outer = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    return outer[0].info.run_id if outer else None
