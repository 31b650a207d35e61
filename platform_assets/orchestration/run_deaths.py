"""What a run's event log says of its workers' deaths: why each died, and what was done about it.

Belongs here: telling a death and its consequence, and reading back what was told, whatever a worker is. Does not belong here: finding the
cause (`kubernetes/deaths.py`, `local_runs/worker.py`), or the policy (`retries.py`).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import dagster as dg
from dagster._core.events import DagsterEventType, EngineEventData
from dagster._core.storage.tags import MAX_RETRIES_TAG

from platform_assets.deployment.causes import Cause
from platform_assets.orchestration.retries import Consequence

CAUSE, WORKER, FOLLOWS = "cause", "worker", "what follows"
WAITS: Final = "It waits"
NO_MORE: Final = "0"
"""Value of Dagster's tag `dagster/max_retries` of a run that is not started again by itself."""


def report(
    instance: dg.DagsterInstance,
    run: dg.DagsterRun,
    worker: str,
    cause: Cause,
    then: Consequence | None,
    step_key: str | None = None,
    place: str = "pod",
) -> None:
    """Put the cause and what is done about it into the run's event log.

    Args:
        instance: of the run.
        run: the run.
        worker: what worked on it: a Job, a process.
        cause: why.
        then: what is done; None for one that waits.
        step_key: of the step that it held; None for the run's own.
        place: what a worker is: a pod, a process.
    """
    subject = f"The run's {place}" if step_key is None else f"The {place} of step {step_key}"
    follows = WAITS if then is None else then.reason
    instance.report_engine_event(
        f"{subject} {'waits' if then is None else 'died'} ({cause.kind}): {cause.sentence} {follows}. {cause.what_to_do}",
        run,
        EngineEventData(
            {
                CAUSE: cause.kind.value,
                WORKER: worker,
                FOLLOWS: follows,
                **({"last lines": dg.MetadataValue.md(f"```\n{cause.log}\n```")} if cause.log else {}),
            }
        ),
        step_key=step_key,
    )


def reported(instance: dg.DagsterInstance, run_id: str, step_key: str | None = None) -> Mapping[str, str]:
    """Causes in a run's event log: of each worker why it died, oldest first.

    Args:
        instance: of the run.
        run_id: the run.
        step_key: the step; None for the run's own.
    """
    return {
        str(metadata[WORKER].value): str(metadata[CAUSE].value)
        for _, metadata in _causes(instance, run_id, step_key)
        if metadata[FOLLOWS].value != WAITS
    }


def waits_since(
    instance: dg.DagsterInstance, run_id: str, worker: str, kind: str, step_key: str | None = None
) -> float | None:
    """Since when the event log says that a worker waits for this reason, in seconds of the epoch; None where it does not say so."""
    times = [
        time
        for time, metadata in _causes(instance, run_id, step_key)
        if metadata[WORKER].value == worker and metadata[CAUSE].value == kind and metadata[FOLLOWS].value == WAITS
    ]
    return min(times, default=None)


def earlier_causes(instance: dg.DagsterInstance, run: dg.DagsterRun) -> Mapping[str, str]:
    """Why workers of a run, and of the runs that it is the retry of, died: by worker.

    Args:
        instance: of the run.
        run: the run.
    """
    group = instance.get_run_group(run.run_id)
    runs: Sequence[str] = sorted((one.run_id for one in group[1]), key=str) if group else [run.run_id]
    return {worker: cause for one in runs for worker, cause in reported(instance, one).items()}


def let_follow(
    instance: dg.DagsterInstance, run: dg.DagsterRun, then: Consequence, tags: Mapping[str, str] | None = None
) -> None:
    """Write what follows into the run's tags, which Dagster's daemon for retries reads and the retry inherits.

    Args:
        instance: of the run.
        run: the run whose worker died.
        then: whether it is started again.
        tags: further ones that the retry needs.
    """
    group = instance.get_run_group(run.run_id)
    retries = str(len(list(group[1])) if group else 1) if then.again else NO_MORE
    instance.add_run_tags(run.run_id, {MAX_RETRIES_TAG: retries, **(tags or {})})


def _causes(
    instance: dg.DagsterInstance, run_id: str, step_key: str | None
) -> Iterator[tuple[float, Mapping[str, dg.MetadataValue]]]:
    """Causes in a run's event log with their times."""
    for entry in instance.all_logs(run_id, of_type=DagsterEventType.ENGINE_EVENT):
        event = entry.dagster_event
        if event is not None and event.step_key == step_key and CAUSE in event.engine_event_data.metadata:
            yield entry.timestamp, event.engine_event_data.metadata
