"""The artifacts of a training run: the model as MLflow sees it, the comparison, and the rows it was judged on.

Belongs here: the layout of a run's artifact folder, written by the model asset and read by evaluation and service.
Does not belong here: the model's own format (`training/artifact.py`).
"""

import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from platform_assets.declaration import UseCase
from platform_assets.declaration.renamed import with_current_names
from platform_assets.lake.layout import MODEL
from platform_assets.registry.base import MODEL_FOLDER, ModelRegistry, RegisteredVersion
from platform_assets.registry.errors import NotTrained
from platform_assets.registry.model_flavours import save_for_mlflow
from platform_assets.training import artifact
from platform_assets.training.compare import Comparison
from platform_assets.training.predictor import Predictor
from platform_assets.training.selection import Selection

PREDICTOR = "predictor"
COMPARISON_FILE = "comparison.json"
LATEST_FOLD_FILE = "latest_fold.parquet"
SAMPLE_FILE = "sample.parquet"
SAMPLE_ROWS = 200
DECLARATION_FILE = "declaration.json"
"""The use case as it was declared, so that a later declaration changes nothing about the past."""
VERDICT_FILE = "evaluation.json"
"""The verdict on the model, once it was judged."""
MODEL_DIGEST_TAG = "model_digest"
"""Tag of a registered version: the digest of its model."""
CLASS_ROWS_TAG = "class_rows"
"""Tag of a registered version of a multi-class model: training rows of each class, as JSON."""
MACHINE_TAG = "machine"
"""Tag of a registered version: the kind of machine that made it."""


@dataclass(frozen=True)
class ModelRun:
    """The artifacts of one training run.

    Attributes:
        folder: the run's artifact folder.
        comparison: candidates with metrics by fold, as written by `write_model_run`.
    """

    folder: Path
    comparison: Mapping[str, Any]

    @property
    def predictor_folder(self) -> Path:
        """The model in its own format."""
        return self.folder / MODEL_FOLDER / "data" / PREDICTOR

    def predictor(self) -> Predictor:
        """The model, verified while it is read."""
        return artifact.load(self.predictor_folder)

    def latest_fold(self) -> pl.DataFrame:
        """Rows of the latest fold with every candidate's out-of-fold prediction."""
        return pl.read_parquet(self.folder / LATEST_FOLD_FILE)

    def declaration(self) -> UseCase | None:
        """The use case as it was declared when the run was made; None for a run that did not keep it."""
        path = self.folder / DECLARATION_FILE
        return UseCase.model_validate_json(path.read_text()) if path.exists() else None

    def evidence(self) -> dict[str, Any]:
        """The verdict on the model; empty while it was not judged."""
        path = self.folder / VERDICT_FILE
        verdict: dict[str, Any] = with_current_names(json.loads(path.read_text())) if path.exists() else {}
        return verdict

    def sample(self) -> pl.DataFrame:
        """Some training rows with the model's own output, for self-tests."""
        return pl.read_parquet(self.folder / SAMPLE_FILE)


def machine_type() -> str:
    """The kind of processor, which decides the last bits of floating-point sums."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return f"{platform.machine()} {next(named, platform.processor())}".strip()


def read_model_run(folder: Path) -> ModelRun:
    """Read a run's artifact folder."""
    return ModelRun(folder, with_current_names(json.loads((folder / COMPARISON_FILE).read_text())))


def trained_as_of(registry: ModelRegistry, use_case: UseCase, as_of: str) -> RegisteredVersion:
    """The newest model as of a day, YYYY-MM-DD.

    Raises:
        NotTrained: there is none.
    """
    version = registry.by_as_of(use_case.name, as_of)
    if version is None:
        raise NotTrained(
            f"{use_case.name}: no model was trained as of {as_of}; materialize {use_case.name}/{MODEL}/{use_case.model_name}"
        )
    return version


