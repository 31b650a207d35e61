"""The Terraform modules, by Terraform itself: against the providers' real schemas, with made-up answers, and with planted faults."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.specifiers import SpecifierSet

from platform_assets.secret_sources.registry import parse_source
from platform_assets_tests.deploy.chart import template_arguments
from platform_assets_tests.deploy.terraform import CLOUDS, SOURCES, Terraform, copy_of_modules, schemas, terraform
from platform_assets_tests.deploy.terraform_faults import faults
from platform_assets_tests.kubernetes.tools import run_tool

pytestmark = pytest.mark.terraform

ROOTS = (*CLOUDS, "several")
EACH = 10
"""Faults of each of the three kinds, for each cloud."""


@pytest.fixture(scope="module")
def attached(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terraform]:
    with terraform(tmp_path_factory.mktemp("terraform")) as running:
        yield running


@pytest.fixture(scope="module")
def modules(attached: Terraform, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the modules and roots in which `terraform init` has run."""
    copy = copy_of_modules(tmp_path_factory.mktemp("modules"))
    for folder in (*ROOTS, *(f"modules/{cloud}" for cloud in CLOUDS)):
        done = attached.run(copy / folder, "init", "-input=false")
        assert done.returncode == 0, done.stdout + done.stderr
    return copy


@pytest.mark.parametrize("root", ROOTS)
def test_a_root_is_valid_against_the_providers_schemas(attached: Terraform, modules: Path, root: str) -> None:
    assert attached.validate(modules / root) == []


def test_modules_are_formatted(attached: Terraform) -> None:
    done = attached.run(SOURCES, "fmt", "-check", "-recursive", "-diff")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("cloud", CLOUDS)
def test_versions_that_the_module_admits_hold_the_one_that_was_checked(cloud: str) -> None:
    checked = json.loads((schemas() / f"{CLOUDS[cloud]}.json").read_text())["version"]
    for file in (
        SOURCES / "modules" / cloud / "versions.tf",
        SOURCES / cloud / "main.tf",
        SOURCES / "several" / "main.tf",
    ):
        [wanted] = re.findall(rf'{CLOUDS[cloud]}\s+= {{ source = "[^"]+", version = "([^"]+)"', file.read_text())
        assert checked in SpecifierSet(wanted), f"{file}: {wanted} does not admit {checked}"


@pytest.mark.parametrize("cloud", CLOUDS)
def test_each_planted_fault_is_named_by_file_line_and_argument(
    attached: Terraform, modules: Path, cloud: str, tmp_path: Path
) -> None:
    planted = faults(SOURCES, Path("modules") / cloud, attached.schema(CLOUDS[cloud]), EACH)
    assert len({str(fault) for fault in planted}) == 3 * EACH
    assert len({fault.argument.type_name for fault in planted}) >= 15, "all sorts of resources"
    missed = []
    for fault in planted:
        path = modules / fault.argument.file
        good = path.read_text()
        try:
            fault.plant(modules)
            found = attached.validate(modules / cloud)
            if not found:  # what depends on a value that a plan knows first
                found = diagnostics_of_tests(attached, modules / "modules" / cloud)
        finally:
            path.write_text(good)
        if not any(fault.is_named_by(diagnostic) for diagnostic in found):
            missed.append(f"{fault}: {[one['summary'] for one in found]}")
    assert missed == []
    assert attached.validate(modules / cloud) == [], "and nothing is said of the good module"


@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_wrong_input_of_a_module_is_named(attached: Terraform, modules: Path, cloud: str) -> None:
    path = modules / cloud / "main.tf"
    good = path.read_text()
    [line] = [one for one in good.splitlines() if re.match(r"  alert_emails +=", one)]
    wrong = {
        line.replace("alert_emails", "alert_mails", 1): "alert_mails",
        "": "alert_emails",
        re.sub("= .*", '= "one"', line): "alert_emails",
    }
    try:
        for text, word in wrong.items():
            path.write_text(good.replace(line, text))
            found = attached.validate(modules / cloud)
            said = [f"{one['summary']} {one['detail']}" for one in found if one["range"]["filename"] == "main.tf"]
            assert any(word in one for one in said), (text, found)
    finally:
        path.write_text(good)


def test_several_clouds_at_once_stand_below_one_domain(attached: Terraform, modules: Path) -> None:
    done = attached.run(modules / "several", "test")
    assert done.returncode == 0, done.stdout + done.stderr


def diagnostics_of_tests(attached: Terraform, module: Path) -> list[dict[str, Any]]:
    """What `terraform test` finds when it plans a module."""
    lines = map(json.loads, attached.run(module, "test", "-json").stdout.splitlines())
    return [line["diagnostic"] for line in lines if line["type"] == "diagnostic"]


def outputs(attached: Terraform, module: Path) -> dict[str, dict[str, Any]]:
    """Outputs of each run of the module's own tests, which have to pass."""
    done = attached.run(module, "test", "-json", "-verbose")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    failures = [line["@message"] for line in lines if line["@level"] == "error"]
    assert done.returncode == 0, "\n".join(failures) or done.stderr
    return {
        line["@testrun"]: {name: one["value"] for name, one in line["test_state"]["outputs"].items()}
        for line in lines
        if line["type"] == "test_state"
    }


@pytest.mark.parametrize("cloud", CLOUDS)
def test_sizes_are_as_promised_and_their_outputs_are_values_of_the_chart(
    attached: Terraform, modules: Path, cloud: str, tmp_path: Path
) -> None:
    found = outputs(attached, modules / "modules" / cloud)
    assert {"small", "production"} <= found.keys()
    assert parse_source(found["small"]["secrets_source"], "secrets_source").kind == cloud
    for size in ("small", "production"):
        values = tmp_path / f"{size}.yaml"
        values.write_text(found[size]["helm_values"])
        done = run_tool("helm", *template_arguments("production"), "--values", str(values))
        assert done.returncode == 0, done.stderr
        objects = [one for one in yaml.safe_load_all(done.stdout) if one]
        by_kind = {one["kind"]: one for one in objects}
        wanted = yaml.safe_load(values.read_text())
        assert by_kind["ExternalSecret"]["spec"]["secretStoreRef"]["name"] == "cloud"
        [settings] = [one for one in objects if one["metadata"]["name"] == "platform-assets-settings"]
        assert settings["data"]["DAGSTER_PG_HOST"] == wanted["database"]["host"]
        cluster = json.loads(settings["data"]["PLATFORM_ASSETS_KUBERNETES"])
        assert cluster["store_ports"] == wanted["serving"]["storePorts"]
        manifests = {
            (one["kind"], one["metadata"]["name"]) for one in yaml.safe_load_all(found[size]["cluster_manifests"])
        }
        assert manifests >= {
            ("Namespace", "platform-assets"),
            ("ClusterSecretStore", wanted["secrets"]["external"]["storeName"]),
            *(("StorageClass", wanted["storage"][claim]["storageClass"]) for claim in ("home", "predictionLog")),
        }


def test_nothing_refuses_to_be_destroyed_by_its_code() -> None:
    text = {path: path.read_text() for path in SOURCES.rglob("*.tf")}
    assert [str(path) for path, content in text.items() if "prevent_destroy" in content] == []
