"""Train the model as of a day: candidates compared on the same folds, the best fitted again, tracked, and registered as challenger.

Belongs here: from the training set to a registered version, with what it was made from. Does not belong here: fitting (`training/`), what
is tracked of a model (`track_training.py`), or deciding whether it may be promoted.
"""

import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from platform_assets.declaration import UseCase, feature_contract_hash
from platform_assets.evaluation.plots import plot_candidates
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.table import LakeTable
from platform_assets.pipelines.addresses import DAGSTER
from platform_assets.pipelines.track_candidates import track_candidates
from platform_assets.pipelines.track_training import TrackedModel, track
from platform_assets.pipelines.write_model_card import CARD_FILE
from platform_assets.registry.base import RegisteredVersion
from platform_assets.registry.code_version import code_version
from platform_assets.registry.model_store import ModelStore
from platform_assets.registry.pins import versions_behind
from platform_assets.registry.tracking import TRACKING_TAG, TrackedDataset, Tracker
from platform_assets.registry.training_run import CLASS_ROWS_TAG, MODEL_DIGEST_TAG, write_model_run
from platform_assets.tasks.registry import leaves_out_known_groups, metrics_of
from platform_assets.training.compare import Candidate, Comparison, refit
from platform_assets.training.dataset import Dataset, read_dataset
from platform_assets.training.effort import EffortMeter, PartOfTraining
from platform_assets.training.fit import declared_imputation
from platform_assets.training.folds import refit_days
from platform_assets.training.kept_folds import KeptFolds
from platform_assets.training.parts import measured_parts
from platform_assets.training.predictor import Predictor
from platform_assets.training.selection import IN_THIS_PROCESS, Placement, Selection, select_learner
from platform_assets.training.tuning.trials import SearchBudget

REGISTRY_TRACKER = "mlflow"
"""The tracker that holds the runs of registered models in any case."""


@dataclass(frozen=True)
class TrainedModel:
    """A model that was fitted and registered.

    Attributes:
        version: its entry in the registry.
        digest: of the model.
        selection: how it was chosen.
        tracked: what was tracked of it.
        candidates: every candidate's metrics, as a Markdown table.
        plot: the candidates side by side, PNG.
        parts: what each fold of each trial and candidate took, and fitting the winner again.
    """

    version: RegisteredVersion
    digest: str
    selection: Selection
    tracked: TrackedModel
    candidates: str
    plot: bytes
    parts: tuple[PartOfTraining, ...] = ()


def train(
    catalog: Catalog,
    models: ModelStore,
    tracker: Tracker,
    as_of: date,
    origin: Mapping[str, str],
    log: Callable[[str], None],
) -> TrainedModel:
    """Select, fit and register the model as of a day.

    Args:
        catalog: the tables.
        models: where it is registered, and where searches and fits take place.
        tracker: where its run is tracked.
        as_of: the day; its training set is there.
        origin: tags that say who made it, such as asset and partition.
        log: progress.

    Raises:
        LakeTableMissing: there is no training set.
        ComparisonError: no candidate could be measured.
        RegistryError: no commit says what the training set was made from.
        SearchError: a search found nothing, or its budget cannot be held.
    """
    use_case = catalog.use_case
    table = catalog.training_sets
    frame = table.read(as_of, as_of)
    dataset = read_dataset(use_case, frame)
    kept = models.kept_folds(use_case.name, as_of, code_version())
    selection = _selected(use_case, dataset, as_of, log, models, kept)
    comparison, winner = selection.comparison, selection.winner
    days = refit_days(as_of, use_case.label_delay_days, use_case.training.splits.train_days)
    predictor, again = _fitted_again(use_case, dataset, days, winner)
    versions = versions_behind(table, as_of)
    beside = {} if use_case.tracking == REGISTRY_TRACKER else {TRACKING_TAG: use_case.tracking}
    tags = {**version_tags(use_case, as_of, winner.name, predictor, days, versions), **origin, **beside}
    with tempfile.TemporaryDirectory() as scratch, tracker.asset_run(f"{use_case.name} as of {as_of}", tags) as run:
        digest = write_model_run(Path(scratch), predictor, comparison, frame, use_case, selection)
        tracked = track(run, Path(scratch), use_case, predictor, comparison, winner.name)
        run.log_dataset(training_dataset(table, frame, as_of, versions))
        run.describe(description(use_case, as_of, winner.name, run.dagster_run_id, origin))
        track_candidates(
            run, use_case, comparison, winner.name, {"use_case": use_case.name, "as_of": str(as_of), **origin}
        )
        run.log_folder(Path(scratch))
        version = models.registry().register(
            use_case.name, run.run_id, {**tags, **tracked.tags, MODEL_DIGEST_TAG: digest}
        )
        run.set_tags({"registered_model": f"models:/{version.use_case}/{version.version}"})
    if kept is not None:
        kept.clear()
    return TrainedModel(
        version=version,
        digest=digest,
        selection=selection,
        tracked=tracked,
        candidates=candidates_table(comparison),
        plot=plot_candidates(comparison, use_case.training.select_by),
        parts=(*measured_parts(selection), again),
    )


