"""Arms and settings that these tests render, and the schemas that they hold the objects against.

Belongs here: what more than one module of tests needs. Does not belong here: an assertion of its own.
"""

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import kubernetes_validate

from platform_assets.declaration.sections.compute import Compute, Replicas
from platform_assets.deployment.kubernetes import naming
from platform_assets.deployment.kubernetes.arms import ArmSpec, BesideSpec, StoredArchive
from platform_assets.deployment.kubernetes.settings import ClusterSettings

IMAGE = f"registry.example/serving@sha256:{'0' * 64}"
DIGEST = f"sha256:{'a' * 64}"
VERSIONS = ("1.33", "1.35", "1.37")
"""Versions of Kubernetes that objects are held against."""


def settings(**changed: Any) -> ClusterSettings:
    given = {
        "namespace": "ml",
        "runtime_image": IMAGE,
        "releases": "s3://bucket/releases",
        "gateway": "public",
        "gateway_namespace": "gateways",
        "address": "https://ml.example",
    }
    return ClusterSettings.model_validate(given | changed)


def everything() -> ClusterSettings:
    """With every field that adds something to an object."""
    return settings(
        releases="/releases",
        release_claim="releases",
        log_claim="log",
        shared_paths={"/srv/online": "online"},
        node_cache_folder="/var/cache/platform-assets",
        image_pull_secrets=["registry"],
        priority_class="serving",
        metrics_namespaces=["monitoring"],
        gateway_section="https",
        pre_stop="exec",
        node_classes={
            "gpu": {"labels": {"pool": "gpu"}, "tolerations": [{"key": "gpu"}]},
            "spot": {"labels": {"karpenter.sh/capacity-type": "spot"}},
        },
    )


def arm(**changed: Any) -> ArmSpec:
    base = ArmSpec(
        use_case="card_fraud",
        name=naming.arm_name("card_fraud", "0123456789abcdef", 7),
        version="v3-0123456789ab",
        fingerprint="0123456789abcdef",
        command=("python", "-m", "serving", "/release/bento", "--host", "$(POD_IP)", "--port", "3000"),
        environment={"PASSWORD": "hush", "SELF": "http://$(POD_IP):3000", "LITERAL": "a$(POD_NAME)b"},
        ready_path="/readyz",
        compute=Compute(cpus=1.5, memory_gigabytes=2, replicas=Replicas(least=2, most=6, in_flight=20)),
        archive=StoredArchive(DIGEST, "s3://bucket/releases/a.tar.gz"),
    )
    return replace(base, **changed)


def stream(**changed: Any) -> BesideSpec:
    base = BesideSpec(
        use_case="card_fraud",
        name="beside-stream-card-fraud",
        command=("python", "-m", "serving.doors.stream", "/release/bento"),
        environment={"BROKERS": "kafka:9092"},
        archive=StoredArchive(DIGEST, "s3://bucket/releases/a.tar.gz"),
    )
    return replace(base, **changed)


def hold_against_schemas(manifest: dict[str, Any]) -> None:
    """Strictly: an unknown field, and a kind without a schema, are refused.

    Raises:
        kubernetes_validate.ValidationError: names what does not fit.
    """
    for version in VERSIONS:
        kubernetes_validate.validate(copy.deepcopy(manifest), version, strict=True)


def fields(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value in an object with its path."""
    yield path, value
    if isinstance(value, dict):
        for key, below in value.items():
            yield from fields(below, f"{path}.{key}")
    elif isinstance(value, list):
        for number, below in enumerate(value):
            yield from fields(below, f"{path}.{number}")
