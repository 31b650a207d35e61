"""What an experiment tracker is: runs with parameters, metrics by step, tags and artifacts, one for each asset and partition.

Belongs here: the narrow Protocols that a training pipeline needs, and what a kind of tracker is given. Does not belong here: a tracker
(`mlflow_tracker.py`, `trackers/`), or opening one for a Dagster run (`orchestration/resources/`).
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self


@dataclass(frozen=True)
class TrackedDataset:
    """The rows that a model was made of, as a run names them.

    Attributes:
        name: of the table and the day.
        path: where the table lies.
        table_version: its version; None where it has none.
        columns: each column with its type, in the words of `numpy`: `float64`, `int8`, `str`.
        rows: how many.
        digest: of what it was made from, at most 36 characters.
    """

    name: str
    path: str
    table_version: int | None
    columns: Mapping[str, str]
    rows: int
    digest: str


TRACKING_TAG = "tracking"
"""Tag of an asset's run: the tracker beside MLflow that its declaration names."""


class TrackedRun(Protocol):
    """One run that is being written."""

    @property
    def run_id(self) -> str:
        """Its identifier, by which a model of the run is registered."""
        ...

    @property
    def page(self) -> str | None:
        """Address of the run's page; None where there is no page."""
        ...

    @property
    def dagster_run_id(self) -> str:
        """The Dagster run that it belongs to; empty without one."""
        ...

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Log parameters, each once."""
        ...

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Log metrics of one step."""
        ...

    def log_points(self, points: Sequence[tuple[str, float, int]]) -> None:
        """Log metrics as name, value and step."""
        ...

    def log_folder(self, folder: Path, artifact_path: str | None = None) -> None:
        """Keep everything in a folder as artifacts of the run, below `artifact_path` where one is given."""
        ...

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags; one that is there takes the new value."""
        ...

    def log_dataset(self, dataset: TrackedDataset) -> None:
        """Say which rows the run was made of."""
        ...

    def describe(self, text: str) -> None:
        """What people read first on the run's page, in Markdown."""
        ...

    def nested(self, name: str, tags: Mapping[str, str]) -> AbstractContextManager[Self]:
        """A run below this one: a candidate, or one of its folds; it ends as finished, or as failed when the block raises."""
        ...


class Tracker(Protocol):
    """The outer run of a Dagster run, with a nested run for each asset and partition."""

    def asset_run(self, name: str, tags: Mapping[str, str]) -> AbstractContextManager[TrackedRun]:
        """A nested run; it ends as finished, or as failed when the block raises."""
        ...


@dataclass(frozen=True)
class TrackingAddress:
    """Where runs are tracked.

    Attributes:
        uri: the tracker's address; never shown, it may hold a password.
        artifacts: where it keeps artifacts; None where a server says so.
        experiment: name of the experiment of runs that belong to no use case; those of a use case have one of its own.
        beside: folder for trackers beside this one that keep files, each in one of its own; None where no other may be declared.
    """

    uri: str = field(repr=False)
    artifacts: str | None
    experiment: str
    beside: str | None = None


@dataclass(frozen=True)
class TrackedDagsterRun:
    """The Dagster run that an outer run is opened for.

    Attributes:
        run_id: its identifier; processes of the same Dagster run share one outer run.
        job_name: name of its job.
        log: Dagster's log.
        has_failed: whether a step has failed by now: a resource is closed without an exception then.
    """

    run_id: str
    job_name: str
    log: Any
    has_failed: Callable[[], bool]


class OpensTracker(Protocol):
    """A kind of tracker."""

    def __call__(self, address: TrackingAddress, run: TrackedDagsterRun) -> AbstractContextManager[Tracker]:
        """Open the outer run of a Dagster run, or the one that another process opened, and end it as the Dagster run ended."""
        ...
