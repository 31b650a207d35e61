"""No password of the settings stands in how resources are shown, nor in the defaults of any configuration."""

import json
from pathlib import Path

import dagster as dg
import pytest

from platform_assets.installation import Installation
from platform_assets.orchestration.resources.build import build_resources

SECRET = "not-to-be-seen"


@pytest.fixture
def with_secrets(tmp_path: Path) -> Installation:
    """An installation with a secret wherever one may stand."""
    store = {"type": "redis", "connection_string": f"redis:6379,password={SECRET}"}
    return Installation.from_environment(
        {
            "PLATFORM_ASSETS_HOME": str(tmp_path),
            "PLATFORM_ASSETS_MLFLOW": f"postgresql://mlflow:{SECRET}@db/mlflow",
            "PLATFORM_ASSETS_FEAST_ONLINE_STORE": json.dumps(store),
            "PLATFORM_ASSETS_FEAST_REGISTRY": f"postgresql://feast:{SECRET}@db/feast",
            "PLATFORM_ASSETS_OBJECT_STORE": json.dumps({"AWS_SECRET_ACCESS_KEY": SECRET}),
        }
    )


def test_a_resource_shows_none(with_secrets: Installation) -> None:
    for name, resource in build_resources(with_secrets).items():
        assert SECRET not in repr(resource), name
        assert SECRET not in str(resource), name


def test_the_tracker_has_no_configuration(with_secrets: Installation) -> None:
    tracker = build_resources(with_secrets)["mlflow"]
    assert isinstance(tracker, dg.ResourceDefinition)
    assert not tracker.config_schema.default_provided