def _fitted_again(
    use_case: UseCase, dataset: Dataset, days: tuple[date, date], winner: Candidate
) -> tuple[Predictor, PartOfTraining]:
    """The winner on the latest days, and what fitting it took."""
    with EffortMeter().part() as fitting:
        predictor = refit(dataset, days, winner, use_case.training.seed, declared_imputation(use_case.training))
        return predictor, PartOfTraining(f"{winner.name}/fitted again", fitting.lap())


def training_dataset(
    table: LakeTable, frame: pl.DataFrame, as_of: date, versions: Mapping[str, int | None]
) -> TrackedDataset:
    """The training set as a tracker names it; its digest is that of the versions of all tables behind it."""
    behind = hashlib.sha256(json.dumps([str(as_of), dict(versions)], sort_keys=True).encode()).hexdigest()
    types = {name: str(dtype).lower().partition("(")[0] for name, dtype in frame.schema.items()}
    return TrackedDataset(
        name=f"training set as of {as_of}",
        path=table.uri,
        table_version=table.version(),
        columns=types,
        rows=frame.height,
        digest=behind[:32],
    )


def description(use_case: UseCase, as_of: date, winner: str, dagster_run_id: str, origin: Mapping[str, str]) -> str:
    """What people read first on the run's page: what it is, and where Dagster's run and the model card are."""
    lines = [f"{use_case.description}", "", f"Model as of {as_of}: **{winner}**, by {use_case.training.select_by}."]
    if dagster_run_id:
        lines.append(f"Made by Dagster run [{dagster_run_id}]({DAGSTER}/runs/{dagster_run_id})")
        lines[-1] += f", asset `{origin['dagster_asset']}`." if "dagster_asset" in origin else "."
    lines.append(f"The model card is the artifact `{CARD_FILE}` of this run, once the model was judged.")
    return "\n".join(lines)


def version_tags(
    use_case: UseCase,
    as_of: date,
    learner: str,
    predictor: Predictor,
    days: tuple[date, date],
    versions: Mapping[str, int | None],
) -> dict[str, str]:
    """What a registered version says it was made from.

    Args:
        use_case: the declaration.
        as_of: the day.
        learner: name of the winning candidate.
        predictor: the model.
        days: first and last day that it was fitted on.
        versions: Delta version of each table behind it, by path below the lake's root.
    """
    class_rows = rows_by_class(predictor)
    return {
        "use_case": use_case.name,
        "as_of": as_of.isoformat(),
        "learner": learner,
        "feature_contract": feature_contract_hash(use_case),
        "code_version": code_version(),
        "seed": str(use_case.training.seed),
        "trained_on_first_day": days[0].isoformat(),
        "trained_on_last_day": days[1].isoformat(),
        "label_mean": repr(predictor.trained_on.label_mean),
        **({CLASS_ROWS_TAG: json.dumps(class_rows)} if class_rows else {}),
        "data_versions": json.dumps(versions),
    }


def select_model(
    use_case: UseCase,
    dataset: Dataset,
    as_of: date,
    log: Callable[[str], None],
    storage: str | None = None,
    placement: Placement = IN_THIS_PROCESS,
    budget: SearchBudget | None = None,
    kept: KeptFolds | None = None,
) -> Selection:
    """Every declared learner searched and compared on the folds that end as of the day, the best of them chosen."""
    training = use_case.training
    return select_learner(
        training,
        dataset,
        as_of,
        use_case.label_delay_days,
        metrics_of(use_case),
        log,
        exclude_known_groups=leaves_out_known_groups(use_case),
        storage=storage,
        placement=placement,
        budget=budget,
        kept=kept,
    )


def _selected(
    use_case: UseCase,
    dataset: Dataset,
    as_of: date,
    log: Callable[[str], None],
    models: ModelStore,
    kept: KeptFolds | None,
) -> Selection:
    """`select_model` with what an earlier try has finished, where this installation keeps it."""
    storage, budget = models.search_storage(use_case.name), models.search_budget(use_case)
    return select_model(use_case, dataset, as_of, log, storage, models.placement, budget, kept)


def rows_by_class(predictor: Predictor) -> dict[str, int]:
    """How many training rows each class has; empty where the label is no class of several."""
    return dict(zip(predictor.classes, predictor.trained_on.class_rows, strict=True))


def candidates_table(comparison: Comparison) -> str:
    """Candidates by metric as a Markdown table, mean and spread over the folds."""
    names = list(comparison.metrics)
    lines = ["| candidate | " + " | ".join(names) + " | seconds |", "|---" * (len(names) + 2) + "|"]
    for result in comparison.results:
        cells = [f"{result.mean(name):.4f} ± {result.std(name):.4f}" for name in names]
        role = " (baseline)" if result.candidate.baseline else ""
        lines.append(f"| {result.candidate.name}{role} | " + " | ".join(cells) + f" | {result.seconds:.1f} |")
    return "\n".join(lines)
