"""A tracker that writes JSON into folders: the member that shows what adding a tracker takes.

Belongs here: the outer run of a Dagster run and its nested runs, a folder each. Does not belong here: what is promised
(`test_trackers.py`).
"""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

from platform_assets.registry.tracking import TrackedDagsterRun, TrackedDataset, TrackingAddress


@dataclass(frozen=True)
class FolderRun:
    """One run in a folder."""

    folder: Path
    dagster_run_id: str
    page: str | None = None

    @property
    def run_id(self) -> str:
        return self.folder.name

    def log_params(self, params: Mapping[str, Any]) -> None:
        self._add("params", {key: str(value) for key, value in params.items()})

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        self.log_points([(name, value, step) for name, value in metrics.items()])

    def log_points(self, points: Sequence[tuple[str, float, int]]) -> None:
        self._add("points", {f"{name}@{step}": float(value) for name, value, step in points})

    def log_folder(self, folder: Path, artifact_path: str | None = None) -> None:
        shutil.copytree(folder, self.folder / "artifacts" / (artifact_path or ""), dirs_exist_ok=True)

    def set_tags(self, tags: Mapping[str, str]) -> None:
        self._add("tags", dict(tags))

    def log_dataset(self, dataset: TrackedDataset) -> None:
        self._add("dataset", {"name": dataset.name, "rows": dataset.rows})

    def describe(self, text: str) -> None:
        self._add("description", {"text": text})

    @contextmanager
    def nested(self, name: str, tags: Mapping[str, str]) -> Iterator[Self]:
        run = started(self.folder.parent / uuid4().hex, self.dagster_run_id, name)
        run.set_tags({"parent": self.run_id, "dagster_run_id": self.dagster_run_id, **tags})
        status = "FAILED"
        try:
            yield type(self)(**vars(run))
            status = "FINISHED"
        finally:
            run.end(status)

    def end(self, status: str) -> None:
        self._add("run", {"status": status})

    def _add(self, name: str, values: Mapping[str, Any]) -> None:
        path = self.folder / f"{name}.json"
        known = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps({**known, **values}))


@dataclass(frozen=True)
class FolderTracker:
    """Runs nested below the outer run of a Dagster run."""

    outer: FolderRun

    @contextmanager
    def asset_run(self, name: str, tags: Mapping[str, str]) -> Iterator[FolderRun]:
        run = started(self.outer.folder.parent / uuid4().hex, self.outer.dagster_run_id, name)
        run.set_tags({"parent": self.outer.run_id, "dagster_run_id": self.outer.dagster_run_id, **tags})
        status = "FAILED"
        try:
            yield run
            status = "FINISHED"
        finally:
            run.end(status)


def started(folder: Path, dagster_run_id: str, name: str) -> FolderRun:
    """A run that has begun, or goes on."""
    folder.mkdir(parents=True, exist_ok=True)
    run = FolderRun(folder, dagster_run_id)
    run._add("run", {"name": name, "status": "RUNNING"})
    return run


@contextmanager
def open_folder(address: TrackingAddress, run: TrackedDagsterRun) -> Iterator[FolderTracker]:
    """The outer run stands in a folder with the Dagster run's name, so that every process finds it."""
    outer = started(Path(address.uri) / address.experiment / run.run_id, run.run_id, run.job_name)
    outer.set_tags({"dagster_run_id": run.run_id})
    status = "FAILED"
    try:
        yield FolderTracker(outer)
        status = "FAILED" if run.has_failed() else "FINISHED"
    finally:
        outer.end(status)
