"""Runs and steps in pods of the test cluster: what kills them is named, and what follows is done.

Belongs here: the causes, injected one by one, and a run whose steps have pods. Does not belong here: what is rendered (`deploy/runs/`).
"""

import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from platform_assets.orchestration.kubernetes.watch import start_watch
from platform_assets.orchestration.run_deaths import CAUSE, FOLLOWS, reported
from platform_assets.testing.servers import PostgreSQL, postgresql
from platform_assets_tests.deploy.runs.paths import Server, instance_settings, located, materialize
from platform_assets_tests.kubernetes.cluster.handle import ClusterHandle, test_cluster
from platform_assets_tests.kubernetes.objects_for_tests import until

pytestmark = pytest.mark.kubernetes

ROOT = Path(__file__).parents[2]
NAMESPACE, CLASS = "runs", "platform-assets/node-class"
NODES: list[Any] = [
    {"name": "plain", "capacity": {"cpu": "8", "memory": "16Gi"}},
    {"name": "small", "capacity": {"cpu": "1", "memory": "4Gi"}, "labels": {CLASS: "small"}},
    {"name": "dying", "capacity": {"cpu": "4", "memory": "8Gi"}, "labels": {CLASS: "dying"}},
]
IMAGES = {
    "platform-assets:1": {
        "python": sys.executable,
        "environment": {
            "PYTHONPATH": str(ROOT),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "DAGSTER_STEP_DELEGATING_EXECUTOR_SLEEP_SECONDS": "0.2",
        },
    }
}


