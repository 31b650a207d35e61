"""Planted faults in values and manifests: each is refused before anything reaches a cluster, and the field is named."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from platform_assets_tests.deploy.chart import (
    CHART,
    Manifest,
    found,
    hold_against_schemas,
    pods,
    render,
    template_arguments,
)
from platform_assets_tests.kubernetes.tools import run_tool

pytestmark = pytest.mark.kubernetes

VALUES: dict[str, tuple[dict[str, Any], str, str]] = {
    "a misspelt field": ({"webserver": {"replica": 2}}, "/webserver", "replica"),
    "a misspelt section": ({"webservr": {}}, "", "webservr"),
    "a field in the wrong section": ({"runs": {"replicas": 2}}, "/runs", "replicas"),
    "a misspelt limit": ({"daemon": {"resources": {"limit": {"memory": "1Gi"}}}}, "/daemon/resources", "limit"),
    "a size with a unit that there is not": ({"storage": {"home": {"size": "20GB"}}}, "/storage/home/size", "20GB"),
    "automation that YAML takes for a Boolean": ({"automation": True}, "/automation", "string"),
    "replicas as text": ({"webserver": {"replicas": "two"}}, "/webserver/replicas", "integer"),
    "an environment that there is not": ({"environment": "prod"}, "/environment", "production"),
    "an image by the tag latest": ({"image": {"tag": "latest"}}, "/image/tag", "not"),
    "a digest that is none": ({"image": {"digest": "sha256:123"}}, "/image/digest", "sha256:123"),
    "an address with a password": ({"serving": {"address": "https://user:hush@models.example"}}, "/serving/address", "pattern"),
    "a password among the settings": ({"settings": {"extra": {"DB_PASSWORD": "hush"}}}, "", "settings.extra.DB_PASSWORD"),
    "an environment of production without a digest": ({"image": {"digest": ""}}, "", "image.digest"),
    "two databases": ({"postgresql": {"enabled": True}}, "", "database.host"),
    "a store of External Secrets without a name": ({"secrets": {"external": {"storeName": ""}}}, "", "secrets.external.storeName"),
    "a Secret that is followed where Vault's agent fills pods": ({"secrets": {"source": "vault"}}, "", "secrets.follow"),
    "runs above the daemon": ({"priorityClasses": {"runsHigh": 2000000}}, "", "priorityClasses"),
    "scratch volumes of no class": ({"storage": {"scratch": {"storageClass": ""}}}, "", "storage.scratch.storageClass"),
}  # fmt: skip


@pytest.mark.parametrize("fault", VALUES)
def test_a_fault_in_the_values_is_refused_by_the_fields_name(fault: str, tmp_path: Path) -> None:
    values, place, word = VALUES[fault]
    planted = tmp_path / "values.yaml"
    planted.write_text(yaml.safe_dump(values))
    done = run_tool("helm", *template_arguments("production"), "--values", str(planted))
    assert done.returncode != 0
    assert place in done.stderr
    assert word in done.stderr
    assert done.stdout == ""


def container(manifests: list[Manifest], name: str) -> dict[str, Any]:
    spec: dict[str, Any] = pods(manifests)[f"platform-assets-{name}"]["containers"][0]
    return spec


def set_in(
    path: Callable[[list[Manifest]], dict[str, Any]], field: str, value: Any
) -> Callable[[list[Manifest]], None]:
    def plant(manifests: list[Manifest]) -> None:
        path(manifests)[field] = value

    return plant


MANIFESTS: dict[str, tuple[Callable[[list[Manifest]], None], str]] = {
    "a misspelt probe": (set_in(lambda all_: container(all_, "webserver"), "readynessProbe", {}), "readynessProbe"),
    "a port as text": (set_in(lambda all_: container(all_, "webserver")["ports"][0], "containerPort", "3000"), "3000"),
    "a misspelt budget": (
        set_in(lambda all_: found(all_, "PodDisruptionBudget", "platform-assets-webserver")["spec"], "maxUnavailible", 1),
        "maxUnavailible",
    ),
    "a memory limit as a list": (
        set_in(lambda all_: container(all_, "daemon")["resources"], "limits", ["1Gi"]),
        "limits",
    ),
    "verbs as text": (
        set_in(lambda all_: found(all_, "Role", "platform-assets-end-runs")["rules"][0], "verbs", "get"),
        "verbs",
    ),
    "an API that there is no more": (
        set_in(lambda all_: found(all_, "PodDisruptionBudget", "platform-assets-webserver"), "apiVersion", "policy/v1beta1"),
        "policy/v1beta1",
    ),
    "a kind that nobody knows": (
        set_in(lambda all_: found(all_, "ResourceQuota", "platform-assets-runs"), "kind", "ResourceQota"),
        "ResourceQota",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def rendered() -> list[Manifest]:
    return render("production")


@pytest.mark.parametrize("fault", MANIFESTS)
def test_a_fault_in_a_manifest_is_refused_by_the_fields_name(fault: str, rendered: list[Manifest]) -> None:
    plant, word = MANIFESTS[fault]
    manifests = copy.deepcopy(rendered)
    plant(manifests)
    with pytest.raises((kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError)) as refused:
        hold_against_schemas(manifests)
    said = f"{refused.value} {list(getattr(refused.value, 'path', []))} {vars(refused.value)}"
    assert word.lower() in said.lower()


def test_every_object_of_the_schema_refuses_what_it_does_not_know() -> None:
    def open_ones(schema: Any, path: str) -> list[str]:
        found_: list[str] = []
        if isinstance(schema, dict):
            if (
                schema.get("type") == "object"
                and "properties" in schema
                and schema.get("additionalProperties") is not False
            ):
                found_.append(path)
            found_ += [one for key, below in schema.items() for one in open_ones(below, f"{path}/{key}")]
        return found_

    schema = json.loads((CHART / "values.schema.json").read_text())
    assert open_ones(schema, "") == []


def test_every_value_has_its_place_in_the_schema() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert schema["properties"].keys() - {"global"} == values.keys()
    assert set(schema["required"]) == values.keys()
