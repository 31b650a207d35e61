"""Triton: a model repository, for the FIL back end where the model is boosted trees, else for the ONNX Runtime back end.

Belongs here: the repository and its `config.pbtxt`. Does not belong here: the model's file (`model_files.py`), the server itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from platform_assets.deployment.platforms.base import ModelToPackage, PackageSettings, PlatformPackage, PlatformRefused
from platform_assets.deployment.platforms.model_files import (
    Format,
    ModelFile,
    feature_note,
    format_of,
    write_model_file,
)
from platform_assets.training.portable.graph import INPUT, OUTPUT

FILE_NAMES: Mapping[Format, str] = {"xgboost": "xgboost.json", "onnx": "model.onnx"}
"""What each back end looks for."""
MOST_ROWS = 4096
"""Rows of one request, and of requests that the server puts together."""
NOT_RUN = "Triton's server itself was not run; its configuration was read by its published proto, and the model's file by {runtime}."


class Triton:
    """Packages a model as a folder of a model repository."""

    def package(self, model: ModelToPackage, out: Path, settings: PackageSettings) -> PlatformPackage:
        """As `Platform.package`."""
        refuse_service(settings, "triton")
        file, written = write_repository(model, out)
        notes = (
            f"Copy files/{model.use_case.name} into a model repository (or to {settings.storage_uri}) and load the model "
            f"{model.use_case.name!r}; features go in as {_names(file)[0]!r}, scores come out as {_names(file)[1]!r}.",
            feature_note(model, file),
            NOT_RUN.format(runtime=file.runtime),
        )
        return PlatformPackage(written, (), notes, (file.difference, file.runtime))


def refuse_service(settings: PackageSettings, platform: str) -> None:
    """Refuse to package our own service for a platform that serves bare models.

    Raises:
        PlatformRefused: that is what was asked for.
    """
    if settings.features == "service":
        raise PlatformRefused(
            f"{platform} serves bare models, which take features: package with `--features caller`, or our own service, which "
            "computes them, for `kserve` or `bento`"
        )


def write_repository(model: ModelToPackage, out: Path) -> tuple[ModelFile, tuple[str, ...]]:
    """Write the folder of one model.

    Returns:
        The model's file, and what was written, relative to `out`.

    Raises:
        PlatformRefused: the model cannot be written, or scores differently.
    """
    name, chosen = model.use_case.name, format_of(model)
    version = str(int(model.version)) if model.version.isdecimal() and int(model.version) else "1"
    written = (f"{name}/{version}/{FILE_NAMES[chosen]}", f"{name}/config.pbtxt")
    file = write_model_file(model, out / written[0], chosen)
    (out / written[1]).write_text(configuration(name, file), encoding="utf-8")
    return file, written


def configuration(name: str, file: ModelFile) -> str:
    """The text of `config.pbtxt`."""
    given, answered = _names(file)
    kind = "TYPE_FP32" if file.format == "xgboost" else "TYPE_FP64"
    lines = [
        f'name: "{name}"',
        f'backend: "{"fil" if file.format == "xgboost" else "onnxruntime"}"',
        f"max_batch_size: {MOST_ROWS}",
        _tensor("input", given, kind, len(file.features)),
        _tensor("output", answered, kind, file.outputs),
        "instance_group [ { kind: KIND_CPU count: 1 } ]",
        "dynamic_batching { }",
    ]
    if file.format == "xgboost":
        lines += _fil(file)
    return "\n".join([*lines, ""])


def _fil(file: ModelFile) -> Sequence[str]:
    """A probability of one class is asked for as a value is: the trees' sum through their own link, one number a row."""
    classes = "true" if file.objective == "multiclass" else "false"
    # The newer name of `output_class` is `is_classifier`; a server heeds the one that it knows.
    parameters = {
        "model_type": "xgboost_json",
        "output_class": classes,
        "is_classifier": classes,
        "predict_proba": classes,
    }
    return [f'parameters {{ key: "{key}" value {{ string_value: "{value}" }} }}' for key, value in parameters.items()]


def _names(file: ModelFile) -> tuple[str, str]:
    return ("input__0", "output__0") if file.format == "xgboost" else (INPUT, OUTPUT)


def _tensor(field: str, name: str, kind: str, size: int) -> str:
    return f'{field} [ {{ name: "{name}" data_type: {kind} dims: [ {size} ] }} ]'


TRITON = Triton()
