"""A model on disk, without pickle: payload files in each library's own format and a manifest that says what they are.

Belongs here: writing, verifying and reading that folder. Does not belong here: registering it (`registry`), building a service from
it (`deployment`), the payload formats themselves (`learners`).

Packed into the serving image: standard library and numpy only, plus the one library that the model in the folder needs.

The folder holds `model.json` (learner, settings, task, features in order, imputation, seed, rows it was fitted on, library
versions, SHA-256 of every payload file) and the payload. The same model gives the same bytes; the digest of `model.json`
therefore names the model.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from platform_assets.training.learners import LearnerSettingsError, learner_kind, resolve_settings
from platform_assets.training.predictor import Clipped, Imputation, Predictor, TrainedOn

MANIFEST = "model.json"
FORMAT = 1


class ArtifactError(ValueError):
    """A model folder that is missing, incomplete, altered or of an unknown kind; the message names folder and file."""


def save(predictor: Predictor, folder: Path) -> str:
    """Write a model; the folder appears complete or not at all, and replaces an earlier one.

    Args:
        predictor: what to write.
        folder: where; its parents are made.

    Returns:
        The model's digest, "sha256:" and 64 hexadecimal digits. The same model always has the same digest.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
        building = Path(scratch) / "model"
        building.mkdir()
        files = predictor.fitted.save(building)
        text = json.dumps(_manifest(predictor, building, files), indent=2, sort_keys=True) + "\n"
        (building / MANIFEST).write_text(text, encoding="utf-8")
        if folder.exists():
            folder.rename(Path(scratch) / "replaced")
        building.rename(folder)
    return _digest(text.encode())


def load(folder: Path) -> Predictor:
    """Read a model back after verifying every file against the manifest.

    Raises:
        ArtifactError: the folder is no model, a file is missing or altered, or this version cannot read it.
    """
    manifest, digest = _verified_manifest(folder)
    try:
        kind = learner_kind(manifest["learner"])
        settings = resolve_settings(kind, manifest["settings"])
        objective = kind.checked_objective(manifest["task"])
        features = tuple(feature["name"] for feature in manifest["features"])
        imputation = _imputation(manifest["features"])
        known = dict(manifest["trained_on"])
        trained_on = TrainedOn(**{**known, "class_rows": tuple(known.get("class_rows", ()))})
        seed, versions = int(manifest["seed"]), MappingProxyType(dict(manifest["versions"]))
    except (KeyError, TypeError, LearnerSettingsError) as error:
        raise ArtifactError(f"{folder / MANIFEST} cannot be used: {error!r}; save the model again") from error
    return Predictor(
        learner=kind.name,
        settings=settings,
        objective=objective,
        features=features,
        imputation=imputation,
        seed=seed,
        trained_on=trained_on,
        fitted=kind.load(folder),
        versions=versions,
        digest=digest,
        requires=tuple(manifest["requires"]),
        members=tuple(manifest.get("members", ())),
        classes=tuple(manifest.get("classes", ())),
    )


def read_manifest(folder: Path) -> Mapping[str, Any]:
    """The manifest of a model folder, after verifying every file; imports no model library.

    Raises:
        ArtifactError: as `load`.
    """
    return MappingProxyType(_verified_manifest(folder)[0])


def model_digest(folder: Path) -> str:
    """The digest that names the model in `folder`, after verifying every file.

    Raises:
        ArtifactError: as `load`.
    """
    return _verified_manifest(folder)[1]


def required_libraries(folder: Path) -> Mapping[str, str]:
    """What an image needs to serve the model: distribution name to the version it was fitted with.

    Raises:
        ArtifactError: as `load`.
    """
    manifest = _verified_manifest(folder)[0]
    return MappingProxyType({name: manifest["versions"][name] for name in manifest["requires"]})


