"""A step and a run get what their assets declare on every path on which runs are made."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dagster_k8s import K8sRunLauncher

from platform_assets.orchestration.kubernetes.launcher import DeclaredRunLauncher
from platform_assets_tests.deploy.runs.paths import PATHS, Server, by_job, server, step_job

OF_THE_RUN = {
    "metadata.name",
    "metadata.labels.dagster/run-id",
    "metadata.labels.dagster/job",
    "spec.template.metadata.name",
    "spec.template.metadata.labels.dagster/run-id",
    "spec.template.metadata.labels.dagster/job",
    "spec.template.spec.containers.0.args.3",
    "spec.template.spec.containers.0.env.DAGSTER_RUN_JOB_NAME.value",
    "spec.template.spec.containers.0.env.DAGSTER_COMPRESSED_EXECUTE_STEP_ARGS.value",
}
"""Keys that are a run's own: ids, and the name of the job that made it."""


@pytest.fixture(scope="module")
def in_run_pods(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with server(tmp_path_factory.mktemp("sized"), "platform_assets_tests.deploy.runs.sized") as running:
        yield running


@pytest.fixture(scope="module")
def in_step_pods(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with server(tmp_path_factory.mktemp("steps"), "platform_assets_tests.deploy.runs.sized_steps") as running:
        yield running


def flat(value: Any, where: str = "") -> dict[str, Any]:
    """Every leaf of a manifest by its path; environment variables by their names."""
    if isinstance(value, dict):
        return {
            key: leaf
            for name, child in value.items()
            for key, leaf in flat(child, f"{where}.{name}" if where else name).items()
        }
    if isinstance(value, list):
        named = [(item["name"], item) for item in value if isinstance(item, dict) and "name" in item]
        pairs = named if where.endswith(".env") else list(enumerate(value))
        return {key: leaf for name, child in pairs for key, leaf in flat(child, f"{where}.{name}").items()}
    return {where: value}


def run_jobs(running: Server) -> dict[str, dict[str, Any]]:
    """The Job of the run that each path makes."""
    found = {}
    for name, make in PATHS.items():
        runs = running.new_runs(make)
        assert len(runs) == 1, f"path {name} made {len(runs)} runs"
        [run] = runs
        running.dequeue()
        found[name] = running.api.jobs[-1]
        assert run.run_id in found[name]["metadata"]["name"]
        if name == "automation":
            assert run.tags.get("dagster/from_automation_condition") == "true"
        if name == "backfill":
            assert "dagster/backfill" in run.tags
        running.instance.delete_run(run.run_id)  # while it is on its way, an automation condition asks for nothing
    return found


def differing(jobs: dict[str, dict[str, Any]]) -> set[str]:
    """Keys that are not the same in all manifests."""
    leaves = [flat(job) for job in jobs.values()]
    return {
        key for key in set().union(*leaves) if len({json.dumps(job.get(key), sort_keys=True) for job in leaves}) > 1
    }


def test_the_jobs_of_all_paths_are_equal_but_for_ids_and_names(in_run_pods: Server) -> None:
    assert differing(run_jobs(in_run_pods)) - OF_THE_RUN == set()
    spec = in_run_pods.api.jobs[-1]["spec"]["template"]["spec"]
    assert spec["containers"][0]["resources"] == {
        "requests": {"cpu": "6", "memory": "8000M"},
        "limits": {"cpu": "6", "memory": "8000M", "nvidia.com/gpu": "1"},
    }, "of everything what the largest step needs, not the launcher's 500M"
    assert spec["priorityClassName"] == "platform-assets-runs-high"
    assert spec["nodeSelector"] == {"platform-assets/node-class": "gpu"}
    assert spec["activeDeadlineSeconds"] == 30 * 60
    assert "platform-assets/spot" not in json.dumps(spec), "one of the steps may not be taken away"


def test_without_the_launcher_nothing_of_it_would_be_there(
    in_run_pods: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What dagster-k8s does by itself: op tags never reach the run's pod, in which the steps run."""
    monkeypatch.setattr(
        DeclaredRunLauncher, "get_container_context_for_run", K8sRunLauncher.get_container_context_for_run
    )
    by_job(in_run_pods)
    in_run_pods.dequeue()
    [container] = in_run_pods.api.jobs[-1]["spec"]["template"]["spec"]["containers"]
    assert container["resources"] == {"limits": {"memory": "500M"}}


def test_what_somebody_asks_for_in_the_launchpad_counts_before_the_declaration(in_run_pods: Server) -> None:
    asked = {"container_config": {"resources": {"requests": {"cpu": "9"}}}}
    by_job(in_run_pods, {"dagster-k8s/config": json.dumps(asked), "dagster/priority": "77"})
    [run] = in_run_pods.instance.get_runs(limit=1)
    assert run.tags["dagster/priority"] == "77"
    in_run_pods.dequeue()
    [container] = in_run_pods.api.jobs[-1]["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["requests"] == {"cpu": "9", "memory": "8000M"}


def test_steps_in_pods_of_their_own_have_their_own_size_on_all_paths(in_step_pods: Server) -> None:
    of_runs, of_steps = {}, {"events": {}, "classifier": {}}
    for name, make in PATHS.items():
        [run] = in_step_pods.new_runs(make)
        in_step_pods.dequeue()
        of_runs[name] = in_step_pods.api.jobs[-1]
        for step, jobs in of_steps.items():
            jobs[name] = step_job(in_step_pods, run, f"sized__{'raw' if step == 'events' else 'model'}__{step}")
        in_step_pods.instance.delete_run(run.run_id)
    for jobs in (of_runs, *of_steps.values()):
        assert differing(jobs) - OF_THE_RUN == set()
    waits = of_runs["UI"]["spec"]["template"]["spec"]
    assert waits["containers"][0]["resources"] == {"limits": {"memory": "500M"}}, "its steps work elsewhere"
    assert waits["priorityClassName"] == "platform-assets-runs-high"
    small, large = (of_steps[name]["UI"]["spec"]["template"]["spec"] for name in ("events", "classifier"))
    assert small["containers"][0]["resources"]["limits"] == {"cpu": "6", "memory": "2000M"}
    assert "nodeSelector" not in small
    assert large["containers"][0]["resources"]["limits"] == {"cpu": "2", "memory": "8000M", "nvidia.com/gpu": "1"}
    assert large["priorityClassName"] == "platform-assets-runs-low"
    assert "platform-assets/spot" in json.dumps(large["tolerations"])


def test_a_run_waits_with_the_priority_that_its_steps_declare(tmp_path: Path) -> None:
    """On a server of its own: an automation condition asks once."""
    with server(tmp_path, "platform_assets_tests.deploy.runs.sized") as running:
        for make in PATHS.values():
            [run] = running.new_runs(make)
            assert run.tags["dagster/priority"] == "10"
            assert run.tags["platform-assets/gpu"] == "1"
            assert run.tags["platform-assets/use-case"] == "sized"
            running.instance.delete_run(run.run_id)
