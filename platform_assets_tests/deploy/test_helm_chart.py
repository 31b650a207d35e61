"""What the chart renders: every profile fits Kubernetes' own schemas, every pod is unprivileged."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from platform_assets.deployment.kubernetes.settings import ClusterSettings
from platform_assets.secret_sources.registry import parse_source
from platform_assets.settings import Settings
from platform_assets_tests.deploy.chart import (
    CHART,
    PROFILES,
    Manifest,
    found,
    hold_against_schemas,
    pods,
    profile_arguments,
    render,
)
from platform_assets_tests.kubernetes.tools import run_tool

pytestmark = pytest.mark.kubernetes


@pytest.fixture(scope="module", params=PROFILES)
def profile(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def manifests(profile: str) -> list[Manifest]:
    return render(profile)


def test_the_profile_passes_helms_strict_lint(profile: str) -> None:
    done = run_tool("helm", "lint", "--strict", str(CHART), "--namespace", "ml", *profile_arguments(profile))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[WARNING]" not in done.stdout


def test_kubernetes_own_schemas_take_every_manifest(profile: str, manifests: list[Manifest]) -> None:
    not_validated = hold_against_schemas(manifests)
    print(f"{profile}: {len(manifests)} manifests; not validated: {', '.join(not_validated)}")  # noqa: T201
    assert len(manifests) - len(not_validated) > 30


def test_each_object_has_a_name_of_its_own_and_stays_in_its_namespace(manifests: list[Manifest]) -> None:
    names = [(one["kind"], one["metadata"].get("namespace"), one["metadata"]["name"]) for one in manifests]
    assert len(set(names)) == len(names)
    elsewhere = {(kind, name) for kind, namespace, name in names if namespace != "ml"}
    cluster_wide = {name for name in elsewhere if name[0] == "PriorityClass"}
    assert {name for _, name in elsewhere - cluster_wide} <= {"platform-assets-read-gateway"}


def test_no_pod_is_privileged_or_writes_to_its_image(manifests: list[Manifest]) -> None:
    for name, spec in pods(manifests).items():
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["runAsUser"] != 0, name
        for container in spec["containers"]:
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"] is True, name
            assert context["allowPrivilegeEscalation"] is False, name
            assert context["capabilities"] == {"drop": ["ALL"]}, name
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}, name
            assert "memory" in container["resources"]["limits"], name


def test_only_pods_that_ask_the_api_hold_a_token(profile: str, manifests: list[Manifest]) -> None:
    with_token = {name for name, spec in pods(manifests).items() if spec.get("automountServiceAccountToken")}
    metrics = [] if profile == "small" else ["metrics"]
    assert with_token == {f"platform-assets-{part}" for part in ("webserver", "daemon", "code-location", *metrics)}
    assert all(one["automountServiceAccountToken"] is False for one in manifests if one["kind"] == "ServiceAccount"), (
        "a pod of nobody's gets no token by an account's default"
    )


def test_every_account_and_secret_that_pods_name_exists_or_is_announced(manifests: list[Manifest]) -> None:
    accounts = {one["metadata"]["name"] for one in manifests if one["kind"] == "ServiceAccount"}
    claims = {one["metadata"]["name"] for one in manifests if one["kind"] == "PersistentVolumeClaim"}
    configs = {one["metadata"]["name"] for one in manifests if one["kind"] == "ConfigMap"}
    for name, spec in pods(manifests).items():
        assert spec["serviceAccountName"] in accounts, name
        for volume in spec.get("volumes", []):
            if "persistentVolumeClaim" in volume:
                assert volume["persistentVolumeClaim"]["claimName"] in claims, name
            if "configMap" in volume:
                assert volume["configMap"]["name"] in configs, name
        for source in (entry for container in spec["containers"] for entry in container.get("envFrom", [])):
            if "configMapRef" in source:
                assert source["configMapRef"]["name"] in configs, name
            else:
                assert source["secretRef"]["name"] in {"platform-assets-secrets", "platform-assets-mlflow"}, name


def test_no_manifest_holds_a_secret_value(manifests: list[Manifest]) -> None:
    assert not [one for one in manifests if one["kind"] == "Secret"]
    for text in strings(manifests):
        assert "postgresql://" not in text
        assert "AWS_SECRET" not in text


def test_the_platform_reads_what_the_chart_sets(manifests: list[Manifest]) -> None:
    data = found(manifests, "ConfigMap", "platform-assets-settings")["data"]
    here = {
        "PLATFORM_ASSETS_TARGET": "local",
        "PLATFORM_ASSETS_SECRETS": '{"kind": "env"}',
    }  # its folder is in the pods
    settings = Settings.from_environment({**data, **here})
    assert settings.automation == "on"
    assert settings.executor == "kubernetes"
    cluster = ClusterSettings.model_validate_json(data["PLATFORM_ASSETS_KUBERNETES"])
    assert cluster.namespace == "ml"
    assert cluster.service_account == "platform-assets-serving"
    by_pods_alone = {"kubeconfig", "context"}
    not_offered = {"shared_paths", "user", "pre_stop"}
    optional = {"gateway_section", "gateway_metrics", "node_cache_folder", "priority_class", "release_claim"}
    optional |= {"credentials_secret", "credentials_folder"}
    given = set(json.loads(data["PLATFORM_ASSETS_KUBERNETES"]))
    assert set(ClusterSettings.model_fields) - given <= by_pods_alone | not_offered | optional


def test_the_instance_is_the_shipped_one_with_what_the_values_say(manifests: list[Manifest]) -> None:
    from dagster._config import process_config, resolve_to_config_type

    from platform_assets.orchestration.kubernetes.coordinator import DeclaredRunCoordinator
    from platform_assets.orchestration.kubernetes.launcher import DeclaredRunLauncher

    shipped = yaml.safe_load((CHART / "files" / "dagster.yaml").read_text())
    rendered = yaml.safe_load(found(manifests, "ConfigMap", "platform-assets-dagster-instance")["data"]["dagster.yaml"])
    assert rendered["storage"] == shipped["storage"]
    assert rendered.keys() == shipped.keys()
    launcher = rendered["run_launcher"]["config"]
    assert {name: launcher[name] for name in shipped["run_launcher"]["config"] if name != "run_k8s_config"} == {
        name: value for name, value in shipped["run_launcher"]["config"].items() if name != "run_k8s_config"
    }
    queue = process_config(
        resolve_to_config_type(DeclaredRunCoordinator.config_type()), rendered["run_coordinator"]["config"]
    )
    assert queue.success, [error.message for error in queue.errors or []]
    configured = resolve_to_config_type(DeclaredRunLauncher.config_type())
    environment = {"env_config_maps", "env_secrets"}
    assert environment <= launcher.keys()
    literal = {**launcher, "job_namespace": "ml", "job_image": "image"}
    processed = process_config(configured, literal)
    assert processed.success, [error.message for error in processed.errors or []]


def test_the_control_plane_stands_above_services_and_services_above_runs(manifests: list[Manifest]) -> None:
    order = ["control", "serving", "runs-high", "runs-normal", "runs-low"]
    values = [found(manifests, "PriorityClass", f"platform-assets-{name}")["value"] for name in order]
    assert values == sorted(values, reverse=True)
    assert len(set(values)) == len(values)
    for name in ("webserver", "daemon", "code-location"):
        assert pods(manifests)[f"platform-assets-{name}"]["priorityClassName"] == "platform-assets-control"


def test_runs_get_what_steps_need() -> None:
    launcher = launcher_of(render("spot", "--set", "runs.kueueQueue=training"))
    [scratch] = [volume for volume in launcher["volumes"] if volume["name"] == "scratch"]
    assert scratch["ephemeral"]["volumeClaimTemplate"]["spec"]["storageClassName"] == "fast-disks"
    pod = launcher["run_k8s_config"]
    assert pod["job_metadata"]["labels"] == {"kueue.x-k8s.io/queue-name": "training"}
    assert pod["pod_spec_config"]["tolerations"][0]["key"] == "platform-assets/spot"
    assert pod["container_config"]["security_context"]["readOnlyRootFilesystem"] is True
    assert launcher["labels"] == {"platform-assets/part": "run"}


def test_a_bucket_by_csi_is_mounted_in_runs_and_code_location(tmp_path: Any) -> None:
    values = tmp_path / "csi.yaml"
    volume = {"name": "models", "driver": "s3.csi.example", "mountPath": "/mnt/models", "readOnly": True}
    values.write_text(yaml.safe_dump({"storage": {"csi": [{**volume, "attributes": {"bucketName": "models"}}]}}))
    manifests = render("small", values=values)
    hold_against_schemas(manifests)
    assert "models" in {found["name"] for found in launcher_of(manifests)["volumes"]}
    mounts = pods(manifests)["platform-assets-code-location"]["containers"][0]["volumeMounts"]
    assert {"name": "models", "mountPath": "/mnt/models", "readOnly": True} in mounts


def test_secrets_by_vaults_agent_are_read_by_every_command_and_leave_no_secret_references() -> None:
    vault = ["secrets.source=vault", "secrets.follow=false", "secrets.vault.role=platform"]
    vault.append("secrets.vault.path=secret/data/platform")
    manifests = render(
        "production",
        *[part for one in [*vault, "secrets.vault.mlflowPath=secret/data/mlflow"] for part in ("--set", one)],
    )
    hold_against_schemas(manifests)
    assert not [one for one in manifests if one["kind"] == "ExternalSecret"]
    for spec in pods(manifests).values():
        [container] = spec["containers"]
        assert container["command"] == ["/bin/sh", "-c", '. /vault/secrets/environment && exec "$@"', "--"]
        assert "secretKeyRef" not in json.dumps(container)
        assert "secretRef" not in json.dumps(container)
    launcher = launcher_of(manifests)
    assert launcher["env_secrets"] == []
    annotations = launcher["run_k8s_config"]["pod_template_spec_metadata"]["annotations"]
    assert annotations["vault.hashicorp.com/agent-pre-populate-only"] == "true", (
        "a sidecar would keep a Job from ending"
    )
    template = annotations["vault.hashicorp.com/agent-inject-template-environment"]
    assert """export {{ $name }}='{{ $value | replaceAll "'" "'\\\\''" }}'""" in template


def test_a_secret_that_is_followed_is_mounted_where_settings_and_services_look_for_it() -> None:
    manifests = render("production")
    hold_against_schemas(manifests)
    settings = found(manifests, "ConfigMap", "platform-assets-settings")["data"]
    source = parse_source(settings["PLATFORM_ASSETS_SECRETS"], "PLATFORM_ASSETS_SECRETS")
    assert source.wins == "source", "the pods have the Secret as variables too, as it was when they started"
    mounts = pods(manifests)["platform-assets-code-location"]["containers"][0]["volumeMounts"]
    launcher = launcher_of(manifests)
    for mounted in (mounts, launcher["volume_mounts"]):
        assert {"name": "credentials", "mountPath": str(source.folder_of_services), "readOnly": True} in mounted
    secret = {"secretName": "platform-assets-secrets", "defaultMode": 0o440}
    assert {"name": "credentials", "secret": secret} in launcher["volumes"]
    cluster = ClusterSettings.model_validate_json(settings["PLATFORM_ASSETS_KUBERNETES"])
    assert cluster.credentials_secret == "platform-assets-secrets"
    assert cluster.credentials_folder == str(source.folder_of_services)
    assert "PLATFORM_ASSETS_SECRETS" not in found(render("small"), "ConfigMap", "platform-assets-settings")["data"]


def launcher_of(manifests: list[Manifest]) -> dict[str, Any]:
    instance = found(manifests, "ConfigMap", "platform-assets-dagster-instance")["data"]["dagster.yaml"]
    launcher: dict[str, Any] = yaml.safe_load(instance)["run_launcher"]["config"]
    return launcher


def strings(value: Any) -> Iterator[str]:
    """Every text in a manifest."""
    if isinstance(value, str):
        yield value
    for below in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from strings(below)


def test_the_platform_s_metrics_are_served_and_may_be_read_by_prometheus() -> None:
    manifests = render("production")
    by_kind = {one["kind"]: one for one in manifests if one["metadata"]["name"] == "platform-assets-metrics"}
    assert set(by_kind) == {"Deployment", "Service", "NetworkPolicy", "PodMonitor"}
    (container,) = by_kind["Deployment"]["spec"]["template"]["spec"]["containers"]
    words = container["command"]
    assert words[words.index("platform_assets.cli") :][:3] == ["platform_assets.cli", "metrics", "serve"]
    assert (
        words[-1] == str(container["ports"][0]["containerPort"]) == str(by_kind["Service"]["spec"]["ports"][0]["port"])
    )
    endpoint = by_kind["PodMonitor"]["spec"]["podMetricsEndpoints"][0]
    assert (endpoint["port"], endpoint["honorLabels"]) == (container["ports"][0]["name"], True)
    readers = by_kind["NetworkPolicy"]["spec"]["ingress"][0]["from"]
    assert {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}} in readers
    assert not [one for one in render("small") if one["metadata"]["name"] == "platform-assets-metrics"]
