"""What an experiment tracker is: runs with parameters, metrics by step, tags and artifacts, one for each asset and partition.

Belongs here: the narrow Protocols that a training pipeline needs. Does not belong here: a tracker (`mlflow_tracker.py`), or opening one for
a Dagster run (`orchestration/resources/`).
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol


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


class Tracker(Protocol):
    """The outer run of a Dagster run, with a nested run for each asset and partition."""

    def asset_run(self, name: str, tags: Mapping[str, str]) -> AbstractContextManager[TrackedRun]:
        """A nested run; it ends as finished, or as failed when the block raises."""
        ...
