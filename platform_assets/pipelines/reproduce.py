"""Reproduction: a registered model made again, from the versions that it records, and held against the first one.

Belongs here: rebuilding the training set from its versions, training again, comparing bytes and metrics. Does not belong here: how a
model is fitted (`training/`), keeping the versions readable (`registry/pins.py`), or printing (`cli/models/reproduction.py`).

On the same kind of machine with the same library versions the model comes out the same to the byte. Elsewhere what differs is
named: libraries, machine, code, rows, metrics, predictions.
"""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import polars as pl

from platform_assets.declaration import UseCase
from platform_assets.lake.catalog import Catalog
from platform_assets.pipelines.build_training_set import training_rows
from platform_assets.registry.base import ModelRegistry, RegisteredVersion
from platform_assets.registry.code_version import code_version
from platform_assets.registry.errors import RegistryError
from platform_assets.registry.pins import DATA_VERSIONS
from platform_assets.registry.training_run import (
    MACHINE_TAG,
    MODEL_DIGEST_TAG,
    ModelRun,
    machine_type,
    registered_run,
)
from platform_assets.tasks.registry import leaves_out_known_groups, metrics_of
from platform_assets.training import artifact
from platform_assets.training.candidates import learner_of
from platform_assets.training.compare import Candidate, compare
from platform_assets.training.dataset import Dataset, read_dataset
from platform_assets.training.fit import declared_imputation, fit_predictor
from platform_assets.training.predictor import Clipped, Predictor
from platform_assets.training.selection import selection_folds


@dataclass(frozen=True)
class Reproduction:
    """A model made again, next to the registered one.

    Attributes:
        version: the registered version.
        digest_then: of the registered model.
        digest_now: of the one that was made now.
        rows_then: of the training set that the model was made from.
        rows_now: of the training set that was made from the same versions now.
        same_rows: whether the two training sets hold the same rows to the bit.
        metrics: each metric's mean over the folds, then and now.
        same_machine: whether this is the kind of machine that made the model, with the same library versions.
        same_code: whether the platform's code is the one that made it.
        differences: what differs, in words; empty when nothing does.
        seconds: for building the training set, and for training.
    """

    version: RegisteredVersion
    digest_then: str
    digest_now: str
    rows_then: int
    rows_now: int
    same_rows: bool
    metrics: Mapping[str, tuple[float, float]]
    same_machine: bool
    same_code: bool
    differences: tuple[str, ...]
    seconds: Mapping[str, float]

    @property
    def is_exact(self) -> bool:
        """Whether rows, model and metrics are the same to the bit."""
        same_metrics = all(then == now or (then != then and now != now) for then, now in self.metrics.values())
        return self.same_rows and self.digest_then == self.digest_now and same_metrics


def reproduce(
    catalog: Catalog,
    registry: ModelRegistry,
    version: RegisteredVersion,
    log: Callable[[str], None] = lambda _: None,
) -> Reproduction:
    """Make a registered model again and compare.

    Args:
        catalog: the tables, with the declaration as it is now; the one kept with the model is used where there is one.
        registry: where the model is.
        version: which one.
        log: progress.

    Raises:
        RegistryError: the version does not record what it was made from.
        LakeVersionMissing: a version of a table was removed.
        ArtifactError: the registered model's files were damaged or replaced.
    """
    versions = _recorded_versions(catalog.use_case, version)
    run = registered_run(registry, version)
    catalog = Catalog(run.declaration() or catalog.use_case, catalog.lake)
    as_of = date.fromisoformat(version.tags["as_of"])
    started = monotonic()
    log(f"build the training set as of {as_of} from its versions")
    frame = training_rows(catalog, as_of, versions).frame
    kept = _kept_rows(catalog, as_of, versions)
    built = monotonic()
    log(f"train {version.tags['learner']} again on {frame.height:,} rows")
    model = _train_again(catalog.use_case, run, version, frame, as_of, log)
    trained = monotonic()
    same_rows = _ordered(frame, catalog.use_case).equals(_ordered(kept, catalog.use_case), null_equal=True)
    manifest, predictor = model.manifest_then, model.predictor
    return Reproduction(
        version=version,
        digest_then=version.tags.get(MODEL_DIGEST_TAG, ""),
        digest_now=model.digest,
        rows_then=kept.height,
        rows_now=frame.height,
        same_rows=same_rows,
        metrics=model.metrics,
        same_machine=version.tags.get(MACHINE_TAG, machine_type()) == machine_type()
        and manifest["versions"] == dict(predictor.versions),
        same_code=not changed_code(version),
        differences=(
            *_differing_rows(frame, kept, same_rows),
            *_differing_origin(version, manifest, predictor),
            *_differing_manifest(manifest, model.manifest_now),
            *_differing_model(run, predictor, manifest, model.manifest_now["files"]),
            *_differing_metrics(model.metrics),
        ),
        seconds={"training set": built - started, "training": trained - built},
    )


