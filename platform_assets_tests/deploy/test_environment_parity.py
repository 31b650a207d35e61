"""A step finds the same on a machine as in a pod of the chart, for each profile: rendered by the real helm, no cluster.

Belongs here: the shipped chart. Does not belong here: planted differences (`unit/cli/test_parity_command.py`).
"""

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from platform_assets.cli import app
from platform_assets.pipelines.step_environment import described
from platform_assets_tests.deploy.chart import PROFILES, render

pytestmark = pytest.mark.kubernetes

SECRETS = ("DAGSTER_PG_PASSWORD", "PLATFORM_ASSETS_FEAST_REGISTRY", "PLATFORM_ASSETS_FEAST_ONLINE_STORE")


@pytest.mark.parametrize("profile", PROFILES)
def test_no_key_differs_that_may_not(profile: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifests = render(profile)
    (tmp_path / "manifests.yaml").write_text(yaml.safe_dump_all(manifests))
    image = {**described(), "variables": {}}
    (tmp_path / "image.json").write_text(json.dumps(image))
    [settings] = [
        one["data"] for one in manifests if one["kind"] == "ConfigMap" and one["metadata"]["name"].endswith("-settings")
    ]
    for name in described()["variables"]:
        monkeypatch.delenv(name)
    for name, value in settings.items():
        if name.startswith("PLATFORM_ASSETS_") and not name.endswith(("_HOME", "_DAGSTER", "_IMAGE", "_NAMESPACE")):
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("PLATFORM_ASSETS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PLATFORM_ASSETS_FEAST_REGISTRY", "postgresql://feast")
    monkeypatch.setenv("PLATFORM_ASSETS_FEAST_ONLINE_STORE", '{"type": "redis"}')
    named = [option for secret in SECRETS for option in ("--secret", secret)]
    files = ("--manifests", str(tmp_path / "manifests.yaml"), "--image", str(tmp_path / "image.json"))
    result = CliRunner().invoke(app, ["parity", "environments", "card_fraud", *files, *named])
    assert result.exit_code == 0, result.output
    assert result.output.count(": 0 differing keys") == 2
