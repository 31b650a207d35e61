"""What every source of secrets promises, held by each member of the list."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from platform_assets.secret_sources import errors
from platform_assets.secret_sources.base import SecretSource
from platform_assets.secret_sources.kept import KeptSecrets
from platform_assets.secret_sources.registry import SECRET_SOURCES, parse_source
from platform_assets_tests.contracts.secret_worlds import WORLDS

FIRST = {"PLATFORM_ASSETS_MLFLOW": "postgresql://mlflow:canary-one@db/mlflow", "CARD_DATABASE": "canary-two"}
SECOND = {"PLATFORM_ASSETS_MLFLOW": "postgresql://mlflow:canary-three@db/mlflow"}


def opened(setting: dict[str, Any], environment: dict[str, str]) -> SecretSource:
    return parse_source(json.dumps(setting), "SETTING").opened(environment)


@pytest.mark.parametrize("kind", list(WORLDS))
def test_a_source_gives_follows_and_names_what_is_wrong(kind: str, tmp_path: Path) -> None:
    """One test for all promises, since some worlds are servers that take a second to start."""
    with WORLDS[kind](tmp_path) as world:
        world.put(FIRST)
        source = opened(world.setting, world.environment)
        kept = KeptSecrets(source, refresh_seconds=0.0)
        found = source.read()
        assert dict(found.values) == FIRST
        assert dict(kept.values()) == FIRST
        assert "canary" not in f"{source!r} {found!r} {source.place}"

        world.put(SECOND)
        rotated = source.read()
        assert dict(rotated.values) == SECOND, "what was taken away is gone, what was changed is new"
        assert rotated.version != found.version
        assert dict(kept.values()) == SECOND

        if world.elsewhere is not None:
            with refused(errors.SecretsUnreachable):
                opened(world.elsewhere, world.environment).read()
        for name, happens in world.accidents.items():
            world.put(SECOND)
            happens()
            with refused(getattr(errors, name)):
                source.read()
            assert dict(kept.values()) == SECOND, "what was read goes on to count"


@contextmanager
def refused(expected: type[errors.SecretError]) -> Iterator[None]:
    with pytest.raises(expected) as caught:
        yield
    assert type(caught.value) is expected
    assert "canary" not in str(caught.value)
    assert len(str(caught.value)) > 40, "it does not say what to do"


def test_there_is_a_world_for_each_source() -> None:
    assert {name.partition(",")[0] for name in WORLDS} == set(SECRET_SOURCES.names)