@dataclass(frozen=True)
class _TrainedAgain:
    """A model that was fitted as a registered one was, with the manifests of both."""

    predictor: Predictor
    digest: str
    manifest_then: Mapping[str, Any]
    manifest_now: Mapping[str, Any]
    metrics: Mapping[str, tuple[float, float]]


def _recorded_versions(use_case: UseCase, version: RegisteredVersion) -> dict[str, int | None]:
    versions: dict[str, int | None] | None = version.tag_json(DATA_VERSIONS)
    if not versions or "as_of" not in version.tags:
        raise RegistryError(
            f"{use_case.name} version {version.version} does not record the data versions that it was made from; it was not made by "
            f"this platform's model asset. Train a model: platform-assets run {use_case.name}"
        )
    return versions


def _kept_rows(catalog: Catalog, as_of: date, versions: Mapping[str, int | None]) -> pl.DataFrame:
    """The training set that the model was made from, as it was written then."""
    table = catalog.training_sets
    path = catalog.path(table).strip("/")
    number = next((number for name, number in versions.items() if name.strip("/") == path), None)
    return table.read(as_of, as_of, version=number)


def _train_again(
    use_case: UseCase,
    run: ModelRun,
    version: RegisteredVersion,
    frame: pl.DataFrame,
    as_of: date,
    log: Callable[[str], None],
) -> _TrainedAgain:
    """The same learner, fitted and measured on these rows."""
    manifest = artifact.read_manifest(run.predictor_folder)
    dataset = read_dataset(use_case, frame)
    candidate = Candidate(version.tags["learner"], learner_of(manifest, manifest["task"]))
    predictor = _fitted(dataset, candidate, manifest)
    metrics = _metrics(use_case, dataset, as_of, run, candidate, log)
    with tempfile.TemporaryDirectory() as scratch:
        digest = artifact.save(predictor, Path(scratch) / "model")
        again = artifact.read_manifest(Path(scratch) / "model")
    return _TrainedAgain(predictor, digest, manifest, again, metrics)


def _fitted(dataset: Dataset, candidate: Candidate, manifest: Mapping[str, Any]) -> Predictor:
    """The learner on the days that the registered model was fitted on."""
    first, last = (date.fromisoformat(manifest["trained_on"][name]) for name in ("first_day", "last_day"))
    impute = {
        feature["name"]: Clipped(feature["impute"], *feature["clip"]["quantiles"])
        if "clip" in feature
        else feature["impute"]
        for feature in manifest["features"]
    }
    return fit_predictor(dataset.rows(first, last), candidate.learner, int(manifest["seed"]), impute)


