"""Models of two days made again to the byte from the versions that they record, after the data has changed; and what is told otherwise."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from platform_assets.cli import app
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.errors import LakeVersionMissing
from platform_assets.pipelines.build_training_set import current_versions, training_rows
from platform_assets.registry.errors import RegistryError
from platform_assets.testing.model_history import ModelHistory, made_history


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> ModelHistory:
    return made_history(tmp_path_factory.mktemp("made"), models=2)


def test_both_come_out_the_same_although_the_tables_went_on(made: ModelHistory) -> None:
    for version in ("1", "2"):
        found = made.reproduced(version)
        assert found.is_exact, found.differences
        assert found.differences == ()
        assert found.digest_now == found.digest_then
    as_of = made.as_of(0)
    catalog = Catalog(made.use_case, made.lake)
    newest = training_rows(catalog, as_of, current_versions(catalog)).frame
    kept = catalog.training_sets.read(as_of, as_of)
    assert not newest.sort("transaction_id").equals(kept.sort("transaction_id")), "today's tables would give other rows"


def test_a_fresh_process_gives_the_same_bytes(made: ModelHistory) -> None:
    told = made.reproduced_afresh("1")
    assert told["exact"], told["differences"]
    assert told["digest"] == made.registry.get(made.use_case.name, "1").tags["model_digest"]


def test_what_differs_is_named(made: ModelHistory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another library version and another machine: the payload is the same, the report says what is not."""
    monkeypatch.setattr("platform_assets.training.fit._installed", lambda name: "0.0.1")
    monkeypatch.setattr("platform_assets.pipelines.reproduce.machine_type", lambda: "another machine")
    found = made.reproduced("1")
    assert not found.is_exact
    assert not found.same_machine
    assert found.same_rows
    told = " ".join(found.differences)
    assert "0.0.1 now" in told
    assert "another machine now" in told


def test_other_data_behind_a_version_is_found(made: ModelHistory, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = made.registry
    version = registry.get(made.use_case.name, "1")
    versions = version.tag_json("data_versions")
    labels = next(name for name in versions if name.endswith("clean/labels"))
    registry.set_tags(version, {"data_versions": json.dumps({**versions, labels: versions[labels] + 1})})
    try:
        found = made.reproduced("1")
        assert not found.is_exact
        assert not found.same_rows
        assert "training set differs in is_fraud" in " ".join(found.differences)
        registry.set_tags(version, {"data_versions": json.dumps({**versions, labels: 999})})
        with pytest.raises(LakeVersionMissing):
            made.reproduced("1")
        registry.set_tags(version, {"data_versions": "{}"})
        with pytest.raises(RegistryError, match="does not record the data versions"):
            made.reproduced("1")
    finally:
        registry.set_tags(version, {"data_versions": json.dumps(versions)})


def test_the_commands_show_versions_differences_and_the_same_model(
    made: ModelHistory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copyfile(made.root / "mlflow.db", tmp_path / "mlflow.db")
    for name, value in (
        ("HOME", tmp_path),
        ("LAKE", made.lake.root),
        ("MLFLOW", f"sqlite:///{tmp_path / 'mlflow.db'}"),
    ):
        monkeypatch.setenv(f"PLATFORM_ASSETS_{name}", str(value))
    name = made.use_case.name

    def told(*arguments: str, code: int = 0) -> str:
        result = CliRunner().invoke(app, ["models", *arguments])
        assert result.exit_code == code, result.output
        return " ".join(result.output.split())

    listed = told("list", name)
    assert "2018-05-07" in listed
    assert "challenger" in listed
    assert "not judged" in listed
    assert "next: dg launch --assets" in listed
    compared = told("compare", f"{name}@2", "1")
    assert "average_precision" in compared
    assert "the folds differ" in compared
    assert "data card_fraud/clean/labels" in compared
    assert "the same to the bit" in told("reproduce", f"{name}@2")
    assert "names no version: write MODEL@VERSION" in told("reproduce", name, code=1)
    assert "has no version '9'" in told("reproduce", f"{name}@9", code=1)
    assert "was not evaluated" in told("promote", f"{name}@2", code=1)
    assert "there is no environment 'moon'; there are dev, staging, production" in told(
        "promote", f"{name}@2", "--to", "moon", code=1
    )
    assert "nothing has served yet" in told("ledger", name)
    assert "nothing served at 2024-01-01" in told("ledger", name, "--at", "2024-01-01")
    assert "is no time" in told("ledger", name, "--at", "yesterday", code=1)
