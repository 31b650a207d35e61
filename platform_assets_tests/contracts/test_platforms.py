"""What every serving platform gets: files that score as the model does, manifests of its own schema, and nothing that pickle would load.

Belongs here: every platform of the registry, and one that only this test knows. Does not belong here: the formats' arithmetic
(`unit/training/test_portable.py`), runtimes that need an environment of their own (`kubernetes/test_platform_runtimes.py`).
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from platform_assets.declaration.serving_platforms import DECLARED_PLATFORMS, DeclaredPlatform
from platform_assets.deployment.packaging import BuiltBento
from platform_assets.deployment.platforms.base import (
    TOLERANCE,
    ModelToPackage,
    PackageSettings,
    PlatformPackage,
    PlatformRefused,
)
from platform_assets.deployment.platforms.registry import PLATFORMS
from platform_assets.training import artifact
from platform_assets.training.learners.base import Matrix
from platform_assets.training.portable import onnx_scores, xgboost_scores
from platform_assets_tests.serving.parking import make_model, use_case
from serving.settings import ServingSettings

SETTINGS = PackageSettings("s3://models/live", namespace="scoring")
OF_THE_SERVICE = replace(
    SETTINGS, features="service", image="registry.example/runtime@sha256:0", log_claim="predictions"
)
PACKAGED = [name for name in PLATFORMS if not DECLARED_PLATFORMS[name].refused]
BARE = [name for name in PACKAGED if name != "bento"]
FEAST = {"registry": "postgresql://feast", "online_store": {"type": "redis"}, "home": "/srv/home"}


def rows(count: int = 60) -> Matrix:
    X = np.random.default_rng(5).gamma(2.0, 10.0, (count, len(use_case().feature_names)))
    X[::7, 1] = np.nan
    return X


@pytest.fixture(scope="module", params=["xgboost", "random_forest", "logistic_regression", "torch_mlp"])
def fitted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fitted") / "model"
    make_model(folder, request.param)
    return folder


@pytest.fixture
def model(fitted: Path, tmp_path: Path) -> ModelToPackage:
    bento = tmp_path / "bentos" / "parking" / "1"
    (bento / "src").mkdir(parents=True)
    (bento / "bento.yaml").write_text("service: parking\n")
    (bento / "src" / "code.py").write_text("")
    built = BuiltBento("parking:1", bento, "sha256:1", 20)
    settings = ServingSettings(feast=FEAST, log_folder=tmp_path / "log")
    return ModelToPackage(use_case(), "3", fitted, rows(), built, settings)


def packaged(name: str, model: ModelToPackage, out: Path, settings: PackageSettings = SETTINGS) -> PlatformPackage:
    out.mkdir()
    return PLATFORMS[name].package(model, out, settings)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", PACKAGED)
def test_what_it_names_is_what_it_wrote_the_same_each_time(name: str, model: ModelToPackage, tmp_path: Path) -> None:
    package = packaged(name, model, tmp_path / "a")
    written = contents(tmp_path / "a")
    assert set(package.files) == set(written)
    assert packaged(name, model, tmp_path / "b") == package
    assert contents(tmp_path / "b") == written
    assert not any(path.endswith((".pkl", ".pickle", ".joblib", ".pt")) for path in written)
    assert package.notes
    assert all(note.endswith(".") for note in package.notes)


@pytest.mark.parametrize("name", BARE)
def test_its_file_scores_as_the_model_does(name: str, model: ModelToPackage, tmp_path: Path) -> None:
    package = packaged(name, model, tmp_path / "out")
    own = artifact.load(model.model_folder).predict(model.rows).reshape(len(model.rows), -1)
    [file] = [path for path in package.files if path.endswith((".onnx", "xgboost.json", "/model.json"))]
    score = onnx_scores if file.endswith(".onnx") else xgboost_scores
    difference = np.abs(score(tmp_path / "out" / file, model.rows) - own).max()
    assert difference < TOLERANCE
    assert package.scored is not None
    assert package.scored[0] == pytest.approx(difference, abs=1e-15)
    assert any("kmh, lot_count_1d, lot_speed_7d" in note for note in package.notes), "callers are told what to send"


@pytest.mark.parametrize("name", BARE)
def test_a_file_that_scores_otherwise_is_not_handed_out(
    name: str, model: ModelToPackage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from platform_assets.deployment.platforms import model_files

    shifted: Any = {
        form: (runtime, lambda path, X, score=score: score(path, X) + 1e-5)
        for form, (runtime, score) in model_files._SCORES.items()
    }
    monkeypatch.setattr(model_files, "_SCORES", shifted)
    with pytest.raises(PlatformRefused, match=r"parking version 3: \w+ scores 60 rows by up to 1e-05 differently"):
        packaged(name, model, tmp_path / "out")


@pytest.mark.parametrize("name", BARE)
def test_without_rows_nothing_is_handed_out(name: str, model: ModelToPackage, tmp_path: Path) -> None:
    with pytest.raises(PlatformRefused, match="no rows to compare"):
        packaged(name, replace(model, rows=rows(0)), tmp_path / "out")


@pytest.mark.parametrize("name", PACKAGED)
def test_its_objects_are_in_the_namespace_and_point_at_the_files(
    name: str, model: ModelToPackage, tmp_path: Path
) -> None:
    for manifest in packaged(name, model, tmp_path / "out").manifests:
        metadata = manifest["metadata"]
        assert metadata["namespace"] == "scoring"
        assert re.fullmatch(r"[a-z0-9-]{1,63}", metadata["name"])
        assert metadata["labels"]["platform-assets/version"] == "3"
        assert "s3://models/live" in str(manifest)


def test_triton_reads_its_configuration(model: ModelToPackage, tmp_path: Path) -> None:
    from google.protobuf import text_format
    from tritonclient.grpc import model_config_pb2

    package = packaged("triton", model, tmp_path / "out")
    [path] = [path for path in package.files if path.endswith("config.pbtxt")]
    text = (tmp_path / "out" / path).read_text()
    read = text_format.Parse(text, model_config_pb2.ModelConfig())
    assert (read.name, Path(path).parent.name) == ("parking", "parking")
    assert [list(tensor.dims) for tensor in (*read.input, *read.output)] == [[3], [1]]
    boosted = "xgboost.json" in str(package.files)
    assert read.backend == ("fil" if boosted else "onnxruntime")
    assert read.input[0].data_type == (model_config_pb2.TYPE_FP32 if boosted else model_config_pb2.TYPE_FP64)
    with pytest.raises(text_format.ParseError, match="max_batchsize"):
        text_format.Parse(text.replace("max_batch_size", "max_batchsize"), model_config_pb2.ModelConfig())


def test_onnx_names_are_those_of_tritons_configuration(tmp_path: Path) -> None:
    import onnxruntime

    make_model(tmp_path / "model", "logistic_regression")
    package = packaged("triton", ModelToPackage(use_case(), "3", tmp_path / "model", rows()), tmp_path / "out")
    session = onnxruntime.InferenceSession(tmp_path / "out" / package.files[0], providers=["CPUExecutionProvider"])
    text = (tmp_path / "out" / package.files[1]).read_text()
    assert {one.name for one in (*session.get_inputs(), *session.get_outputs())} == set(
        re.findall(r'\[ \{ name: "(\w+)"', text)
    )


def test_kserve_runs_our_own_service_where_features_are_its_work(model: ModelToPackage, tmp_path: Path) -> None:
    package = packaged("kserve", model, tmp_path / "out", OF_THE_SERVICE)
    secret, service = package.manifests
    [container] = service["spec"]["predictor"]["containers"]
    assert container["command"][:5] == ["python", "-B", "-P", "/opt/platform-assets/start.py", "/mnt/models/src"]
    assert container["envFrom"] == [{"secretRef": {"name": secret["metadata"]["name"]}}]
    assert str(tmp_path) not in str(package.manifests), "no path of this machine is in a pod"
    assert "/srv/home" not in str(package.manifests)
    assert (tmp_path / "out" / "parking" / "bento.yaml").is_file()


@pytest.mark.parametrize(
    ("settings", "feast", "message"),
    [
        (replace(OF_THE_SERVICE, image=""), FEAST, "needs the runtime image"),
        (replace(OF_THE_SERVICE, log_claim=""), FEAST, "a volume claim for its prediction log"),
        (OF_THE_SERVICE, FEAST | {"registry": "sqlite:////a"}, "SQLite file of this machine"),
        (OF_THE_SERVICE, FEAST | {"online_store": {"type": "sqlite"}}, "PLATFORM_ASSETS_FEAST_ONLINE_STORE"),
    ],
)
def test_a_service_that_could_not_run_in_a_pod_is_refused(
    settings: PackageSettings, feast: dict[str, Any], message: str, tmp_path: Path
) -> None:
    make_model(tmp_path / "model", "logistic_regression")
    bento = tmp_path / "bento"
    (bento / "src").mkdir(parents=True)
    built, serving = BuiltBento("parking:1", bento, "sha256:1", 20), ServingSettings(feast=feast, log_folder=tmp_path)
    model = ModelToPackage(use_case(), "3", tmp_path / "model", rows(), built, serving)
    with pytest.raises(PlatformRefused, match=message):
        packaged("kserve", model, tmp_path / "out", settings)


@pytest.mark.parametrize("name", ["seldon", "triton"])
def test_a_platform_of_bare_models_computes_no_features(name: str, model: ModelToPackage, tmp_path: Path) -> None:
    with pytest.raises(PlatformRefused, match=f"{name} serves bare models"):
        packaged(name, model, tmp_path / "out", OF_THE_SERVICE)


def test_without_a_bento_there_is_no_service_to_package(model: ModelToPackage, tmp_path: Path) -> None:
    with pytest.raises(PlatformRefused, match="has no Bento on this machine"):
        packaged("bento", replace(model, bento=None), tmp_path / "out")


def test_a_learner_that_no_format_holds_names_the_way_out(tmp_path: Path) -> None:
    import platform_assets.training.fit as fitting
    from platform_assets.training.dataset import Dataset
    from platform_assets.training.learners import make_learner

    X, names = rows(), use_case().feature_names
    days = np.datetime64("2024-01-01") + np.arange(len(X)) // 10
    data = Dataset(X, (X[:, 0] > 20).astype(float), days, None, np.arange(len(X)), names)
    learner = make_learner("estimator", {"estimator": "sklearn.naive_bayes.GaussianNB"})
    artifact.save(fitting.fit_predictor(data, learner, seed=0), tmp_path / "model")
    with pytest.raises(PlatformRefused, match="kserve with `--features service`"):
        packaged("triton", ModelToPackage(use_case(), "3", tmp_path / "model", X), tmp_path / "out")


def test_torchserve_is_refused_with_a_date_and_a_way_out(model: ModelToPackage, tmp_path: Path) -> None:
    with pytest.raises(PlatformRefused, match=r"parking: torchserve is refused since 2026-11-30: .* Declare `triton`"):
        packaged("torchserve", model, tmp_path / "out")
    serving = use_case().serving.model_dump()
    with pytest.raises(ValidationError, match="torchserve is refused since 2026-11-30"):
        use_case(serving=serving | {"platform": "torchserve"})
    with pytest.raises(ValidationError, match="'sagemaker' is none of them; known: bento, kserve"):
        use_case(serving=serving | {"platform": "sagemaker"})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"storage_uri": "models"}, "storage URI 'models' is none"),
        ({"namespace": "My_Space"}, "no name of Kubernetes"),
        ({"canary_percent": 101}, "no percentage"),
    ],
)
def test_settings_that_no_platform_could_use_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(PlatformRefused, match=message):
        replace(SETTINGS, **changes)


def test_a_further_platform_edits_no_existing_file(model: ModelToPackage, tmp_path: Path) -> None:
    declared = DeclaredPlatform("folder", f"{__name__}:FOLDER")
    with DECLARED_PLATFORMS.with_member("folder", declared):
        assert use_case(serving=use_case().serving.model_dump() | {"platform": "folder"}).serving.platform == "folder"
        assert packaged("folder", model, tmp_path / "out").notes == ("Nothing to do.",)


class Folder:
    def package(self, model: ModelToPackage, out: Path, settings: PackageSettings) -> PlatformPackage:
        return PlatformPackage((), (), ("Nothing to do.",))


FOLDER = Folder()
