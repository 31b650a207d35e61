"""The sensor that tells why a run's pod does not start.

Belongs here: the sensor. dagster's run monitoring asks a launcher about runs that have started; of all others it knows only how
long they have taken. Does not belong here: what it tells (`launcher.py`).
"""

from collections.abc import Iterator

import dagster as dg

SECONDS = 10
"""How often it looks."""


def start_watch(status: dg.DefaultSensorStatus) -> dg.SensorDefinition:
    """The sensor, for an installation whose runs are Jobs.

    Args:
        status: whether it is on before somebody turned it on or off.
    """

    @dg.sensor(
        name="platform_assets__pods",
        minimum_interval_seconds=SECONDS,
        default_status=status,
        description="Tells in the event log why the pod of a run does not start, and ends the run where it never can.",
        jobs=[],
    )
    def pods(context: dg.SensorEvaluationContext) -> Iterator[dg.SkipReason]:
        from platform_assets.orchestration.kubernetes.launcher import DeclaredRunLauncher

        launcher = context.instance.run_launcher
        if not isinstance(launcher, DeclaredRunLauncher):
            yield dg.SkipReason(f"runs are launched by {type(launcher).__name__}, not as Jobs of DeclaredRunLauncher")
            return
        starting = context.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTING]))
        for run in starting:
            launcher.look_at_start(run)
        yield dg.SkipReason(f"{len(starting)} runs wait for their pods")

    return pods
