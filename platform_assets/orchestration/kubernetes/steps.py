"""The executor that gives each step a pod of the size its asset declares, names what it died of, and starts it again where that helps.

Belongs here: what dagster-k8s's executor lacks. Does not belong here: the run's own pod (`launcher.py`), or the policy (`retries.py`).
"""

from collections.abc import Iterator, Mapping
from time import time
from typing import Any

import dagster as dg
from dagster import _check as check
from dagster._core.definitions.executor_definition import multiple_process_executor_requirements
from dagster._core.execution.plan.objects import StepRetryData
from dagster._core.execution.retries import RetryMode, get_retries_config
from dagster._core.execution.stats import StepEventStatus
from dagster._core.execution.tags import get_tag_concurrency_limits_config
from dagster._core.executor.base import Executor
from dagster._core.executor.init import InitExecutorContext
from dagster._core.executor.step_delegating import (
    CheckStepHealthResult,
    StepDelegatingExecutor,
    StepHandlerContext,
)
from dagster_k8s.container_context import K8sContainerContext
from dagster_k8s.executor import K8sStepHandler
from dagster_k8s.job import USER_DEFINED_K8S_JOB_CONFIG_SCHEMA, UserDefinedDagsterK8sConfig
from dagster_shared.error import SerializableErrorInfo

from platform_assets.declaration.sections.compute import Compute
from platform_assets.deployment.causes import Cause, CauseKind
from platform_assets.orchestration.kubernetes.deaths import death, refusal
from platform_assets.orchestration.kubernetes.launcher import DeclaredRunLauncher
from platform_assets.orchestration.kubernetes.plan import K8S_EXECUTOR
from platform_assets.orchestration.kubernetes.sizes import compute_in, memory_factor, pod_config
from platform_assets.orchestration.kubernetes.step_client import StepClient
from platform_assets.orchestration.retries import (
    MEMORY_FACTOR,
    Consequence,
    consequence,
)
from platform_assets.orchestration.run_deaths import report, reported, waits_since

ENDED = (StepEventStatus.SUCCESS, StepEventStatus.FAILURE, StepEventStatus.SKIPPED)
HEALTH_SECONDS = 5
"""How often each step's pod is looked at; dagster-k8s has 20."""
SECONDS_BEFORE_RETRY = 1


@dg.executor(
    name=K8S_EXECUTOR,
    config_schema={
        "job_namespace": dg.Field(dg.StringSource, is_required=False),
        "job_image": dg.Field(dg.StringSource, is_required=False),
        "retries": get_retries_config(),  # type: ignore[no-untyped-call]
        "max_concurrent": dg.Field(dg.IntSource, is_required=False),
        "tag_concurrency_limits": get_tag_concurrency_limits_config(),  # type: ignore[no-untyped-call]
        "step_k8s_config": dg.Field(USER_DEFINED_K8S_JOB_CONFIG_SCHEMA, is_required=False),
        "per_step_k8s_config": dg.Field({str: USER_DEFINED_K8S_JOB_CONFIG_SCHEMA}, is_required=False, default_value={}),
    },
    requirements=multiple_process_executor_requirements(),
)
def declared_k8s_executor(init_context: InitExecutorContext) -> Executor:
    """Each step in a pod of its own, with dagster-k8s, on an instance whose run launcher is `DeclaredRunLauncher`.

    Raises:
        dagster.DagsterInvariantViolationError: the instance has another run launcher.
    """
    launcher = init_context.instance.run_launcher
    config: Mapping[str, Any] = init_context.executor_config
    if not isinstance(launcher, DeclaredRunLauncher):
        raise dg.DagsterInvariantViolationError(
            f"steps in pods of their own need the run launcher {DeclaredRunLauncher.__module__}.{DeclaredRunLauncher.__name__} in "
            f"dagster.yaml; it has {type(launcher).__name__}"
        )
    handler = DeclaredStepHandler(
        image=config.get("job_image"),
        container_context=K8sContainerContext(
            namespace=config.get("job_namespace"),
            run_k8s_config=UserDefinedDagsterK8sConfig.from_dict(config.get("step_k8s_config", {})),
        ),
        load_incluster_config=launcher.load_incluster_config,
        kubeconfig_file=launcher.kubeconfig_file,
        per_step_k8s_config=config["per_step_k8s_config"],
        enable_owner_references=False,  # steps outlive the run's pod: a new one takes them over
    )
    return StepDelegatingExecutor(
        handler,
        retries=check.not_none(RetryMode.from_config(config["retries"])),
        max_concurrent=config.get("max_concurrent"),
        tag_concurrency_limits=config.get("tag_concurrency_limits"),
        check_step_health_interval_seconds=HEALTH_SECONDS,
        should_verify_step=True,
    )


