"""The model folder: what was saved comes back, and a damaged one is refused with its file's name."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from platform_assets.training.artifact import (
    MANIFEST,
    ArtifactError,
    copy_verified,
    load,
    model_digest,
    read_manifest,
    required_libraries,
    save,
)
from platform_assets.training.dataset import Dataset
from platform_assets.training.fit import fit_predictor
from platform_assets.training.learners import make_learner
from platform_assets.training.predictor import InputError, Predictor


def make_predictor() -> Predictor:
    rows = Dataset(
        X=np.array([[1.0, 5.0], [2.0, np.nan], [9.0, 7.0]]),
        y=np.array([0.0, 1.0, 0.0]),
        event_day=np.array(["2024-01-01", "2024-01-01", "2024-01-02"], dtype="datetime64[D]"),
        group=None,
        key=np.arange(3),
        features=("amount", "count"),
    )
    return fit_predictor(rows, make_learner("constant"), seed=11, impute={"count": 0.0})


def test_what_was_saved_comes_back(tmp_path: Path) -> None:
    saved = make_predictor()
    digest = save(saved, tmp_path / "model")
    loaded = load(tmp_path / "model")
    assert loaded.digest == digest == model_digest(tmp_path / "model")
    for name in ("learner", "objective", "features", "seed", "trained_on"):
        assert getattr(loaded, name) == getattr(saved, name)
    assert dict(loaded.versions) == dict(saved.versions)
    assert loaded.imputation.values.tolist() == [2.0, 0.0]
    X = np.array([[1.0, 2.0], [np.nan, np.nan]])
    assert loaded.predict(X).tolist() == saved.predict(X).tolist()
    assert save(loaded, tmp_path / "again") == digest


def test_saving_again_replaces_the_folder_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    save(make_predictor(), tmp_path / "model")
    (tmp_path / "model" / "stray.txt").write_text("left over")
    save(make_predictor(), tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == ["constant.json", MANIFEST]


def test_the_manifest_says_what_an_image_needs(tmp_path: Path) -> None:
    save(make_predictor(), tmp_path / "model")
    assert dict(required_libraries(tmp_path / "model")) == {"numpy": np.__version__}
    manifest = read_manifest(tmp_path / "model")
    assert [feature["name"] for feature in manifest["features"]] == ["amount", "count"]
    assert manifest["trained_on"] == {
        "first_day": "2024-01-01",
        "last_day": "2024-01-02",
        "rows": 3,
        "label_mean": 1 / 3,
    }


def test_a_copy_holds_the_model_and_nothing_else(tmp_path: Path) -> None:
    digest = save(make_predictor(), tmp_path / "model")
    (tmp_path / "model" / "notes.txt").write_text("not part of it")
    assert copy_verified(tmp_path / "model", tmp_path / "copy") == digest
    assert sorted(path.name for path in (tmp_path / "copy").iterdir()) == ["constant.json", MANIFEST]


def damage_payload(folder: Path) -> None:
    (folder / "constant.json").write_text('{"value": 0.9}\n')


def lose_payload(folder: Path) -> None:
    (folder / "constant.json").unlink()


def lose_manifest(folder: Path) -> None:
    (folder / MANIFEST).unlink()


def truncate_manifest(folder: Path) -> None:
    (folder / MANIFEST).write_text((folder / MANIFEST).read_text()[:100])


def change(folder: Path, **entries: Any) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({**manifest, **entries}))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (damage_payload, "constant.json does not match its manifest"),
        (lose_payload, "constant.json cannot be read"),
        (lose_manifest, "holds no model: model.json cannot be read"),
        (truncate_manifest, "model.json is not a model manifest"),
        (lambda folder: change(folder, format=99), "has format 99; this version reads format 1"),
        (lambda folder: change(folder, learner="oracle"), "learner 'oracle' does not exist"),
        (lambda folder: change(folder, settings={"depth": 1}), "unknown setting 'depth'"),
        (lambda folder: change(folder, files={"../../etc/passwd": "sha256:0"}), "not a file of its own folder"),
    ],
)
def test_a_damaged_folder_is_refused(tmp_path: Path, spoil: Any, message: str) -> None:
    folder = tmp_path / "model"
    save(make_predictor(), folder)
    spoil(folder)
    with pytest.raises(ArtifactError, match=message):
        load(folder)


def test_rows_that_the_model_cannot_take_are_refused() -> None:
    predictor = make_predictor()
    with pytest.raises(InputError, match=r"rows of 2 features \(amount, count\), not an array of shape \(1, 3\)"):
        predictor.predict(np.zeros((1, 3)))
    with pytest.raises(InputError, match=r"'count' is infinite in row 1 \(1 of 2 rows"):
        predictor.predict(np.array([[np.nan, 0.0], [1.0, np.inf]]))
    assert predictor.predict(np.empty((0, 2))).shape == (0,)
