"""The real kubectl and helm on the whole test cluster: they wait for pods that run, read their logs, and roll back what does not start."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from platform_assets_tests.kubernetes.cluster.handle import ClusterHandle, test_cluster
from platform_assets_tests.kubernetes.objects_for_tests import IMAGES, deployment, service
from platform_assets_tests.kubernetes.tools import run_tool

pytestmark = pytest.mark.kubernetes
SPEAKING = """
import runpy, sys
print("hello from the pod", flush=True)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterHandle]:
    with test_cluster(tmp_path_factory.mktemp("tools"), images=IMAGES) as one:
        yield one


def kubectl(cluster: ClusterHandle, *arguments: str, text: str | None = None, fails: bool = False) -> str:
    ended = cluster.kubectl(*arguments, text=text)
    assert (ended.returncode != 0) == fails, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


def helm(cluster: ClusterHandle, *arguments: str, fails: bool = False) -> str:
    ended = run_tool("helm", *arguments, kubeconfig=cluster.kubeconfig)
    assert (ended.returncode != 0) == fails, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


def test_kubectl_waits_for_pods_and_reads_their_logs(cluster: ClusterHandle) -> None:
    speaking = deployment("speaking", "1", 2)
    container = speaking["spec"]["template"]["spec"]["containers"][0]
    container["command"] = ["python", "-c", SPEAKING, *container["command"][1:]]
    kubectl(cluster, "apply", "-f", "-", text=json.dumps(speaking))
    assert "successfully rolled out" in kubectl(cluster, "rollout", "status", "deploy/speaking", "--timeout=60s")
    kubectl(cluster, "wait", "--for=condition=Available", "deploy/speaking", "--timeout=30s")
    kubectl(cluster, "wait", "--for=condition=Ready", "pod", "-l", "app=speaking", "--timeout=30s")
    assert "hello from the pod" in kubectl(cluster, "logs", "deploy/speaking")
    assert kubectl(cluster, "logs", "-l", "app=speaking", "--prefix").count("hello from the pod") == 2
    pods = [line.split() for line in kubectl(cluster, "get", "pods", "-l", "app=speaking", "--no-headers").splitlines()]
    assert [row[1:3] for row in pods] == [["1/1", "Running"]] * 2
    proxied = f"/api/v1/namespaces/default/pods/{pods[0][0]}:8080/proxy/version"
    assert kubectl(cluster, "get", "--raw", proxied) == "1"
    described = kubectl(cluster, "describe", "pod", pods[0][0])
    assert "Scheduled" in described
    assert "Started" in described
    kubectl(cluster, "delete", "deploy/speaking", "--wait", "--timeout=60s")
    kubectl(cluster, "wait", "--for=delete", "pod", "-l", "app=speaking", "--timeout=60s")


def test_kubectl_undoes_a_rollout(cluster: ClusterHandle) -> None:
    kubectl(cluster, "apply", "-f", "-", text=json.dumps(deployment("undone", "1")))
    kubectl(cluster, "rollout", "status", "deploy/undone", "--timeout=60s")
    kubectl(cluster, "set", "image", "deploy/undone", "main=nowhere:1")
    assert "timed out" in kubectl(cluster, "rollout", "status", "deploy/undone", "--timeout=3s", fails=True)
    kubectl(cluster, "rollout", "undo", "deploy/undone")
    assert "successfully rolled out" in kubectl(cluster, "rollout", "status", "deploy/undone", "--timeout=60s")
    assert len(kubectl(cluster, "rollout", "history", "deploy/undone").strip().splitlines()) >= 3
    kubectl(cluster, "delete", "deploy/undone")


def chart(folder: Path) -> Path:
    """A chart of one Deployment and its Service, with the image as its value."""
    templates = folder / "web" / "templates"
    templates.mkdir(parents=True)
    (folder / "web" / "Chart.yaml").write_text("apiVersion: v2\nname: web\nversion: 0.1.0\n")
    (folder / "web" / "values.yaml").write_text("image: runtime:1\nreplicas: 2\n")
    web = json.dumps(deployment("web", "1", 2)).replace('"image": "runtime:1"', '"image": "{{ .Values.image }}"')
    web = web.replace('"replicas": 2', '"replicas": {{ .Values.replicas }}')
    (templates / "deployment.yaml").write_text(web)
    (templates / "service.yaml").write_text(json.dumps(service("web")))
    return folder / "web"


def test_helm_waits_for_pods_and_takes_back_what_does_not_start(cluster: ClusterHandle, tmp_path: Path) -> None:
    web = str(chart(tmp_path))
    helm(cluster, "install", "web", web, "--wait", "--timeout", "60s")
    assert kubectl(cluster, "get", "deploy", "web", "-o", "jsonpath={.status.readyReplicas}") == "2"
    bad = ("upgrade", "web", web, "--set", "image=nowhere:1", "--wait", "--timeout", "5s", "--rollback-on-failure")
    helm(cluster, *bad, fails=True)
    assert json.loads(helm(cluster, "status", "web", "-o", "json"))["info"]["status"] == "deployed"
    assert kubectl(cluster, "get", "deploy", "web", "-o", "jsonpath={..image}") == "runtime:1"
    kubectl(cluster, "rollout", "status", "deploy/web", "--timeout=60s")
    helm(cluster, "uninstall", "web", "--wait", "--timeout", "60s")
    assert "NotFound" in kubectl(cluster, "get", "deploy", "web", fails=True)


def test_an_eviction_obeys_a_budget(cluster: ClusterHandle) -> None:
    kubectl(cluster, "apply", "-f", "-", text=json.dumps(deployment("kept", "1", 1)))
    budget = ("create", "-f", "-")
    body = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "kept"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "kept"}}},
    }
    kubectl(cluster, *budget, text=json.dumps(body))
    kubectl(cluster, "rollout", "status", "deploy/kept", "--timeout=60s")
    node = kubectl(cluster, "get", "nodes", "-o", "jsonpath={.items[0].metadata.name}")
    drain = ("drain", node, "--pod-selector=app=kept", "--timeout=8s", "--force")
    assert "violate the pod's disruption budget" in kubectl(cluster, *drain, fails=True)
    kubectl(cluster, "delete", "pdb", "kept")
    assert "drained" in kubectl(cluster, "drain", node, "--pod-selector=app=kept", "--timeout=60s", "--force")
    kubectl(cluster, "uncordon", node)
    kubectl(cluster, "delete", "deploy/kept")
