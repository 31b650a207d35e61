"""Saved models: the same bytes in every process, the same answers after loading, and nothing that could run code."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from platform_assets.training.artifact import ArtifactError, load, read_manifest, required_libraries
from platform_assets_tests.model import fitted_models
from platform_assets_tests.model.fitted_models import EVERY, fit_small, make_rows, save_all

EXPECTED_FILES = {
    "constant": {"constant.json"},
    "single_feature": {"single_feature.json"},
    "last_value": {"last_value.json"},
    "rule": {"rule.json"},
    "logistic_regression": {"estimator.skops"},
    "ridge": {"estimator.skops"},
    "random_forest": {"estimator.skops"},
    "xgboost": {"booster.ubj"},
    "torch_mlp": {"weights.safetensors", "architecture.json"},
}
KNOWN_LIBRARIES = (
    "torch",
    "xgboost",
    "sklearn",
    "skops",
    "polars",
    "pandas",
    "mlflow",
    "dagster",
    "matplotlib",
    "pydantic",
)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    save_all(folder)
    return folder


def everything_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def run_python(*arguments: str) -> str:
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_fitting_twice_gives_the_same_bytes(saved: Path, tmp_path: Path) -> None:
    save_all(tmp_path)
    assert everything_in(tmp_path) == everything_in(saved)


def test_fitting_in_a_fresh_process_gives_the_same_bytes(saved: Path, tmp_path: Path) -> None:
    digests = json.loads(run_python(fitted_models.__file__, str(tmp_path)))
    assert len(digests) == len(EVERY)
    assert everything_in(tmp_path) == everything_in(saved)


@pytest.mark.parametrize(("task", "name"), [pair for pair in EVERY if pair[1] in ("random_forest", "torch_mlp")])
def test_another_seed_gives_another_model(task: str, name: str) -> None:
    X = make_rows(task).X
    assert not np.array_equal(fit_small(task, name, seed=8).predict(X), fit_small(task, name).predict(X))


@pytest.mark.parametrize(("task", "name"), EVERY)
def test_a_loaded_model_answers_as_the_fitted_one_did(saved: Path, task: str, name: str) -> None:
    X = make_rows(task).X
    np.testing.assert_array_equal(load(saved / task / name).predict(X), fit_small(task, name).predict(X))


@pytest.mark.parametrize(("task", "name"), EVERY)
def test_a_row_gets_the_same_answer_alone_as_among_others(saved: Path, task: str, name: str) -> None:
    predictor, X = load(saved / task / name), make_rows(task).X[:200]
    alone = np.concatenate([predictor.predict(row[np.newaxis, :]) for row in X])
    np.testing.assert_allclose(alone, predictor.predict(X), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("task", "name"), EVERY)
def test_every_learner_learns_what_the_rows_say(saved: Path, task: str, name: str) -> None:
    rows, predictor = make_rows(task), load(saved / task / name)
    prediction = predictor.predict(rows.X)
    assert np.isfinite(prediction).all()
    outcome = np.eye(3)[rows.y.astype(int)] if task == "multiclass" else rows.y
    error = float(np.mean((prediction - outcome) ** 2))
    spread = float(np.mean((outcome - outcome.mean(axis=0)) ** 2))
    if task != "regression":
        assert prediction.min() >= 0.0
        assert prediction.max() <= 1.0
    if name == "single_feature":
        handed_on = predictor.imputation.filled(rows.X)[:, 0]
        expected = handed_on / 400 if task == "binary" else handed_on
        assert np.array_equal(prediction, expected), "nothing is learned"
    elif name in ("constant", "rule"):  # a rule is declared, not learned; this one's threshold lies outside the rows
        assert error == pytest.approx(spread)
    else:
        assert error < 0.8 * spread


@pytest.mark.parametrize(("task", "name"), EVERY)
def test_files_are_of_formats_that_cannot_run_code(saved: Path, task: str, name: str) -> None:
    folder = saved / task / name
    assert {path.name for path in folder.iterdir()} == {"model.json", *EXPECTED_FILES[name]}
    assert set(read_manifest(folder)["files"]) == EXPECTED_FILES[name]
    for content in everything_in(folder).values():
        assert not content.startswith((b"\x80\x04", b"\x80\x05"))


LOADED_BY = """
import sys
from pathlib import Path
import numpy as np
from platform_assets.training.artifact import load
predictor = load(Path(sys.argv[1]))
predictor.predict(np.zeros((1, len(predictor.features))))
print(",".join(name for name in sys.argv[2:] if name in sys.modules))
"""


READ_BY_EVERY_SERVICE = {"pydantic", "polars"}
"""The declaration, whose list of learners names the one to load, and which a service reads in any case."""


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("constant", set()),
        ("torch_mlp", set()),
        ("xgboost", {"xgboost", "pandas", "sklearn"}),  # xgboost imports these two when they are installed
        # skops walks all of scikit-learn when it is imported, which takes along what that can work with and is installed
        ("random_forest", {"sklearn", "skops", "pandas", "polars", "torch", "matplotlib"}),
        ("logistic_regression", {"sklearn", "skops", "pandas", "polars", "torch", "matplotlib"}),
    ],
)
def test_a_service_loads_only_the_library_that_its_model_needs(saved: Path, name: str, allowed: set[str]) -> None:
    loaded = run_python("-c", LOADED_BY, str(saved / "binary" / name), *KNOWN_LIBRARIES).strip()
    assert {item for item in loaded.split(",") if item} <= allowed | READ_BY_EVERY_SERVICE
    assert "numpy" in required_libraries(saved / "binary" / name)


def test_a_network_predicts_without_torch_what_torch_would() -> None:
    import torch

    predictor, X = fit_small("binary", "torch_mlp"), make_rows("binary").X
    fitted = predictor.fitted
    hidden = torch.from_numpy(fitted.scaling.scaled(predictor.imputation.filled(X)))  # type: ignore[attr-defined]
    layers = [(torch.from_numpy(weights), torch.from_numpy(biases)) for weights, biases in fitted.layers]  # type: ignore[attr-defined]
    for weights, biases in layers[:-1]:
        hidden = torch.relu(torch.nn.functional.linear(hidden, weights, biases))
    expected = torch.sigmoid(torch.nn.functional.linear(hidden, *layers[-1])).squeeze(1).numpy()
    np.testing.assert_allclose(predictor.predict(X), expected, rtol=1e-12)


def test_early_stopping_watches_the_last_day_and_needs_none_to_work() -> None:
    from platform_assets.training.learners.neural import held_out_rows

    days = np.array(["2024-01-01", "2024-01-01", "2024-01-02"], dtype="datetime64[D]")
    assert held_out_rows(3, days).tolist() == [False, False, True]
    assert held_out_rows(20, days[:1].repeat(20)).sum() == 3
    assert held_out_rows(20, None).sum() == 3


def test_fitting_a_network_leaves_the_callers_random_numbers_and_threads_alone() -> None:
    import torch

    torch.manual_seed(1)
    threads, state = torch.get_num_threads(), torch.random.get_rng_state()
    fit_small("binary", "torch_mlp")
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.random.get_rng_state(), state)


def test_an_estimator_of_a_type_that_is_not_trusted_is_refused(tmp_path: Path) -> None:
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    from platform_assets.training.learners.scikit import read_estimator, write_estimator

    write_estimator(ArtifactError("any class of one's own"), tmp_path / "estimator.skops")
    assert skops.io.get_untrusted_types(file=tmp_path / "estimator.skops")
    with pytest.raises(UntrustedTypesFoundException):
        read_estimator(tmp_path / "estimator.skops")


def test_mlflow_loads_the_folder_and_takes_columns_by_name(saved: Path, tmp_path: Path) -> None:
    import mlflow.pyfunc
    import pandas as pd

    from platform_assets.training.predictor import InputError
    from platform_assets.training.pyfunc import LOADER_MODULE, _load_pyfunc

    source = saved / "binary" / "xgboost"
    mlflow.pyfunc.save_model(
        str(tmp_path / "model"), loader_module=LOADER_MODULE, data_path=str(source), pip_requirements=["numpy"]
    )
    assert not list((tmp_path / "model").rglob("*.pkl"))
    rows = make_rows("binary")
    frame = pd.DataFrame(rows.X, columns=list(rows.features))[["count", "amount", "ratio"]]
    expected = load(source).predict(rows.X)
    np.testing.assert_array_equal(mlflow.pyfunc.load_model(str(tmp_path / "model")).predict(frame), expected)
    with pytest.raises(InputError, match=r"lacks the features \['ratio'\]"):
        _load_pyfunc(str(source)).predict(frame.drop(columns="ratio"))
