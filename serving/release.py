"""The release: what is packed into a Bento next to the code.

Belongs here: the release folder's format, writing it, reading and verifying it. Does not belong here: building a Bento,
or answering with the model.

The folder holds `release.json` (versions, feature contract, self-test rows), `use_case.json` (the declaration) and
`model/` (see `platform_assets/training/artifact.py`).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from platform_assets.declaration import UseCase, feature_contract_hash
from platform_assets.training import artifact

if TYPE_CHECKING:
    from platform_assets.training.predictor import Predictor

RELEASE_FILE = "release.json"
USE_CASE_FILE = "use_case.json"
MODEL_FOLDER = "model"
TOLERANCE = 1e-6
"""Largest difference allowed between a served score and the score recorded when the model was made."""


class PackedReleaseError(ValueError):
    """A release that cannot be served; the message names the folder or file and what differs."""


class SelfTestRow(BaseModel):
    """Features of one row and the model's own output for it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    features: dict[str, float | None] = Field(description="Every model input by name; null is missing.")
    score: float | tuple[float, ...] = Field(
        description="What the model answered when it was evaluated; of a multi-class task the probability of each class."
    )


class ReleaseInfo(BaseModel):
    """Where a release comes from, and what it must answer."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    use_case: str = Field(description="Name of the use case.")
    model_version: str = Field(min_length=1, description="Version of the registered model.")
    feature_contract: str = Field(description="Hash of the feature contract that the model was trained under.")
    feature_service: str = Field(default="", description="Name of the Feast feature service that holds its inputs.")
    data_versions: dict[str, int] = Field(
        default_factory=dict, description="Delta version of every table it came from."
    )
    code_version: str = Field(default="", description="Version of the code that made it.")
    self_test: tuple[SelfTestRow, ...] = Field(default=(), description="Rows with the model's own outputs.")


@dataclass(frozen=True)
class PackedRelease:
    """A release that was read and whose parts fit together.

    Attributes:
        folder: where it lies.
        use_case: the declaration it was made from.
        info: versions and self-test rows.
    """

    folder: Path
    use_case: UseCase
    info: ReleaseInfo

    def load_predictor(self) -> Predictor:
        """The model, verified against its manifest, the declared features and the self-test rows.

        Raises:
            PackedReleaseError: the model's inputs are not the declared features, or it answers differently than recorded.
            ArtifactError: the model folder is damaged.
        """
        predictor = artifact.load(self.folder / MODEL_FOLDER)
        if predictor.features != self.use_case.feature_names:
            raise PackedReleaseError(
                f"{self.folder}: the model takes {', '.join(predictor.features)}, but the use case declares "
                f"{', '.join(self.use_case.feature_names)}; train a model for this declaration"
            )
        if predictor.classes != self.use_case.classes:
            raise PackedReleaseError(
                f"{self.folder}: the model tells {', '.join(predictor.classes) or 'no classes'} apart, but the use case declares "
                f"{', '.join(self.use_case.classes) or 'none'}; train a model for this declaration"
            )
        difference = self_test_difference(predictor, self.info.self_test)
        if not difference <= TOLERANCE:
            raise PackedReleaseError(
                f"{self.folder}: the model's answers to its {len(self.info.self_test)} self-test rows differ from the recorded "
                f"ones by up to {difference:g} (allowed {TOLERANCE:g}); compare the library versions with {MODEL_FOLDER}/model.json"
            )
        return predictor


def self_test_difference(predictor: Predictor, rows: tuple[SelfTestRow, ...]) -> float:
    """Largest absolute difference between the model's answers and the recorded ones; 0 without rows.

    All at once and one by one, as requests come: a model may have a way of its own for single rows.
    """
    if not rows:
        return 0.0
    X = np.array([feature_row(row.features, predictor.features) for row in rows], dtype=np.float64)
    expected = np.array([row.score for row in rows], dtype=np.float64)
    singly = np.concatenate([predictor.predict(X[[place]]) for place in range(len(X))])
    return float(max(np.abs(predictor.predict(X) - expected).max(), np.abs(singly - expected).max()))


def feature_row(features: Mapping[str, float | None], names: tuple[str, ...]) -> list[float]:
    """Values in the order of `names`, NaN for a missing one.

    Raises:
        PackedReleaseError: a name is absent or not known.
    """
    if set(features) != set(names):
        absent, unknown = sorted(set(names) - set(features)), sorted(set(features) - set(names))
        raise PackedReleaseError(f"features do not match the model: absent {absent}, unknown {unknown}")
    return [math.nan if (value := features[name]) is None else float(value) for name in names]


def write_release(folder: Path, use_case: UseCase, model_folder: Path, info: ReleaseInfo) -> None:
    """Write a release folder; the same arguments give the same bytes.

    Raises:
        PackedReleaseError: `info` is not about this use case, or names another feature contract.
        ArtifactError: the model folder is damaged.
    """
    _check(use_case, info, folder)
    folder.mkdir(parents=True)
    artifact.copy_verified(model_folder, folder / MODEL_FOLDER)
    (folder / USE_CASE_FILE).write_text(use_case.model_dump_json(indent=1) + "\n", encoding="utf-8")
    ordered = info.model_copy(update={"data_versions": dict(sorted(info.data_versions.items()))})
    (folder / RELEASE_FILE).write_text(ordered.model_dump_json(indent=1) + "\n", encoding="utf-8")


def read_release(folder: Path) -> PackedRelease:
    """Read a release and check that its parts belong together; does not load the model.

    Raises:
        PackedReleaseError: a file is missing or unreadable, or the feature contracts differ.
    """
    try:
        use_case = UseCase.model_validate_json((folder / USE_CASE_FILE).read_bytes())
        info = ReleaseInfo.model_validate_json((folder / RELEASE_FILE).read_bytes())
    except OSError as error:
        raise PackedReleaseError(
            f"{folder} holds no release: {error.filename} cannot be read ({error.strerror})"
        ) from error
    except ValidationError as error:
        raise PackedReleaseError(f"{folder}: release cannot be read: {error}") from error
    _check(use_case, info, folder)
    return PackedRelease(folder=folder, use_case=use_case, info=info)


def content_digest(folder: Path) -> str:
    """Digest of every file's relative path and bytes; what running the code leaves behind does not count.

    Returns:
        "sha256:" and 64 hexadecimal digits.
    """
    total = hashlib.sha256()
    for path in sorted(_files(folder), key=lambda path: path.relative_to(folder).as_posix()):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        total.update(f"{path.relative_to(folder).as_posix()}\0{content}\n".encode())
    return f"sha256:{total.hexdigest()}"


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts and path.name != "bentofile.yaml":
            yield path


def _check(use_case: UseCase, info: ReleaseInfo, folder: Path) -> None:
    if info.use_case != use_case.name:
        raise PackedReleaseError(
            f"{folder}: the release is for use case {info.use_case!r}, the declaration for {use_case.name!r}"
        )
    contract = feature_contract_hash(use_case)
    if contract != info.feature_contract:
        raise PackedReleaseError(
            f"{folder}: model version {info.model_version} was trained under feature contract {info.feature_contract}, but the "
            f"declaration of {use_case.name!r} has contract {contract}; train a model for this declaration"
        )
