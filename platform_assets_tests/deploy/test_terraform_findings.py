"""What checkov and trivy find in the Terraform modules: nothing above low that deploy/terraform/accepted-findings.yaml does not explain."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import yaml

from platform_assets_tests.deploy.scanners import Findings, above_low, checkov, trivy_report
from platform_assets_tests.deploy.terraform import CLOUDS, SOURCES, copy_of_modules

pytestmark = pytest.mark.terraform

ACCEPTED: Mapping[str, Mapping[str, str]] = yaml.safe_load((SOURCES / "accepted-findings.yaml").read_text())
VARIABLES = """
region = "made-up-1"
size = "production"
monthly_budget = 500
alert_emails = ["platform@example.com"]
domain = "ml.example.com"
"""


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Modules and roots of one cloud each, production being asked for."""
    copy = copy_of_modules(tmp_path_factory.mktemp("modules"))
    for cloud in CLOUDS:
        (copy / cloud / "terraform.tfvars").write_text(VARIABLES)
    shutil.rmtree(copy / "several")
    for path in copy.rglob("*.tftest.hcl"):
        path.unlink()
    return copy


def by_checkov(folder: Path) -> Findings:
    """Findings of checkov, which knows no severities here: each counts."""
    return checkov(folder, "terraform")


def by_trivy(folder: Path) -> Findings:
    """Findings of trivy above low, once it has seen the modules of each cloud."""
    results = trivy_report(folder)
    seen = {Path(result["Target"]).parts[1] for result in results if result["Target"].startswith("modules/")}
    assert seen == {*CLOUDS}
    return above_low(results)


@pytest.mark.parametrize(("name", "scanner"), [("checkov", by_checkov), ("trivy", by_trivy)])
def test_every_finding_above_low_is_explained_and_every_explanation_needed(
    name: str, scanner: Callable[[Path], Findings], modules: Path
) -> None:
    failures, accepted = scanner(modules), ACCEPTED[name]
    assert {rule: failures[rule] for rule in failures.keys() - accepted.keys()} == {}, "explain it, or mend it"
    assert accepted.keys() - failures.keys() == set(), "nothing needs these explanations any more"
    assert all(len(reason.split()) >= 8 for reason in accepted.values())


def test_both_scanners_see_a_planted_fault(tmp_path: Path) -> None:
    folder = tmp_path / "modules" / "aws"
    folder.mkdir(parents=True)
    storage = (SOURCES / "modules" / "aws" / "storage.tf").read_text()
    files = next(block for block in storage.split("\n\n") if 'resource "aws_efs_file_system"' in block)
    (folder / "storage.tf").write_text(files.replace("encrypted       = true", "encrypted       = false") + "\n\n}\n")
    assert "CKV_AWS_42" in checkov(tmp_path / "modules", "terraform")
    assert "AVD-AWS-0037" in above_low(trivy_report(tmp_path / "modules"))
