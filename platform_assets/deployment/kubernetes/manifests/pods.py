"""The pods of arms and of what runs beside them.

Belongs here: the one pod template, with its containers, volumes, probes and rights. Does not belong here: how many pods there are
(`deployment.py`, `autoscaling.py`), and what they may use (`sizes.py`).
"""

from __future__ import annotations

from typing import Any

from platform_assets.deployment.kubernetes import naming
from platform_assets.deployment.kubernetes.arms import (
    POD_ADDRESS,
    PORT,
    RELEASE_FOLDER,
    ArmSpec,
    BesideSpec,
    expandable,
)
from platform_assets.deployment.kubernetes.manifests.metadata import Manifest, labels_of
from platform_assets.deployment.kubernetes.manifests.sizes import placement, resource_claims, resources
from platform_assets.deployment.kubernetes.settings import ClusterSettings
from platform_assets.features.online.credentials import OF_SERVICES

CONTAINER, FETCH = "service", "fetch-release"
PORT_NAME = "http"
ARM_VARIABLE = "PLATFORM_ASSETS_SERVING_ARM"
"""By which a service knows its own arm's name: a request that was sent to another arm is a copy, see `routes/`."""
CACHE_FOLDER, TEMPORARY_FOLDER = "/cache", "/tmp"
FETCHER_FOLDER = "/opt/platform-assets/src"

_OWN_SECONDS = 30
"""A service's own time to end, behind `drain_seconds`: its requests in flight, and what is queued for log and store."""
_TEMPORARY_SIZE = "2Gi"


def pod_template(spec: ArmSpec | BesideSpec, settings: ClusterSettings) -> Manifest:
    """The template of a Deployment's pods.

    Args:
        spec: the arm, or what runs beside; its Secret has its name.
        settings: of the cluster.
    """
    containers = [_container(spec, settings)]
    pod: Manifest = {
        "serviceAccountName": settings.service_account,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": settings.user,
            "runAsGroup": settings.user,
            "fsGroup": settings.user,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "terminationGracePeriodSeconds": settings.drain_seconds + _OWN_SECONDS,
        "topologySpreadConstraints": [_spread(key, spec.name) for key in _SPREAD_OVER],
        "volumes": [{"name": name, **source} for name, _, source in _volumes(spec, settings)],
        "containers": containers,
        **placement(spec.compute, settings),
    }
    if spec.archive is not None:
        pod["initContainers"] = [_fetch(spec, settings)]
    if settings.priority_class is not None:
        pod["priorityClassName"] = settings.priority_class
    if settings.image_pull_secrets:
        pod["imagePullSecrets"] = [{"name": name} for name in settings.image_pull_secrets]
    claims = resource_claims(spec.compute)
    if claims:
        pod["resourceClaims"] = claims
    return {"metadata": {"labels": labels_of(spec)}, "spec": pod}


_LAST_LINES = "FallbackToLogsOnError"
"""What a container wrote last stands in its pod's status, for when its log is gone."""
_SPREAD_OVER = ("kubernetes.io/hostname", "topology.kubernetes.io/zone")
_RIGHTS: Manifest = {
    "allowPrivilegeEscalation": False,
    "privileged": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def _container(spec: ArmSpec | BesideSpec, settings: ClusterSettings) -> Manifest:
    command = [expandable(argument) for argument in spec.command]
    container: Manifest = {
        "name": CONTAINER,
        "image": spec.image or settings.runtime_image,
        "imagePullPolicy": "IfNotPresent",
        "command": command[:1],
        "args": command[1:],
        "workingDir": spec.working_dir,
        "env": _variables(spec),
        "envFrom": [{"secretRef": {"name": spec.name}}],
        "resources": resources(spec.compute),
        "securityContext": _RIGHTS,
        "terminationMessagePolicy": _LAST_LINES,
        "volumeMounts": [
            {"name": name, "mountPath": path}
            for name, path, _ in _volumes(spec, settings)
            if name not in (_CACHE, _RELEASES)
        ],
    }
    if isinstance(spec, ArmSpec):
        container["ports"] = [{"name": PORT_NAME, "containerPort": PORT, "protocol": "TCP"}]
        container |= _probes(spec, settings)
        if settings.drain_seconds:
            container["lifecycle"] = {"preStop": _wait(settings)}
    return container


def _variables(spec: ArmSpec | BesideSpec) -> list[Manifest]:
    """What the pod alone knows. Values of a Secret are not expanded, so those with the pod's address stand here."""
    fields = {"POD_IP": "status.podIP", "POD_NAME": "metadata.name", "NODE_NAME": "spec.nodeName"}
    known: list[Manifest] = [
        {"name": name, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}}
        for name, path in fields.items()
    ]
    own = {"HOME": TEMPORARY_FOLDER, ARM_VARIABLE: spec.name}
    own |= {name: value for name, value in sorted(spec.environment.items()) if POD_ADDRESS in value}
    return known + [{"name": name, "value": expandable(value)} for name, value in own.items()]


