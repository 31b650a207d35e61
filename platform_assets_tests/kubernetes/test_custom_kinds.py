"""Objects of custom kinds, held against types and validators that packages carry: Gateway API, Istio, KEDA.

Belongs here: what no schema of Kubernetes itself knows. Does not belong here: built-in kinds
(`unit/deployment/kubernetes/test_manifests.py`).

Envoy Gateway's policies are in no package: the gateway of the test cluster alone has read them.
"""

import copy
import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from platform_assets.deployment.kubernetes.manifests.scaling import StreamLag, scaled_object
from platform_assets.deployment.kubernetes.routes.base import ArmShare, RouteMirror, RouteSplit
from platform_assets.deployment.kubernetes.routes.registry import routes_of
from platform_assets.deployment.rollout.stages import Assignment
from platform_assets_tests.kubernetes.tools import HOME_OF_TOOLS, missing
from platform_assets_tests.unit.deployment.kubernetes.objects import settings, stream

pytestmark = pytest.mark.kubernetes

MODELS = {
    "HTTPRoute": "@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1/HTTPRoute",
    "VirtualService": "@kubernetes-models/istio/networking.istio.io/v1/VirtualService",
    "EnvoyFilter": "@kubernetes-models/istio/networking.istio.io/v1alpha3/EnvoyFilter",
    "ScaledObject": "@kubernetes-models/keda/keda.sh/v1alpha1/ScaledObject",
}
OLD, NEW = (
    ArmShare("card-fraud-aaaaaaaa-1", "v1-0123456789ab", 90),
    ArmShare("card-fraud-bbbbbbbb-2", "v2-ba9876543210", 10),
)
SPLIT = RouteSplit(Assignment("bigger_model", "customer_id", 5000, 5000), treatment=NEW.name, control=OLD.name)
TYPESCRIPT = ["--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext", "--moduleResolution", "nodenext"]


def rendered() -> list[dict[str, Any]]:
    lag = StreamLag(("kafka:9092",), "payments", "card_fraud", authentication="kafka")
    found = [scaled_object(stream(), lag, settings())]
    for changed in (
        {},
        {"routes": "istio"},
        {"retries": "http_route", "gateway_section": "https", "hostnames": ["ml.example"]},
    ):
        routes = routes_of(settings(**changed))
        found += routes.render("card_fraud", [OLD, NEW])
        found += routes.render("card_fraud", [ArmShare(OLD.name, OLD.version, 100)], RouteMirror(NEW.name, 25))
        found += routes.render("card_fraud", [OLD, NEW], split=SPLIT)
    return [body for body in found if body["kind"] in MODELS]


@pytest.fixture(scope="module")
def models() -> Path:
    """The folder that has the packages; the test ends here where it is missing."""
    folder = HOME_OF_TOOLS / "crd-models"
    if shutil.which("node") is None or not (folder / "node_modules").is_dir():
        missing("node, or .venv-k8s/crd-models,")
    return folder


def complaints(models: Path, folder: Path, bodies: list[dict[str, Any]], addresses: Mapping[str, str] = MODELS) -> str:
    """What types say of unknown fields, and validators of values; empty when nothing is wrong."""
    (folder / "node_modules").symlink_to(models.resolve() / "node_modules")
    (folder / "package.json").write_text('{"type": "module"}')
    kinds = sorted({body["kind"] for body in bodies})
    imports = [f'import {{ {kind}, type I{kind} }} from "{addresses[kind]}";' for kind in kinds]
    # A literal of a declared type is what the compiler looks through for fields that the type does not have.
    values = [f"const o{number}: I{body['kind']} = {json.dumps(body)};" for number, body in enumerate(bodies)]
    (folder / "typed.ts").write_text("\n".join([*imports, *values]))
    compiler = folder / "node_modules" / "typescript" / "bin" / "tsc"
    typed = subprocess.run(
        ["node", str(compiler), *TYPESCRIPT, "typed.ts"], cwd=folder, capture_output=True, text=True, timeout=120
    )
    checks = [f'import {{ {kind} }} from "{addresses[kind]}";' for kind in kinds]
    for body in bodies:
        checks.append(
            f"try {{ new {body['kind']}({json.dumps(body)}).validate() }} catch (error) {{ console.log(String(error)) }}"
        )
    (folder / "values.mjs").write_text("\n".join(checks))
    values_said = subprocess.run(["node", "values.mjs"], cwd=folder, capture_output=True, text=True, timeout=60)
    return typed.stdout + typed.stderr + values_said.stdout + values_said.stderr


def test_types_and_validators_of_the_gateway_api_istio_and_keda_take_every_object(models: Path, tmp_path: Path) -> None:
    bodies = rendered()
    assert {body["kind"] for body in bodies} == set(MODELS)
    assert complaints(models, tmp_path, bodies) == ""


FAULTS: dict[str, tuple[str, tuple[Any, ...], Any, str]] = {
    "a misspelt weight": ("HTTPRoute", ("spec", "rules", 0, "backendRefs", 0, "wieght"), 5, "wieght"),
    "a duration that is none": (
        "HTTPRoute",
        ("spec", "rules", 0, "timeouts", "request"),
        "15 seconds",
        "timeouts/request",
    ),
    "a path that is a number": ("HTTPRoute", ("spec", "rules", 0, "matches", 0, "path", "value"), 5, "value"),
    "a mirror in Istio's old words": ("VirtualService", ("spec", "http", 0, "mirrorPercnt"), 5, "mirrorPercnt"),
    "a patch that there is not": ("EnvoyFilter", ("spec", "configPatches", 0, "applyTo"), "HTTP_FILTERS", "applyTo"),
    "replicas as text": ("ScaledObject", ("spec", "maxReplicaCount"), "4", "maxReplicaCount"),
}


def test_planted_faults_are_refused_by_their_names(models: Path, tmp_path: Path) -> None:
    bodies = []
    for kind, path, value, _ in FAULTS.values():
        body = copy.deepcopy(next(body for body in rendered() if body["kind"] == kind))
        place: Any = body
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        bodies.append(body)
    said = complaints(models, tmp_path, bodies)
    assert [fault for fault, (*_, words) in FAULTS.items() if words not in said] == []
