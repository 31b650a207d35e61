"""A registered model as it is packaged for another platform, and whether it can be.

Belongs here: the rows that its file is compared with, and trying it. Does not belong here: the platforms (`deployment/platforms`), the
package's folder (`package_for_platform.py`).
"""

import tempfile
from pathlib import Path

import numpy as np
import polars as pl

from platform_assets.declaration import UseCase
from platform_assets.deployment.platforms.base import ModelToPackage
from platform_assets.deployment.platforms.model_files import format_of, write_model_file
from platform_assets.registry.base import RegisteredVersion
from platform_assets.registry.training_run import ModelRun


def packageable(use_case: UseCase, version: RegisteredVersion, run: ModelRun) -> str:
    """Write the model's file for another platform, compare its scores, and throw it away; a sentence about it.

    Raises:
        PlatformRefused: no such file can be written, or it scores differently.
    """
    model = model_to_package(use_case, version, run)
    with tempfile.TemporaryDirectory() as scratch:
        file = write_model_file(model, Path(scratch) / "model", format_of(model))
    return (
        f"can be packaged for {use_case.serving.platform}: {file.runtime} scores {len(model.rows)} rows as the model does, "
        f"largest difference {file.difference:.1g}"
    )


def model_to_package(use_case: UseCase, version: RegisteredVersion, run: ModelRun) -> ModelToPackage:
    """A registered model with training rows that its file is compared by."""
    frame = run.sample().select(use_case.feature_names).cast(pl.Float64).fill_null(np.nan)
    return ModelToPackage(use_case, version.version, run.predictor_folder, np.ascontiguousarray(frame.to_numpy()))
