"""The objects of arms: real schemas of Kubernetes take them, pods have no rights, and what a team declares is in them."""

import base64
import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from platform_assets.declaration.sections.compute import Compute, Replicas
from platform_assets.deployment.kubernetes.arms import expandable
from platform_assets.deployment.kubernetes.manifests.access import network_policy, service, service_account
from platform_assets.deployment.kubernetes.manifests.configuration import config_map, environment_secret
from platform_assets.deployment.kubernetes.manifests.deployment import beside, deployment
from platform_assets.deployment.kubernetes.manifests.pods import pod_template
from platform_assets.deployment.kubernetes.manifests.scaling import (
    StreamLag,
    autoscaler,
    disruption_budget,
    scaled_object,
)
from platform_assets.features.online.credentials import OF_SERVICES
from platform_assets_tests.unit.deployment.kubernetes.objects import (
    IMAGE,
    arm,
    everything,
    fields,
    hold_against_schemas,
    settings,
    stream,
)
from serving import fetch_release

FOLLOWED = {"credentials_secret": "platform-assets-secrets"}
LAG = StreamLag(brokers=("kafka:9092",), topic="payments", group="card_fraud")
BUILT_IN: dict[str, Callable[[Any], Any]] = {
    "Deployment": lambda given: deployment(arm(), given),
    "Deployment that fetches nothing": lambda given: deployment(arm(archive=None, image=IMAGE), given),
    "Deployment on GPUs": lambda given: deployment(
        arm(compute=Compute(gpus=1, gpu_sharing="dra", node_class="gpu", spot=True), live_path="/livez"), given
    ),
    "Deployment beside": lambda given: beside(stream(), given),
    "Secret": lambda given: environment_secret(arm(), given),
    "ConfigMap": lambda given: config_map("platform-assets-target", {"card_fraud": "{}"}, given),
    "Service": lambda given: service(arm(), given),
    "ServiceAccount": service_account,
    "NetworkPolicy": lambda given: network_policy(arm(), given),
    "HorizontalPodAutoscaler": lambda given: autoscaler(arm(), given),
    "PodDisruptionBudget": lambda given: disruption_budget(arm(), given),
}


