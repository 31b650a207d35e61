"""Versions that cannot start, and clusters that refuse: each is told with its cause, the old version serves, and nothing is left over."""

import json
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from platform_assets.declaration.sections.compute import Compute
from platform_assets.deployment.errors import DeploymentError, RoutingRefused, StartFailed, TargetUnavailable
from platform_assets.deployment.kubernetes.archives import ReleaseArchives
from platform_assets.deployment.kubernetes.arms import StoredArchive
from platform_assets.deployment.kubernetes.settings import ClusterSettings
from platform_assets.deployment.kubernetes.shipping import ship
from platform_assets.deployment.kubernetes.target import KubernetesTarget
from platform_assets_tests.contracts.target_worlds import MakeRelease, answers, load, releases, versions
from platform_assets_tests.kubernetes.serving_world import ServingWorld, serving_world

logger = logging.getLogger(__name__)
pytestmark = pytest.mark.kubernetes
ROUTE_API = "gateway.networking.k8s.io/v1"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServingWorld]:
    with serving_world(tmp_path_factory.mktemp("world")) as one:
        yield one


@pytest.fixture
def release(tmp_path: Path) -> MakeRelease:
    return releases(tmp_path)


@pytest.fixture
def settings(world: ServingWorld) -> Iterator[ClusterSettings]:
    one = world.settings()
    yield one
    opened(one).stop_all()  # all share one gateway, where the oldest route of a path counts


def opened(settings: ClusterSettings, **changed: Any) -> KubernetesTarget:
    settings = ClusterSettings.model_validate(settings.model_dump() | changed)

    def shipped(root: Path) -> StoredArchive:
        one = ship(root, settings)
        return StoredArchive(one.digest, one.uri)

    return KubernetesTarget(settings, shipped, archives=ReleaseArchives(settings))


def refused(deploy: Callable[[], object], kind: type[DeploymentError], said: str) -> DeploymentError:
    """The error, in which each part of a sentence stands."""
    began = time.monotonic()
    with pytest.raises(kind) as failure:
        deploy()
    logger.info("told after %.1f s: %s", time.monotonic() - began, failure.value)
    for part in said.split(" ... "):
        assert part in str(failure.value)
    return failure.value


def nothing_is_lost(target: KubernetesTarget, served: str) -> None:
    assert versions(target) == [served]
    assert target.rollout("churn") is None
    assert answers(target.address("churn"), 5) == {served: 5}
    assert target.prune(remove=False) == []


@pytest.mark.parametrize(
    ("changed", "compute", "mode", "said"),
    [
        (
            {"runtime_image": f"registry.example/absent@sha256:{'1' * 64}"},
            None,
            "",
            "the image registry.example/absent ... Is it in the registry",
        ),
        ({}, Compute(cpus=100_000), "", "no node takes pod ... Declare less under `compute`"),
        ({}, Compute(cpus=1, memory_gigabytes=0.1), "too large", "more memory than its limit of 100M"),
        ({}, None, "does not start", "ended (exit code 1 ... cannot load the model: file is missing"),
    ],
    ids=["image", "unschedulable", "out_of_memory", "crash"],
)
def test_a_start_that_cannot_succeed_is_told_with_its_cause(
    settings: ClusterSettings,
    release: MakeRelease,
    changed: dict[str, Any],
    compute: Compute | None,
    mode: str,
    said: str,
) -> None:
    opened(settings).deploy(release("1"))
    target = opened(settings, **changed)
    error = refused(lambda: target.deploy(release("2", mode, compute=compute)), StartFailed, said)
    assert any("version 1 keeps serving" in note for note in error.__notes__)
    nothing_is_lost(target, "1")


def test_a_quota_and_a_webhook_are_named(world: ServingWorld, settings: ClusterSettings, release: MakeRelease) -> None:
    target = opened(settings)
    target.deploy(release("1"))
    quotas = f"/api/v1/namespaces/{settings.namespace}/resourcequotas"
    world.cluster.post(quotas, {"metadata": {"name": "team"}, "spec": {"hard": {"pods": "1"}}})
    refused(lambda: target.deploy(release("2")), StartFailed, "quota team")
    world.cluster.delete(f"{quotas}/team")
    nothing_is_lost(target, "1")
    webhook = {"webhook": "policy.example.com", "plural": "deployments", "message": "no", "operations": ["CREATE"]}
    world.cluster.post("/-/faults", webhook)
    refused(lambda: target.deploy(release("3")), StartFailed, "the admission webhook policy.example.com refuses it: no")
    world.cluster.delete("/-/faults")
    nothing_is_lost(target, "1")


