"""The handbook's models at the handbook's settings, on the handbook's features.

Belongs here: how Le Borgne et al. fit each model, with the libraries that they use, as candidates for the same folds. Does not belong
here: comparing them (`comparison.py`).

Settings from chapters 3 (decision trees), 5 (logistic regression, random forest, xgboost), 6 (balanced bagging) and 7 (feed-forward
network); where the book reports a grid, the settings that it found best. The book scales all inputs first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from platform_assets.declaration.sections.features import FeatureView
from platform_assets.training.compare import Candidate
from platform_assets.training.learners import Learner, LearnerKind
from platform_assets.training.learners.base import Days, FittedModel, Matrix, Objective, Vector
from platform_assets.training.learners.constant import load as load_nothing

VIEWS: tuple[FeatureView, ...] = tuple(
    FeatureView.model_validate(document)
    for document in (
        {
            "name": "book_transaction",
            "description": "The transaction itself.",
            "rows": [
                {"name": "amount", "description": "amount", "expression": "amount"},
                {
                    "name": "is_weekend",
                    "description": "Saturdays and Sundays",
                    "expression": "CASE WHEN EXTRACT(ISODOW FROM transaction_time) >= 6 THEN 1 ELSE 0 END",
                },
                {
                    "name": "is_night",
                    "description": "until 6:59",
                    "expression": "CASE WHEN EXTRACT(HOUR FROM transaction_time) <= 6 THEN 1 ELSE 0 END",
                },
            ],
        },
        {
            "name": "book_customer",
            "description": "How the customer has been paying.",
            "entity": "customer",
            "windows": [
                {"name": "customer_count", "description": "payments", "aggregate": "count", "lengths_days": [1, 7, 30]},
                {
                    "name": "customer_mean_amount",
                    "description": "mean amount",
                    "aggregate": "mean",
                    "column": "amount",
                    "lengths_days": [1, 7, 30],
                },
            ],
        },
        {
            "name": "book_terminal",
            "description": "What became of the terminal's payments, seven times 24 hours before and earlier.",
            "entity": "terminal",
            "windows": [
                {
                    "name": "terminal_count",
                    "description": "payments",
                    "aggregate": "count",
                    "lengths_days": [1, 7, 30],
                    "delay_days": 7,
                },
                {
                    "name": "terminal_fraud_ratio",
                    "description": "share of fraud",
                    "aggregate": "mean",
                    "column": "is_fraud",
                    "lengths_days": [1, 7, 30],
                    "delay_days": 7,
                    "when_empty": 0,
                },
            ],
        },
    )
)
"""The book's fifteen inputs, chapter 3, as the book computes them, whatever the use case declares today."""
FEATURES = (
    "amount",
    "is_weekend",
    "is_night",
    *(f"customer_{what}_{days}d" for days in (1, 7, 30) for what in ("count", "mean_amount")),
    *(f"terminal_{what}_{days}d" for days in (1, 7, 30) for what in ("count", "fraud_ratio")),
)
"""The inputs in the book's order: with another, a forest of the same seed is another forest."""
PUBLISHED: Mapping[str, tuple[float, float, float]] = {
    "logistic regression": (0.8676, 0.6231, 0.2971),
    "decision tree, depth 2": (0.7919, 0.5418, 0.2650),
    "decision tree, unlimited": (0.7972, 0.3345, 0.2579),
    "random forest, 100 trees, depth 20": (0.8704, 0.6777, 0.2993),
    "xgboost, exact, 50 trees, rate 0.3, depth 3": (0.8717, 0.6865, 0.3021),
    "balanced bagging, ratio 0.02": (0.8692, 0.6800, 0.2986),
    "balanced bagging, ratio 0.1": (0.8766, 0.6767, 0.3046),
    "balanced bagging, ratio 0.5": (0.8788, 0.6525, 0.3054),
    "feed-forward network, 2 x 500": (0.8758, 0.6681, 0.3011),
}
"""AUC ROC, average precision and card precision at 100 as the book prints them: means over its four test folds, on its own simulated
payments. Chapter 5, model selection (logistic regression with C = 1, the unlimited tree with depth 50), chapter 6, ensembling, and
chapter 7, feed-forward networks (after 10 rounds; it prints no others for this network)."""
THREADS = 2


@dataclass(frozen=True)
class ScikitModel:
    """Anything with `predict_proba`, behind its scaler."""

    scaler: Any
    model: Any

    def predict(self, X: Matrix) -> Vector:
        """Probability of fraud."""
        with _in_threads():
            return np.asarray(self.model.predict_proba(self.scaler.transform(X))[:, 1], dtype=np.float64)

    def save(self, folder: object) -> tuple[str, ...]:
        """The book's models are measured, not kept."""
        raise ValueError("the book's models are not saved")


def _in_threads() -> Any:
    """Parallel members in threads of this process, so that its CPU seconds are all there are."""
    import joblib

    return joblib.parallel_config(backend="threading", n_jobs=THREADS)


