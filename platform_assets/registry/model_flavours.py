"""A registered model in MLflow's own terms: signature, input example, and beside the platform's loader the library's own model.

Belongs here: the folder that MLflow opens. Does not belong here: the model's own format (`training/artifact.py`), or the loader
(`training/pyfunc.py`). Nothing is written by pickle; scikit-learn's models go through skops.

`mlflow.pyfunc.load_model` gives what the service serves. A flavour of the library is added where the same scores come out of it: of
scikit-learn a pipeline that fills missing values, takes the learner's inputs and predicts; of xgboost the booster, which wants the
learner's inputs filled.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from platform_assets.training.fit import library_versions
from platform_assets.training.learners.base import FittedModel
from platform_assets.training.learners.boosting import BoostedModel
from platform_assets.training.learners.forest import ForestModel
from platform_assets.training.learners.linear import LinearModel
from platform_assets.training.learners.narrowed import NarrowedModel
from platform_assets.training.learners.scikit import TRUSTED_TYPES, write_estimator
from platform_assets.training.predictor import Predictor
from platform_assets.training.pyfunc import LOADER_MODULE

EXAMPLE_ROWS = 5
_TRUSTED = [*TRUSTED_TYPES, "numpy.dtype"]
"""What MLflow lets skops construct; the last one is what fills missing values says of its numbers."""
_BOOSTER, _PIPELINE = "booster.ubj", "pipeline.skops"


def save_for_mlflow(predictor: Predictor, data: Path, folder: Path, example: Any) -> None:
    """Write the folder that MLflow opens.

    Args:
        predictor: the model.
        data: the model in its own format.
        folder: where.
        example: a pandas frame of some rows with the features; it stands in the folder, and a page of MLflow shows it.
    """
    import mlflow.pyfunc
    from mlflow.models import Model, ModelSignature
    from mlflow.types.schema import ColSpec, DataType, Schema, TensorSpec

    columns = [ColSpec(DataType.double, name, required=True) for name in predictor.features]
    if predictor.classes:
        outputs = Schema([TensorSpec(np.dtype("float64"), (-1, len(predictor.classes)))])
    else:
        outputs = Schema([TensorSpec(np.dtype("float64"), (-1,))])
    mlflow.pyfunc.save_model(
        path=str(folder),
        loader_module=LOADER_MODULE,
        data_path=str(data),
        signature=ModelSignature(inputs=Schema(columns), outputs=outputs),
        input_example=example[list(predictor.features)].head(EXAMPLE_ROWS),
        pip_requirements=[
            f"{name}=={version}" for name, version in library_versions(("numpy", "mlflow")).items() if name != "python"
        ],
    )
    flavour = library_flavour(predictor, folder)
    if flavour is not None:
        described = Model.load(str(folder))
        described.add_flavor(flavour[0], **flavour[1])
        described.save(str(folder / "MLmodel"))


def library_flavour(predictor: Predictor, folder: Path) -> tuple[str, dict[str, Any]] | None:
    """The library's own model beside the platform's; None where its scores would be others, or no library has such a model."""
    fitted, names = own_inputs(predictor)
    if isinstance(fitted, BoostedModel):
        fitted.booster.feature_names = names
        try:
            fitted.booster.save_model(folder / _BOOSTER)
        finally:
            fitted.booster.feature_names = None
        return "xgboost", {
            "data": _BOOSTER,
            "model_format": "ubj",
            "model_class": "xgboost.core.Booster",
            "xgb_version": version("xgboost-cpu"),
            "code": None,
        }
    pipeline = scikit_pipeline(predictor, fitted, names)
    if pipeline is None:
        return None
    write_estimator(pipeline, folder / _PIPELINE)
    return "sklearn", {
        "pickled_model": _PIPELINE,
        "serialization_format": "skops",
        "skops_trusted_types": _TRUSTED,
        "sklearn_version": version("scikit-learn"),
        "code": None,
    }


def own_inputs(predictor: Predictor) -> tuple[FittedModel, list[str]]:
    """What was fitted, and the features that it takes, in its order."""
    fitted = predictor.fitted
    if isinstance(fitted, NarrowedModel):
        return fitted.member.fitted, [predictor.features[column] for column in fitted.columns]
    return fitted, list(predictor.features)


def scikit_pipeline(predictor: Predictor, fitted: FittedModel, names: list[str]) -> Any:
    """scikit-learn's model behind its own steps for filling missing values and taking its inputs; None where there is none."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline

    if isinstance(fitted, ForestModel):
        steps = [fitted.estimator]
    elif isinstance(fitted, LinearModel) and not fitted.categories.columns:
        steps = [step for _, step in fitted.pipeline.steps]
    else:
        return None
    if predictor.imputation.bounds is not None or (predictor.classes and not all(predictor.trained_on.class_rows)):
        return None
    filled = SimpleImputer(strategy="median").fit(predictor.imputation.values.reshape(1, -1))
    places = [predictor.features.index(name) for name in names]
    taken = ColumnTransformer([("inputs", "passthrough", places)]).fit(predictor.imputation.values.reshape(1, -1))
    return make_pipeline(filled, taken, *steps)
