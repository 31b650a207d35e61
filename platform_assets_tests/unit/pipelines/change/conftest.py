"""The small repository, once for all tests of a file: as it was committed, and a checkout that changes are made in."""

import shutil
from pathlib import Path

import pytest

from platform_assets.pipelines.change.sides import ChangeSide
from platform_assets.testing.change_world import repository

from .planted import described_here


@pytest.fixture(scope="package")
def before(tmp_path_factory: pytest.TempPathFactory) -> ChangeSide:
    with repository(tmp_path_factory.mktemp("change") / "before", {}) as root:
        return described_here(root)


@pytest.fixture(scope="package")
def checkout(before: ChangeSide, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(before.root, tmp_path_factory.mktemp("change") / "after"))