def registered_run(registry: ModelRegistry, version: RegisteredVersion) -> ModelRun:
    """The run that made a version, once its model is proven to be the one that was registered.

    Raises:
        ArtifactError: the model's files were damaged, changed or replaced since.
    """
    run = read_model_run(registry.run_folder(version))
    digest, registered = artifact.model_digest(run.predictor_folder), version.tags.get(MODEL_DIGEST_TAG)
    if digest != registered:
        raise artifact.ArtifactError(
            f"{run.predictor_folder} holds model {digest}, but {version.use_case} version {version.version} was registered "
            f"with {registered}: it was replaced since; restore it or train again"
        )
    return run


def write_model_run(
    folder: Path,
    predictor: Predictor,
    comparison: Comparison,
    frame: pl.DataFrame,
    use_case: UseCase,
    selection: Selection | None = None,
) -> str:
    """Write everything that a training run leaves behind; with the `selection`, its searches and final test too.

    Returns:
        The model's digest.
    """
    scratch = folder / PREDICTOR
    digest = artifact.save(predictor, scratch)
    sample = frame.select(use_case.feature_names).tail(SAMPLE_ROWS).cast(pl.Float64)
    save_for_mlflow(predictor, scratch, folder / MODEL_FOLDER, sample.to_pandas())
    artifact.copy_verified(scratch, folder / MODEL_FOLDER / "data" / PREDICTOR)
    for path in sorted(scratch.rglob("*"), reverse=True):
        path.unlink()
    scratch.rmdir()
    declaration = json.dumps(use_case.model_dump(mode="json"), indent=1, sort_keys=True)
    (folder / DECLARATION_FILE).write_text(declaration)
    (folder / COMPARISON_FILE).write_text(
        json.dumps({**_comparison(comparison), **_selection(selection)}, indent=2, sort_keys=True)
    )
    rows = comparison.latest_rows
    pl.DataFrame(
        {
            "key": rows.key,
            "event_day": rows.event_day,
            **({"group": rows.group} if rows.group is not None else {}),
            "label": [rows.classes[place] for place in rows.y.astype(np.int64)] if rows.classes else rows.y,
            **{f"prediction__{name}": values for name, values in comparison.latest_predictions.items()},
        }
    ).write_parquet(folder / LATEST_FOLD_FILE)
    sample = frame.select(use_case.feature_names).tail(SAMPLE_ROWS)
    X = sample.cast(pl.Float64).fill_null(np.nan).to_numpy()
    sample.with_columns(pl.Series("score", predictor.predict(np.ascontiguousarray(X)))).write_parquet(
        folder / SAMPLE_FILE
    )
    return digest


def _selection(selection: Selection | None) -> dict[str, Any]:
    """Searches and final test; nothing where there was none."""
    if selection is None:
        return {}
    parts: dict[str, Any] = {}
    if selection.final_test is not None:
        fold = selection.final_test.fold
        parts["final_test"] = {
            "test_first": str(fold.test_first),
            "test_last": str(fold.test_last),
            "metrics": dict(selection.final_test.metrics),
            "test_rows": selection.final_test.test_rows,
        }
    if selection.searches:
        parts["searches"] = {
            name: {
                "best": result.best.number,
                **({"budget": result.budget_sentence} if result.budget_sentence else {}),
                "trials": [
                    {
                        "number": trial.number,
                        "settings": dict(trial.settings),
                        "state": trial.state,
                        "values": list(trial.values),
                        "problem": trial.problem,
                    }
                    for trial in result.trials
                ],
            }
            for name, result in selection.searches.items()
        }
    return parts


def _comparison(comparison: Comparison) -> dict[str, Any]:
    return {
        "metrics": dict(comparison.metrics),
        "folds": [
            {"index": fold.index, "test_first": str(fold.test_first), "test_last": str(fold.test_last)}
            for fold in comparison.folds
        ],
        "candidates": {
            result.candidate.name: {
                "baseline": result.candidate.baseline,
                "failure": result.failure,
                "mean": {name: result.mean(name) for name in comparison.metrics},
                "std": {name: result.std(name) for name in comparison.metrics},
                "by_fold": [
                    {
                        "metrics": dict(fold.metrics),
                        "train_rows": fold.train_rows,
                        "test_rows": fold.test_rows,
                        **({"problems": dict(fold.problems)} if fold.problems else {}),
                    }
                    for fold in result.folds
                ],
                "seconds": result.seconds,
            }
            for result in comparison.results
        },
    }
