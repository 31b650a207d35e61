"""A release is whole and belongs together, or it is refused."""

import json
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from platform_assets.declaration import feature_contract_hash
from platform_assets.training.artifact import ArtifactError
from platform_assets.training.predictor import Predictor
from platform_assets_tests.serving.parking import DECLARATION, make_model, release_info, use_case
from serving.release import PackedReleaseError, content_digest, read_release, self_test_difference, write_release


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    predictor = make_model(tmp_path / "model", kind="constant")
    write_release(tmp_path / "release", use_case(), tmp_path / "model", release_info(predictor))
    return tmp_path / "release"


def other_contract() -> str:
    features = json.loads(json.dumps(DECLARATION["features"]))
    features[1]["windows"][0]["lengths_days"] = [3]
    return feature_contract_hash(use_case(features=features))


def test_what_was_written_is_read_back(folder: Path) -> None:
    release = read_release(folder)
    assert release.use_case == use_case()
    assert release.info.model_version == "3"
    assert release.load_predictor().predict(np.zeros((1, 3))).shape == (1,)


def test_the_same_release_has_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    predictor = make_model(tmp_path / "again", kind="constant")
    write_release(tmp_path / "second", use_case(), tmp_path / "again", release_info(predictor))
    assert content_digest(folder) == content_digest(tmp_path / "second")


def test_a_model_of_another_contract_is_refused_with_both_hashes(folder: Path, tmp_path: Path) -> None:
    info = read_release(folder).info.model_copy(update={"feature_contract": other_contract()})
    with pytest.raises(PackedReleaseError) as caught:
        write_release(tmp_path / "other", use_case(), folder / "model", info)
    assert other_contract() in str(caught.value)
    assert feature_contract_hash(use_case()) in str(caught.value)


def test_a_packed_release_of_another_contract_is_refused_at_start(folder: Path) -> None:
    text = (folder / "release.json").read_text()
    (folder / "release.json").write_text(text.replace(feature_contract_hash(use_case()), other_contract()))
    with pytest.raises(PackedReleaseError, match=other_contract()):
        read_release(folder)


def test_a_model_that_answers_differently_than_recorded_is_refused(folder: Path) -> None:
    release = json.loads((folder / "release.json").read_text())
    release["self_test"][1]["score"] += 2e-6
    (folder / "release.json").write_text(json.dumps(release))
    with pytest.raises(PackedReleaseError, match="differ from the recorded"):
        read_release(folder).load_predictor()


def test_a_model_that_answers_single_rows_differently_is_seen(folder: Path) -> None:
    release = read_release(folder)
    predictor = release.load_predictor()
    assert self_test_difference(predictor, release.info.self_test) == 0.0

    class Singly:
        features = predictor.features

        def predict(self, X: Any) -> Any:
            return predictor.predict(X) + (0.25 if len(X) == 1 else 0.0)

    assert self_test_difference(cast(Predictor, Singly()), release.info.self_test) == 0.25


def test_a_model_with_other_inputs_is_refused(folder: Path) -> None:
    manifest = json.loads((folder / "model" / "model.json").read_text())
    manifest["features"][0]["name"] = "mph"
    (folder / "model" / "model.json").write_text(json.dumps(manifest))
    with pytest.raises(PackedReleaseError, match="mph"):
        read_release(folder).load_predictor()


def test_a_damaged_model_is_refused(folder: Path) -> None:
    payload = next(path for path in (folder / "model").iterdir() if path.name != "model.json")
    payload.write_bytes(payload.read_bytes() + b" ")
    with pytest.raises(ArtifactError, match=payload.name):
        read_release(folder).load_predictor()


@pytest.mark.parametrize("name", ["release.json", "use_case.json"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(PackedReleaseError, match=name):
        read_release(folder)


def test_the_digest_sees_names_and_bytes_but_not_what_running_leaves_behind(folder: Path) -> None:
    before = content_digest(folder)
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "a.pyc").write_bytes(b"x")
    assert content_digest(folder) == before
    (folder / "release.json").rename(folder / "release2.json")
    assert content_digest(folder) != before
