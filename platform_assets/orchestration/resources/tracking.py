"""The tracker of a Dagster run, as a resource.

Belongs here: the list of the kinds, and the resource, which has no configuration: an address may
hold a password, and configuration is shown in the launchpad and kept with each run. Does not belong here: what is tracked
(`pipelines/track_training.py`), or any kind of tracker (one module for each).
"""

from collections.abc import Iterator

import dagster as dg

from platform_assets.members import MemberRegistry
from platform_assets.registry.tracking import OpensTracker as OpensTracker
from platform_assets.registry.tracking import TrackedDagsterRun as TrackedDagsterRun
from platform_assets.registry.tracking import Tracker as Tracker
from platform_assets.registry.tracking import TrackingAddress as TrackingAddress

TRACKERS: MemberRegistry[OpensTracker] = MemberRegistry(
    "tracker", {"mlflow": "platform_assets.orchestration.resources.mlflow:open_mlflow"}
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
            yield tracker

    return open_tracker


def _has_failed_step(context: dg.InitResourceContext) -> bool:
    if context.instance is None or context.run is None:
        return False
    failures = context.instance.get_records_for_run(
        context.run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE, limit=1
    )
    return bool(failures.records)
