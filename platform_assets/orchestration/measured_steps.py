"""The executor of steps in one process, which measures what each of them takes.

Belongs here: measuring between the events of a run, and reading what was measured. Does not belong here: how (`monitoring/cost/meter.py`),
where it is kept (`pipelines/record_usage.py`), or prices.

Steps run one after the other, so what the process took between a step's start and its end is the step's. The run's event log gets one entry
with all of them, which its page in the UI shows. A run that is killed has none: its CPU stands in its tag (`local_runs/launcher.py`).
`InProcessExecutor` is no public name of Dagster; its event stream is what `execute_in_process` is made of.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import dagster as dg
from dagster._core.definitions.executor_definition import in_process_executor
from dagster._core.events import EngineEventData
from dagster._core.execution.context.system import PlanOrchestrationContext
from dagster._core.execution.plan.plan import ExecutionPlan
from dagster._core.execution.retries import RetryMode
from dagster._core.executor.in_process import InProcessExecutor
from dagster._core.executor.init import InitExecutorContext
from dagster._core.storage.dagster_run import FINISHED_STATUSES, RunRecord

from platform_assets.lake.layout import MODEL
from platform_assets.monitoring.cost.gpus import GpuLook
from platform_assets.monitoring.cost.meter import Meter
from platform_assets.monitoring.cost.usage import PartUsage, Quantities, RunUsage
from platform_assets.monitoring.operations import RunFact
from platform_assets.orchestration.kubernetes.sizes import compute_in
from platform_assets.orchestration.local_runs.launcher import CPU_SECONDS_TAG
from platform_assets.orchestration.operations_facts import run_fact

USAGE_ENTRY = "platform_assets/usage"
"""Metadata of the run's entry in its event log: what each step took, by its key."""
PARTS_ENTRY = "parts"
"""Metadata of a materialization: what parts of the step took, such as trials and folds of a training."""
ENDS = (
    dg.DagsterEventType.STEP_SUCCESS,
    dg.DagsterEventType.STEP_FAILURE,
    dg.DagsterEventType.STEP_UP_FOR_RETRY,
    dg.DagsterEventType.STEP_SKIPPED,
)


class MeasuringExecutor(InProcessExecutor):
    """Executes steps in this process, and reports what each took."""

    def execute(
        self, plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan
    ) -> Iterator[dg.DagsterEvent]:
        """The events of the run, and one more."""
        used: dict[str, Quantities] = {}
        with Meter() as meter:
            for event in super().execute(plan_context, execution_plan):
                if event.event_type is dg.DagsterEventType.STEP_START:
                    meter.lap()  # what lies between two steps is nobody's
                elif event.event_type in ENDS and event.step_key is not None:
                    taken = with_declared_gpus(meter.lap(), declared_gpus(execution_plan, event.step_key), meter.gpus)
                    used[event.step_key] = used.get(event.step_key, Quantities()) + taken
                yield event
        if used:
            total = sum(one.cpu_seconds for one in used.values())
            yield dg.DagsterEvent.engine_event(
                plan_context,
                f"{len(used)} steps took {total:.1f} CPU-seconds",
                event_specific_data=EngineEventData(
                    metadata={USAGE_ENTRY: dg.MetadataValue.json({key: one.plain() for key, one in used.items()})}
                ),
            )


def declared_gpus(plan: ExecutionPlan, step_key: str) -> int:
    """GPUs that a step declares; 0 for one that declares none, or is not ours."""
    step = plan.step_dict_by_key.get(step_key)
    needs = None if step is None else compute_in(step.tags or {})
    return 0 if needs is None else needs.gpus


def with_declared_gpus(taken: Quantities, declared: int, gpus: GpuLook) -> Quantities:
    """What a step took, with the GPUs that it declares: they were kept for it, as far as this machine has them.

    Where NVML names the processes of another machine's numbering, as in a container, this is all that is known.
    """
    kept = min(declared, gpus.count) * taken.seconds
    return replace(taken, gpu_seconds=max(taken.gpu_seconds, kept))


def _measuring_executor(context: InitExecutorContext) -> MeasuringExecutor:
    return MeasuringExecutor(
        retries=RetryMode.from_config(context.executor_config["retries"]),  # type: ignore[arg-type]
        marker_to_close=context.executor_config.get("marker_to_close"),  # type: ignore[arg-type]
    )


measured_in_process_executor = dg.ExecutorDefinition(
    name="in_process",
    config_schema=in_process_executor.config_schema,  # type: ignore[arg-type] # it is what the function makes of any
    executor_creation_fn=_measuring_executor,
    description="Dagster's `in_process`, and measured.",
)
"""As Dagster's `in_process_executor`, and what each step took stands in the event log of the run."""


def read_run_usage(instance: dg.DagsterInstance, since: datetime, use_case: str | None = None) -> list[RunUsage]:
    """What runs took that ended since a moment, of those of which anything is known.

    Args:
        instance: Dagster's.
        since: by the machine's clock.
        use_case: whose runs alone; None for all.
    """
    filters = dg.RunsFilter(statuses=FINISHED_STATUSES, updated_after=since)
    records = instance.get_run_records(filters, order_by="update_timestamp", ascending=True)
    found = [_usage_of(instance, record) for record in records]
    return [one for one in found if one is not None and use_case in (None, one.use_case)]


def _usage_of(instance: dg.DagsterInstance, record: RunRecord) -> RunUsage | None:
    fact = run_fact(record)
    if fact.use_case is None:
        return None
    steps = {_table(fact.use_case, key): used for key, used in _steps(instance, fact.run_id).items()}
    parts = _parts(instance, fact) if any(name.startswith(f"{MODEL}/") for name in steps) else {}
    whole = record.dagster_run.tags.get(CPU_SECONDS_TAG)
    if not steps and whole is None:
        return None
    ended = fact.ended_at or record.update_timestamp.replace(tzinfo=UTC)
    cpu_seconds = None if whole is None else float(whole)
    return RunUsage(fact.run_id, fact.use_case, fact.job, fact.days or "", ended, steps, cpu_seconds, parts)


def _steps(instance: dg.DagsterInstance, run_id: str) -> Mapping[str, Quantities]:
    used: dict[str, Quantities] = {}
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
        event = entry.dagster_event
        if event is None or not isinstance(event.event_specific_data, EngineEventData):
            continue
        value = event.event_specific_data.metadata.get(USAGE_ENTRY)
        data: Any = None if value is None else value.value
        for key, quantities in (data or {}).items():
            used[key] = used.get(key, Quantities()) + Quantities.of(quantities)
    return used


def _parts(instance: dg.DagsterInstance, fact: RunFact) -> Mapping[str, Sequence[PartUsage]]:
    """What parts of the run's steps took, by `layer/table`, where a step says so."""
    found: dict[str, Sequence[PartUsage]] = {}
    for entry in instance.all_logs(fact.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION):
        made = entry.asset_materialization
        if made is not None and PARTS_ENTRY in made.metadata and entry.step_key is not None and fact.use_case:
            data: Any = made.metadata[PARTS_ENTRY].value
            parts = [PartUsage(one["part"], one["seconds"], one["cpu_seconds"]) for one in data]
            found[_table(fact.use_case, entry.step_key)] = parts
    return found


def _table(use_case: str, step: str) -> str:
    """`layer/table` of a step whose key Dagster made of `[use_case, layer, table]`."""
    return step.removeprefix(f"{use_case}__").replace("__", "/", 1)
