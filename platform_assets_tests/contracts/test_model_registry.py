"""What every model registry promises, held by each member of the list and by the fake that other tests work with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from platform_assets.registry.base import CHALLENGER, CHAMPION, ModelRegistry, RegisteredVersion
from platform_assets.registry.errors import RegistryError, RegistryUnreachable
from platform_assets.registry.registry import MODEL_REGISTRIES
from platform_assets.testing.fake_registry import FakeRegistry, FakeStore


@dataclass(frozen=True)
class RegistryWorld:
    """An empty registry, how its runs are made, and one that does not answer."""

    registry: ModelRegistry
    new_run: Callable[[dict[str, float]], str]
    unreachable: ModelRegistry


def mlflow_world(folder: Path) -> RegistryWorld:
    from mlflow import MlflowClient

    address = f"sqlite:///{folder / 'mlflow.db'}"
    client = MlflowClient(address)
    experiment = client.create_experiment("contract", artifact_location=str(folder / "artifacts"))

    def new_run(metrics: dict[str, float]) -> str:
        run_id = str(client.create_run(experiment).info.run_id)
        for name, value in metrics.items():
            client.log_metric(run_id, name, value)
        return run_id

    opens = MODEL_REGISTRIES["mlflow"]
    return RegistryWorld(
        opens(address, "production"), new_run, opens("http://someone:secret@127.0.0.1:9", "production")
    )


def fake_world(folder: Path) -> RegistryWorld:
    registry = FakeRegistry()

    def new_run(metrics: dict[str, float]) -> str:
        run_id = uuid4().hex
        registry.store.folders[run_id] = folder / run_id
        registry.store.folders[run_id].mkdir()
        registry.store.metrics[run_id] = metrics
        return run_id

    return RegistryWorld(registry, new_run, FakeRegistry(store=FakeStore(is_reachable=False)))


WORLDS = {"mlflow": mlflow_world, "fake": fake_world}


@pytest.fixture(scope="module", params=list(WORLDS))
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryWorld]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        yield WORLDS[request.param](tmp_path_factory.mktemp(request.param))


@pytest.fixture
def registry(world: RegistryWorld) -> ModelRegistry:
    return world.registry


@pytest.fixture
def use_case() -> str:
    """A name that no other test registers models under."""
    return f"use_case_{uuid4().hex[:12]}"


Register = Callable[..., RegisteredVersion]


@pytest.fixture
def register(world: RegistryWorld, use_case: str) -> Register:
    """`register(as_of, **metrics)`: a new version of the use case's model."""

    def register(as_of: str, **metrics: float) -> RegisteredVersion:
        tags = {"as_of": as_of, "data_versions": '{"clean/payments": 3}'}
        return world.registry.register(use_case, world.new_run(metrics), tags)

    return register


def test_every_member_of_the_list_is_held_to_this() -> None:
    assert set(MODEL_REGISTRIES.names) <= set(WORLDS)


def test_each_registration_is_a_new_version_and_the_challenger(
    registry: ModelRegistry, register: Register, use_case: str
) -> None:
    first, second = register("2024-01-01"), register("2024-01-08")
    assert (first.version, second.version) == ("1", "2")
    assert registry.by_alias(use_case, CHALLENGER) == second
    assert registry.by_alias(use_case, CHAMPION) is None
    assert registry.get(use_case, "1") == first
    assert registry.versions(use_case) == [first, second]
    assert first.tag_json("data_versions") == {"clean/payments": 3}


def test_an_alias_moves_and_tags_are_added(registry: ModelRegistry, register: Register, use_case: str) -> None:
    first, second = register("2024-01-01"), register("2024-01-08")
    registry.set_alias(use_case, CHAMPION, first.version)
    registry.set_alias(use_case, CHAMPION, second.version)
    registry.set_tags(second, {"promoted_because": "it is better"})
    registry.set_tags(second, {"promoted_because": "it is better still"})
    champion = registry.by_alias(use_case, CHAMPION)
    assert champion is not None
    assert champion.version == "2"
    assert champion.tags == {**second.tags, "promoted_because": "it is better still"}
    assert "promoted_because" not in registry.get(use_case, "1").tags