@dataclass
class Host:
    """dagster's server side before the test cluster, whose daemons take a turn whenever a test asks."""

    server: Server
    cluster: ClusterHandle
    folder: Path
    watch: dg.SensorDefinition = field(default_factory=lambda: start_watch(dg.DefaultSensorStatus.STOPPED))

    @property
    def instance(self) -> dg.DagsterInstance:
        return self.server.instance

    def start(self, asset: str, **tags: Any) -> dg.DagsterRun:
        """Materialize an asset; tags that are no text are JSON."""
        plain = {key: value if isinstance(value, str) else json.dumps(value) for key, value in tags.items()}
        [run] = self.server.new_runs(lambda on: materialize(on, ["podded", "raw", asset], tags=plain))
        self.turn()
        return run

    def turn(self) -> None:
        """One turn of the daemons: queue, run monitoring, retries; and of the sensor that looks at starts."""
        from dagster._daemon.auto_run_reexecution.auto_run_reexecution import consume_new_runs_for_automatic_reexecution
        from dagster._daemon.monitoring.run_monitoring import execute_run_monitoring_iteration

        log = logging.getLogger("test")
        self.server.dequeue()
        list(self.watch(dg.build_sensor_context(instance=self.instance)))
        assert not [error for error in execute_run_monitoring_iteration(self.server.context, log) if error]
        failed = self.instance.get_run_records(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))
        list(consume_new_runs_for_automatic_reexecution(self.server.context, failed, log))

    def until(self, look: Callable[[], Any], seconds: float = 120) -> Any:
        """Take turns until the answer is true."""

        def looked() -> Any:
            self.turn()
            return look()

        return until(looked, seconds)

    def started(self, run: dg.DagsterRun) -> dict[str, Any]:
        """The run's pod, when the run has begun."""
        self.until(lambda: self.status(run) == dg.DagsterRunStatus.STARTED)
        [pod] = self.pods(run)
        return pod

    def jobs_of_steps(self, run: dg.DagsterRun) -> list[dict[str, Any]]:
        jobs = self.cluster.get(f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs")["items"]
        return [
            job
            for job in jobs
            if job["metadata"]["name"].startswith("dagster-step")
            and job["metadata"]["labels"]["dagster/run-id"] == run.run_id
        ]

    def pods(self, run: dg.DagsterRun, attempt: str = "") -> list[dict[str, Any]]:
        path = f"/api/v1/namespaces/{NAMESPACE}/pods?labelSelector=job-name%3Ddagster-run-{run.run_id}{attempt}"
        return list(self.cluster.get(path)["items"])

    def status(self, run: dg.DagsterRun) -> dg.DagsterRunStatus:
        now = self.instance.get_run_by_id(run.run_id)
        assert now is not None
        return now.status

    def cause(self, run: dg.DagsterRun) -> dict[str, str]:
        """The newest cause in the run's event log and what followed."""
        found = [
            entry.dagster_event.engine_event_data.metadata
            for entry in self.instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
            if entry.dagster_event and CAUSE in entry.dagster_event.engine_event_data.metadata
        ]
        return {key: str(found[-1][key].value) for key in (CAUSE, FOLLOWS)} if found else {}

    def log(self, run: dg.DagsterRun) -> str:
        """The run's event log, to be read where a test fails."""
        entries = [entry for entry in self.instance.all_logs(run.run_id) if entry.dagster_event]
        return "\n".join(
            f"{entry.dagster_event.step_key}: {entry.message} {entry.dagster_event.event_specific_data}"[:600]
            for entry in entries
            if entry.dagster_event
        )

    def retry(self, run: dg.DagsterRun) -> dg.DagsterRun | None:
        """The run that was started in its place."""
        return next((one for one in self.instance.get_runs() if one.parent_run_id == run.run_id), None)

    def end(self, *runs: dg.DagsterRun) -> None:
        """Cancel what still waits."""
        for run in runs:
            if not (self.instance.get_run_by_id(run.run_id) or run).is_finished:
                self.instance.run_launcher.terminate(run.run_id)
                self.instance.report_run_canceled(run)


@contextmanager
def host(folder: Path, database: PostgreSQL, module: str) -> Iterator[Host]:
    with test_cluster(folder / "kube", images=IMAGES, nodes=NODES, toleration_seconds=1) as cluster:
        home = folder / "dagster"
        home.mkdir()
        settings = {
            **instance_settings(
                cluster.kubeconfig,
                {},
                dagster_home=str(home),
                job_namespace=NAMESPACE,
                fail_pod_on_run_failure=True,
                resources={"requests": {"cpu": "100m", "memory": "1000M"}, "limits": {"memory": "1000M"}},
                priority_classes={"low": "runs-low"},
            ),
            "storage": {"postgres": {"postgres_url": database.url.replace("postgresql:", "postgresql+psycopg2:")}},
            "run_retries": {"enabled": True, "max_retries": 0, "retry_on_asset_or_op_failure": False},
            "run_monitoring": {"enabled": True, "max_resume_run_attempts": 100},
        }
        (home / "dagster.yaml").write_text(yaml.safe_dump(settings))
        _prepare(cluster, (home / "dagster.yaml").read_text())
        with dg.DagsterInstance.from_config(str(home)) as instance, located(instance, module) as context:
            yield Host(Server(context), cluster, folder)


def _prepare(cluster: ClusterHandle, settings: str) -> None:
    def add(path: str, api: str, kind: str, name: str, **body: Any) -> None:
        cluster.post(path, {"apiVersion": api, "kind": kind, "metadata": {"name": name}, **body})

    add("/api/v1/namespaces", "v1", "Namespace", NAMESPACE)
    inside = f"/api/v1/namespaces/{NAMESPACE}"
    add(f"{inside}/serviceaccounts", "v1", "ServiceAccount", "platform-assets-runs")
    add(f"{inside}/configmaps", "v1", "ConfigMap", "instance", data={"dagster.yaml": settings})
    add(f"{inside}/resourcequotas", "v1", "ResourceQuota", "room", spec={"hard": {"requests.memory": "100Gi"}})
    classes = "/apis/scheduling.k8s.io/v1/priorityclasses"
    for name, value in (("runs-low", -10), ("first", 1000)):
        add(classes, "scheduling.k8s.io/v1", "PriorityClass", name, value=value)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with (
        postgresql() as database,
        host(tmp_path_factory.mktemp("runs"), database, "platform_assets_tests.kubernetes.runs_location") as one,
    ):
        yield one


def waiting(runs: Host, node_class: str = "", **spec: Any) -> Mapping[str, Any]:
    """Tags of a run that waits, on a node of a class."""
    chosen = {"node_selector": {CLASS: node_class}} if node_class else {}
    return {
        "wait-for": str(runs.folder / "nothing"),
        "dagster-k8s/config": {"pod_spec_config": {**chosen, **spec}},
    }


def test_out_of_memory_is_named_and_the_run_is_started_again_with_twice_the_memory(runs: Host) -> None:
    run = runs.start("greedy")
    retry = runs.until(lambda: runs.retry(run))
    assert runs.cause(run) == {CAUSE: "out_of_memory", FOLLOWS: "It is started again, once, with 1 GB"}
    runs.until(lambda: runs.status(retry).value in ("SUCCESS", "FAILURE"))
    assert runs.status(retry) == dg.DagsterRunStatus.SUCCESS
    [pod] = runs.pods(retry)
    assert pod["spec"]["containers"][0]["resources"]["limits"]["memory"] == "1000M"


def test_an_evicted_run_is_started_again_unchanged(runs: Host) -> None:
    run = runs.start("wait", **waiting(runs))
    pod = runs.started(run)
    runs.cluster.post(f"/-/pods/{NAMESPACE}/{pod['metadata']['name']}/evict-pressure")
    retry = runs.until(lambda: runs.retry(run))
    assert runs.cause(run)[CAUSE] == "evicted"
    assert "unchanged, 1 of 5" in runs.cause(run)[FOLLOWS]
    again = runs.until(lambda: runs.pods(retry))[0]
    assert again["spec"]["containers"][0]["resources"] == pod["spec"]["containers"][0]["resources"]
    runs.end(retry)


def test_a_preempted_run_is_started_again(runs: Host) -> None:
    run = runs.start("wait", **waiting(runs, "small"))
    runs.started(run)
    container = {
        "name": "main",
        "image": "platform-assets:1",
        "command": ["python", "-c", "import time; time.sleep(600)"],
        "resources": {"requests": {"cpu": "900m"}, "limits": {"cpu": "900m"}},
    }
    spec = {"nodeSelector": {CLASS: "small"}, "priorityClassName": "first", "containers": [container]}
    spec["containers"][0]["resources"]["requests"]["memory"] = "1Gi"
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "important"}, "spec": spec}
    runs.cluster.post(f"/api/v1/namespaces/{NAMESPACE}/pods", body)
    retry = runs.until(lambda: runs.retry(run))
    assert runs.cause(run)[CAUSE] == "preempted"
    runs.cluster.delete(f"/api/v1/namespaces/{NAMESPACE}/pods/important")
    runs.end(retry)