class DeclaredStepHandler(K8sStepHandler):  # type: ignore[misc] # dagster-k8s has no types
    """dagster-k8s's handler; a step's size comes from its op's declaration, and its death has a cause and a consequence."""

    def __init__(self, **config: Any) -> None:
        """Take the configuration of dagster-k8s's handler."""
        super().__init__(**config)
        self._api_client: Any = StepClient(self._api_client)
        self._refused: dict[str, Cause] = {}
        """Jobs that the API did not take, by name: their steps fail alone, not the whole run."""

    @property
    def name(self) -> str:
        """Name in the event log."""
        return type(self).__name__

    def launch_step(self, step_handler_context: StepHandlerContext) -> Iterator[dg.DagsterEvent]:
        """Create the step's Job; one that is refused is looked at like one that died."""
        try:
            yield from super().launch_step(step_handler_context)
        except Exception as error:
            cause = refusal(error)
            if cause is None:
                raise
            self._refused[self._get_k8s_step_job_name(step_handler_context)] = cause

    def check_step_health(self, step_handler_context: StepHandlerContext) -> CheckStepHealthResult:
        """Whether the step's pod is well.

        A pod that died, or can never start, is told in the event log with its cause. The step is then up for retry, or fails.
        """
        step_key, job_name = self._get_step_key(step_handler_context), self._get_k8s_step_job_name(step_handler_context)
        namespace = str(super()._get_container_context(step_handler_context).namespace)
        refused = self._refused.get(job_name)
        health = super().check_step_health(step_handler_context) if refused is None else None
        cause = refused or death(self._api_client, namespace, job_name)
        if cause is None:
            return health if health is not None else CheckStepHealthResult.healthy()
        if not cause.final and refused is None and self._may_wait(step_handler_context, step_key, job_name, cause):
            return CheckStepHealthResult.healthy()
        if self._is_over(step_handler_context, step_key):
            return CheckStepHealthResult.healthy()  # it ended; its last events are on their way
        then = self._decide(step_handler_context, step_key, job_name, cause)
        if health is not None and health.is_healthy:  # its pod waits, or is lost: it must not come to life again
            self._api_client.delete_job(job_name=job_name, namespace=namespace)
        reason = f"{cause.sentence} {then.reason}"
        if not then.again:
            return CheckStepHealthResult.unhealthy(reason)
        error = SerializableErrorInfo(message=reason, stack=[], cls_name=str(cause.kind))
        dg.DagsterEvent.step_retry_event(
            step_handler_context.get_step_context(step_key),
            StepRetryData(error, SECONDS_BEFORE_RETRY),  # type: ignore[no-untyped-call]
        )
        return CheckStepHealthResult.healthy()

    def _may_wait(self, context: StepHandlerContext, step_key: str, job_name: str, cause: Cause) -> bool:
        """Tell once for what a pod waits; no longer than a run may take to start."""
        instance, run = context.instance, context.dagster_run
        since = waits_since(instance, run.run_id, job_name, cause.kind, step_key)
        if since is None:
            report(instance, run, job_name, cause, None, step_key)
            return True
        return time() - since < instance.run_monitoring_start_timeout_seconds

    def _decide(self, context: StepHandlerContext, step_key: str, job_name: str, cause: Cause) -> Consequence:
        instance, run = context.instance, context.dagster_run
        earlier = dict(reported(instance, run.run_id, step_key))
        earlier.pop(job_name, None)
        compute = compute_in(context.step_tags[step_key]) or Compute()
        then = consequence(cause, compute, list(earlier.values()), self._memory_factor(context, step_key))
        if then.again and context.get_step_context(step_key).retry_mode.disabled:
            then = Consequence(
                False, then.memory_factor, "It is not started again: the run's configuration says `retries: disabled`"
            )
        report(instance, run, job_name, cause, then, step_key)
        return then

    def _memory_factor(self, context: StepHandlerContext, step_key: str) -> float:
        """How many times the declared memory the step's present attempt has: known from the event log, which outlives the run's pod."""
        present = self._get_k8s_step_job_name(context)
        causes = reported(context.instance, context.dagster_run.run_id, step_key)
        died = any(cause == CauseKind.OUT_OF_MEMORY for job, cause in causes.items() if job != present)
        return memory_factor(context.dagster_run.tags) * (MEMORY_FACTOR if died else 1.0)

    def _get_k8s_step_job_name(self, step_handler_context: StepHandlerContext) -> str:
        """The Job's name; the client learns beside it by which controller the step is run."""
        name = str(super()._get_k8s_step_job_name(step_handler_context))
        compute = compute_in(step_handler_context.step_tags[self._get_step_key(step_handler_context)])
        if compute is not None:
            self._api_client.on[name] = compute.on
        return name

    def _get_container_context(self, step_handler_context: StepHandlerContext) -> K8sContainerContext:
        context = super()._get_container_context(step_handler_context)
        step_key = self._get_step_key(step_handler_context)
        compute = compute_in(step_handler_context.step_tags[step_key])
        if compute is None:
            return context
        launcher = step_handler_context.instance.run_launcher
        assert isinstance(launcher, DeclaredRunLauncher)
        factor = self._memory_factor(step_handler_context, step_key)
        sized = UserDefinedDagsterK8sConfig.from_dict(pod_config(compute, factor, launcher.priority_classes))
        by_hand = self._per_step_k8s_config.get(step_handler_context.get_step_context(step_key).step.op_name, {})
        return context.merge(K8sContainerContext(run_k8s_config=sized)).merge(
            K8sContainerContext(run_k8s_config=UserDefinedDagsterK8sConfig.from_dict(by_hand))
        )

    @staticmethod
    def _is_over(context: StepHandlerContext, step_key: str) -> bool:
        stats = context.instance.get_run_step_stats(context.dagster_run.run_id, step_keys=[step_key])
        return any(one.status in ENDED for one in stats)
