"""Versions and aliases in a real MLflow database."""

from collections.abc import Callable
from pathlib import Path

import pytest

from platform_assets.registry.base import CHALLENGER, CHAMPION, ModelRegistry, RegisteredVersion
from platform_assets.registry.errors import RegistryError

Register = Callable[[str], RegisteredVersion]


def test_each_registration_is_a_new_version_and_the_challenger(
    registry: ModelRegistry, register: Register, use_case: str
) -> None:
    first, second = register("2024-01-01"), register("2024-01-08")
    assert (first.version, second.version) == ("1", "2")
    assert registry.by_alias(use_case, CHALLENGER) == second
    assert registry.by_alias(use_case, CHAMPION) is None
    assert registry.get(use_case, "1") == first
    assert first.tag_json("data_versions") == {"clean/payments": 3}
    assert first.tag_json("nothing") is None


def test_an_alias_moves_and_tags_are_added(registry: ModelRegistry, register: Register, use_case: str) -> None:
    version = register("2024-01-01")
    registry.set_alias(use_case, CHAMPION, version.version)
    registry.set_tags(version, {"promoted_because": "it is better"})
    found = registry.by_alias(use_case, CHAMPION)
    assert found is not None
    assert found.version == version.version
    assert found.tags["promoted_because"] == "it is better"
    assert found.tags["as_of"] == "2024-01-01"


def test_the_newest_version_of_a_day_is_found_by_number(
    registry: ModelRegistry, register: Register, use_case: str
) -> None:
    """Version 10 comes after version 9, and another day's version does not count."""
    for _ in range(10):
        register("2024-01-01")
    register("2024-01-08")
    found = registry.by_as_of(use_case, "2024-01-01")
    assert found is not None
    assert found.version == "10"
    assert registry.by_as_of(use_case, "2024-02-01") is None
    assert registry.by_as_of("no_such_use_case", "2024-01-01") is None


@pytest.mark.parametrize("version", ["99", "not a number"])
def test_a_version_that_is_missing_is_named(
    registry: ModelRegistry, register: Register, use_case: str, version: str
) -> None:
    register("2024-01-01")
    with pytest.raises(RegistryError, match=f"{use_case}.* has no version '{version}'.*train a model"):
        registry.get(use_case, version)


def test_a_model_that_was_never_registered_has_no_versions_and_no_aliases(registry: ModelRegistry) -> None:
    assert registry.by_alias("no_such_use_case", CHAMPION) is None
    with pytest.raises(RegistryError, match="no_such_use_case"):
        registry.get("no_such_use_case", "1")


def test_the_folder_of_a_run_holds_what_was_logged(registry: ModelRegistry, register: Register, tmp_path: Path) -> None:
    version = register("2024-01-01")
    (tmp_path / "note.txt").write_text("kept")
    registry.log_artifact(version, tmp_path / "note.txt")
    assert (registry.run_folder(version) / "note.txt").read_text() == "kept"
