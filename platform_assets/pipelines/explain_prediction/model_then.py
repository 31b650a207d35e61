"""The model that answered: from the release that is kept on this machine, else from the registry.

Belongs here: finding and verifying it. Does not belong here: answering with it (`answer_again.py`).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from platform_assets.declaration import UseCase
from platform_assets.deployment.packaging import find_bento
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.pipelines.explain_prediction.errors import NotExplained
from platform_assets.registry.errors import RegistryError
from platform_assets.registry.model_store import ModelStore
from platform_assets.registry.training_run import registered_run
from platform_assets.training import artifact
from platform_assets.training.attribution import answer_a_few
from platform_assets.training.learners.base import Matrix
from platform_assets.training.predictor import Predictor
from serving.release import MODEL_FOLDER, feature_row, read_release


@dataclass(frozen=True, eq=False)
class AnsweringModel:
    """A model as it answered.

    Attributes:
        use_case: the declaration that it answered under.
        predictor: the model.
        background: float64 [r, f], training rows.
        source: where it was read from, in words.
        data_versions: Delta versions that it was made from, by the tables' paths.
        code_version: of the platform that made it.
    """

    use_case: UseCase
    predictor: Predictor
    background: Matrix
    source: str
    data_versions: Mapping[str, Any] = field(default_factory=dict)
    code_version: str = ""


def model_then(
    use_case: UseCase, row: Mapping[str, Any], serving: ServingHome, models: ModelStore, *, believed: bool = False
) -> AnsweringModel:
    """The model that made a logged prediction.

    Args:
        use_case: the declaration as it is now.
        row: the prediction.
        serving: where releases are kept.
        models: where models are registered.
        believed: let trees answer without their library, which takes seconds to import: what comes out is held against the log, and
            where it is another answer the library has the last word.

    Raises:
        NotExplained: neither the release nor the registered version is there any more.
        ArtifactError: the registered model's files were damaged or replaced.
    """
    digest, version = row["release"] or "", row["model_version"]
    found = _kept(use_case, version, digest, serving, models, believed=believed)
    torch: Any = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)  # as a service does: with more, sums come in another order
    return found


def _kept(
    use_case: UseCase, version: str, digest: str, serving: ServingHome, models: ModelStore, *, believed: bool
) -> AnsweringModel:
    bento = find_bento(use_case, digest, serving.bento_root()) if digest else None
    if bento is not None:
        release = read_release(bento.code_folder / "release")
        predictor = artifact.load(release.folder / MODEL_FOLDER)
        if believed:
            answer_a_few(predictor.fitted)
        rows = [feature_row(one.features, predictor.features) for one in release.info.self_test]
        return AnsweringModel(
            release.use_case,
            predictor,
            np.array(rows, dtype=np.float64).reshape(len(rows), len(predictor.features)),
            f"release {digest}, kept at {bento.path}",
            release.info.data_versions,
            release.info.code_version,
        )
    return _registered(use_case, version, digest, models)


def _registered(use_case: UseCase, version: str, digest: str, models: ModelStore) -> AnsweringModel:
    registry = models.registry()
    try:
        registered = registry.get(use_case.name, version)
        run = registered_run(registry, registered)
    except (RegistryError, OSError) as error:
        raise NotExplained(
            f"{use_case.name}: the model that answered is not kept any more: release {digest or 'unknown'} is not on this machine, and "
            f"version {version} cannot be had from the registry ({error}). Restore either; the logged answer itself stands in the log."
        ) from error
    predictor, sample = run.predictor(), run.sample().tail(20)
    rows = sample.select(pl.col(name).cast(pl.Float64).fill_null(np.nan) for name in predictor.features).to_numpy()
    return AnsweringModel(
        run.declaration() or use_case,
        predictor,
        np.ascontiguousarray(rows),
        f"model version {version} in the registry; its release {digest or 'unknown'} is not kept on this machine",
        registered.tag_json("data_versions") or {},
        registered.tags.get("code_version", ""),
    )
