"""A small feed-forward network, fitted with torch and predicting with numpy.

Belongs here: the learner: scaling, which rows early stopping watches, and the weights on disk. Does not belong here: the training loop and
the processes that share it (`network`). Predicting needs no torch: the weights are safetensors and the layers are a few
matrix products.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from platform_assets.tasks.multiclass.probabilities import softmax, weight_of_each_class
from platform_assets.training.learners.base import (
    Days,
    LearnerKind,
    Matrix,
    Objective,
    Setting,
    TrainingError,
    Vector,
    weight_of_positives,
)
from platform_assets.training.learners.categories import NO_CATEGORIES, Categories, fit_categories, read_categories
from platform_assets.training.learners.linear import sigmoid
from platform_assets.training.network.group import Alone
from platform_assets.training.network.job import Job, Layers, Train, WorkersFailed
from platform_assets.training.network.loop import CLASSES_WEIGH, KNOWN_VALUES, POSITIVES_WEIGH, train
from platform_assets.training.network.torchrun import train as on_this_machine

_WEIGHTS = "weights.safetensors"
_ARCHITECTURE = "architecture.json"
_HELD_OUT_RATIO = 0.15


@dataclass(frozen=True, eq=False)
class NeuralModel:
    """Layers of weights and biases with ReLU between them, on scaled amounts and embedded codes.

    Attributes:
        layers: (weights [out, in], biases [out]) from the first layer to the last, float64.
        scaling: how amounts become comparable, and a value gets its unit back.
        objective: decides whether the output is a probability.
        categories: which inputs are codes.
        embeddings: for each of them float64 [k + 1, size]; row 0, the mean of the others, is for a value never seen.
    """

    layers: tuple[tuple[Matrix, Vector], ...]
    scaling: Scaling
    objective: str
    categories: Categories = NO_CATEGORIES
    embeddings: tuple[Matrix, ...] = ()

    def predict(self, X: Matrix) -> Vector:
        """Probability of the positive class or of each class, or the value."""
        hidden = self.scaling.scaled(self.categories.amounts(X))
        if self.embeddings:
            codes = self.categories.codes(X)
            embedded = [table[codes[:, number]] for number, table in enumerate(self.embeddings)]
            hidden = np.column_stack([hidden, *embedded])
        for weights, biases in self.layers[:-1]:
            hidden = np.maximum(hidden @ weights.T + biases, 0.0)
        weights, biases = self.layers[-1]
        if self.objective == "multiclass":
            return softmax(hidden @ weights.T + biases)
        output = hidden @ weights[0] + biases[0]
        if self.objective == "binary":
            return sigmoid(output)
        return np.asarray(output * self.scaling.value_scale + self.scaling.value_mean, dtype=np.float64)

    def save(self, folder: Path) -> tuple[str, ...]:
        """Weights as safetensors, architecture as JSON."""
        from safetensors.numpy import save_file

        tensors: dict[str, Matrix] = {"scaling.mean": self.scaling.mean, "scaling.scale": self.scaling.scale}
        for number, (weights, biases) in enumerate(self.layers):
            tensors[f"layer{number:02d}.weights"] = np.ascontiguousarray(weights)
            tensors[f"layer{number:02d}.biases"] = np.ascontiguousarray(biases)
        for number, table in enumerate(self.embeddings):
            tensors[f"embedding{number:02d}"] = np.ascontiguousarray(table)
        save_file(tensors, folder / _WEIGHTS)
        architecture = {
            "task": self.objective,
            "activation": "relu",
            "layers": [list(weights.shape[::-1]) for weights, _ in self.layers],
            "input_transform": self.scaling.transform,
            "value_mean": self.scaling.value_mean,
            "value_scale": self.scaling.value_scale,
            **({"categories": self.categories.document()} if self.embeddings else {}),
        }
        text = json.dumps(architecture, indent=2, sort_keys=True) + "\n"
        (folder / _ARCHITECTURE).write_text(text, encoding="utf-8")
        return (_ARCHITECTURE, _WEIGHTS)


@dataclass(frozen=True, eq=False)
class Scaling:
    """Inputs to mean 0 and standard deviation 1, after an optional signed logarithm; the same for a value to predict."""

    transform: str
    mean: Vector
    scale: Vector
    value_mean: float
    value_scale: float

    def scaled(self, X: Matrix) -> Matrix:
        """float64 [n, f] to float64 [n, f]."""
        return np.asarray((transformed(X, self.transform) - self.mean) / self.scale, dtype=np.float64)


def transformed(X: Matrix, transform: str) -> Matrix:
    """`X` itself, or sign(x) * log(1 + |x|), which brings long tails in."""
    return np.copysign(np.log1p(np.abs(X)), X) if transform == "log" else X


def fit_scaling(X: Matrix, y: Vector, objective: Objective, transform: str) -> Scaling:
    """Means and standard deviations of the training rows; a feature that never varies is left at 0."""
    inputs = transformed(X, transform)
    scale = inputs.std(axis=0)
    scale = np.where(scale > 0.0, scale, 1.0)
    if objective != "regression":
        return Scaling(transform, inputs.mean(axis=0), scale, 0.0, 1.0)
    spread = float(y.std())
    return Scaling(transform, inputs.mean(axis=0), scale, float(y.mean()), spread if spread > 0.0 else 1.0)


def fit(
    X: Matrix,
    y: Vector,
    event_day: Days | None,
    objective: Objective,
    settings: Mapping[str, Any],
    seed: int,
    train_together: Train | None = None,
) -> NeuralModel:
    """Fit by Adam; stop when the loss on the last training day has not fallen for `patience` rounds, and keep the best round.

    With more than one of `workers`, `train_together` has them fit; where it is not given, they are processes of this machine.
    """
    categories = fit_categories(X, settings["categories"])
    amounts = categories.amounts(X)
    scaling = fit_scaling(amounts, y, objective, settings["input_transform"])
    job = Job(
        inputs=np.column_stack([scaling.scaled(amounts), categories.codes(X)]).astype(np.float32),
        target=((y - scaling.value_mean) / scaling.value_scale).astype(np.float32),
        held_out=held_out_rows(len(y), event_day),
        objective=objective,
        settings={
            **settings,
            KNOWN_VALUES: [len(values) for values in categories.values],
            POSITIVES_WEIGH: weight_of_positives(settings, y) if objective == "binary" else 1.0,
            **(
                {CLASSES_WEIGH: weight_of_each_class(settings["class_weight"], y).tolist()}
                if objective == "multiclass"
                else {}
            ),
        },
        seed=seed,
    )
    layers = _fitted_layers(job, train_together)
    embeddings = tuple(_with_unseen(table) for table, _ in layers[: len(categories.columns)])
    return NeuralModel(layers[len(categories.columns) :], scaling, objective, categories, embeddings)


def _fitted_layers(job: Job, train_together: Train | None) -> Layers:
    """Fit alone, or by several processes."""
    if job.settings["workers"] == 1:
        return train(job, Alone())
    try:
        return (train_together or on_this_machine)(job)
    except WorkersFailed as error:
        raise TrainingError(str(error)) from error


def _with_unseen(table: Matrix) -> Matrix:
    """An embedding whose first row, which no training row has, is the mean of the others."""
    return np.concatenate([table[1:].mean(axis=0, keepdims=True), table[1:]])


def held_out_rows(rows: int, event_day: Days | None) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which rows early stopping watches: those of the last day, or the last 15 % where there is only one day or none known."""
    if event_day is not None and len(event_day) and event_day[0] != event_day[-1]:
        return np.asarray(event_day == event_day[-1])
    held_out = np.zeros(rows, dtype=np.bool_)
    held_out[rows - int(rows * _HELD_OUT_RATIO) :] = True
    return held_out


