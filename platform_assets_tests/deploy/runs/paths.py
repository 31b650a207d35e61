"""The four paths on which a run is made, each through dagster's own server code or daemon.

Belongs here: an instance with the platform's coordinator and launcher before an API that only takes down, and the paths. Does not belong
here: what is asserted of their runs.
"""

import json
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any
from unittest.mock import patch

import dagster as dg
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster_graphql.client.query import LAUNCH_PARTITION_BACKFILL_MUTATION, LAUNCH_PIPELINE_EXECUTION_MUTATION
from dagster_graphql.test.utils import execute_dagster_graphql
from kubernetes.client import ApiClient

LOCATION, REPOSITORY, DAY = "sized", "__repository__", "2024-01-01"
NO_TAGS: Mapping[str, str] = MappingProxyType({})
OF_THE_DAY: Mapping[str, str] = MappingProxyType({"dagster/partition": DAY})
SENSOR = "default_automation_condition_sensor"
KEYS = [["sized", "raw", "events"], ["sized", "model", "classifier"]]
ORCHESTRATION = "platform_assets.orchestration.kubernetes"
KUBECONFIG = """
apiVersion: v1
kind: Config
clusters: [{name: none, cluster: {server: "http://127.0.0.1:9"}}]
contexts: [{name: none, context: {cluster: none, user: none}}]
current-context: none
users: [{name: none, user: {}}]
"""


@dataclass
class TakesDown:
    """An API that takes down what Jobs it is asked for, and creates none."""

    jobs: list[dict[str, Any]] = field(default_factory=list)

    def create_namespaced_job_with_retries(self, body: Any, namespace: str) -> None:
        """Keep the Job as it would be sent."""
        self.jobs.append(ApiClient().sanitize_for_serialization(body))


