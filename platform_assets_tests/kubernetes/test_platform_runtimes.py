"""Packages for KServe and Seldon, read and scored by those projects' own packages, in environments of their own.

Belongs here: what needs `.venv-k8s`. Does not belong here: what `.venv` can judge too (`contracts/test_platforms.py`).
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from platform_assets.deployment.packaging import BuiltBento
from platform_assets.deployment.platforms.base import ModelToPackage, PackageSettings
from platform_assets.deployment.platforms.registry import PLATFORMS
from platform_assets.training import artifact
from platform_assets.training.learners.base import Matrix
from platform_assets_tests.kubernetes.tools import own_python
from platform_assets_tests.serving.parking import make_model, use_case
from serving.settings import ServingSettings

pytestmark = [pytest.mark.kubernetes, pytest.mark.slow]

SCRIPTS = Path(__file__).parent / "platforms"
BARE = PackageSettings("s3://models/live", namespace="scoring", canary_percent=10, service_account="reader")
SERVICE = replace(BARE, features="service", image="registry.example/runtime@sha256:0", log_claim="predictions")
COMPUTE = {"service": {"cpus": 0.5, "memory_gigabytes": 1.5, "replicas": {"least": 2, "most": 6, "in_flight": 8}}}


def rows() -> Matrix:
    X = np.random.default_rng(5).gamma(2.0, 10.0, (80, len(use_case().feature_names)))
    X[::7, 1] = np.nan
    return X


def model(kind: str, folder: Path) -> ModelToPackage:
    make_model(folder / "model", kind)
    bento = folder / "bento"
    (bento / "src").mkdir(parents=True)
    feast = {"registry": "postgresql://feast", "online_store": {"type": "redis"}, "home": "/srv/home"}
    settings = ServingSettings(feast=feast, log_folder=folder / "log")
    built = BuiltBento("parking:1", bento, "sha256:1", 20)
    return ModelToPackage(use_case(compute=COMPUTE), "3", folder / "model", rows(), built, settings)


def inference_service(kind: str, settings: PackageSettings, folder: Path) -> dict[str, Any]:
    (folder / "out").mkdir()
    return PLATFORMS["kserve"].package(model(kind, folder), folder / "out", settings).manifests[-1]


def read(manifest: dict[str, Any], folder: Path) -> list[str]:
    """What KServe's own types say of it."""
    path = folder / "manifest.json"
    path.write_text(json.dumps(manifest))
    command = [own_python("kserve"), "-I", SCRIPTS / "read_inference_service.py", path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert not done.stderr.strip().endswith("Error"), done.stderr
    assert done.returncode == (1 if done.stdout else 0), done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize(("kind", "settings"), [("xgboost", BARE), ("random_forest", BARE), ("xgboost", SERVICE)])
def test_kserves_own_types_know_every_field(kind: str, settings: PackageSettings, tmp_path: Path) -> None:
    assert read(inference_service(kind, settings, tmp_path), tmp_path) == []


def misspelt(manifest: dict[str, Any]) -> None:
    manifest["spec"]["predictor"]["canaryTraficPercent"] = manifest["spec"]["predictor"].pop("canaryTrafficPercent")


def text_for_a_number(manifest: dict[str, Any]) -> None:
    manifest["spec"]["predictor"]["maxReplicas"] = "six"


def misplaced(manifest: dict[str, Any]) -> None:
    manifest["spec"]["storageUri"] = manifest["spec"]["predictor"]["model"].pop("storageUri")


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        (misspelt, "predictor.canaryTraficPercent: V1beta1PredictorSpec has no such field"),
        (text_for_a_number, "maxReplicas: 'six' is no int"),
        (misplaced, "InferenceService.spec.storageUri: V1beta1InferenceServiceSpec has no such field"),
    ],
)
def test_a_planted_fault_is_found(fault: Callable[[dict[str, Any]], None], problem: str, tmp_path: Path) -> None:
    manifest = inference_service("xgboost", BARE, tmp_path)
    fault(manifest)
    [found] = read(manifest, tmp_path)
    assert problem in found


def test_mlserver_scores_the_file_for_seldon_as_the_model_does(tmp_path: Path) -> None:
    to_package = model("xgboost", tmp_path)
    (tmp_path / "out").mkdir()
    PLATFORMS["seldon"].package(to_package, tmp_path / "out", BARE)
    given = [[None if np.isnan(value) else value for value in row] for row in to_package.rows.tolist()]
    (tmp_path / "rows.json").write_text(json.dumps(given))
    command = [own_python("mlserver"), "-I", SCRIPTS / "score_with_mlserver.py", tmp_path / "out" / "parking"]
    done = subprocess.run(
        [*command, tmp_path / "rows.json", "predict"], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    scores = np.array(json.loads(done.stdout.splitlines()[-1])).reshape(len(to_package.rows))
    own = artifact.load(to_package.model_folder).predict(to_package.rows)
    assert np.isnan(to_package.rows).any()
    assert float(np.abs(scores - own).max()) < 1e-6
