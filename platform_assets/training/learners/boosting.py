"""Gradient-boosted trees with xgboost, for classes or a value.

Belongs here: fitting, predicting and storing a booster. Does not belong here: search over its settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from platform_assets.tasks.multiclass.probabilities import weight_of_each_class
from platform_assets.training.learners.additive import AdditiveAnswer
from platform_assets.training.learners.base import (
    Days,
    LearnerKind,
    Matrix,
    Objective,
    Setting,
    Vector,
    constraints,
    weight_of_positives,
)
from platform_assets.training.learners.booster_file import read_booster_file
from platform_assets.training.learners.compiled_trees import (
    CompiledTrees,
    FewRows,
    compiled_booster,
    compiled_document,
)
from platform_assets.training.learners.trees import booster_document

_FILE = "booster.ubj"
_OBJECTIVES: Mapping[Objective, str] = MappingProxyType(
    {"binary": "binary:logistic", "multiclass": "multi:softprob", "regression": "reg:squarederror"}
)


class BoostedModel:
    """A booster that predicts with one thread: a few rows through its trees compiled, many through xgboost, with the same result.

    One that was read from its file imports xgboost when it is first needed, which an explanation of one answer does without.
    """

    def __init__(self, booster: Any = None, content: bytes = b"") -> None:
        """Take xgboost's own booster, or what its file holds."""
        self._booster, self._content = booster, content
        if booster is not None:
            booster.set_param({"nthread": 1})
        self._few_rows = FewRows(self._compiled, self._by_library, "xgboost")

    @property
    def booster(self) -> Any:
        """xgboost's own."""
        if self._booster is None:
            import xgboost

            booster = xgboost.Booster()
            booster.load_model(bytearray(self._content))
            booster.set_param({"nthread": 1})
            self._booster = booster
        return self._booster

    def document(self) -> dict[str, Any]:
        """The model as xgboost's JSON says it, of a file without xgboost."""
        return read_booster_file(self._content) if self._content else booster_document(self.booster)

    def _compiled(self) -> CompiledTrees | None:
        return compiled_document(self.document()) if self._content else compiled_booster(self.booster)

    def answer_a_few(self) -> None:
        """Answer few rows without xgboost and without compiled loops, neither of which is worth its loading: for who holds the answers
        against others himself."""
        self._few_rows.believe(compiled_document(self.document(), compiled=False))

    def predict(self, X: Matrix) -> Vector:
        """Probability of the positive class or of each class, or the value."""
        return self._few_rows.predict(X)

    def _by_library(self, X: Matrix) -> Vector:
        """From numpy in place."""
        return np.asarray(self.booster.inplace_predict(X, validate_features=False), dtype=np.float64)

    def additive(self, row: Vector, output: int) -> AdditiveAnswer | None:
        """Shapley values of the trees' leaves; the margin that a link makes an output of."""
        from platform_assets.training.learners.tree_sums import booster_answer

        return booster_answer(self.document(), row, output)

    def save(self, folder: Path) -> tuple[str, ...]:
        """The booster in xgboost's own binary JSON."""
        self.booster.save_model(folder / _FILE)
        return (_FILE,)


def fit(
    X: Matrix, y: Vector, event_day: Days | None, objective: Objective, settings: Mapping[str, Any], seed: int
) -> BoostedModel:
    """Boost trees on histograms.

    The first guess is 0.5 for a binary label, the same for every class and the mean for a value. xgboost 3 would estimate it and
    would use 256 bins; both cost precision on rare labels, against the settings the literature reports.
    """
    import xgboost

    parameters = {
        "objective": _OBJECTIVES[objective],
        "base_score": float(y.mean()) if objective == "regression" else 0.5,
        "tree_method": "hist",
        "max_bin": settings["max_bin"],
        "max_depth": settings["max_depth"],
        "learning_rate": settings["learning_rate"],
        "min_child_weight": settings["min_child_weight"],
        "subsample": settings["subsample"],
        "colsample_bytree": settings["colsample_bytree"],
        "reg_lambda": settings["reg_lambda"],
        "gamma": settings["gamma"],
        "scale_pos_weight": weight_of_positives(settings, y) if objective == "binary" else 1.0,
        "seed": seed,
        "nthread": settings["threads"],
        "verbosity": 0,
    }
    if any(settings["monotone"]):
        parameters["monotone_constraints"] = constraints(settings["monotone"], X.shape[1])
    weights = None
    if objective == "multiclass":
        parameters["num_class"] = int(y.max()) + 1
        if settings["class_weight"] == "balanced":
            weights = weight_of_each_class("balanced", y)[y.astype(np.int64)]
    data = xgboost.QuantileDMatrix(X, label=y, weight=weights, max_bin=settings["max_bin"], nthread=settings["threads"])
    return BoostedModel(xgboost.train(parameters, data, num_boost_round=settings["n_estimators"]))


def load(folder: Path) -> BoostedModel:
    """Read back what `BoostedModel.save` wrote."""
    return BoostedModel(content=(folder / _FILE).read_bytes())


KIND = LearnerKind(
    name="xgboost",
    description="Gradient-boosted trees.",
    settings=MappingProxyType(
        {
            "n_estimators": Setting(100, "Number of trees.", least=1, most=20000),
            "max_depth": Setting(4, "Greatest depth of a tree.", least=1, most=64),
            "learning_rate": Setting(0.08, "Weight of each tree.", least=1e-4, most=1.0),
            "max_bin": Setting(4096, "Most histogram bins of a feature.", least=2, most=65535),
            "min_child_weight": Setting(2.0, "Least sum of second derivatives in a leaf.", least=0.0),
            "subsample": Setting(1.0, "Share of the rows drawn for each tree.", least=0.001, most=1.0),
            "colsample_bytree": Setting(1.0, "Share of the features drawn for each tree.", least=0.001, most=1.0),
            "reg_lambda": Setting(1.0, "L2 penalty on leaf values.", least=0.0),
            "gamma": Setting(0.0, "Least gain of a split.", least=0.0),
            "class_weight": Setting("none", "Weigh both classes alike, or not.", choices=("none", "balanced")),
            "monotone": Setting((), "By input: 1 rises with it, -1 falls, 0 either.", least=-1, most=1),
            "threads": Setting(1, "Threads to fit with; more only help on idle cores.", least=1, most=256),
        }
    ),
    fit=fit,
    load=load,
    libraries=("numpy", "scipy", "xgboost-cpu"),
)
