"""Terraform itself, on copies of deploy/terraform, with providers that know their real schema and nothing else.

Belongs here: tools of `deploy/ci/install-terraform-tools.sh`, schemas, running one command. Does not belong here: what tests expect of
the modules, or the faults that they plant (`terraform_faults.py`).
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from platform_assets_tests.kubernetes.tools import ROOT

SOURCES = ROOT / "deploy" / "terraform"
TOOLS = ROOT / "deploy" / "ci" / "terraform"
HOME = ROOT / ".venv-terraform"
CLOUDS: Mapping[str, str] = {"aws": "aws", "azure": "azurerm", "gcp": "google"}
"""Folder of each cloud, and its provider."""

_BLOCK = re.compile(r'^(resource|data) "((\w+?)_\w+)"', re.M)


def python() -> Path:
    """The interpreter that has Terraform; without it the test is skipped on a laptop, and fails where `CI` is set."""
    path = HOME / "bin" / "python"
    if path.exists() and (HOME / "wheels").exists():
        return path
    reason = ".venv-terraform is missing: run deploy/ci/install-terraform-tools.sh (`make terraform-test` does)"
    if os.environ.get("CI"):
        pytest.fail(f"{reason}; with CI set a missing tool is a failure")
    pytest.skip(reason)


def used_types() -> dict[str, list[str]]:
    """Types that the modules use, by their provider; data sources as `data.aws_region`."""
    found: dict[str, set[str]] = {}
    for path in SOURCES.rglob("*.tf"):
        for kind, name, prefix in _BLOCK.findall(path.read_text()):
            found.setdefault(prefix, set()).add(f"data.{name}" if kind == "data" else name)
    return {prefix: sorted(names) for prefix, names in sorted(found.items())}


def schemas() -> Path:
    """A folder with the schemas of those types, made once for each set of them."""
    interpreter, types = python(), used_types()
    script = TOOLS / "provider_schemas.py"
    wheels = sorted((HOME / "wheels").glob("cdktn_provider_*.whl"))
    state = json.dumps([types, script.read_text(), [wheel.name for wheel in wheels]])
    folder = HOME / "schemas" / hashlib.sha256(state.encode()).hexdigest()[:16]
    if folder.exists():
        return folder
    unfinished = folder.with_name(f"{folder.name}.{os.getpid()}")
    unfinished.mkdir(parents=True)
    for prefix, names in types.items():
        [wheel] = [one for one in wheels if one.name.startswith(f"cdktn_provider_{prefix}-")]
        listed = unfinished / f"{prefix}.txt"
        listed.write_text("\n".join(names))
        subprocess.run([interpreter, script, wheel, listed, unfinished / f"{prefix}.json"], check=True, timeout=120)
    unfinished.rename(folder)
    return folder


@dataclass(frozen=True)
class Terraform:
    """Terraform attached to running stub providers."""

    schemas: Path
    environment: Mapping[str, str]

    def run(self, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        """One command in a folder, to its end; a non-zero exit is not an exception."""
        command = [str(python()), str(TOOLS / "terraform.py"), *arguments]
        return subprocess.run(
            command, cwd=folder, env=dict(self.environment), capture_output=True, text=True, timeout=120, check=False
        )

    def validate(self, folder: Path) -> list[dict[str, Any]]:
        """What `terraform validate` finds: its diagnostics, none where all is well."""
        done = self.run(folder, "validate", "-json")
        found: list[dict[str, Any]] = json.loads(done.stdout)["diagnostics"]
        return found

    def schema(self, prefix: str) -> dict[str, Any]:
        """Schemas of a provider, in the form of `terraform providers schema -json`."""
        content: dict[str, Any] = json.loads((self.schemas / f"{prefix}.json").read_text())
        return content


@contextmanager
def terraform(scratch: Path) -> Iterator[Terraform]:
    """Stub providers, and Terraform that knows where they listen and asks nobody else.

    Args:
        scratch: a folder for its configuration.
    """
    folder = schemas()
    configuration = scratch / "terraform.rc"
    (scratch / "no_providers").mkdir()
    configuration.write_text(
        f'provider_installation {{\n  filesystem_mirror {{\n    path = "{scratch / "no_providers"}"\n  }}\n}}\n'
    )
    server = subprocess.Popen(
        [python(), TOOLS / "stub_providers.py", folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert server.stdin
    assert server.stdout
    try:
        attached = server.stdout.readline().strip()
        assert attached, "the stub providers did not start"
        yield Terraform(
            folder,
            {
                "PATH": os.environ["PATH"],
                "HOME": str(scratch),
                "TF_CLI_CONFIG_FILE": str(configuration),
                "TF_REATTACH_PROVIDERS": attached,
                "CHECKPOINT_DISABLE": "1",
                "NO_COLOR": "1",
            },
        )
    finally:
        server.stdin.close()
        server.wait(timeout=20)


def copy_of_modules(folder: Path) -> Path:
    """A copy of deploy/terraform to work and to break things in."""
    target = folder / "terraform"
    shutil.copytree(SOURCES, target, ignore=shutil.ignore_patterns(".terraform*"))
    return target
