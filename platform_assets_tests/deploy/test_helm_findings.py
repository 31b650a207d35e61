"""What checkov and trivy find in the rendered chart: nothing above low that deploy/helm/accepted-findings.yaml does not explain."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from platform_assets_tests.deploy.chart import CHART, PROFILES, found, render
from platform_assets_tests.deploy.scanners import Findings, above_low, checkov, trivy_report

pytestmark = pytest.mark.kubernetes

ACCEPTED: Mapping[str, Mapping[str, str]] = yaml.safe_load((CHART.parent / "accepted-findings.yaml").read_text())


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the manifests of every profile."""
    folder = tmp_path_factory.mktemp("chart")
    for profile in PROFILES:
        (folder / f"{profile}.yaml").write_text(yaml.safe_dump_all(render(profile)))
    return folder


def trivy(folder: Path) -> Findings:
    """Findings of trivy above low, once it has seen each file."""
    results = trivy_report(folder)
    assert {result["Target"] for result in results} == {path.name for path in folder.iterdir()}, "it has seen each file"
    return above_low(results)


@pytest.mark.parametrize("scanner", [checkov, trivy])
def test_every_finding_above_low_is_explained_and_every_explanation_needed(scanner: Any, rendered: Path) -> None:
    failures, accepted = scanner(rendered), ACCEPTED[scanner.__name__]
    assert {name: failures[name] for name in failures.keys() - accepted.keys()} == {}, "explain it, or mend it"
    assert accepted.keys() - failures.keys() == set(), "nothing needs these explanations any more"
    assert all(len(reason.split()) >= 8 for reason in accepted.values())


def test_both_scanners_see_a_planted_fault(tmp_path: Path) -> None:
    folder = tmp_path / "chart"
    folder.mkdir()
    webserver = found(render("small"), "Deployment", "platform-assets-webserver")
    webserver["spec"]["template"]["spec"]["containers"][0]["securityContext"] |= {"privileged": True}
    (folder / "small.yaml").write_text(yaml.safe_dump(webserver))
    assert "CKV_K8S_16" in checkov(folder)
    assert "KSV017" in trivy(folder)
