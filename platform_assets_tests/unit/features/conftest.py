"""A real Feast registry and SQLite online store, made once for each test module."""

import pytest

from platform_assets.features.online.feast_connection import FeastSettings
from platform_assets.features.online.store import apply
from platform_assets_tests.unit.features.histories import use_case


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> FeastSettings:
    home = tmp_path_factory.mktemp("feast")
    made = FeastSettings(
        project="payments",
        registry=f"sqlite:///{home / 'registry.db'}",
        online_store={"type": "sqlite", "path": "online.db"},
        home=str(home),
    )
    apply(use_case(), made)
    return made
