"""A step's pod, rendered from the manifests that a cluster is given, without a cluster.

Belongs here: reading the run launcher's settings out of rendered manifests, and what the pod of a step finds. Does not belong here:
comparing it with other places (`pipelines/step_environment.py`), or launching.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from platform_assets.declaration.sections.compute import Compute
from platform_assets.orchestration.kubernetes.sizes import pod_config
from platform_assets.pipelines.step_environment import KUBERNETES, StepEnvironment

INSTANCE_FILE = "dagster.yaml"
_UNITS = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40}


class ManifestsIncomplete(ValueError):
    """Rendered manifests from which a step's pod cannot be told; the message says what is missing and how to give it."""


def rendered_step(
    manifests: Path, compute: Compute, image: Mapping[str, Any], secret_names: Sequence[str]
) -> StepEnvironment:
    """What a step finds in its pod.

    Args:
        manifests: what `helm template` printed.
        compute: what the step is declared to need.
        image: what `platform-assets parity describe` printed in the platform's image.
        secret_names: variables of Secrets that are not among the manifests.

    Raises:
        ManifestsIncomplete: the manifests hold no run launcher, or a Secret is not among them and its variables are not named.
    """
    objects = [one for one in yaml.safe_load_all(manifests.read_text(encoding="utf-8")) if one]
    launcher = _launcher(objects, manifests)
    variables: dict[str, str | None] = {**image["variables"]}
    for name in launcher.get("env_config_maps", []):
        variables |= {key: str(value) for key, value in _object(objects, "ConfigMap", name)["data"].items()}
    variables |= dict.fromkeys(_secret_variables(objects, launcher.get("env_secrets", []), secret_names))
    container = _container(launcher, compute)
    variables |= {one["name"]: one.get("value") for one in container.get("env") or []}
    own = variables.get("PLATFORM_ASSETS_IMAGE")
    versions = {**image["versions"], "image": own or "-"}
    return StepEnvironment(KUBERNETES, variables, _resources(container["resources"] or {}), versions)


def _launcher(objects: Sequence[Mapping[str, Any]], manifests: Path) -> dict[str, Any]:
    for one in objects:
        text = (one.get("data") or {}).get(INSTANCE_FILE) if one["kind"] == "ConfigMap" else None
        if text:
            config: dict[str, Any] = yaml.safe_load(text)["run_launcher"]["config"]
            return config
    raise ManifestsIncomplete(
        f"{manifests} has no ConfigMap with {INSTANCE_FILE}: give what `helm template` prints of deploy/helm/platform-assets"
    )


def _object(objects: Sequence[Mapping[str, Any]], kind: str, name: str) -> Mapping[str, Any]:
    for one in objects:
        if one["kind"] == kind and one["metadata"]["name"] == name:
            return one
    raise ManifestsIncomplete(f"{kind} {name}, which runs read, is not among the manifests")


def _secret_variables(
    objects: Sequence[Mapping[str, Any]], secrets: Sequence[str], named: Sequence[str]
) -> Sequence[str]:
    """Names of the variables that runs get from Secrets."""
    found = list(named)
    for secret in secrets:
        try:
            one = _object(objects, "Secret", secret)
        except ManifestsIncomplete:
            if not named:
                raise ManifestsIncomplete(
                    f"Secret {secret}, which runs read, is not among the manifests: name its variables with --secret, once for each"
                ) from None
            continue
        found += [*(one.get("data") or {}), *(one.get("stringData") or {})]
    return found


def _container(launcher: Mapping[str, Any], compute: Compute) -> Mapping[str, Any]:
    """The container of the step's Job, made by dagster-k8s itself."""
    import json

    from dagster_k8s import construct_dagster_k8s_job
    from dagster_k8s.job import DagsterK8sJobConfig, get_user_defined_k8s_config

    tags = {"dagster-k8s/config": json.dumps(pod_config(compute))}
    image = launcher["job_image"]
    job = construct_dagster_k8s_job(
        DagsterK8sJobConfig(
            job_image=image if isinstance(image, str) else "platform",
            dagster_home=launcher.get("dagster_home"),
            instance_config_map=launcher["instance_config_map"],
        ),
        args=["dagster", "api", "execute_step"],
        job_name="step",
        user_defined_k8s_config=get_user_defined_k8s_config(tags),
    ).to_dict()
    container: Mapping[str, Any] = job["spec"]["template"]["spec"]["containers"][0]
    return container


def _resources(resources: Mapping[str, Any]) -> dict[str, str]:
    """The container's share, in the declaration's units."""
    requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
    gpus = sum(int(value) for name, value in limits.items() if name.startswith("nvidia.com/"))
    return {
        "cpus": f"{_number(requests.get('cpu', '0')):g}",
        "memory_gigabytes": f"{_number(limits.get('memory', '0')) / 1e9:g}",
        "gpus": str(gpus),
    }


def _number(quantity: object) -> float:
    """A quantity of Kubernetes as a number."""
    text = str(quantity)
    if text.endswith("m"):
        return float(text[:-1]) / 1000
    match = re.fullmatch(r"([0-9.]+)([kMGT]i?|)", text)
    if match is None:
        raise ManifestsIncomplete(f"{text!r} is no quantity that is known here")
    return float(match[1]) * _UNITS[match[2]]