def book_candidates() -> list[Candidate]:
    """All of them, in the order of the book's chapters."""
    return [_candidate(name, make) for name, make in _MODELS.items()]


def _candidate(name: str, make: Callable[[int], Any]) -> Candidate:
    def fit(
        X: Matrix, y: Vector, event_day: Days | None, task: Objective, settings: Mapping[str, Any], seed: int
    ) -> FittedModel:
        from sklearn.preprocessing import StandardScaler

        scaler, model = StandardScaler().fit(X), make(seed)
        with _in_threads():
            model.fit(scaler.transform(X), y.astype(np.int64))
        return ScikitModel(scaler, model)

    kind = LearnerKind(name, name, MappingProxyType({}), fit, load_nothing, ())
    return Candidate(name, Learner(kind, "binary", {}), baseline=True)


def _logistic(seed: int) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(random_state=seed, max_iter=1000)


def _tree(depth: int | None) -> Callable[[int], Any]:
    def make(seed: int) -> Any:
        from sklearn.tree import DecisionTreeClassifier

        return DecisionTreeClassifier(max_depth=depth, random_state=seed)

    return make


def _forest(seed: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(n_estimators=100, max_depth=20, random_state=seed, n_jobs=THREADS)


def _xgboost(seed: int) -> Any:
    """The book's xgboost is of 2021: exact splits and a first guess of 0.5."""
    from xgboost import XGBClassifier

    return XGBClassifier(
        n_estimators=50,
        learning_rate=0.3,
        max_depth=3,
        tree_method="exact",
        base_score=0.5,
        random_state=seed,
        n_jobs=THREADS,
    )


def _balanced_bagging(ratio: float) -> Callable[[int], Any]:
    """Genuine payments are thinned out to so many frauds for each; where there are more frauds than that, all of them stay."""

    def thinned(y: Any) -> dict[int, int]:
        genuine, frauds = np.bincount(y, minlength=2).tolist()
        return {0: min(genuine, int(frauds / ratio))}

    def make(seed: int) -> Any:
        from imblearn.ensemble import BalancedBaggingClassifier
        from sklearn.tree import DecisionTreeClassifier

        tree = DecisionTreeClassifier(max_depth=20, random_state=0)
        return BalancedBaggingClassifier(
            tree, n_estimators=100, sampling_strategy=thinned, bootstrap=True, random_state=seed, n_jobs=THREADS
        )

    return make


class FeedForward:
    """The book's network: two hidden layers of 500 with ReLU and dropout 0.2, Adam at 0.001, batches of 64, 20 rounds."""

    def __init__(self, seed: int, hidden: int = 500, dropout: float = 0.2, batch: int = 64, rounds: int = 20) -> None:
        self._seed, self._hidden, self._dropout, self._batch, self._rounds = seed, hidden, dropout, batch, rounds

    def fit(self, X: Matrix, y: Any) -> FeedForward:
        """Minimise the cross-entropy."""
        import torch

        torch.manual_seed(self._seed)
        inputs, target = torch.from_numpy(X.astype(np.float32)), torch.from_numpy(y.astype(np.float32))
        layers: list[Any] = []
        width = X.shape[1]
        for _ in range(2):
            layers += [torch.nn.Linear(width, self._hidden), torch.nn.ReLU(), torch.nn.Dropout(self._dropout)]
            width = self._hidden
        self._network = torch.nn.Sequential(*layers, torch.nn.Linear(width, 1))
        optimizer = torch.optim.Adam(self._network.parameters(), lr=0.001)
        loss_of = torch.nn.BCEWithLogitsLoss()
        for _ in range(self._rounds):
            for rows in torch.randperm(len(target)).split(self._batch):
                optimizer.zero_grad()
                loss_of(self._network(inputs[rows]).squeeze(1), target[rows]).backward()
                optimizer.step()
        self._network.eval()
        return self

    def predict_proba(self, X: Matrix) -> Matrix:
        """float64 [n, 2]."""
        import torch

        with torch.no_grad():
            p = torch.sigmoid(self._network(torch.from_numpy(X.astype(np.float32)))).squeeze(1).numpy()
        return np.column_stack([1.0 - p, p]).astype(np.float64)


_MODELS: Mapping[str, Callable[[int], Any]] = {
    "logistic regression": _logistic,
    "decision tree, depth 2": _tree(2),
    "decision tree, unlimited": _tree(None),
    "random forest, 100 trees, depth 20": _forest,
    "xgboost, exact, 50 trees, rate 0.3, depth 3": _xgboost,
    "balanced bagging, ratio 0.02": _balanced_bagging(0.02),
    "balanced bagging, ratio 0.1": _balanced_bagging(0.1),
    "balanced bagging, ratio 0.5": _balanced_bagging(0.5),
    "feed-forward network, 2 x 500": FeedForward,
}