def copy_verified(folder: Path, target: Path) -> str:
    """Copy a model folder's manifest and payload, nothing else, and verify the copy; the digest.

    Raises:
        ArtifactError: the folder cannot be verified, before or after.
    """
    manifest, digest = _verified_manifest(folder)
    target.mkdir(parents=True, exist_ok=True)
    for name in (MANIFEST, *manifest["files"]):
        shutil.copyfile(folder / name, target / name)
    if model_digest(target) != digest:
        raise ArtifactError(f"{target}: the copy differs from {folder}; copy it again")
    return digest


def _manifest(predictor: Predictor, building: Path, files: tuple[str, ...]) -> dict[str, Any]:
    """Everything but the payload, in JSON's types."""
    kind = learner_kind(predictor.learner)
    return {
        "format": FORMAT,
        "learner": predictor.learner,
        "task": predictor.objective,
        "settings": {name: list(v) if isinstance(v, tuple) else v for name, v in predictor.settings.items()},
        "features": [_feature(predictor, column) for column in range(len(predictor.features))],
        **({"members": list(predictor.members)} if predictor.members else {}),
        **({"classes": list(predictor.classes)} if predictor.classes else {}),
        "seed": predictor.seed,
        "trained_on": {name: value for name, value in asdict(predictor.trained_on).items() if value != ()},
        "versions": dict(predictor.versions),
        "requires": list(predictor.requires or kind.libraries),
        "files": {name: _digest((building / name).read_bytes()) for name in sorted(files)},
    }


def _feature(predictor: Predictor, column: int) -> dict[str, Any]:
    """What the manifest says of one input."""
    imputation = predictor.imputation
    strategy = imputation.strategies[column]
    entry: dict[str, Any] = {"name": predictor.features[column], "impute": strategy}
    if isinstance(strategy, Clipped) and imputation.bounds is not None:
        entry["impute"] = strategy.missing
        bounds = [float(bound) for bound in imputation.bounds[:, column]]
        entry["clip"] = {"quantiles": [strategy.low, strategy.high], "bounds": bounds}
    return {**entry, "missing_becomes": float(imputation.values[column])}


def _imputation(features: Sequence[Mapping[str, Any]]) -> Imputation:
    """What the manifest says of missing and clipped values."""
    values = np.array([feature["missing_becomes"] for feature in features], dtype=np.float64)
    clips = [feature.get("clip") for feature in features]
    strategies = tuple(
        feature["impute"] if clip is None else Clipped(feature["impute"], *clip["quantiles"])
        for feature, clip in zip(features, clips, strict=True)
    )
    if not any(clips):
        return Imputation(strategies, values)
    bounds = [(-np.inf, np.inf) if clip is None else clip["bounds"] for clip in clips]
    return Imputation(strategies, values, np.array(bounds, dtype=np.float64).T.copy())


def _verified_manifest(folder: Path) -> tuple[dict[str, Any], str]:
    """The parsed manifest and its digest, once every payload file has the hash it should have."""
    path = folder / MANIFEST
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"{folder} holds no model: {MANIFEST} cannot be read ({error.strerror})") from error
    try:
        manifest = json.loads(content)
        version, files = manifest["format"], dict(manifest["files"])
    except (ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{path} is not a model manifest; it may be damaged: save the model again") from error
    if version != FORMAT:
        raise ArtifactError(f"{path} has format {version}; this version reads format {FORMAT}")
    for name, expected in files.items():
        if Path(name).name != name:
            raise ArtifactError(f"{path} names {name!r}, which is not a file of its own folder; do not use this model")
        try:
            digest = _digest((folder / name).read_bytes())
        except OSError as error:
            raise ArtifactError(
                f"{folder / name} cannot be read ({error.strerror}); restore the model folder"
            ) from error
        if digest != expected:
            raise ArtifactError(
                f"{folder / name} does not match its manifest (expected {expected}, found {digest}): "
                "it is damaged or was changed; restore it or train again"
            )
    return manifest, _digest(content)


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
