"""A run in two trackers: MLflow, which the registry of models needs, and the one that the declaration names.

Belongs here: telling both the same. Does not belong here: either of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from platform_assets.registry.tracking import TrackedDataset, TrackedRun, Tracker


@dataclass(frozen=True)
class RunInBoth:
    """One run that is written twice: a `TrackedRun`.

    Attributes:
        registered: MLflow's; a model of the run is registered by its identifier.
        chosen: the declared tracker's; its page is the run's page.
    """

    registered: TrackedRun
    chosen: TrackedRun

    @property
    def run_id(self) -> str:
        """MLflow's identifier."""
        return self.registered.run_id

    @property
    def page(self) -> str | None:
        """The chosen tracker's page, where it has one."""
        return self.chosen.page or self.registered.page

    @property
    def dagster_run_id(self) -> str:
        """The Dagster run that it belongs to."""
        return self.registered.dagster_run_id

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Log parameters to both."""
        for run in (self.registered, self.chosen):
            run.log_params(params)

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Log metrics of one step to both."""
        for run in (self.registered, self.chosen):
            run.log_metrics(metrics, step)

    def log_points(self, points: Sequence[tuple[str, float, int]]) -> None:
        """Log metrics as name, value and step to both."""
        for run in (self.registered, self.chosen):
            run.log_points(points)

    def log_folder(self, folder: Path, artifact_path: str | None = None) -> None:
        """Keep a folder's files in both."""
        for run in (self.registered, self.chosen):
            run.log_folder(folder, artifact_path)

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags of both."""
        for run in (self.registered, self.chosen):
            run.set_tags(tags)

    def log_dataset(self, dataset: TrackedDataset) -> None:
        """Name the rows in both."""
        for run in (self.registered, self.chosen):
            run.log_dataset(dataset)

    def describe(self, text: str) -> None:
        """Describe both."""
        for run in (self.registered, self.chosen):
            run.describe(text)

    @contextmanager
    def nested(self, name: str, tags: Mapping[str, str]) -> Iterator[Self]:
        """A run below this one, in both."""
        with self.registered.nested(name, tags) as registered, self.chosen.nested(name, tags) as chosen:
            yield type(self)(registered, chosen)


@dataclass(frozen=True)
class BothTrackers:
    """MLflow and the declared tracker: a `Tracker`."""

    registered: Tracker
    chosen: Tracker

    @contextmanager
    def asset_run(self, name: str, tags: Mapping[str, str]) -> Iterator[RunInBoth]:
        """A run in both, each with the other's identifier where it says something to people."""
        with (
            self.registered.asset_run(name, tags) as registered,
            self.chosen.asset_run(name, {**tags, "mlflow_run_id": registered.run_id}) as chosen,
        ):
            registered.set_tags({"tracked_as": chosen.run_id})
            yield RunInBoth(registered, chosen)
