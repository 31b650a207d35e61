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
from platform_assets.installation import code_version
from platform_assets.lake.lake import Lake
from platform_assets.orchestration.assets.model import read_dataset, training_set_table
from platform_assets.orchestration.assets.training import training_rows
from platform_assets.registry.base import ModelRegistry, RegisteredVersion
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
from platform_assets.training.dataset import Dataset
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
    use_case: UseCase,
    lake: Lake,
    registry: ModelRegistry,
    version: RegisteredVersion,
    say: Callable[[str], None] = lambda _: None,
) -> Reproduction:
    """Make a registered model again and compare.

    Args:
        use_case: the declaration as it is now; the one kept with the model is used where there is one.
        lake: where the tables are.
        registry: where the model is.
        version: which one.
        say: told of the progress.

    Raises:
        RegistryError: the version does not record what it was made from.
        LakeVersionMissing: a version of a table was removed.
        ArtifactError: the registered model's files were damaged or replaced.
    """
    versions = version.tag_json(DATA_VERSIONS)
    if not versions or "as_of" not in version.tags:
        raise RegistryError(
            f"{use_case.name} version {version.version} does not record the data versions that it was made from; it was not made by "
            f"this platform's model asset. Train a model: platform-assets run {use_case.name}"
        )
    run = registered_run(registry, version)
    declared = run.declaration() or use_case
    as_of = date.fromisoformat(version.tags["as_of"])
    started = monotonic()
    say(f"build the training set as of {as_of} from its versions")
    _, _, frame = training_rows(declared, lake, as_of, versions)
    kept = _kept_rows(declared, lake, as_of, versions)
    built = monotonic()
    say(f"train {version.tags['learner']} again on {frame.height:,} rows")
    manifest = artifact.read_manifest(run.predictor_folder)
    dataset = read_dataset(declared, frame)
    candidate = Candidate(version.tags["learner"], learner_of(manifest, manifest["task"]))
    predictor = _fitted(dataset, candidate, manifest)
    metrics = _metrics(declared, dataset, as_of, run, candidate, say)
    with tempfile.TemporaryDirectory() as scratch:
        digest = artifact.save(predictor, Path(scratch) / "model")
        again = artifact.read_manifest(Path(scratch) / "model")
    same_rows = _ordered(frame, declared).equals(_ordered(kept, declared), null_equal=True)
    return Reproduction(
        version=version,
        digest_then=version.tags.get(MODEL_DIGEST_TAG, ""),
        digest_now=digest,
        rows_then=kept.height,
        rows_now=frame.height,
        same_rows=same_rows,
        metrics=metrics,
        same_machine=version.tags.get(MACHINE_TAG, machine_type()) == machine_type()
        and manifest["versions"] == dict(predictor.versions),
        same_code=not changed_code(version),
        differences=(
            *_differing_rows(frame, kept, same_rows),
            *_differing_origin(version, manifest, predictor),
            *_differing_manifest(manifest, again),
            *_differing_model(run, predictor, manifest, again["files"]),
            *_differing_metrics(metrics),
        ),
        seconds={"training set": built - started, "training": monotonic() - built},
    )


def _kept_rows(use_case: UseCase, lake: Lake, as_of: date, versions: Mapping[str, int | None]) -> pl.DataFrame:
    """The training set that the model was made from, as it was written then."""
    table = training_set_table(use_case, lake)
    place = table.uri.removeprefix(lake.root)
    number = next((found for name, found in versions.items() if name.strip("/") == place.strip("/")), None)
    return table.read(as_of, as_of, version=number)


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
    say: Callable[[str], None],
) -> dict[str, tuple[float, float]]:
    """Every metric of the winning learner, its mean over the same folds, then and now."""
    training = use_case.training
    comparison = compare(
        dataset,
        selection_folds(training.splits, as_of, use_case.label_delay_days),
        [candidate],
        metrics_of(use_case),
        training.seed,
        say,
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
    found = []
    then, now = manifest["versions"], dict(predictor.versions)
    changed = [f"{name} {then.get(name, 'absent')} then, {now.get(name, 'absent')} now" for name in sorted({*then, *now})
               if then.get(name) != now.get(name)]  # fmt: skip
    if changed:
        found.append(f"libraries: {'; '.join(changed)}")
    machine = version.tags.get(MACHINE_TAG)
    if machine is not None and machine != machine_type():
        found.append(f"machine: {machine} then, {machine_type()} now")
    return found


def _differing_manifest(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What the model's folder says of it, besides its payload and libraries: settings that the code has got since, for example."""
    found = []
    for key in sorted({*then, *now} - {"files", "versions"}):
        was, made = then.get(key), now.get(key)
        if was == made:
            continue
        if isinstance(was, dict) and isinstance(made, dict):
            changed = sorted(name for name in {*was, *made} if was.get(name) != made.get(name))
            told = "; ".join(
                f"{name} {was.get(name, 'absent')} then, {made.get(name, 'absent')} now" for name in changed
            )
        else:
            told = f"{was} then, {made} now"
        found.append(f"{key} of the model: {told}")
    return found


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
