"""A home that was lived in is backed up while its service answers, and a restored one gives the same answers, to the bit."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from platform_assets.installation import Installation
from platform_assets.pipelines.recovery_drill import newest_drill

from .conftest import LivedIn, command


@pytest.fixture(scope="module")
def environment(lived_in: LivedIn, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    target = tmp_path_factory.mktemp("backups")
    return {**lived_in.environment, "PLATFORM_ASSETS_BACKUP": json.dumps({"to": str(target)})}


def test_a_backup_of_a_home_that_is_in_use_is_tried(lived_in: LivedIn, environment: Mapping[str, str]) -> None:
    code, printed = command(environment, "backup", "create")
    assert code == 0, printed
    assert "champions card_fraud version 1" in printed
    code, printed = command(environment, "backup", "drill", "--requests", "60")
    assert code == 0, printed
    assert "60 of 60 answers equal to the bit" in printed
    assert "a loss now would cost 0 acknowledged predictions and 0 rows" in printed
    found = newest_drill(Installation.from_environment(environment).settings)
    assert found is not None
    assert found.passed
    assert found.answers["card_fraud"]["equal"] == 60
    assert not list(Path(lived_in.home, "scratch").glob("drill-*"))
    assert lived_in.score().status_code == 200, "the service of the home itself was not touched"
