"""The test API through the real helm 4: a tiny chart installed, upgraded, rolled back and uninstalled, and what bad charts are told."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from platform_assets_tests.kubernetes.api_server import TestApi, running_api
from platform_assets_tests.kubernetes.tools import run_tool

pytestmark = pytest.mark.kubernetes
CONFIG = """
apiVersion: v1
kind: ConfigMap
metadata: {name: "{{ .Release.Name }}-config"}
data: {value: "{{ .Values.value }}"}
"""
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: "{{ .Release.Name }}"}
spec:
  selector: {app: web}
  ports: [{port: 80, {{ .Values.portField }}: 8080}]
"""


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestApi]:
    with running_api(tmp_path_factory.mktemp("api")) as running:
        yield running


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    templates = tmp_path / "tiny" / "templates"
    templates.mkdir(parents=True)
    (tmp_path / "tiny" / "Chart.yaml").write_text("apiVersion: v2\nname: tiny\nversion: 0.1.0\n")
    (tmp_path / "tiny" / "values.yaml").write_text("value: one\nportField: targetPort\n")
    (templates / "config.yaml").write_text(CONFIG)
    (templates / "service.yaml").write_text(SERVICE)
    return tmp_path / "tiny"


def helm(api: TestApi, *arguments: str, fails: bool = False) -> str:
    ended = run_tool("helm", *arguments, kubeconfig=api.kubeconfig)
    assert (ended.returncode != 0) == fails, ended.stdout + ended.stderr
    return ended.stderr if fails else ended.stdout


def stored(api: TestApi, kind: str, name: str) -> dict[str, Any]:
    ended = run_tool("kubectl", "get", kind, name, "-o", "json", kubeconfig=api.kubeconfig)
    assert ended.returncode == 0, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def test_a_chart_is_installed_upgraded_rolled_back_and_uninstalled(api: TestApi, chart: Path) -> None:
    assert "STATUS: deployed" in helm(api, "install", "tiny", str(chart), "--wait", "--timeout", "30s")
    helm(api, "upgrade", "tiny", str(chart), "--set", "value=two", "--wait", "--timeout", "30s")
    assert stored(api, "configmap", "tiny-config")["data"] == {"value": "two"}
    helm(api, "rollback", "tiny", "1", "--wait", "--timeout", "30s")
    assert stored(api, "configmap", "tiny-config")["data"] == {"value": "one"}
    history = json.loads(helm(api, "history", "tiny", "-o", "json"))
    assert [entry["status"] for entry in history] == ["superseded", "superseded", "deployed"]
    helm(api, "uninstall", "tiny", "--wait", "--timeout", "30s")
    assert "not found" in run_tool("kubectl", "get", "configmap", "tiny-config", kubeconfig=api.kubeconfig).stderr


def test_a_field_that_does_not_exist_is_refused_by_name(api: TestApi, chart: Path) -> None:
    told = helm(api, "install", "wrong", str(chart), "--set", "portField=targetPrt", fails=True)
    assert "targetPrt" in told


def test_a_field_that_another_manager_owns_is_not_taken_silently(api: TestApi, chart: Path) -> None:
    helm(api, "install", "shared", str(chart), "--wait", "--timeout", "30s")
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "shared-config"},
        "data": {"value": "by hand"},
    }
    apply = ("apply", "--server-side", "--force-conflicts", "--field-manager=somebody", "-f", "-")
    assert run_tool("kubectl", *apply, kubeconfig=api.kubeconfig, text=json.dumps(body)).returncode == 0
    told = helm(api, "upgrade", "shared", str(chart), "--set", "value=three", fails=True)
    assert 'conflict with "somebody"' in told
    helm(api, "uninstall", "shared")