def test_an_archive_with_another_digest_is_never_unpacked(settings: ClusterSettings, release: MakeRelease) -> None:
    opened(settings).deploy(release("1"))

    def tampered(root: Path) -> StoredArchive:
        return StoredArchive(f"sha256:{'0' * 64}", ship(root, settings).uri)

    target = KubernetesTarget(settings, tampered)
    refused(lambda: target.deploy(release("2")), StartFailed, "container fetch-release ... sha256:0000")
    nothing_is_lost(target, "1")


def test_another_managers_route_is_left_alone_and_its_owner_named(
    world: ServingWorld, settings: ClusterSettings, release: MakeRelease
) -> None:
    target = opened(settings)
    path = f"/apis/{ROUTE_API}/namespaces/{settings.namespace}/httproutes/churn"
    parent = {"name": settings.gateway, "namespace": "another"}
    body = {
        "apiVersion": ROUTE_API,
        "kind": "HTTPRoute",
        "metadata": {"name": "churn"},
        "spec": {"parentRefs": [parent]},
    }
    answer = world.cluster.call("PATCH", f"{path}?fieldManager=argocd-controller", body, "application/apply-patch+yaml")
    assert answer.is_success, answer.text
    error = refused(lambda: target.deploy(release("1")), RoutingRefused, "argocd-controller manages fields of it too")
    logger.info("%s", getattr(error, "__notes__", []))
    assert json.loads(world.cluster.call("GET", path).text)["spec"]["parentRefs"][0]["namespace"] == "another"


def test_what_is_not_there_is_named_before_anything_is_changed(
    world: ServingWorld, settings: ClusterSettings, release: MakeRelease
) -> None:
    refused(lambda: opened(settings, gateway="absent").deploy(release("1")), TargetUnavailable, "there is no Gateway")
    classless = {
        "apiVersion": ROUTE_API,
        "kind": "Gateway",
        "metadata": {"name": "classless"},
        "spec": {"gatewayClassName": "nobodys", "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]},
    }
    world.cluster.post(f"/apis/{ROUTE_API}/namespaces/{settings.namespace}/gateways", classless)
    other = opened(settings, gateway="classless", gateway_namespace=settings.namespace)
    refused(lambda: other.deploy(release("1")), TargetUnavailable, "of the class nobodys, which does not exist")
    held = {"metadata": {"name": "held", "finalizers": ["example.com/hold"]}}
    world.cluster.post(f"/api/v1/namespaces/{settings.namespace}/configmaps", held)
    world.cluster.delete(f"/api/v1/namespaces/{settings.namespace}")
    refused(lambda: opened(settings).deploy(release("1")), TargetUnavailable, "the namespace is being deleted")


def test_a_bad_day_of_the_api_costs_no_request(
    world: ServingWorld, settings: ClusterSettings, release: MakeRelease
) -> None:
    target = opened(settings)
    target.deploy(release("1"))
    with load(target.address("churn")) as counted:
        plant_a_bad_day(world, settings.namespace)
        target.deploy(release("2"))
        world.cluster.delete("/-/faults")
    assert set(counted) <= {"1", "2"}
    assert counted.total() > 0
    nothing_is_lost(target, "2")


def plant_a_bad_day(world: ServingWorld, namespace: str) -> None:
    """Each kind of refusal for the next requests, and watches that drop."""
    for answer in (429, 503, 500, 0):
        world.cluster.post("/-/faults", {"answer": answer, "count": 2, "namespace": namespace, "retry_after": 0})
    world.cluster.post("/-/faults", {"answer": 409, "count": 2, "verb": "patch", "namespace": namespace})
    world.cluster.post("/-/faults", {"drop_watches": True})


def test_what_lost_its_owner_is_named_and_removed(
    world: ServingWorld, settings: ClusterSettings, release: MakeRelease
) -> None:
    target = opened(settings)
    target.deploy(release("1"))
    world.cluster.delete(f"/api/v1/namespaces/{settings.namespace}/configmaps/platform-assets-target")
    named = target.prune(remove=False)
    assert {one.partition(" ")[0] for one in named} >= {"Deployment", "Service", "Secret", "HTTPRoute"}
    assert target.prune(remove=True) == named
    assert target.prune(remove=False) == []
    target.deploy(release("2"))
    nothing_is_lost(target, "2")
