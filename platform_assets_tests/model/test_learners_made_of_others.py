"""Learners that are made of something else: a class of scikit-learn, or other learners. Fitted, saved, loaded, and refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from platform_assets.declaration.sections.training import Training
from platform_assets.training.artifact import load, read_manifest, required_libraries, save
from platform_assets.training.candidates import declared_candidates, learner_of
from platform_assets.training.dataset import Dataset
from platform_assets.training.fit import fit_predictor
from platform_assets.training.learners import Learner, LearnerSettingsError, TrainingError, make_learner
from platform_assets.training.learners.calibration import calibrated
from platform_assets.training.learners.composite import forward_predictions
from platform_assets.training.learners.ensemble import blend, stack
from platform_assets.training.learners.narrowed import narrowed
from platform_assets_tests.model.fitted_models import make_rows

HISTOGRAMS = "sklearn.ensemble.HistGradientBoosting"
TREES = {"n_estimators": 10, "max_depth": 3}


def estimator(name: str, task: str = "binary", **settings: Any) -> Learner:
    return make_learner("estimator", {"estimator": name, **settings}, task)


def few_trees(task: str = "binary") -> Learner:
    return make_learner("xgboost", TREES, task)


MADE = {
    "histograms": lambda: estimator(HISTOGRAMS + "Classifier", max_iter=8),
    "histograms of values": lambda: estimator(HISTOGRAMS + "Regressor", "regression", max_iter=8),
    "bayes": lambda: estimator("sklearn.naive_bayes.GaussianNB"),
    "discriminant": lambda: estimator("sklearn.discriminant_analysis.LinearDiscriminantAnalysis", scale=True),
    "extra trees with codes": lambda: estimator(
        "sklearn.ensemble.ExtraTreesClassifier", n_estimators=5, categories=[2]
    ),
    "isotonic": lambda: calibrated(few_trees(), "isotonic"),
    "sigmoid": lambda: calibrated(make_learner("random_forest", {"n_estimators": 5}), "sigmoid"),
    "blend": lambda: blend([few_trees(), make_learner("logistic_regression")], {}),
    "equal blend": lambda: blend([few_trees(), make_learner("rule", {"threshold": 50})], {"weights": "equal"}),
    "stack": lambda: stack([few_trees(), make_learner("logistic_regression")], {}),
    "stack of values": lambda: stack([few_trees("regression"), make_learner("ridge", {}, "regression")], {"C": 2.0}),
    "narrowed": lambda: narrowed(few_trees(), [2, 0]),
    "sigmoid of narrowed": lambda: calibrated(narrowed(few_trees(), [2, 0]), "sigmoid"),
    "stack of calibrated": lambda: stack([calibrated(few_trees(), "sigmoid"), make_learner("rule")], {}),
}


@pytest.mark.parametrize("name", MADE)
def test_it_predicts_the_same_after_loading_and_has_the_same_bytes_again(name: str, tmp_path: Path) -> None:
    learner = MADE[name]()
    rows = make_rows(learner.objective)
    predictor = fit_predictor(rows, learner, seed=7)
    predicted = predictor.predict(rows.X)
    digest = save(predictor, tmp_path / "first")
    loaded = load(tmp_path / "first")
    np.testing.assert_array_equal(loaded.predict(rows.X), predicted)
    one_by_one = [loaded.predict(rows.X[[row]])[0] for row in range(12)]
    np.testing.assert_allclose(one_by_one, predicted[:12], rtol=1e-12)
    assert save(loaded, tmp_path / "again") == digest
    assert save(fit_predictor(rows, MADE[name](), seed=7), tmp_path / "anew") == digest
    if learner.objective == "binary":
        assert predicted.min() >= 0.0
        assert predicted.max() <= 1.0
        assert np.corrcoef(predicted, rows.y)[0, 1] > 0.2
    assert set(required_libraries(tmp_path / "first")) == set(learner.libraries)
    described = learner_of(read_manifest(tmp_path / "first"), learner.objective)
    assert save(fit_predictor(rows, described, seed=7), tmp_path / "from the manifest") == digest
    assert not [file for file in read_manifest(tmp_path / "first")["files"] if "/" in file]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: estimator("os.system"), "'os.system' is not one of scikit-learn's"),
        (lambda: estimator("xgboost.XGBClassifier"), "only these can be saved without pickle"),
        (lambda: estimator("sklearn.ensemble.Nothing"), "sklearn.ensemble.Nothing does not exist"),
        (lambda: estimator("sklearn.svm.LinearSVC"), "has no predict_proba, which a binary task needs"),
        (lambda: estimator(HISTOGRAMS + "Classifier", trees=3), "does not take these parameters: .*'trees'"),
        (
            lambda: estimator(HISTOGRAMS + "Classifier", max_iter={"a": 1}),
            "setting 'max_iter' is {'a': 1}; it must be a number",
        ),
        (lambda: make_learner("estimator"), "'' is not one of scikit-learn's"),
        (lambda: blend([few_trees()], {}), "needs at least two members, it has 1"),
        (lambda: calibrated(few_trees("regression"), "isotonic"), "a regression task has no probabilities"),
    ],
)
def test_what_cannot_be_made_is_refused_before_anything_is_fitted(make: Any, message: str) -> None:
    with pytest.raises(LearnerSettingsError, match=message):
        make()


def test_a_parameter_that_the_rows_do_not_allow_is_a_failure_of_this_learner() -> None:
    rows = make_rows("binary")
    few = rows.where(np.arange(len(rows)) < 30)
    with pytest.raises(TrainingError, match=r"DecisionTreeClassifier cannot be fitted on 30 rows: .*max_depth"):
        fit_predictor(few, estimator("sklearn.tree.DecisionTreeClassifier", max_depth=-2), seed=0)


def test_scores_for_calibration_come_from_models_of_earlier_days_only() -> None:
    seen: list[tuple[int, str]] = []

    class Spy:
        """Notes what it was fitted on."""

        name = "spy"

        def fit(self, X: Any, y: Any, seed: int, event_day: Any) -> Any:
            seen.append((len(X), str(event_day[-1])))
            return make_learner("constant").fit(X, y, seed, event_day)

    rows = make_rows("binary")
    X = np.nan_to_num(rows.X)
    predicted, unseen = forward_predictions([Spy()], X, rows.y, 0, rows.event_day, blocks=3)  # type: ignore[list-item]
    assert seen == [(400, "2024-01-02"), (800, "2024-01-04")]
    assert predicted.tolist() == list(range(400, 1200))
    assert unseen.shape == (800, 1)


def test_calibration_makes_squashed_probabilities_true_again() -> None:
    """Class weights spoil probabilities: the mean prediction is far from the base rate until they are calibrated."""
    rng = np.random.default_rng(3)
    n = 4000
    X = rng.normal(size=(n, 2))
    y = (rng.random(n) < 0.05 + 0.2 * (X[:, 0] > 1.0)).astype(np.float64)
    days = np.datetime64("2024-01-01", "D") + (np.arange(n) // 400).astype("timedelta64[D]")
    rows = Dataset(X, y, days, None, np.arange(n), ("a", "b"))
    weighted = make_learner("logistic_regression", {"class_weight": "balanced"})
    spoiled = fit_predictor(rows, weighted, 0).predict(X).mean()
    assert spoiled > 0.3
    for method in ("isotonic", "sigmoid"):
        again = fit_predictor(rows, calibrated(weighted, method), 0).predict(X).mean()  # type: ignore[arg-type]
        assert again == pytest.approx(y.mean(), abs=0.02)


def test_a_useless_member_gets_next_to_no_weight_in_a_fitted_blend() -> None:
    rows = make_rows("binary")
    useless = make_learner("rule", {"column": 2, "threshold": -1})
    fitted: Any = fit_predictor(rows, blend([few_trees(), useless], {}), 0).fitted
    assert fitted.weights.sum() == pytest.approx(1.0)
    assert fitted.weights[0] > 0.7


@pytest.mark.parametrize("kind", ["logistic_regression", "estimator", "torch_mlp"])
def test_a_category_never_seen_in_training_predicts_like_none(kind: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    codes = rng.integers(0, 3, 600).astype(np.float64) * 10
    y = (rng.random(600) < np.where(codes == 20, 0.8, 0.1)).astype(np.float64)
    X = np.column_stack([codes, rng.normal(size=600)])
    rows = Dataset(X, y, np.full(600, np.datetime64("2024-01-01", "D")), None, np.arange(600), ("code", "x"))
    settings: dict[str, Any] = {"categories": [0]}
    if kind == "estimator":
        settings |= {"estimator": "sklearn.linear_model.LogisticRegression"}
    if kind == "torch_mlp":
        settings |= {"max_epochs": 60, "patience": 60, "learning_rate": 0.02, "hidden_units": [8]}
    predictor = fit_predictor(rows, make_learner(kind, settings), 0)
    save(predictor, tmp_path / "model")
    predictor = load(tmp_path / "model")
    seen, other, never = predictor.predict(np.array([[20.0, 0.0], [0.0, 0.0], [77.0, 0.0]]))
    assert seen > 0.7
    assert other < 0.2
    assert 0.0 < never < seen


def test_declared_inputs_are_all_that_a_learner_looks_at() -> None:
    rows = make_rows("binary")
    declared = {
        "name": "trees",
        "kind": "xgboost",
        "settings": TREES,
        "inputs": ["count", "amount"],
        "monotone": {"amount": "decreasing"},
    }
    training = Training.model_validate(
        {
            "task": "binary",
            "learners": [declared],
            "metrics": ["auc_roc"],
            "select_by": "auc_roc",
            "categories": ["ratio"],
        }
    )
    [candidate] = declared_candidates(training, rows.features)
    assert candidate.learner.settings["columns"] == (2, 0)
    assert candidate.learner.settings["monotone"] == (0, -1)
    predictor = fit_predictor(rows, candidate.learner, 0)
    another = rows.X.copy()
    another[:, 1] = 0.0
    assert predictor.predict(another).tolist() == predictor.predict(rows.X).tolist()
    rising = np.column_stack([np.linspace(0, 200, 50), np.full(50, 0.5), np.full(50, 3.0)])
    assert (np.diff(predictor.predict(rising)) <= 1e-12).all()
    assert (
        candidate.learner.with_settings({"n_estimators": 5}).document()["members"][0]["settings"]["n_estimators"] == 5
    )


@pytest.mark.parametrize("kind", ["xgboost", "random_forest", "estimator"])
def test_a_monotone_constraint_holds_where_the_data_say_otherwise(kind: str) -> None:
    rng = np.random.default_rng(2)
    X = rng.random((800, 2))
    y = (rng.random(800) < 0.5 + 0.3 * np.sin(9 * X[:, 0])).astype(np.float64)
    settings: dict[str, Any] = {"monotone": [1, 0]}
    if kind == "estimator":
        settings |= {"estimator": HISTOGRAMS + "Classifier", "max_iter": 20}
    fitted = make_learner(kind, settings).fit(X, y, 0)
    grid = np.column_stack([np.linspace(0, 1, 200), np.full(200, 0.5)])
    assert (np.diff(fitted.predict(grid)) >= -1e-12).all()
    with pytest.raises(TrainingError, match="monoton"):
        make_learner(kind, {**settings, "monotone": [1, 0, 1]}).fit(X, y, 0)


@pytest.mark.parametrize("kind", ["logistic_regression", "random_forest", "xgboost", "torch_mlp"])
def test_balanced_classes_raise_the_probability_of_the_rare_one(kind: str) -> None:
    rows = make_rows("binary")
    rare = rows.where((rows.y == 0.0) | (np.arange(len(rows)) % 9 == 0))
    plain, balanced = (
        fit_predictor(rare, make_learner(kind, {"class_weight": weight}), 0).predict(rare.X).mean()
        for weight in ("none", "balanced")
    )
    assert balanced > plain + 0.05


def test_the_last_value_is_the_newest_of_its_season_and_the_newest_of_all_for_an_unknown_one() -> None:
    X = np.array([[0.0], [1.0], [0.0], [1.0]])
    fitted = make_learner("last_value", {}, "regression").fit(X, np.array([10.0, 20.0, 11.0, 21.0]), 0)
    assert fitted.predict(np.array([[0.0], [1.0], [5.0]])).tolist() == [11.0, 21.0, 21.0]
    newest = make_learner("last_value", {"column": None}, "regression").fit(X, np.array([1.0, 2.0, 3.0, 4.0]), 0)
    assert newest.predict(np.array([[0.0]])).tolist() == [4.0]


def test_a_rule_predicts_the_share_on_either_side() -> None:
    X = np.array([[1.0], [2.0], [300.0], [400.0]])
    fitted = make_learner("rule", {"threshold": 220}).fit(X, np.array([0.0, 1.0, 1.0, 1.0]), 0)
    assert fitted.predict(np.array([[220.0], [221.0]])).tolist() == [0.5, 1.0]
