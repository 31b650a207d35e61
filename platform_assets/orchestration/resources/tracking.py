"""The tracker of a Dagster run, as a resource.

Belongs here: the list of the kinds, and the resource, which has no configuration: an address may
hold a password, and configuration is shown in the launchpad and kept with each run. Does not belong here: what is tracked
(`pipelines/track_training.py`), or any kind of tracker (one module for each).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import dagster as dg

from platform_assets.members import MemberRegistry
from platform_assets.registry.trackers.beside import BothTrackers
from platform_assets.registry.tracking import TRACKING_TAG, OpensTracker, TrackedRun, Tracker
from platform_assets.registry.tracking import TrackedDagsterRun as TrackedDagsterRun
from platform_assets.registry.tracking import TrackingAddress as TrackingAddress

TRACKERS: MemberRegistry[OpensTracker] = MemberRegistry(
    "tracker",
    {
        "mlflow": "platform_assets.orchestration.resources.mlflow:open_mlflow",
        "wandb": "platform_assets.registry.trackers.wandb_tracker:open_wandb",
    },
)


def tracker_resource(address: TrackingAddress, kind: str = "mlflow") -> dg.ResourceDefinition:
    """The tracker at an address, opened for each Dagster run."""

    @dg.resource(description="The tracking run of the Dagster run; it ends with it.")
    def open_tracker(context: dg.InitResourceContext) -> Iterator[Tracker]:
        run = context.run
        opened = TrackedDagsterRun(
            run_id=context.run_id or "",
            job_name=run.job_name if run is not None else "",
            log=context.log,
            has_failed=lambda: _has_failed_step(context),
        )
        with TRACKERS[kind](address, opened) as tracker:
            yield DeclaredTrackers(tracker, address, opened)

    return open_tracker


@dataclass(frozen=True)
class DeclaredTrackers:
    """The tracker that the registry of models needs, and beside it the one that an asset's declaration names: a `Tracker`.

    Attributes:
        registered: the first.
        address: where runs are tracked.
        run: the Dagster run.
    """

    registered: Tracker
    address: TrackingAddress
    run: TrackedDagsterRun

    @contextmanager
    def asset_run(self, name: str, tags: Mapping[str, str]) -> Iterator[TrackedRun]:
        """A nested run, in both where the tags name a tracker.

        Raises:
            ValueError: they name one, and no folder is there for it.
        """
        kind = tags.get(TRACKING_TAG)
        if kind is None:
            with self.registered.asset_run(name, tags) as run:
                yield run
            return
        if self.address.beside is None:
            raise ValueError(
                f"{name}: tracking {kind!r} has no folder here; make the resource with `TrackingAddress.beside`"
            )
        own = TrackingAddress(f"{self.address.beside}/{kind}", None, tags.get("use_case", self.address.experiment))
        with (
            TRACKERS[kind](own, self.run) as chosen,
            BothTrackers(self.registered, chosen).asset_run(name, tags) as both,
        ):
            yield both


def _has_failed_step(context: dg.InitResourceContext) -> bool:
    if context.instance is None or context.run is None:
        return False
    failures = context.instance.get_records_for_run(
        context.run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE, limit=1
    )
    return bool(failures.records)
