"""Seldon Core 2: a Model, whose file MLServer reads where the model is boosted trees, and Triton where it is ONNX.

Belongs here: the object and MLServer's settings file. Does not belong here: Triton's repository (`triton.py`), the model's file
(`model_files.py`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from platform_assets.deployment.platforms.base import ModelToPackage, PackageSettings, PlatformPackage
from platform_assets.deployment.platforms.model_files import ModelFile, feature_note, format_of, write_model_file
from platform_assets.deployment.platforms.triton import refuse_service, write_repository

LICENCE = (
    "Seldon Core is under the Business Source License since January 2024: production use needs a licence of its makers, and each "
    "version becomes Apache-2.0 only years later. MLServer and this package need none."
)
MODEL_FILE, SETTINGS_FILE = "model.json", "model-settings.json"
LEAST_MEBIBYTES = 64


class Seldon:
    """Packages a model as a Model of Seldon Core 2."""

    def package(self, model: ModelToPackage, out: Path, settings: PackageSettings) -> PlatformPackage:
        """As `Platform.package`."""
        refuse_service(settings, "seldon")
        if format_of(model) == "xgboost":
            file, written = _for_mlserver(model, out)
            how = (
                "MLServer answers the score as the output `predict`: it takes a file of xgboost's own for a regressor, whose values "
                "are the probabilities."
            )
        else:
            file, written = write_repository(model, out)
            how = "Triton answers the output `score`."
        manifest = _manifest(model, file, settings, sum((out / name).stat().st_size for name in written))
        notes = (
            LICENCE,
            f"Copy files/{model.use_case.name} to {settings.storage_uri}, then apply the manifest. {how}",
            feature_note(model, file),
            "The control plane of Seldon Core was not run.",
        )
        return PlatformPackage(written, (manifest,), notes, (file.difference, file.runtime))


def _for_mlserver(model: ModelToPackage, out: Path) -> tuple[ModelFile, tuple[str, ...]]:
    """The folder of one model as MLServer reads it."""
    name = model.use_case.name
    written = (f"{name}/{MODEL_FILE}", f"{name}/{SETTINGS_FILE}")
    file = write_model_file(model, out / written[0], "xgboost")
    document = {
        "name": name,
        "implementation": "mlserver_xgboost.XGBoostModel",
        "parameters": {"uri": f"./{MODEL_FILE}", "version": model.version},
    }
    (out / written[1]).write_text(json.dumps(document, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return file, written


def _manifest(model: ModelToPackage, file: ModelFile, settings: PackageSettings, size_bytes: int) -> dict[str, Any]:
    # A model takes several times its file once it is loaded; the scheduler of Seldon places it by this number.
    mebibytes = max(LEAST_MEBIBYTES, 8 * size_bytes // 2**20)
    return {
        "apiVersion": "mlops.seldon.io/v1alpha1",
        "kind": "Model",
        "metadata": {
            "name": model.resource_name,
            "namespace": settings.namespace,
            "labels": {
                "app.kubernetes.io/managed-by": "platform-assets",
                "platform-assets/use-case": model.resource_name,
                "platform-assets/version": model.version,
            },
        },
        "spec": {
            "storageUri": f"{settings.storage_uri.rstrip('/')}/{model.use_case.name}",
            "requirements": [file.format],
            "memory": f"{mebibytes}Mi",
        },
    }


SELDON = Seldon()
