"""The chart, installed by the real helm on the test cluster, with processes of this machine as its pods.

Belongs here: values and Secrets for that cluster, and helm's commands. Does not belong here: what tests expect of what runs.
"""

import base64
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from platform_assets.testing.servers import PostgreSQL
from platform_assets_tests.deploy.chart import CHART
from platform_assets_tests.kubernetes.cluster.handle import ClusterHandle
from platform_assets_tests.kubernetes.tools import ROOT, run_tool

NAMESPACE = "ml"
DIGEST = "sha256:" + "1" * 64
REPOSITORY = "registry.example/platform-assets"
IMAGES: Mapping[str, Any] = {
    f"{REPOSITORY}:{version}": {
        "python": sys.executable,
        "files": {"/opt/checkout": str(ROOT)},
        "environment": {"PYTHONPATH": "/opt/checkout", "VERSION": version},
    }
    for version in ("1", "2")
}
"""Two versions of the platform's image: both are this checkout."""


def values(server: PostgreSQL, **changed: Any) -> dict[str, Any]:
    """Values for the test cluster, where names resolve nowhere and pods listen on addresses of their own."""
    least = {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "2Gi"}}
    given: dict[str, Any] = {
        "environment": "staging",
        "image": {"repository": REPOSITORY, "tag": "1"},
        "bindAddress": "$(POD_IP)",
        "codeLocation": {"discovery": "environment", "resources": least},
        "webserver": {"resources": least},
        "daemon": {"resources": least},
        "mlflow": {"enabled": False, "address": "sqlite:////tmp/mlflow.db"},
        "database": {"host": "127.0.0.1", "port": server.port, "user": "postgres", "name": "dagster"},
        "serving": {
            "runtimeImage": {"repository": "registry.example/serving", "digest": DIGEST},
            "address": "http://models.example",
        },
        "gateway": {"name": "public", "namespace": "gateway-system"},
        "storage": {name: {"accessMode": "ReadWriteMany"} for name in ("home", "releases", "predictionLog")},
    }
    return merged(given, changed)


def merged(base: Mapping[str, Any], changed: Mapping[str, Any]) -> dict[str, Any]:
    """As helm merges values."""
    both = dict(base)
    for name, value in changed.items():
        below = both.get(name)
        both[name] = merged(below, value) if isinstance(value, dict) and isinstance(below, dict) else value
    return both


def prepare(cluster: ClusterHandle, server: PostgreSQL) -> None:
    """The namespace, the databases, and the Secrets that the chart takes for granted."""
    for name in ("dagster", "mlflow"):
        server.create(name)
    secrets = {
        "platform-assets-secrets": {"DAGSTER_PG_PASSWORD": "unused: loopback is trusted"},
        "platform-assets-mlflow": {
            "MLFLOW_BACKEND_STORE_URI": f"postgresql+psycopg2://postgres@127.0.0.1:{server.port}/mlflow"
        },
    }
    cluster.post("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    for name, data in secrets.items():
        encoded = {key: base64.b64encode(text.encode()).decode() for key, text in data.items()}
        cluster.post(f"/api/v1/namespaces/{NAMESPACE}/secrets", {"metadata": {"name": name}, "data": encoded})


def chart_for_test_cluster(folder: Path) -> Path:
    """The chart, but for one line: pods of the test cluster find their token in a kubeconfig, for they have no file system of their own."""
    copied = folder / "platform-assets"
    shutil.copytree(CHART, copied)
    instance = copied / "files" / "dagster.yaml"
    settings = yaml.safe_load(instance.read_text())
    settings["run_launcher"]["config"]["load_incluster_config"] = False
    instance.write_text(yaml.safe_dump(settings))
    return copied


def helm(
    cluster: ClusterHandle, *arguments: str, given: Mapping[str, Any] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run helm in the namespace, with values.

    Args:
        cluster: where.
        arguments: the command.
        given: values.
    """
    text = None if given is None else json.dumps(given)
    with_values = [] if given is None else ["--values", "-"]
    return run_tool(
        "helm",
        *arguments,
        *with_values,
        "--namespace",
        NAMESPACE,
        kubeconfig=cluster.kubeconfig,
        text=text,
        timeout_seconds=400,
    )


def until(condition: Callable[[], bool], words: Callable[[], str], seconds: float = 240.0) -> None:
    """Wait for a condition.

    Raises:
        AssertionError: it did not come to hold; with the words.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, words()
        time.sleep(0.5)
