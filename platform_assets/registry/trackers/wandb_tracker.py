"""Weights & Biases, offline: runs as files below the home, which `wandb sync` sends when a person wants them sent.

Belongs here: W&B's runs and what is logged to them. Does not belong here: the registry of models (MLflow's), or sending.

A group of W&B stands for the Dagster run, with a run of its own in it that ends as the Dagster run ended. Nothing goes over the network
from here, and the platform holds no key of the service.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from platform_assets.extras import NeededExtra, require_extras
from platform_assets.registry.tracking import TrackedDagsterRun, TrackedDataset, TrackingAddress

KIND, DAGSTER_RUN = "kind", "dagster_run"
"""Tag that says what a run is, which is its job type in W&B."""
STEP = "step"
"""What points are drawn over. W&B's own step only grows: points of an earlier one would be dropped."""


@dataclass(frozen=True)
class WandbRun:
    """One run of W&B: a `TrackedRun`.

    Attributes:
        run: W&B's own.
        opened_by: what opens the runs of its project.
    """

    run: Any
    opened_by: WandbTracker

    @property
    def run_id(self) -> str:
        """W&B's identifier."""
        return str(self.run.id)

    @property
    def page(self) -> str | None:
        """None: nothing was sent."""
        return None

    @property
    def dagster_run_id(self) -> str:
        """The Dagster run, which is the run's group."""
        return self.opened_by.dagster_run_id

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Log parameters as the run's configuration."""
        self.run.config.update(dict(params), allow_val_change=True)

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Log metrics of one step."""
        self.run.log({STEP: step, **{name: float(value) for name, value in metrics.items()}})

    def log_points(self, points: Sequence[tuple[str, float, int]]) -> None:
        """Log metrics as name, value and step, one line for each step."""
        for step in sorted({step for _, _, step in points}):
            self.log_metrics({name: value for name, value, of in points if of == step}, step)

    def log_folder(self, folder: Path, artifact_path: str | None = None) -> None:
        """Keep a copy of a folder as an artifact of the run; what is sent later must still be there."""
        import wandb

        kept = self.opened_by.folder / "files" / self.run_id
        shutil.copytree(folder, kept / (artifact_path or ""), dirs_exist_ok=True)
        artifact = wandb.Artifact(f"{self.opened_by.project}-{self.run_id}", type="run_files")
        artifact.add_dir(str(kept), policy="immutable")
        self.run.log_artifact(artifact)

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags, which are names and values in the configuration: W&B's own tags have no values."""
        self.run.config.update({"tags": {**dict(self.run.config.get("tags") or {}), **tags}}, allow_val_change=True)

    def log_dataset(self, dataset: TrackedDataset) -> None:
        """Name the rows in the configuration."""
        columns = dict(dataset.columns)
        named = {"name": dataset.name, "path": dataset.path, "version": dataset.table_version, "rows": dataset.rows}
        self.run.config.update({"dataset": {**named, "digest": dataset.digest, "columns": columns}})

    def describe(self, text: str) -> None:
        """Set the run's notes."""
        self.run.notes = text

    @contextmanager
    def nested(self, name: str, tags: Mapping[str, str]) -> Iterator[Self]:
        """A run of the same group that names this one as its parent."""
        with self.opened_by.opened(name, {**tags, "parent": self.run_id}) as run:
            yield type(self)(run.run, self.opened_by)


@dataclass(frozen=True)
class WandbTracker:
    """Runs of one group of W&B: a `Tracker`.

    Attributes:
        folder: where they are kept.
        project: W&B's project, the use case's name.
        dagster_run_id: the group.
    """

    folder: Path
    project: str
    dagster_run_id: str

    @contextmanager
    def asset_run(self, name: str, tags: Mapping[str, str]) -> Iterator[WandbRun]:
        """A run of the group; it ends as finished, or as failed when the block raises."""
        with self.opened(name, {**tags, "parent": self.dagster_run_id}) as run:
            yield run

    def end(self, name: str, status: str) -> None:
        """Write the Dagster run's own run, as it ended."""
        self._begun(name, {KIND: DAGSTER_RUN}, self.dagster_run_id).finish(exit_code=int(status != "FINISHED"))

    @contextmanager
    def opened(self, name: str, tags: Mapping[str, str]) -> Iterator[WandbRun]:
        """A run with these tags, which ends with the block."""
        run = self._begun(name, tags)
        exit_code = 1
        try:
            run.define_metric("*", step_metric=STEP)
            yield WandbRun(run, self)
            exit_code = 0
        finally:
            run.finish(exit_code=exit_code)

    def _begun(self, name: str, tags: Mapping[str, str], run_id: str | None = None) -> Any:
        import wandb

        settings = wandb.Settings(
            mode="offline",
            silent=True,
            console="off",
            disable_git=True,
            disable_code=True,
            x_disable_stats=True,
            x_disable_meta=True,
        )
        return wandb.init(
            project=self.project,
            dir=str(self.folder),
            name=name,
            id=run_id,
            group=self.dagster_run_id,
            job_type=tags.get(KIND, "model"),
            config={"tags": {"dagster_run_id": self.dagster_run_id, **tags}},
            reinit="create_new",
            settings=settings,
        )


@contextmanager
def open_wandb(address: TrackingAddress, run: TrackedDagsterRun) -> Iterator[WandbTracker]:
    """The tracker of a Dagster run, below the folder that the address names.

    Raises:
        ExtraMissing: W&B is not installed.
    """
    require_extras([NeededExtra("wandb", "tracking: wandb")], address.experiment)
    folder = Path(address.uri)
    folder.mkdir(parents=True, exist_ok=True)
    tracker = WandbTracker(folder, address.experiment, run.run_id)
    status = "FAILED"
    try:
        yield tracker
        status = "FAILED" if run.has_failed() else "FINISHED"
    finally:
        tracker.end(run.job_name, status)
