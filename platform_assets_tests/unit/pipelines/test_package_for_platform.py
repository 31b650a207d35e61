"""The champion in a folder for another platform: which model, which rows, and that nothing half-done remains."""

from __future__ import annotations

import stat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml

from platform_assets.declaration.options.base import OptionRefused
from platform_assets.deployment.platforms import model_files
from platform_assets.deployment.platforms.base import PackageSettings, PlatformRefused
from platform_assets.pipelines.model_to_package import packageable
from platform_assets.pipelines.package_for_platform import package_for_platform
from platform_assets.registry.base import RegisteredVersion
from platform_assets.registry.training_run import MODEL_DIGEST_TAG, ModelRun, read_model_run
from platform_assets.training.artifact import model_digest
from platform_assets_tests.serving.parking import make_model, use_case
from platform_assets_tests.unit.pipelines.test_package_and_deploy import OneVersion
from serving.settings import ServingSettings

PLACE = PackageSettings("pvc://models/parking")


@pytest.fixture
def registry(tmp_path: Path) -> OneVersion:
    """Version 3 of parking is champion, with a sample of its training rows."""
    run = tmp_path / "run"
    make_model(run / "model" / "data" / "predictor", kind="xgboost")
    X = np.random.default_rng(1).gamma(2.0, 10.0, (40, len(use_case().feature_names)))
    pl.DataFrame(X, schema=list(use_case().feature_names)).with_columns(score=pl.lit(0.5)).write_parquet(
        run / "sample.parquet"
    )
    (run / "comparison.json").write_text("{}")
    tags = {MODEL_DIGEST_TAG: model_digest(run / "model" / "data" / "predictor")}
    return OneVersion(RegisteredVersion("parking", "3", "run", tags), folder=run)


def packaged(registry: OneVersion, folder: Path, platform: str = "kserve", licence: str | None = None) -> Any:
    models: Any = SimpleNamespace(registry=lambda: registry)
    settings = ServingSettings(feast={}, log_folder=folder)
    return package_for_platform(use_case(), models, folder.parent, settings, platform, PLACE, folder, licence)


def test_a_package_is_files_manifests_and_notes(registry: OneVersion, tmp_path: Path) -> None:
    written = packaged(registry, tmp_path / "out")
    assert (written.version, written.folder) == ("3", tmp_path / "out")
    assert (tmp_path / "out" / "files" / written.package.files[0]).is_file()
    [manifest] = (tmp_path / "out" / "manifests").iterdir()
    assert manifest.name == "01-inferenceservice.yaml"
    assert yaml.safe_load(manifest.read_text()) == written.package.manifests[0]
    notes = (tmp_path / "out" / "NOTES.md").read_text()
    assert notes.startswith("# parking version 3 for kserve\n")
    assert "xgboost scored 40 training rows; the largest difference from the model is 0." in notes


def test_a_folder_that_exists_is_left_alone(registry: OneVersion, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("")
    with pytest.raises(PlatformRefused, match="exists: name a folder that does not"):
        packaged(registry, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine"]


def test_a_refusal_leaves_nothing_behind(registry: OneVersion, tmp_path: Path) -> None:
    before = set(tmp_path.iterdir())
    with pytest.raises(PlatformRefused, match="has no Bento on this machine"):
        packaged(registry, tmp_path / "out", "bento")
    assert set(tmp_path.iterdir()) == before


def test_without_a_champion_there_is_nothing_to_package(registry: OneVersion, tmp_path: Path) -> None:
    registry.champion = False
    with pytest.raises(PlatformRefused, match="parking: there is no champion"):
        packaged(registry, tmp_path / "out")


def test_a_platform_that_is_typed_is_asked_for_its_licence_as_a_declared_one_is(
    registry: OneVersion, tmp_path: Path
) -> None:
    for licence in (None, "  "):
        with pytest.raises(OptionRefused, match=r"seldon is refused since 2024-01-22: .*Business Source.*--licence"):
            packaged(registry, tmp_path / "out", "seldon", licence)
    assert not (tmp_path / "out").exists()
    packaged(registry, tmp_path / "out", "seldon", "contract 17")
    assert "- Used by this licence, which nobody here checked: contract 17." in (tmp_path / "out/NOTES.md").read_text()
    with pytest.raises(OptionRefused, match="torchserve is refused since 2026-11-30"):
        packaged(registry, tmp_path / "ended", "torchserve")


def test_a_secret_is_its_owners_alone(registry: OneVersion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from platform_assets.deployment.platforms.base import PlatformPackage
    from platform_assets.deployment.platforms.kserve import KServe

    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "parking"}, "stringData": {"A": "hush"}}
    monkeypatch.setattr(KServe, "package", lambda *_: PlatformPackage((), (secret,), ("Nothing to do.",)))
    packaged(registry, tmp_path / "out")
    mode = (tmp_path / "out" / "manifests" / "01-secret.yaml").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


def test_a_champion_that_its_declared_platform_cannot_serve_makes_the_service_red(
    registry: OneVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    declared = use_case(serving=use_case().serving.model_dump() | {"platform": "triton"})
    run: ModelRun = read_model_run(registry.folder)
    assert packageable(declared, registry.version, run) == (
        "can be packaged for triton: xgboost scores 40 rows as the model does, largest difference 0"
    )
    monkeypatch.setattr(model_files, "TOLERANCE", -1.0)
    with pytest.raises(PlatformRefused, match="parking version 3: xgboost scores 40 rows by up to 0 differently"):
        packageable(declared, registry.version, run)
