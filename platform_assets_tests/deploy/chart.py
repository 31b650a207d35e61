"""The Helm chart, rendered by the real helm.

Belongs here: profiles, rendering, holding manifests against Kubernetes' schemas. Does not belong here: what tests expect of them.
"""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml

from platform_assets_tests.kubernetes.tools import ROOT, run_tool

CHART = ROOT / "deploy" / "helm" / "platform-assets"
PROFILES = {
    "small": ("values-small.yaml",),
    "production": ("values-production.yaml",),
    "spot": ("values-production.yaml", "values-spot.yaml"),
}
NOT_VALIDATED = {
    "ExternalSecret": "external-secrets.io/v1",
    "Gateway": "gateway.networking.k8s.io/v1",
    "HTTPRoute": "gateway.networking.k8s.io/v1",
    "PodMonitor": "monitoring.coreos.com/v1",
}
"""Kinds whose schema no package carries that could be installed here, and their API."""
NEWEST = "1.37"
OLDEST = "1.30"
"""Versions of Kubernetes whose schemas manifests are held against; `kubeVersion` of the chart says the oldest."""

Manifest = dict[str, Any]


def profile_arguments(profile: str) -> list[str]:
    """Helm's arguments for the values of a profile."""
    return [part for name in PROFILES[profile] for part in ("--values", str(CHART / name))]


def render(profile: str, *arguments: str, values: Path | None = None, chart: Path = CHART) -> list[Manifest]:
    """The manifests of a profile.

    Args:
        profile: one of `PROFILES`.
        arguments: further ones for `helm template`, such as `--set`.
        values: a further file of values.
        chart: another copy of the chart.
    """
    done = run_tool(
        "helm", *template_arguments(profile, chart), *(["--values", str(values)] if values else []), *arguments
    )
    assert done.returncode == 0, done.stderr
    return [manifest for manifest in yaml.safe_load_all(done.stdout) if manifest]


def template_arguments(profile: str, chart: Path = CHART) -> list[str]:
    """`helm template` with a profile."""
    return ["template", "platform", str(chart), "--namespace", "ml", *profile_arguments(profile)]


def hold_against_schemas(manifests: list[Manifest]) -> list[str]:
    """Hold manifests against Kubernetes' own schemas, no field beyond them.

    Returns:
        What was not validated, as `ExternalSecret external-secrets.io/v1`: only kinds of `NOT_VALIDATED`.

    Raises:
        kubernetes_validate.ValidationError: a manifest does not fit.
        kubernetes_validate.SchemaNotFoundError: there is no schema, and the kind is not one of `NOT_VALIDATED`.
    """
    skipped = set()
    for manifest in manifests:
        kind, version = manifest["kind"], manifest["apiVersion"]
        if NOT_VALIDATED.get(kind) == version:
            skipped.add(f"{kind} {version}")
            continue
        for kubernetes in (OLDEST, NEWEST):
            kubernetes_validate.validate(copy.deepcopy(manifest), kubernetes, strict=True)
    return sorted(skipped)


def found(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    """The one manifest of that kind and name."""
    [match] = [one for one in manifests if one["kind"] == kind and one["metadata"]["name"] == name]
    return match


def pods(manifests: list[Manifest]) -> Mapping[str, Manifest]:
    """Pod specs by the name of their Deployment, StatefulSet or Job."""
    return {
        one["metadata"]["name"]: one["spec"]["template"]["spec"]
        for one in manifests
        if one["kind"] in ("Deployment", "StatefulSet", "Job")
    }