def test_a_run_whose_node_is_lost_is_started_again(runs: Host) -> None:
    run = runs.start("wait", **waiting(runs, "dying"))
    runs.started(run)
    runs.cluster.post("/-/nodes/dying/lost")
    retry = runs.until(lambda: runs.retry(run))
    assert runs.cause(run)[CAUSE] == "node_gone"
    runs.end(retry)


def test_a_run_that_takes_too_long_is_ended_and_not_started_again(runs: Host) -> None:
    run = runs.start("wait", **waiting(runs, active_deadline_seconds=15))
    runs.until(lambda: runs.status(run) == dg.DagsterRunStatus.FAILURE)
    assert runs.cause(run)[CAUSE] == "timeout"
    assert "0 of 0 times" in runs.cause(run)[FOLLOWS]
    assert runs.retry(run) is None


def test_an_image_that_is_not_there_ends_the_run_at_once(runs: Host) -> None:
    run = runs.start("work", **{"dagster-k8s/config": {"container_config": {"image": "nowhere:1"}}})
    runs.until(lambda: runs.status(run) == dg.DagsterRunStatus.FAILURE)
    assert runs.cause(run)[CAUSE] == "image"
    assert "the same would happen" in runs.cause(run)[FOLLOWS]
    assert runs.retry(run) is None


def test_a_quota_that_can_never_be_met_ends_the_run_at_once(runs: Host) -> None:
    run = runs.start("huge")
    runs.until(lambda: runs.status(run) == dg.DagsterRunStatus.FAILURE)
    assert runs.cause(run)[CAUSE] == "quota"
    assert runs.retry(run) is None


def test_a_run_that_no_node_takes_is_told_and_waits(runs: Host) -> None:
    run = runs.start("crowd")
    runs.until(lambda: runs.cause(run))
    assert runs.cause(run) == {CAUSE: "unschedulable", FOLLOWS: "It waits"}
    assert runs.status(run) == dg.DagsterRunStatus.STARTING
    assert reported(runs.instance, run.run_id) == {}, "it did not die"
    runs.end(run)


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """The real executor: the run's pod, and a pod for each step."""
    module = "platform_assets_tests.kubernetes.runs_steps_location"
    with postgresql() as database, host(tmp_path_factory.mktemp("steps"), database, module) as one:
        yield one


def test_a_step_that_was_out_of_memory_is_started_again_in_the_same_run(steps: Host) -> None:
    [run] = steps.server.new_runs(
        lambda on: materialize(on, ["podded", "raw", "work"], ["podded", "raw", "greedy"], tags={})
    )
    jobs: dict[str, dict[str, Any]] = {}  # a Job that does not know yet that its pod died is deleted

    def ended() -> bool:
        jobs.update({job["metadata"]["name"]: job for job in steps.jobs_of_steps(run)})
        return steps.status(run).value in ("SUCCESS", "FAILURE")

    steps.until(ended, 240)
    assert steps.status(run) == dg.DagsterRunStatus.SUCCESS, steps.log(run)
    assert list(reported(steps.instance, run.run_id, "podded__raw__greedy").values()) == ["out_of_memory"]
    assert len(jobs) == 3, "one for the step before, two for the one that died"
    memory = {
        job["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"]
        for job in jobs.values()
        if job["metadata"]["labels"]["dagster/op"] == "podded__raw__greedy"
    }
    assert memory == {"500M", "1000M"}


def test_a_new_pod_takes_over_the_steps_of_a_run_whose_pod_was_evicted(steps: Host) -> None:
    go_on = steps.folder / "go-on"
    run = steps.start("wait", **{"wait-for": str(go_on)})
    pod = steps.started(run)
    begun = "podded__raw__wait"
    steps.until(lambda: steps.instance.get_run_step_stats(run.run_id, [begun])[0].start_time)
    steps.cluster.post(f"/-/pods/{NAMESPACE}/{pod['metadata']['name']}/evict-pressure")
    steps.until(lambda: steps.pods(run, "-1"))
    go_on.touch()
    steps.until(lambda: steps.status(run).value in ("SUCCESS", "FAILURE"), 240)
    assert steps.status(run) == dg.DagsterRunStatus.SUCCESS, steps.log(run)
    assert steps.cause(run)[CAUSE] == "evicted"
    assert len(steps.jobs_of_steps(run)) == 1, "the step went on meanwhile and was not started again"
