"""What the steps of a run need, from the plan that dagster stored with the run.

Belongs here: reading the plan. It is the one thing that runs of every path have: asset jobs, defined jobs, backfills and automation
conditions give their runs different tags, none of them those of its ops. Does not belong here: what follows from a size (`sizes.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import dagster as dg

from platform_assets.declaration.sections.compute import Compute
from platform_assets.orchestration.kubernetes.sizes import USE_CASE_TAG, compute_in

K8S_EXECUTOR: Final = "platform_assets_k8s"
"""Name of the executor that gives each step a pod of its own (`steps.py`)."""
STOCK_K8S_EXECUTOR: Final = "k8s"


@dataclass(frozen=True)
class RunNeeds:
    """What a run's steps need.

    Attributes:
        use_cases: whose steps they are.
        steps: what each step needs; an op that says nothing is left out.
        steps_have_pods: whether each step gets a pod of its own, so that the run's pod only waits.
    """

    use_cases: Sequence[str]
    steps: Sequence[Compute]
    steps_have_pods: bool


def run_needs(instance: dg.DagsterInstance, run: dg.DagsterRun) -> RunNeeds:
    """What the steps of a run need.

    Raises:
        LookupError: the run has no stored plan, so that nothing is known of its size.
    """
    plan_id = run.execution_plan_snapshot_id
    plan = None if plan_id is None else instance.get_execution_plan_snapshot(plan_id)
    if plan is None:
        raise LookupError(f"run {run.run_id} has no stored execution plan: what its steps need is not known")
    keys = set(plan.step_keys_to_execute)
    tags = [step.tags or {} for step in plan.steps if step.key in keys]
    found = [compute for compute in map(compute_in, tags) if compute is not None]
    return RunNeeds(
        use_cases=sorted({tag[USE_CASE_TAG] for tag in tags if USE_CASE_TAG in tag}),
        steps=found,
        steps_have_pods=plan.executor_name in (K8S_EXECUTOR, STOCK_K8S_EXECUTOR),
    )