@dataclass
class Server:
    """dagster's server and daemons in this process, before an API that only takes down."""

    context: WorkspaceProcessContext
    api: TakesDown = field(default_factory=TakesDown)

    @property
    def instance(self) -> dg.DagsterInstance:
        """The instance."""
        return self.context.instance

    def graphql(self, query: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        """What the UI is answered."""
        with self.context.create_request_context() as request:
            result = execute_dagster_graphql(request, query, variables)
        [answer] = result.data.values()
        assert answer["__typename"] in ("LaunchRunSuccess", "LaunchBackfillSuccess"), answer
        return dict(answer)

    def new_runs(self, make: Callable[["Server"], None]) -> list[dg.DagsterRun]:
        """The runs that a path makes, queued."""
        before = {run.run_id for run in self.instance.get_runs()}
        make(self)
        return [run for run in self.instance.get_runs() if run.run_id not in before]

    def dequeue(self) -> None:
        """One turn of the daemon that takes runs from the queue."""
        from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon

        errors = [
            error for error in QueuedRunCoordinatorDaemon(interval_seconds=1).run_iteration(self.context) if error
        ]
        assert not errors, errors


@contextmanager
def server(folder: Path, module: str, **coordinator: Any) -> Iterator[Server]:
    """A server with a code location of this module, before an API that only takes down.

    Args:
        folder: an empty folder.
        module: the location's.
        coordinator: configuration of the run coordinator.
    """
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(KUBECONFIG)
    settings = instance_settings(kubeconfig, coordinator, resources={"limits": {"memory": "500M"}})
    with dg.DagsterInstance.local_temp(str(folder), overrides=settings) as instance:
        api = TakesDown()
        instance.run_launcher._api_client = api  # type: ignore[attr-defined]
        with located(instance, module) as context:
            yield Server(context, api)


def instance_settings(kubeconfig: Path, coordinator: Mapping[str, Any], **launcher: Any) -> dict[str, Any]:
    """A `dagster.yaml` with the platform's coordinator and launcher."""
    return {
        "telemetry": {"enabled": False},
        "run_coordinator": {
            "module": f"{ORCHESTRATION}.coordinator",
            "class": "DeclaredRunCoordinator",
            "config": {"max_concurrent_runs": 1000, **coordinator},
        },
        "run_launcher": {
            "module": f"{ORCHESTRATION}.launcher",
            "class": "DeclaredRunLauncher",
            "config": {
                "service_account_name": "platform-assets-runs",
                "instance_config_map": "instance",
                "dagster_home": "/opt/dagster/home",
                "job_image": "platform-assets:1",
                "load_incluster_config": False,
                "kubeconfig_file": str(kubeconfig),
                **launcher,
            },
        },
    }


@contextmanager
def located(instance: dg.DagsterInstance, module: str) -> Iterator[WorkspaceProcessContext]:
    """A workspace with one code location in this process."""
    origin = InProcessCodeLocationOrigin(
        LoadableTargetOrigin(executable_path=sys.executable, module_name=module, attribute="defs"),
        location_name=LOCATION,
    )
    with WorkspaceProcessContext(instance, InProcessWorkspaceLoadTarget([origin])) as context:
        yield context


def by_job(server: Server, tags: Mapping[str, str] = NO_TAGS) -> None:
    """Launched as a job, as schedules and people do, who may add tags."""
    _launch(server, {"pipelineName": "sized__train"}, {**OF_THE_DAY, **tags})


def by_hand(server: Server) -> None:
    """Materialized in the UI: the job that dagster makes of all assets, with a selection."""
    materialize(server, *KEYS)


def materialize(server: Server, *keys: list[str], tags: Mapping[str, str] | None = None) -> None:
    """Materialize assets in the UI."""
    _launch(
        server,
        {"pipelineName": "__ASSET_JOB", "assetSelection": [{"path": key} for key in keys]},
        OF_THE_DAY if tags is None else tags,
    )


def by_backfill(server: Server) -> None:
    """A backfill of both assets, its runs made by the daemon."""
    from dagster._daemon.backfill import execute_backfill_iteration

    selection = [{"path": key} for key in KEYS]
    server.graphql(
        LAUNCH_PARTITION_BACKFILL_MUTATION,
        {"backfillParams": {"assetSelection": selection, "partitionNames": [DAY]}},
    )
    errors = [error for error in execute_backfill_iteration(server.context, logging.getLogger("backfill")) if error]
    assert not errors, errors


def by_automation(server: Server) -> None:
    """Requested by an automation condition, its runs made by the daemon."""
    from dagster._daemon.asset_daemon import AssetDaemon

    with server.context.create_request_context() as request:
        sensor = request.get_code_location(LOCATION).get_repository(REPOSITORY).get_sensor(SENSOR)
        server.instance.start_sensor(sensor)
    daemon = AssetDaemon(settings=server.instance.get_auto_materialize_settings(), pre_sensor_interval_seconds=0)
    with ThreadPoolExecutor(1) as threads:
        ticks: dict[str | None, Any] = {}
        daemon._run_iteration_impl(server.context, threads, ticks, {})
        for tick in ticks.values():
            tick.result()


PATHS: dict[str, Callable[[Server], None]] = {
    "job": by_job,
    "UI": by_hand,
    "backfill": by_backfill,
    "automation": by_automation,
}


def step_job(server: Server, run: dg.DagsterRun, step_key: str) -> dict[str, Any]:
    """The Job of a step of a run, as the executor in the run's pod would send it."""
    from dagster._core.execution.api import create_execution_plan
    from dagster._core.executor.step_delegating import StepHandlerContext
    from dagster._grpc.types import ExecuteStepArgs
    from dagster_k8s.container_context import K8sContainerContext

    from platform_assets.orchestration.kubernetes.step_client import StepClient
    from platform_assets.orchestration.kubernetes.steps import DeclaredStepHandler
    from platform_assets_tests.deploy.runs.sized_steps import defs

    launcher = server.instance.run_launcher
    handler = DeclaredStepHandler(
        image="platform-assets:1",
        container_context=K8sContainerContext(),
        load_incluster_config=False,
        kubeconfig_file=launcher.kubeconfig_file,  # type: ignore[attr-defined]
    )
    handler._api_client = StepClient(server.api, server.api)
    job = (
        defs.resolve_job_def(run.job_name)
        if run.job_name != "__ASSET_JOB"
        else defs.resolve_implicit_global_asset_job_def()
    )
    plan = create_execution_plan(job.get_subset(asset_selection=run.asset_selection))
    arguments = ExecuteStepArgs(
        job_origin=run.job_code_origin,
        run_id=run.run_id,
        step_keys_to_execute=[step_key],
        instance_ref=server.instance.get_ref(),
    )
    plan_context = SimpleNamespace(for_step=lambda step: SimpleNamespace(step=step))
    context = StepHandlerContext(server.instance, plan_context, [plan.get_step_by_key(step_key)], arguments, run)  # type: ignore[arg-type, list-item]
    started = handler.launch_step(context)
    with patch.object(dg.DagsterEvent, "step_worker_starting"):
        list(started)
    return server.api.jobs[-1]


def _launch(server: Server, selector: Mapping[str, Any], tags: Mapping[str, str]) -> None:
    where = {"repositoryLocationName": LOCATION, "repositoryName": REPOSITORY}
    server.graphql(
        LAUNCH_PIPELINE_EXECUTION_MUTATION,
        {
            "executionParams": {
                "selector": {**where, **selector},
                "runConfigData": json.dumps({}),
                "mode": "default",
                "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in tags.items()]},
            }
        },
    )