def _metrics(
    use_case: UseCase,
    dataset: Dataset,
    as_of: date,
    run: ModelRun,
    candidate: Candidate,
    log: Callable[[str], None],
) -> dict[str, tuple[float, float]]:
    """Every metric of the winning learner, its mean over the same folds, then and now."""
    training = use_case.training
    comparison = compare(
        dataset,
        selection_folds(training.splits, as_of, use_case.label_delay_days),
        [candidate],
        metrics_of(use_case),
        training.seed,
        log,
        exclude_known_groups=leaves_out_known_groups(use_case),
        impute=declared_imputation(training),
    )
    then, now = run.comparison["candidates"][candidate.name]["mean"], comparison.means(candidate.name)
    return {metric: (float(then[metric]), now[metric]) for metric in now if metric in then}


def _ordered(frame: pl.DataFrame, use_case: UseCase) -> pl.DataFrame:
    return frame.sort(use_case.event_time, *use_case.event_source.primary_key)


def _differing_rows(frame: pl.DataFrame, kept: pl.DataFrame, same: bool) -> list[str]:
    if same:
        return []
    if frame.height != kept.height:
        return [f"the training set has {frame.height:,} rows now, {kept.height:,} then"]
    columns = [
        name for name in kept.columns if name in frame.columns and not frame[name].sort().equals(kept[name].sort())
    ]
    return [f"the training set differs in {', '.join(columns) or 'the order of its values'}"]


def _differing_origin(version: RegisteredVersion, manifest: Mapping[str, Any], predictor: Predictor) -> list[str]:
    differences = []
    then, now = manifest["versions"], dict(predictor.versions)
    changed = [f"{name} {then.get(name, 'absent')} then, {now.get(name, 'absent')} now" for name in sorted({*then, *now})
               if then.get(name) != now.get(name)]  # fmt: skip
    if changed:
        differences.append(f"libraries: {'; '.join(changed)}")
    machine = version.tags.get(MACHINE_TAG)
    if machine is not None and machine != machine_type():
        differences.append(f"machine: {machine} then, {machine_type()} now")
    return differences


def _differing_manifest(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What the model's folder says of it, besides its payload and libraries: settings that the code has got since, for example."""
    differences = []
    for key in sorted({*then, *now} - {"files", "versions"}):
        was, is_now = then.get(key), now.get(key)
        if was == is_now:
            continue
        if isinstance(was, dict) and isinstance(is_now, dict):
            changed = sorted(name for name in {*was, *is_now} if was.get(name) != is_now.get(name))
            text = "; ".join(
                f"{name} {was.get(name, 'absent')} then, {is_now.get(name, 'absent')} now" for name in changed
            )
        else:
            text = f"{was} then, {is_now} now"
        differences.append(f"{key} of the model: {text}")
    return differences


def _differing_model(
    run: ModelRun, predictor: Predictor, manifest: Mapping[str, Any], files: Mapping[str, str]
) -> list[str]:
    """Payload files that are not the same to the byte, and how far predictions for known rows are apart."""
    changed = [name for name in sorted({*files, *manifest["files"]}) if files.get(name) != manifest["files"].get(name)]
    if not changed:
        return []
    sample = run.sample()
    X = sample.select(pl.col(name).cast(pl.Float64).fill_null(np.nan) for name in predictor.features).to_numpy()
    apart = np.abs(predictor.predict(np.ascontiguousarray(X)) - sample["score"].to_numpy()).max()
    return [f"{', '.join(changed)} of the model; predictions of {sample.height} known rows are up to {apart:.2g} apart"]


def _differing_metrics(metrics: Mapping[str, tuple[float, float]]) -> list[str]:
    return [
        f"{name}: {then!r} then, {now!r} now, {now - then:+.2g}"
        for name, (then, now) in metrics.items()
        if then != now and not (then != then and now != now)
    ]


def changed_code(version: RegisteredVersion) -> str:
    """A sentence when the code is another one than the model was made with; empty otherwise. Code that changed may still give
    the same model, which is what a reproduction finds out."""
    then = version.tags.get("code_version", "")
    return "" if then in ("", code_version()) else f"the code is {code_version()} now; the model was made with {then}"
