"""The run launcher: each run is a Job of the size that its steps declare, and its pod's death has a cause and a consequence.

Belongs here: what dagster-k8s's run launcher lacks. Does not belong here: steps in pods of their own (`steps.py`), or the policy
(`orchestration/retries.py`).
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, Self

import dagster as dg
from dagster._core.launcher import LaunchRunContext, ResumeRunContext
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster._core.storage.tags import MAX_RETRIES_TAG
from dagster._serdes import ConfigurableClassData
from dagster_k8s import K8sRunLauncher
from dagster_k8s.container_context import K8sContainerContext
from dagster_k8s.job import (
    UserDefinedDagsterK8sConfig,
    get_job_name_from_run_id,
    get_user_defined_k8s_config,
)

from platform_assets.declaration.sections.compute import Compute
from platform_assets.deployment.kubernetes.diagnosis import Cause
from platform_assets.orchestration.kubernetes.deaths import death, refusal
from platform_assets.orchestration.kubernetes.plan import RunNeeds, run_needs
from platform_assets.orchestration.kubernetes.sizes import (
    MEMORY_TAG,
    PRIORITY_CLASSES,
    largest,
    memory_factor,
    pod_config,
    priority_config,
)
from platform_assets.orchestration.retries import Consequence, consequence
from platform_assets.orchestration.run_deaths import NO_MORE, earlier_causes, let_follow, report, reported, waits_since


class JobRefused(Exception):
    """The cluster does not take the Job of a run; the message says why and what to do."""


class DeclaredRunLauncher(K8sRunLauncher):  # type: ignore[misc] # dagster-k8s has no types
    """dagster-k8s's run launcher; the pod's size, its causes of death and what follows are the platform's.

    Needs `run_retries.enabled` in `dagster.yaml`, and `run_monitoring` with `max_resume_run_attempts` above 0, which only runs whose
    steps have pods of their own use.
    """

    def __init__(self, priority_classes: Mapping[str, str] | None = None, **config: Any) -> None:
        """Take the configuration of dagster-k8s's launcher and, beside it, the PriorityClass of each priority."""
        self.priority_classes = dict(PRIORITY_CLASSES if priority_classes is None else priority_classes)
        super().__init__(**config)

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """Fields in `dagster.yaml`: those of dagster-k8s, and `priority_classes`."""
        named = dg.Field(
            {str: str},
            is_required=False,
            description="PriorityClass of the pods of each priority (`low`, `normal`, `high`); `{}` for none.",
        )
        return {**super().config_type(), "priority_classes": named}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]) -> Self:
        """The launcher of a `dagster.yaml`."""
        return cls(inst_data=inst_data, **config_value)

    def get_container_context_for_run(self, dagster_run: dg.DagsterRun) -> K8sContainerContext:
        """What the Job is made of: the launcher's settings, then the size its steps declare, then tags that somebody gave this run."""
        context = super().get_container_context_for_run(dagster_run)
        needed = self._needs(dagster_run)
        if needed is None or not needed.steps:
            return context
        tags, whole = self._tags(dagster_run), largest(needed.steps)
        if needed.steps_have_pods:  # it only waits for them, but is not to be put out of its place by them
            sized = {"pod_spec_config": priority_config(whole.priority, self.priority_classes)}
        else:
            sized = pod_config(whole, memory_factor(tags), self.priority_classes)
        asked = get_user_defined_k8s_config(tags)
        return context.merge(K8sContainerContext(run_k8s_config=UserDefinedDagsterK8sConfig.from_dict(sized))).merge(
            K8sContainerContext(run_k8s_config=asked)
        )

    def launch_run(self, context: LaunchRunContext) -> None:
        """Create the run's Job.

        Raises:
            JobRefused: the cluster does not take it: no permission, no quota, a webhook.
        """
        self._create(context.dagster_run, lambda: super(DeclaredRunLauncher, self).launch_run(context))

    def resume_run(self, context: ResumeRunContext) -> None:
        """Go on with a run whose pod died: with a new pod where steps have pods of their own, which go on meanwhile.

        A run whose steps worked in the pod that died cannot be gone on with: it fails, and its retry begins with the step that was lost.
        What must not be started again fails too.
        """
        run = context.dagster_run
        needed = self._needs(run)
        refused = self._tags(run).get(MAX_RETRIES_TAG) == NO_MORE
        if needed is not None and needed.steps_have_pods and not refused:
            self._create(run, lambda: super(DeclaredRunLauncher, self).resume_run(context))
            return
        causes = ", ".join(reported(self._instance, run.run_id).values()) or "unknown"
        self._instance.report_run_failed(
            run, f"The run's pod died ({causes}); the event log above says why and what follows."
        )

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Whether the run's pod is well; where not, the cause stands in the event log and in the message, and decides what follows."""
        health: CheckRunHealthResult = super().check_run_worker_health(run)
        if health.status == WorkerStatus.SUCCESS:
            return health
        cause, lives = self.cause_of(run), health.status == WorkerStatus.RUNNING
        if cause is None or (lives and not cause.final):
            return health
        then = self._decide(run, cause)
        if lives:  # its node is lost: it must not come to life again beside the one that takes its place
            self._delete(run)
        return CheckRunHealthResult(WorkerStatus.FAILED, f"{cause.sentence} {then.reason}", False, health.run_worker_id)

    def look_at_start(self, run: dg.DagsterRun) -> None:
        """Tell why a run's pod does not start; what can never start fails now and not at the end of dagster's patience."""
        cause = self.cause_of(run)
        if cause is None:
            return
        if not cause.final:
            if waits_since(self._instance, run.run_id, self._job_name(run), cause.kind) is None:
                report(self._instance, run, self._job_name(run), cause, None)
            return
        then = self._decide(run, cause)
        self._delete(run)
        self._instance.report_run_failed(run, f"The run's pod did not start: {cause.sentence} {then.reason}.")

    def cause_of(self, run: dg.DagsterRun) -> Cause | None:
        """Why the run's pod died or does not start; None where nothing is known to be wrong."""
        namespace = str(self.get_container_context_for_run(run).namespace)
        return death(self._api_client, namespace, self._job_name(run))

    def _decide(self, run: dg.DagsterRun, cause: Cause) -> Consequence:
        """Put the cause in the event log once for each Job, and what follows in the run's tags, which its retry inherits."""
        tags, earlier = self._tags(run), earlier_causes(self._instance, run)
        job_name = self._job_name(run)
        known = dict(earlier)
        known.pop(job_name, None)
        needed = self._needs(run)
        compute = largest(needed.steps) if needed is not None and needed.steps else Compute()
        then = consequence(cause, compute, list(known.values()), memory_factor(tags))
        if job_name not in earlier:
            report(self._instance, run, job_name, cause, then)
            changed = {MEMORY_TAG: json.dumps(then.memory_factor)} if then.memory_factor != memory_factor(tags) else {}
            let_follow(self._instance, run, then, changed)
        return then

    def _create(self, run: dg.DagsterRun, create: Callable[[], None]) -> None:
        """Create a Job; a refusal is told with its cause, and nothing is tried again that would be refused again."""
        try:
            create()
        except Exception as error:
            cause = refusal(error)
            if cause is None:
                raise
            self._decide(run, cause)
            raise JobRefused(f"the cluster does not take the run's Job: {cause.sentence}") from error

    def _delete(self, run: dg.DagsterRun) -> None:
        namespace = self.get_container_context_for_run(run).namespace
        self._api_client.delete_job(job_name=self._job_name(run), namespace=namespace)

    def _job_name(self, run: dg.DagsterRun) -> str:
        return str(get_job_name_from_run_id(run.run_id, resume_attempt_number=self._get_resume_attempt_number(run)))

    def _tags(self, run: dg.DagsterRun) -> Mapping[str, str]:
        """The run's tags as they are now: its pod may have died since the run was read."""
        now = self._instance.get_run_by_id(run.run_id)
        return (now or run).tags

    def _needs(self, run: dg.DagsterRun) -> RunNeeds | None:
        try:
            return run_needs(self._instance, run)
        except LookupError:
            return None  # a run of before, or of a code location that is not ours: the launcher's settings are its size