@pytest.mark.parametrize("given", [settings(), everything()], ids=["least settings", "all settings"])
@pytest.mark.parametrize("kind", BUILT_IN)
def test_kubernetes_own_schemas_take_every_object(kind: str, given: Any) -> None:
    manifest = BUILT_IN[kind](given)
    hold_against_schemas(manifest)
    assert manifest["kind"] == kind.split()[0]
    assert manifest["metadata"]["namespace"] == "ml"
    assert manifest["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "platform-assets"
    assert json.loads(json.dumps(manifest)) == manifest


CONTAINER = ("spec", "template", "spec", "containers", 0)
FAULTS: dict[str, tuple[str, tuple[Any, ...], Any]] = {
    "a misspelt probe": ("Deployment", (*CONTAINER, "readynessProbe"), {}),
    "replicas as text": ("Deployment", ("spec", "replicas"), "2"),
    "a port as text": ("Deployment", (*CONTAINER, "ports", 0, "containerPort"), "3000"),
    "a limit as a list": ("Deployment", (*CONTAINER, "resources", "limits"), ["1"]),
    "capabilities in the pod's context": ("Deployment", (*CONTAINER[:3], "securityContext", "capabilities"), {}),
    "a misspelt policy": ("PodDisruptionBudget", ("spec", "maxUnavailible"), 1),
    "a metric without a kind": ("HorizontalPodAutoscaler", ("spec", "metrics", 0), {"pods": {}}),
    "an unknown field of a Service": ("Service", ("spec", "port"), 80),
    "a Secret of numbers": ("Secret", ("data", "PASSWORD"), 1),
    "egress as one rule": ("NetworkPolicy", ("spec", "egress"), {"ports": []}),
    "an API that there is no more": ("HorizontalPodAutoscaler", ("apiVersion",), "autoscaling/v2beta2"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_refused(fault: str) -> None:
    kind, path, value = FAULTS[fault]
    manifest = copy.deepcopy(BUILT_IN[kind](settings()))
    place: Any = manifest
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises((kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError)):
        hold_against_schemas(manifest)


@pytest.mark.parametrize("kind", [kind for kind in BUILT_IN if kind.startswith("Deployment")])
@pytest.mark.parametrize("given", [settings(), everything()], ids=["least settings", "all settings"])
def test_no_pod_has_a_right_that_it_does_not_need(kind: str, given: Any) -> None:
    pod = BUILT_IN[kind](given)["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] >= 10000
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    containers = pod["containers"] + pod.get("initContainers", [])
    for container in containers:
        rights = container["securityContext"]
        assert rights["readOnlyRootFilesystem"] is True
        assert rights["allowPrivilegeEscalation"] is False
        assert rights["privileged"] is False
        assert rights["capabilities"] == {"drop": ["ALL"]}
        assert "@sha256:" in container["image"]
        assert container["imagePullPolicy"] == "IfNotPresent"
        assert container["resources"]["requests"] == container["resources"]["limits"]
        assert "/tmp" in [mount["mountPath"] for mount in container["volumeMounts"]]
    mounted = {mount["name"] for container in containers for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["volumes"]}


def test_variables_are_in_the_secret_alone_except_the_pods_own_address() -> None:
    secret, pod = environment_secret(arm(), settings()), pod_template(arm(), settings())["spec"]
    assert {name: base64.b64decode(value).decode() for name, value in secret["data"].items()} == {
        "PASSWORD": "hush",
        "LITERAL": "a$(POD_NAME)b",
    }
    assert "hush" not in json.dumps(pod)
    assert "hush" not in repr(arm())
    given = {entry["name"]: entry.get("value") for entry in pod["containers"][0]["env"]}
    assert given["SELF"] == "http://$(POD_IP):3000"
    assert next(iter(given)) == "POD_IP"  # a variable is expanded only behind its own
    assert pod["containers"][0]["envFrom"] == [{"secretRef": {"name": arm().name}}]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("--host=$(POD_IP)", "--host=$(POD_IP)"),
        ("$(HOME)", "$$(HOME)"),
        ("a$$(b)", "a$$$$(b)"),
        ("costs $5", "costs $5"),
        ("$", "$"),
    ],
)
def test_the_kubelet_expands_nothing_but_the_pods_address(text: str, written: str) -> None:
    assert expandable(text) == written
    assert kubelet_expands(written, {"POD_IP": "10.0.0.1", "HOME": "/tmp"}) == text.replace("$(POD_IP)", "10.0.0.1")


def kubelet_expands(text: str, values: dict[str, str]) -> str:
    """What becomes of a text: `$$` is a dollar, `$(NAME)` a known variable's value, and everything else stays."""
    found, at = "", 0
    while at < len(text):
        name = text[at + 2 : text.find(")", at)] if text.startswith("$(", at) else None
        if text.startswith("$$", at):
            found, at = found + "$", at + 2
        elif name is not None and name in values:
            found, at = found + values[name], at + len(name) + 3
        else:
            found, at = found + text[at], at + 1
    return found


def test_the_release_comes_in_before_the_service_by_its_digest() -> None:
    pod = pod_template(arm(), everything())["spec"]
    (fetch,) = pod["initContainers"]
    assert fetch["command"] == ["python"]
    assert fetch["args"][:2] == ["-m", "serving.fetch_release"]
    assert fetch["args"][fetch["args"].index("--digest") + 1] == f"sha256:{'a' * 64}"
    assert {mount["mountPath"] for mount in fetch["volumeMounts"]} == {"/tmp", "/release", "/cache", "/releases"}
    assert "/releases" not in {mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert volumes["cache"]["hostPath"] == {"path": "/var/cache/platform-assets", "type": "Directory"}
    own = pod_template(arm(archive=None, image=IMAGE.replace("serving", "bento")), everything())["spec"]
    assert "initContainers" not in own
    assert own["containers"][0]["image"].startswith("registry.example/bento@")


def test_what_fetches_the_release_takes_the_arguments_that_it_is_given(tmp_path: Path) -> None:
    (fetch,) = pod_template(arm(), settings())["spec"]["initContainers"]
    here = {"/release": tmp_path / "release", "/cache": tmp_path / "cache", arm().archive.uri: tmp_path / "none.tar.gz"}  # type: ignore[union-attr]
    code = fetch_release.main([str(here.get(argument, argument)) for argument in fetch["args"][2:]])
    assert code == fetch_release.NOT_THERE


def test_a_store_that_is_away_makes_a_pod_unready_and_restarts_none() -> None:
    probes = pod_template(arm(), settings())["spec"]["containers"][0]
    assert probes["readinessProbe"]["httpGet"]["path"] == probes["startupProbe"]["httpGet"]["path"] == "/readyz"
    assert "httpGet" not in probes["livenessProbe"]
    named = pod_template(arm(live_path="/livez"), settings())["spec"]["containers"][0]["livenessProbe"]
    assert named["httpGet"]["path"] == "/livez"
    start = probes["startupProbe"]
    assert start["periodSeconds"] * start["failureThreshold"] == settings().start_timeout_seconds


@pytest.mark.parametrize("way", ["sleep", "exec"])
def test_a_pod_answers_on_while_gateways_learn_that_it_ends(way: str) -> None:
    given = settings(pre_stop=way, drain_seconds=7)
    pod = pod_template(arm(), given)["spec"]
    (wait,) = pod["containers"][0]["lifecycle"]["preStop"].values()
    assert wait in ({"seconds": 7}, {"command": ["python", "-I", "-S", "-c", "import time; time.sleep(7)"]})
    assert pod["terminationGracePeriodSeconds"] > given.drain_seconds + 10


@pytest.mark.parametrize(
    ("sharing", "resource"),
    [
        ("whole", "nvidia.com/gpu"),
        ("mig-1g.10gb", "nvidia.com/mig-1g.10gb"),
        ("time_slice", "nvidia.com/gpu.shared"),
        ("dra", None),
    ],
)
def test_gpus_are_asked_for_as_they_are_shared(sharing: Any, resource: str | None) -> None:
    compute = Compute(gpus=2, gpu_sharing=sharing, node_class="gpu")
    pod = pod_template(arm(compute=compute), settings())["spec"]
    sizes = pod["containers"][0]["resources"]
    assert {name: value for name, value in sizes["limits"].items() if "nvidia" in name} == (
        {resource: "2"} if resource else {}
    )
    assert ("resourceClaims" in pod) == ("claims" in sizes) == (resource is None)
    assert not [name for name in pod["initContainers"][0]["resources"]["limits"] if "nvidia" in name]


def test_node_classes_mean_what_the_cluster_says() -> None:
    compute = Compute(node_class="gpu", spot=True)
    plain = pod_template(arm(compute=compute), settings())["spec"]
    assert plain["nodeSelector"] == {"platform-assets/node-class": "gpu"}
    assert {toleration["key"] for toleration in plain["tolerations"]} == {
        "platform-assets/node-class",
        "platform-assets/spot",
    }
    mapped = pod_template(arm(compute=compute), everything())["spec"]
    assert mapped["nodeSelector"] == {"pool": "gpu"}
    assert mapped["tolerations"] == [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}]
    assert "karpenter.sh/capacity-type" in json.dumps(mapped["affinity"])
    assert not {"nodeSelector", "tolerations", "affinity"} & set(pod_template(arm(), settings())["spec"])


def test_quantities_are_written_as_the_api_gives_them_back() -> None:
    sizes = pod_template(arm(compute=Compute(cpus=0.25, memory_gigabytes=1.5)), settings())["spec"]["containers"][0]
    assert sizes["resources"]["limits"] == {"cpu": "250m", "memory": "1500M"}
    whole = pod_template(arm(compute=Compute(cpus=2, memory_gigabytes=4)), settings())["spec"]["containers"][0]
    assert whole["resources"]["limits"] == {"cpu": "2", "memory": "4G"}


def test_pods_are_counted_by_their_requests_where_a_range_is_declared() -> None:
    found = autoscaler(arm(), settings(in_flight_metric="http_requests"))
    assert found is not None
    assert (found["spec"]["minReplicas"], found["spec"]["maxReplicas"]) == (2, 6)
    assert found["spec"]["metrics"][0]["pods"]["metric"]["name"] == "http_requests"
    assert found["spec"]["metrics"][0]["pods"]["target"]["averageValue"] == "20"
    assert found["spec"]["behavior"]["scaleDown"]["stabilizationWindowSeconds"] == 300
    assert deployment(arm(), settings())["spec"]["replicas"] == 2
    assert deployment(arm(), settings(), replicas=5)["spec"]["replicas"] == 5
    fixed = arm(compute=Compute(replicas=Replicas(least=3, most=3)))
    assert autoscaler(fixed, settings()) is None
    assert autoscaler(arm(compute=Compute(), replicas=4), settings()) is None
    assert deployment(arm(compute=Compute(), replicas=4), settings())["spec"]["replicas"] == 4


def test_only_what_nobody_waits_for_is_scaled_to_zero() -> None:
    found = scaled_object(stream(), LAG, settings())
    assert found["spec"]["minReplicaCount"] == 0
    assert found["spec"]["triggers"][0]["metadata"]["consumerGroup"] == "card_fraud"
    assert beside(stream(), settings())["spec"]["strategy"] == {"type": "Recreate"}
    container = beside(stream(), settings())["spec"]["template"]["spec"]["containers"][0]
    assert not {"ports", "readinessProbe", "livenessProbe"} & set(container)


def test_only_the_gateway_the_platform_and_who_reads_metrics_come_in_and_stores_are_reached() -> None:
    spec = network_policy(arm(), everything())["spec"]
    named = [value for path, value in fields(spec) if path.endswith(".kubernetes.io/metadata.name")]
    assert named == ["gateways", "ml", "monitoring"]
    assert [rule["ports"] for rule in spec["ingress"]] == [[{"port": 3000, "protocol": "TCP"}]]
    ports = {entry["port"] for rule in spec["egress"] for entry in rule["ports"]}
    assert {53, 443, 5432, 6379} <= ports
    assert 22 not in ports


def test_every_selector_finds_the_pods_of_one_arm_and_no_others() -> None:
    other = arm(name="card-fraud-ffffffff-8")
    labels = pod_template(arm(), settings())["metadata"]["labels"]
    for own in (arm(), other):
        selectors = [
            deployment(own, settings())["spec"]["selector"]["matchLabels"],
            service(own, settings())["spec"]["selector"],
            network_policy(own, settings())["spec"]["podSelector"]["matchLabels"],
            disruption_budget(own, settings())["spec"]["selector"]["matchLabels"],
        ]
        assert [selector.items() <= labels.items() for selector in selectors] == [own == arm()] * 4


def test_a_pod_has_the_two_logins_of_the_secret_and_no_more() -> None:
    found = pod_template(arm(), settings(**FOLLOWED))["spec"]
    [volume] = [one for one in found["volumes"] if one["name"] == "credentials"]
    assert volume["secret"]["secretName"] == "platform-assets-secrets"
    assert [item["key"] for item in volume["secret"]["items"]] == list(OF_SERVICES)
    [mount] = [one for one in found["containers"][0]["volumeMounts"] if one["name"] == "credentials"]
    assert mount == {"name": "credentials", "mountPath": "/run/platform-assets/credentials"}, (
        "a `subPath` would never change"
    )
    assert "credentials" not in {one["name"] for one in pod_template(arm(), settings())["spec"]["volumes"]}
    assert [one["name"] for one in found["initContainers"][0]["volumeMounts"] if one["name"] == "credentials"] == []