def load(folder: Path) -> NeuralModel:
    """Read back what `NeuralModel.save` wrote."""
    from safetensors.numpy import load_file

    tensors = load_file(folder / _WEIGHTS)
    architecture = json.loads((folder / _ARCHITECTURE).read_text(encoding="utf-8"))
    layers = tuple(
        (tensors[f"layer{number:02d}.weights"], tensors[f"layer{number:02d}.biases"])
        for number in range(len(architecture["layers"]))
    )
    scaling = Scaling(
        architecture["input_transform"],
        tensors["scaling.mean"],
        tensors["scaling.scale"],
        architecture["value_mean"],
        architecture["value_scale"],
    )
    if "categories" not in architecture:
        return NeuralModel(layers, scaling, architecture["task"])
    categories = read_categories(architecture["categories"])
    embeddings = tuple(tensors[f"embedding{number:02d}"] for number in range(len(categories.columns)))
    return NeuralModel(layers, scaling, architecture["task"], categories, embeddings)


KIND = LearnerKind(
    name="torch_mlp",
    description="A small feed-forward network on scaled inputs, stopped early on the last training day.",
    settings=MappingProxyType(
        {
            "hidden_units": Setting((64, 32), "Units of each hidden layer.", least=1, most=4096),
            "input_transform": Setting("none", "What is done to inputs before scaling.", choices=("none", "log")),
            "dropout": Setting(0.0, "Share of hidden units left out in training.", least=0.0, most=0.9),
            "learning_rate": Setting(0.002, "Step size of the optimizer.", least=1e-6, most=1.0),
            "weight_decay": Setting(0.0001, "Pull of the weights towards zero.", least=0.0, most=1.0),
            "batch_size": Setting(512, "Rows in a step.", least=1),
            "class_weight": Setting("none", "Weigh both classes alike, or not.", choices=("none", "balanced")),
            "categories": Setting((), "Places of inputs that are codes, from 0.", least=0),
            "embedding_size": Setting(
                8, "Numbers that a code becomes, at most one for each of its values.", least=1, most=512
            ),
            "max_epochs": Setting(20, "Most passes over the training rows.", least=1, most=10000),
            "patience": Setting(3, "Rounds without a lower loss before stopping.", least=1),
            "threads": Setting(1, "Threads to fit with; the same number gives the same model.", least=1, most=256),
            "workers": Setting(
                1,
                "Processes that fit together, each with its own `threads`; the same number gives the same model, another number "
                "the same up to rounding.",
                least=1,
                most=256,
            ),
        }
    ),
    fit=fit,
    load=load,
    libraries=("numpy", "safetensors"),
    fit_libraries=("torch",),
)
