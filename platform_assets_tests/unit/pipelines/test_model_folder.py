"""A run's artifact folder gives back what was written, and only the model that was registered."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from platform_assets.declaration import UseCase
from platform_assets.pipelines.train import candidates_table
from platform_assets.registry.base import ModelRegistry
from platform_assets.registry.model_flavours import save_for_mlflow
from platform_assets.registry.training_run import read_model_run, registered_run
from platform_assets.testing.fake_registry import FakeRegistry
from platform_assets.training import artifact
from platform_assets.training.artifact import ArtifactError
from platform_assets.training.compare import ComparisonError
from platform_assets.training.dataset import Dataset
from platform_assets.training.fit import fit_predictor
from platform_assets.training.learners import make_learner
from platform_assets.training.learners.narrowed import narrowed
from platform_assets.training.selection import choose

from .conftest import ROWS_A_DAY, Trained


def test_the_folder_gives_back_model_comparison_fold_and_sample(use_case: UseCase, first: Trained) -> None:
    run = read_model_run(first.run.folder)
    assert run.predictor().features == use_case.feature_names
    assert set(run.comparison["candidates"]) == {"constant", "simple", "good"}
    good = run.comparison["candidates"]["good"]
    assert good["mean"] == first.comparison.means("good")
    assert (good["baseline"], good["failure"]) == (False, None)
    assert good["by_fold"][0]["test_rows"] == 4 * ROWS_A_DAY
    fold = run.latest_fold()
    assert fold.height == 4 * ROWS_A_DAY
    assert {"key", "event_day", "label", "prediction__good", "prediction__constant"} <= set(fold.columns)


def test_the_sample_holds_the_model_s_own_answers(use_case: UseCase, first: Trained) -> None:
    sample = first.run.sample()
    X = sample.select(use_case.feature_names).to_numpy()
    np.testing.assert_array_equal(sample["score"].to_numpy(), first.run.predictor().predict(np.ascontiguousarray(X)))
    assert sample["score"].n_unique() > 10


def test_nothing_but_the_artifacts_is_left_in_the_folder(first: Trained) -> None:
    names = {path.name for path in first.run.folder.iterdir()}
    assert names == {"model", "comparison.json", "declaration.json", "latest_fold.parquet", "sample.parquet"}


def test_mlflow_loads_the_same_model(use_case: UseCase, first: Trained) -> None:
    """Whoever finds the version in MLflow gets what the service serves."""
    import mlflow.pyfunc

    loaded = mlflow.pyfunc.load_model(str(first.run.folder / "model"))
    sample = first.run.sample()
    answers = loaded.predict(sample.select(use_case.feature_names).to_pandas())
    np.testing.assert_array_equal(np.asarray(answers), sample["score"].to_numpy())


def test_mlflow_shows_what_goes_in_and_out(use_case: UseCase, first: Trained) -> None:
    """Signature and example stand on the version's page, and the example is answered as the service would."""
    from mlflow.models import Model

    described = Model.load(str(first.run.folder / "model"))
    assert described.signature.inputs.input_names() == list(use_case.feature_names)
    example = described.load_input_example(str(first.run.folder / "model"))
    assert list(example.columns) == list(use_case.feature_names)
    assert 0 < len(example) <= 5
    names = {path.suffix for path in (first.run.folder / "model").rglob("*")}
    assert not names & {".pkl", ".pickle", ".cloudpickle", ".joblib"}


def test_the_library_s_own_model_gives_the_same_scores_from_rows_with_missing_values(
    use_case: UseCase, first: Trained
) -> None:
    """`models:/name@champion` loads as a scikit-learn pipeline, written by skops, that fills what is missing by itself."""
    import mlflow.sklearn

    pipeline = mlflow.sklearn.load_model(str(first.run.folder / "model"))
    X = first.run.sample().select(use_case.feature_names).to_numpy().copy()
    X[::7, 0], X[::5, 2] = np.nan, np.nan
    expected = first.run.predictor().predict(np.ascontiguousarray(X))
    np.testing.assert_allclose(pipeline.predict_proba(X)[:, 1], expected, rtol=0, atol=1e-12)


