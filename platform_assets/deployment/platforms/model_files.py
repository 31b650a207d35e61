"""A model's file for another runtime, compared with the model before it is handed out.

Belongs here: which format a model gets, and the comparison. Does not belong here: the formats (`training/portable`), what a platform
reads beside the file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from platform_assets.deployment.platforms.base import TOLERANCE, ModelToPackage, PlatformRefused
from platform_assets.training import artifact
from platform_assets.training.learners.base import Matrix
from platform_assets.training.portable import NotPortable, onnx_scores, write_onnx, write_xgboost, xgboost_scores
from platform_assets.training.predictor import Predictor

Format = Literal["xgboost", "onnx"]
_SCORES: dict[Format, tuple[str, Callable[[Path, Matrix], Matrix]]] = {
    "xgboost": ("xgboost", xgboost_scores),
    "onnx": ("onnxruntime", onnx_scores),
}


@dataclass(frozen=True)
class ModelFile:
    """A file that scores as the model does.

    Attributes:
        format: of the file.
        features: its inputs, in order.
        outputs: numbers for each row: 1 for a probability or a value, K for classes.
        objective: of the model.
        difference: largest difference from the model over the rows compared.
        runtime: what scored it.
    """

    format: Format
    features: tuple[str, ...]
    outputs: int
    objective: str
    difference: float
    runtime: str


def format_of(model: ModelToPackage) -> Format:
    """`xgboost` for a boosted model that its own format can hold whole, else `onnx`."""
    predictor = artifact.load(model.model_folder)
    boosted = predictor.learner == "xgboost"
    if predictor.learner == "narrowed":
        boosted = predictor.settings["learner"] == "xgboost"
    return "xgboost" if boosted and 0 not in predictor.trained_on.class_rows else "onnx"


def write_model_file(model: ModelToPackage, path: Path, as_format: Format) -> ModelFile:
    """Write the model, score real rows by the runtime that the file is for, and compare.

    Raises:
        PlatformRefused: the format cannot hold the model, there are no rows to compare, or the scores differ.
        ArtifactError: the model folder is damaged.
    """
    predictor, where = artifact.load(model.model_folder), f"{model.use_case.name} version {model.version}"
    if not len(model.rows):
        raise PlatformRefused(f"{where}: there are no rows to compare the file with; evaluate the model first")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        (write_xgboost if as_format == "xgboost" else write_onnx)(predictor, path)
    except NotPortable as error:
        raise PlatformRefused(f"{where}: {error}") from error
    runtime, score = _SCORES[as_format]
    difference = _difference(model, predictor, score(path, model.rows), runtime)
    outputs = len(predictor.classes) or 1
    return ModelFile(as_format, predictor.features, outputs, predictor.objective, difference, runtime)


def _difference(model: ModelToPackage, predictor: Predictor, scores: Matrix, runtime: str) -> float:
    """The largest difference from the model's own scores.

    Raises:
        PlatformRefused: it is too large.
    """
    where = f"{model.use_case.name} version {model.version}"
    own = predictor.predict(model.rows).reshape(len(model.rows), -1)
    if scores.shape != own.shape:
        raise PlatformRefused(
            f"{where}: {runtime} answers {scores.shape[1]} numbers for a row, the model {own.shape[1]}"
        )
    difference = float(np.abs(scores - own).max() / max(1.0, np.abs(own).max()))
    if not difference <= TOLERANCE:
        raise PlatformRefused(
            f"{where}: {runtime} scores {len(own)} rows by up to {difference:.2g} differently than the model (allowed {TOLERANCE:g}). "
            "xgboost adds its trees up in single precision, and an isotonic map can magnify that: declare `calibrate: sigmoid`, or "
            "package our own service: `bento`, or `kserve` with `--features service`"
        )
    return difference


def feature_note(model: ModelToPackage, file: ModelFile) -> str:
    """What whoever asks a bare model has to send."""
    return (
        f"Requests carry the {len(file.features)} features themselves, NaN for a missing one, in this order: {', '.join(file.features)}. "
        "Nothing here reads the online store, checks an event, applies the decision rule or writes the prediction log of "
        f"{model.use_case.name}."
    )
