"""The tracker of a Dagster run, as a resource.

Belongs here: what a kind of tracker is given and opens, the list of the kinds, and the resource, which has no configuration: an address may
hold a password, and configuration is shown in the launchpad and kept with each run. Does not belong here: what is tracked
(`pipelines/track_training.py`), or any kind of tracker (one module for each).
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

import dagster as dg

from platform_assets.members import MemberRegistry
from platform_assets.registry.tracking import Tracker


@dataclass(frozen=True)
class TrackingAddress:
    """Where runs are tracked.

    Attributes:
        uri: the tracker's address; never shown, it may hold a password.
        artifacts: where it keeps artifacts; None where a server says so.
        experiment: name of the experiment that holds all runs.
    """

    uri: str = field(repr=False)
    artifacts: str | None
    experiment: str


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
