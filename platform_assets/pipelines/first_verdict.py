"""What the gates would say of a declaration that nobody has run yet: its data taken in, one model trained and judged, in a scratch lake.

Belongs here: the way from declared files to a verdict without an installation, on a sample where there are many rows. Does not belong here:
proposing the declaration (`onboarding/`), and any of the steps (`ingest.py`, `publish.py`, `train.py`, `evaluate.py`).

Nothing of it is kept: the tables of the installation, its registry and its ledger know nothing of a first look.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from platform_assets.connectors.access import Access
from platform_assets.connectors.errors import SourceError
from platform_assets.connectors.source_reader import SourceReader
from platform_assets.declaration import Source, UseCase
from platform_assets.declaration.sections.connectors.files import SEPARATORS
from platform_assets.evaluation.gates.judging import judge
from platform_assets.evaluation.gates.verdict import Verdict
from platform_assets.evaluation.judged_model import alone
from platform_assets.features.errors import FeatureError
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.errors import LakeError
from platform_assets.lake.lake import Lake
from platform_assets.onboarding.files import OnboardingError, find_files, read_file
from platform_assets.pipelines.build_training_set import build_training_set
from platform_assets.pipelines.compute_features import compute_features
from platform_assets.pipelines.evaluate import columns_of_slices, judged_model_of
from platform_assets.pipelines.ingest import ingest
from platform_assets.pipelines.publish import PublishedLoad, publish
from platform_assets.pipelines.timeline import Timeline, plan
from platform_assets.pipelines.train import select_model, version_tags
from platform_assets.registry.base import RegisteredVersion
from platform_assets.registry.training_run import MODEL_DIGEST_TAG, read_model_run, write_model_run
from platform_assets.training.compare import refit
from platform_assets.training.dataset import read_dataset
from platform_assets.training.fit import declared_imputation
from platform_assets.training.folds import refit_days

SAMPLE_ROWS = 60_000
"""Rows of events that a first look takes: more are thinned evenly."""
EXPECTED = (ValueError, RuntimeError, LakeError, FeatureError, SourceError, OSError)
"""What a step may fail with; what is known by then is said all the same."""


@dataclass(frozen=True)
class TakenSource:
    """What became of the rows of a source.

    Attributes:
        name: of the source.
        rows: delivered.
        rows_refused: in quarantine.
        by_rule: rows in quarantine by `rule:column`.
        refused_days: days of which nothing was published.
        why: the rules that refused them, in words, each once.
    """

    name: str
    rows: int
    rows_refused: int
    by_rule: Mapping[str, int]
    refused_days: tuple[date, ...]
    why: tuple[str, ...]


@dataclass(frozen=True)
class FirstVerdict:
    """What a first look found.

    Attributes:
        sources: what became of each source's rows.
        every: of the rows of events each so many-th was taken; 1 for all.
        as_of: the day that the model was trained as of.
        training_rows: rows that it could learn from.
        learner: the candidate that won.
        metrics: its metrics, mean over the folds, by name.
        verdict: all gates; None where it did not come so far.
        problem: why it did not; empty where it did.
    """

    sources: tuple[TakenSource, ...] = ()
    every: int = 1
    as_of: date | None = None
    training_rows: int = 0
    learner: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    verdict: Verdict | None = None
    problem: str = ""

    @property
    def data_fits(self) -> bool:
        """Whether all days were published."""
        return bool(self.sources) and not any(source.refused_days for source in self.sources)


def first_verdict(
    use_case: UseCase,
    folder: Path,
    today: date,
    access: Access | None = None,
    log: Callable[[str], None] = lambda line: None,
    most_rows: int = SAMPLE_ROWS,
) -> FirstVerdict:
    """Take the data in, train once and judge, all in a folder that is removed.

    Args:
        use_case: the declaration.
        folder: that its relative paths refer to.
        today: decides which bypasses hold.
        access: credentials of its sources.
        log: takes what is being done.
        most_rows: rows of events to take, about.
    """
    found = FirstVerdict()
    with tempfile.TemporaryDirectory(prefix="first_verdict_") as scratch:
        try:
            days = plan(use_case)
            log("reading a sample" if most_rows else "reading")
            taken, every = _thinned(use_case, Path(scratch), most_rows)
            found = replace(found, every=every, as_of=days.as_of)
            catalog = Catalog(taken, Lake(root=str(Path(scratch) / "lake")))
            reader = SourceReader() if access is None else SourceReader(access=lambda: access)
            for source in taken.sources:
                log(f"checking {source.name} against the declaration")
                found = replace(found, sources=(*found.sources, _taken(catalog, reader, source, folder, days)))
            if not found.data_fits:
                return replace(found, problem="days were refused, and a model is not trained on a history with holes")
            return _judged(catalog, found, days, today, Path(scratch) / "run", log)
        except EXPECTED as error:
            return replace(found, problem=str(error))


def _taken(catalog: Catalog, reader: SourceReader, source: Source, folder: Path, days: Timeline) -> TakenSource:
    """Take in and publish one source.

    Raises:
        SourceError: it cannot be read.
    """
    known = days.labels if source.name == catalog.use_case.label_source.name else days.history
    if source.name == catalog.use_case.events:
        known = days.history
    asked = known if source.is_daily else None
    ingested = ingest(catalog, reader, source, folder, asked, faults=[], key="first look")
    if ingested.mismatch is not None:
        raise SourceError(str(ingested.mismatch))
    load = publish(catalog, source, asked)
    return TakenSource(
        source.name,
        load.rows_accepted + load.rows_refused,
        load.rows_refused,
        dict(load.rows_by_rule_and_column),
        load.refused_days,
        _reasons(load),
    )


def _reasons(load: PublishedLoad) -> tuple[str, ...]:
    """Each failed rule once, with the message of its first day."""
    first = {rule.rule: rule for rule in reversed(load.failed_rules)}
    return tuple(f"{rule.rule} on {rule.day}: {rule.explanation}" for rule in reversed(first.values()))


def _judged(
    catalog: Catalog, found: FirstVerdict, days: Timeline, today: date, run: Path, log: Callable[[str], None]
) -> FirstVerdict:
    """Features, training set, candidates, gates."""
    use_case = catalog.use_case
    log("computing features")
    for view in use_case.stored_views:
        compute_features(catalog, view, days.history)
    build_training_set(catalog, days.as_of)
    frame = catalog.training_sets.read(days.as_of, days.as_of)
    found = replace(found, training_rows=frame.height)
    log(f"comparing {len(use_case.training.learners)} candidates on {frame.height:,} rows")
    data = read_dataset(use_case, frame)
    selection = select_model(use_case, data, days.as_of, lambda line: None)
    comparison, winner = selection.comparison, selection.winner
    means = {result.candidate.name: result for result in comparison.results}[winner.name]
    metrics = {name: means.mean(name) for name in comparison.metrics}
    found = replace(found, learner=winner.name, metrics=metrics)
    span = refit_days(days.as_of, use_case.label_delay_days, use_case.training.splits.train_days)
    predictor = refit(data, span, winner, use_case.training.seed, declared_imputation(use_case.training))
    run.mkdir()
    digest = write_model_run(run, predictor, comparison, frame, use_case, selection)
    tags = version_tags(use_case, days.as_of, winner.name, predictor, span, {})
    version = RegisteredVersion(use_case.name, "1", "first_look", {**tags, MODEL_DIGEST_TAG: digest})
    log("judging by the gates")
    subject = judged_model_of(use_case, frame, read_model_run(run), version, columns_of_slices(catalog, frame))
    return replace(found, verdict=judge(subject, alone(subject), today, has_champion=False))


def _thinned(use_case: UseCase, scratch: Path, most_rows: int) -> tuple[UseCase, int]:
    """The use case over copies of its event files with every so many-th row, and that number; itself where its files have few rows.

    Raises:
        OnboardingError: a file cannot be read.
    """
    fields = use_case.event_source.connector.model_dump(mode="json")
    path, form = fields.get("path", ""), fields.get("format", "")
    if "encoding" not in fields or not Path(path).is_absolute() or "{" in path:
        return use_case, 1  # no files, or of days: a run takes them as they come
    files = find_files(path)
    rows = sum(_rows_of(fields, file) for file in files)
    if rows <= most_rows:
        return use_case, 1
    every = -(-rows // most_rows)
    copies = scratch / "sample"
    copies.mkdir()
    for number, file in enumerate(files):
        frame = read_file(file, form, fields["separator"], fields["encoding"]).gather_every(every)
        _write(frame, copies / f"{number:05d}.{form}", fields)
    return _with_path(use_case, path, f"{copies}/*.{form}"), every


def _rows_of(fields: Mapping[str, Any], file: Path) -> int:
    try:
        if fields["format"] == "parquet":
            return int(pl.scan_parquet(file).select(pl.len()).collect().item())
    except (OSError, pl.exceptions.PolarsError) as error:
        raise OnboardingError(f"{file} cannot be read as parquet: {error}") from error
    return read_file(file, fields["format"], fields["separator"], fields["encoding"]).height


def _write(frame: pl.DataFrame, path: Path, fields: Mapping[str, Any]) -> None:
    if fields["format"] == "parquet":
        frame.write_parquet(path)
    elif fields["format"] == "csv":
        frame.write_csv(path, separator=SEPARATORS[fields["separator"]])
    else:
        frame.write_ndjson(path)


def _with_path(use_case: UseCase, before: str, path: str) -> UseCase:
    """The same declaration, with every source that reads these files reading others."""
    document: dict[str, Any] = use_case.model_dump(mode="json")
    sources: Sequence[dict[str, Any]] = document["sources"]
    for source in sources:
        if source["connector"].get("path") == before:
            source["connector"] |= {"path": path, "encoding": "utf-8"}
    return UseCase.model_validate(document)
