"""The test API through kopf, an operator framework of others: its handlers hear of changes, patch, and release what they hold."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from kubernetes import client, watch

from platform_assets_tests.kubernetes.api_server import TestApi, running_api
from platform_assets_tests.kubernetes.tools import tools_python

pytestmark = pytest.mark.kubernetes
OPERATOR = """
import kopf


@kopf.on.startup()
def settle(settings, **_):
    settings.posting.enabled = False


@kopf.on.create("configmaps", labels={"operated": "yes"})
def made(body, patch, **_):
    patch.metadata.annotations["seen"] = body["data"]["value"]


@kopf.on.field("configmaps", field="data.value", labels={"operated": "yes"})
def altered(old, new, patch, **_):
    if old is not None and new is not None:
        patch.metadata.annotations["change"] = f"{old} to {new}"


@kopf.on.delete("configmaps", labels={"operated": "yes"})
def ended(namespace, **_):
    pass
"""


@pytest.fixture
def api(tmp_path: Path) -> Iterator[TestApi]:
    with running_api(tmp_path) as running:
        yield running


@pytest.fixture
def operator(api: TestApi, tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "handlers.py").write_text(OPERATOR)
    log = (tmp_path / "operator.log").open("w")
    command = [str(tools_python()), "-m", "kopf", "run", "--namespace", "default", "--standalone", "handlers.py"]
    environment = {"KUBECONFIG": str(api.kubeconfig), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=log, stderr=log)
    try:
        yield tmp_path / "operator.log"
    finally:
        process.terminate()
        process.wait(30)
        log.close()


def until(core: client.CoreV1Api, annotation: str, value: str, log: Path) -> None:
    """Wait until a config map `c` has an annotation."""
    for event in watch.Watch().stream(core.list_namespaced_config_map, "default", timeout_seconds=60):
        found = event["object"].metadata
        if found.name == "c" and (found.annotations or {}).get(annotation) == value:
            return
    pytest.fail(f"no {annotation}={value} within a minute:\n{log.read_text()}")


def test_an_operator_hears_of_objects_changes_them_and_lets_them_go(api: TestApi, operator: Path) -> None:
    core = client.CoreV1Api(api.client())
    metadata = {"name": "c", "labels": {"operated": "yes"}}
    core.create_namespaced_config_map("default", {"metadata": metadata, "data": {"value": "one"}})
    until(core, "seen", "one", operator)
    core.patch_namespaced_config_map("c", "default", {"data": {"value": "two"}})
    until(core, "change", "one to two", operator)
    assert core.read_namespaced_config_map("c", "default").metadata.finalizers, "the operator holds what it answers for"
    core.delete_namespaced_config_map("c", "default")
    for event in watch.Watch().stream(
        core.list_namespaced_config_map, "default", field_selector="metadata.name=c", timeout_seconds=60
    ):
        if event["type"] == "DELETED":
            return
    with pytest.raises(client.ApiException):
        core.read_namespaced_config_map("c", "default")