def test_each_environment_has_a_champion_and_a_challenger_of_its_own(
    registry: ModelRegistry, register: Register, use_case: str
) -> None:
    register("2024-01-01"), register("2024-01-08")
    staging = registry.of("staging")
    assert (registry.environment, staging.environment) == ("production", "staging")
    registry.set_alias(use_case, CHAMPION, "1")
    staging.set_alias(use_case, CHAMPION, "2")
    staging.set_alias(use_case, "kept_by_hand", "1")
    found = staging.by_alias(use_case, CHAMPION), registry.by_alias(use_case, "kept_by_hand")
    assert [version.version for version in found if version is not None] == ["2", "1"]
    assert registry.aliases(use_case) == {"1": ["champion", "kept_by_hand"], "2": ["challenger", "staging-champion"]}


def test_the_newest_version_of_a_day_is_found_by_number(
    registry: ModelRegistry, register: Register, use_case: str
) -> None:
    """Version 10 comes after version 9, and another day's version does not count."""
    for _ in range(10):
        register("2024-01-01")
    register("2024-01-08")
    newest = registry.by_as_of(use_case, "2024-01-01")
    assert newest is not None
    assert newest.version == "10"
    assert [version.version for version in registry.versions(use_case)] == [str(number) for number in range(1, 12)]
    assert registry.by_as_of(use_case, "2024-02-01") is None


def test_a_day_s_version_is_the_one_that_this_environment_trained(world: RegistryWorld, use_case: str) -> None:
    """What staging trains as of the same day stands in nobody's way in production."""
    production, staging = world.registry, world.registry.of("staging")
    for registry in (production, staging):
        registry.register(use_case, world.new_run({}), {"as_of": "2024-01-01"})
    newest = [registry.by_as_of(use_case, "2024-01-01") for registry in (production, staging, production.of("dev"))]
    assert [None if version is None else version.version for version in newest] == ["1", "2", None]
    assert newest[0] is not None
    assert "environment" not in newest[0].tags


@pytest.mark.parametrize("version", ["99", "not a number"])
def test_a_version_that_is_missing_is_named(
    registry: ModelRegistry, register: Register, use_case: str, version: str
) -> None:
    register("2024-01-01")
    with pytest.raises(RegistryError, match=f"{use_case}.* has no version '{version}'.*train a model"):
        registry.get(use_case, version)


def test_a_model_that_was_never_registered_has_nothing(registry: ModelRegistry) -> None:
    name = "no_such_use_case"
    assert (registry.by_alias(name, CHAMPION), registry.by_as_of(name, "2024-01-01")) == (None, None)
    assert (registry.versions(name), registry.aliases(name)) == ([], {})
    with pytest.raises(RegistryError, match=name):
        registry.get(name, "1")


def test_metrics_and_artifacts_are_those_of_the_run(
    registry: ModelRegistry, register: Register, tmp_path: Path
) -> None:
    version, other = register("2024-01-01", average_precision=0.5), register("2024-01-08")
    assert (registry.metrics(version), registry.metrics(other)) == ({"average_precision": 0.5}, {})
    for text in ("first", "second"):
        (tmp_path / "note.txt").write_text(text)
        registry.log_artifact(version, tmp_path / "note.txt")
    registry.log_artifact(other, tmp_path / "note.txt")
    assert (registry.run_folder(version) / "note.txt").read_text() == "second"
    assert registry.run_folder(version) != registry.run_folder(other)


def test_a_registry_that_does_not_answer_is_told_from_one_that_says_no(world: RegistryWorld) -> None:
    away = world.unreachable
    for question in (
        lambda: away.get("payments", "1"),
        lambda: away.by_alias("payments", CHAMPION),
        lambda: away.by_as_of("payments", "2024-01-01"),
        lambda: away.versions("payments"),
        lambda: away.aliases("payments"),
        lambda: away.set_alias("payments", CHAMPION, "1"),
    ):
        with pytest.raises(RegistryUnreachable, match=r"did not answer.*ask again") as raised:
            question()
        assert "secret" not in str(raised.value)