def _probes(arm: ArmSpec, settings: ClusterSettings) -> Manifest:
    """Whether requests may come (`ready_path`), and whether only a new start helps.

    A service that cannot reach its stores is not ready, and no new start helps it: without a path for that alone, liveness asks for
    no more than an open port.
    """
    ready = {"httpGet": {"path": arm.ready_path, "port": PORT_NAME, "scheme": "HTTP"}, "timeoutSeconds": 2}
    alive: Manifest = {"tcpSocket": {"port": PORT_NAME}}
    if arm.live_path is not None:
        alive = {"httpGet": {"path": arm.live_path, "port": PORT_NAME, "scheme": "HTTP"}}
    return {
        "startupProbe": {**ready, "periodSeconds": 1, "failureThreshold": settings.start_timeout_seconds},
        "readinessProbe": {**ready, "periodSeconds": 2, "failureThreshold": 2},
        "livenessProbe": {**alive, "timeoutSeconds": 5, "periodSeconds": 10, "failureThreshold": 6},
    }


def _wait(settings: ClusterSettings) -> Manifest:
    """What keeps a pod answering until every gateway knows that it ends."""
    if settings.pre_stop == "sleep":
        return {"sleep": {"seconds": settings.drain_seconds}}
    # The runtime image has Python; a `sleep` it need not have.
    program = f"import time; time.sleep({settings.drain_seconds})"
    return {"exec": {"command": ["python", "-I", "-S", "-c", program]}}


def _fetch(spec: ArmSpec | BesideSpec, settings: ClusterSettings) -> Manifest:
    """What brings the release into the pod before the service starts, and refuses an archive with another digest."""
    if spec.archive is None:
        raise ValueError(f"{spec.name} has no archive to fetch")
    arguments = {
        "--uri": spec.archive.uri,
        "--digest": spec.archive.digest,
        "--to": RELEASE_FOLDER,
        "--cache": CACHE_FOLDER,
        "--cache-gigabytes": f"{settings.node_cache_gigabytes:g}",
    }
    return {
        "name": FETCH,
        "image": settings.runtime_image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python"],
        "args": ["-m", "serving.fetch_release", *(expandable(text) for pair in arguments.items() for text in pair)],
        "env": [{"name": "PYTHONPATH", "value": FETCHER_FOLDER}, {"name": "HOME", "value": TEMPORARY_FOLDER}],
        # Keys of the object store are in the service's own environment.
        "envFrom": [{"secretRef": {"name": spec.name}}],
        "resources": resources(spec.compute, with_gpus=False),
        "securityContext": _RIGHTS,
        "terminationMessagePolicy": _LAST_LINES,
        "volumeMounts": [
            {"name": name, "mountPath": path} | ({"readOnly": True} if name == _RELEASES else {})
            for name, path, _ in _volumes(spec, settings)
            if name in (_RELEASE, _CACHE, _RELEASES, _TEMPORARY)
        ],
    }


_TEMPORARY, _RELEASE, _CACHE, _RELEASES, _LOG = "tmp", "release", "cache", "releases", "prediction-log"
_CREDENTIALS = "credentials"


def _volumes(spec: ArmSpec | BesideSpec, settings: ClusterSettings) -> list[tuple[str, str, Manifest]]:
    """Name, path and source of each volume of a pod."""
    found: list[tuple[str, str, Manifest]] = [
        (_TEMPORARY, TEMPORARY_FOLDER, {"emptyDir": {"sizeLimit": _TEMPORARY_SIZE}})
    ]
    if spec.archive is not None:
        cache: Manifest = {"emptyDir": {}}
        if settings.node_cache_folder is not None:
            # Not made when missing: the kubelet would make it root's, and no pod of ours could write there.
            cache = {"hostPath": {"path": settings.node_cache_folder, "type": "Directory"}}
        found += [(_RELEASE, RELEASE_FOLDER, {"emptyDir": {}}), (_CACHE, CACHE_FOLDER, cache)]
        if settings.release_claim is not None:
            found.append((_RELEASES, settings.releases, _claimed(settings.release_claim, read_only=True)))
    if settings.log_claim is not None:
        found.append((_LOG, settings.log_folder, _claimed(settings.log_claim)))
    if settings.credentials_secret is not None:
        found.append((_CREDENTIALS, settings.credentials_folder, _logins_of(settings.credentials_secret)))
    shared = enumerate(sorted(settings.shared_paths.items()))
    return found + [(f"shared-{number}", path, _claimed(claim)) for number, (path, claim) in shared]


def _claimed(claim: str, *, read_only: bool = False) -> Manifest:
    return {"persistentVolumeClaim": {"claimName": claim, **({"readOnly": True} if read_only else {})}}


def _logins_of(secret: str) -> Manifest:
    """Of the Secret only what a service needs, as far as it is there: what is missing the service names."""
    items = [{"key": name, "path": name} for name in OF_SERVICES]
    return {"secret": {"secretName": secret, "defaultMode": 0o440, "optional": True, "items": items}}


def _spread(over: str, name: str) -> dict[str, Any]:
    return {
        "maxSkew": 1,
        "topologyKey": over,
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": naming.pod_labels(name)},
    }
