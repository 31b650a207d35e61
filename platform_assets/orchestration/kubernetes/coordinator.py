"""The run coordinator: every run, on whichever path it was made, waits in the queue with the priority that its steps declare.

Belongs here: tags of runs as they are submitted. Does not belong here: taking runs from the queue, which is the daemon's.
"""

import dagster as dg
from dagster._core.run_coordinator import SubmitRunContext
from dagster._core.run_coordinator.queued_run_coordinator import QueuedRunCoordinator

from platform_assets.orchestration.kubernetes.plan import run_needs
from platform_assets.orchestration.kubernetes.sizes import run_tags


class DeclaredRunCoordinator(QueuedRunCoordinator):
    """Dagster's queue; a run's priority and limits come from what its steps declare, unless its own tags say otherwise."""

    def submit_run(self, context: SubmitRunContext) -> dg.DagsterRun:
        """Tag the run, then queue it."""
        run = context.dagster_run
        try:
            needs = run_needs(self._instance, run)
        except LookupError as unknown:  # a code location that is not ours
            self._instance.report_engine_event(f"Queued without priority or limits of its own: {unknown}", run)
            return super().submit_run(context)
        wanted = run_tags(needs.use_cases, needs.steps)
        self._instance.add_run_tags(run.run_id, {key: wanted[key] for key in wanted.keys() - run.tags.keys()})
        return super().submit_run(context)