def test_of_xgboost_the_booster_names_the_inputs_that_it_takes(tmp_path: Path) -> None:
    """A learner with `inputs` of its own: the booster has their names and gives the same bits for rows without a gap."""
    import mlflow.xgboost
    import pandas as pd
    import xgboost

    rng = np.random.default_rng(0)
    X, names = rng.normal(size=(300, 3)), ("amount", "count", "ratio")
    y = (X[:, 2] + rng.normal(size=300) > 0).astype(np.float64)
    rows = Dataset(
        X=X,
        y=y,
        features=names,
        event_day=np.array(["2024-01-01"] * 300, dtype="datetime64[D]"),
        key=np.arange(300),
        group=None,
    )
    learner = narrowed(make_learner("xgboost", {"n_estimators": 5}, "binary"), [2, 0])
    predictor = fit_predictor(rows, learner, seed=0)
    artifact.save(predictor, tmp_path / "predictor")
    save_for_mlflow(predictor, tmp_path / "predictor", tmp_path / "model", pd.DataFrame(X, columns=list(names)))
    booster = mlflow.xgboost.load_model(str(tmp_path / "model"))
    assert booster.feature_names == ["ratio", "amount"]
    own = xgboost.DMatrix(pd.DataFrame(X, columns=list(names))[booster.feature_names])
    np.testing.assert_array_equal(booster.predict(own).astype(np.float64), predictor.predict(X))


def copied(first: Trained, folder: Path) -> ModelRegistry:
    shutil.copytree(first.run.folder, folder)
    registry = FakeRegistry()
    registry.add(first.version, folder)
    return registry


def test_the_registered_model_is_read(first: Trained, tmp_path: Path) -> None:
    assert registered_run(copied(first, tmp_path / "run"), first.version).comparison == first.run.comparison


def test_a_damaged_model_is_refused_by_name(first: Trained, tmp_path: Path) -> None:
    registry = copied(first, tmp_path / "run")
    folder = read_model_run(tmp_path / "run").predictor_folder
    payload = next(path for path in folder.iterdir() if path.name != "model.json")
    payload.write_bytes(payload.read_bytes() + b" ")
    with pytest.raises(ArtifactError, match=f"{payload.name} does not match its manifest"):
        registered_run(registry, first.version)


def test_another_model_in_its_place_is_refused_although_it_is_whole(
    first: Trained, second: Trained, tmp_path: Path
) -> None:
    registry = copied(first, tmp_path / "run")
    folder = read_model_run(tmp_path / "run").predictor_folder
    shutil.rmtree(folder)
    shutil.copytree(second.run.predictor_folder, folder)
    with pytest.raises(ArtifactError, match=r"was registered with sha256:.*replaced since"):
        registered_run(registry, first.version)


def test_a_baseline_is_never_chosen(first: Trained) -> None:
    results = first.comparison.results
    best = replace(results[-1], candidate=replace(results[-1].candidate, baseline=True))
    contender = replace(results[0], candidate=replace(results[0].candidate, baseline=False))
    assert (
        choose(replace(first.comparison, results=(contender, results[1], best)), "average_precision").name == "constant"
    )


def test_among_those_as_good_up_to_the_tolerance_the_one_declared_first_is_chosen(first: Trained) -> None:
    by = "average_precision"
    simple, good = first.comparison.means("simple")[by], first.comparison.means("good")[by]
    assert good > simple
    contenders = tuple(
        replace(result, candidate=replace(result.candidate, baseline=result.candidate.name == "constant"))
        for result in first.comparison.results
    )
    comparison = replace(first.comparison, results=contenders)
    assert choose(comparison, by).name == "good"
    assert choose(comparison, by, (good - simple) * 0.99).name == "good"
    assert choose(comparison, by, (good - simple) * 1.01).name == "simple"


def test_without_a_contender_that_could_be_measured_nothing_is_chosen(first: Trained) -> None:
    *others, good = first.comparison.results
    failed = replace(good, folds=(), failure="fold 0: no rows")
    with pytest.raises(ComparisonError, match="good: fold 0: no rows"):
        choose(replace(first.comparison, results=(*others, failed)), "average_precision")


def test_the_table_shows_every_candidate(first: Trained) -> None:
    lines = candidates_table(first.comparison).splitlines()
    assert len(lines) == 2 + len(first.comparison.results)
    assert lines[0].startswith("| candidate | average_precision | auc_roc | calibration_error |")
    assert "constant (baseline)" in lines[2]
    assert len({line.count("|") for line in lines}) == 1
