"""Predict any table: part by part, each written once, a killed run goes on where it stopped.

Belongs here: which model scores the table, what the table must hold, and one commit for each part. Does not belong here: parts
(`table_parts.py`), features of events (`table_events.py`), or the predictions of a day (`predict.py`).

A table that has the model's features is scored as it is; one that has the columns of a request gets its features first. Each part is one
commit of the target, which carries the part's key: whoever runs the job again, or a second time at once, adds nothing twice. A target holds
the predictions of one table by one model, and says so in each commit.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from platform_assets.connectors.access import Access
from platform_assets.declaration import UseCase, feature_contract_hash
from platform_assets.declaration.prediction_log import PREDICTION_COLUMNS
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.errors import LakeTableMissing
from platform_assets.lake.read_ahead import WriteBehind, read_ahead
from platform_assets.lake.table import LakeTable
from platform_assets.pipelines.predict import PredictionError
from platform_assets.pipelines.table_events import TableEvents, events_with_features
from platform_assets.pipelines.table_parts import PartedTable, TablePart, open_table
from platform_assets.registry.base import CHAMPION, ModelRegistry, RegisteredVersion
from platform_assets.registry.training_run import MODEL_DIGEST_TAG, registered_run
from platform_assets.tasks.registry import task_of
from platform_assets.training.predictor import InputError, Predictor

MOST_ROWS = 250_000
"""Rows of a part: what is in memory at a time is three of them, one that is read, one that is scored and one that is written."""
_JOB = "job"
_MADE_BY = ("model_version", "release", "feature_contract")
_WIDER = {
    pl.UInt8: pl.Int64(),
    pl.UInt16: pl.Int64(),
    pl.UInt32: pl.Int64(),
    pl.Categorical: pl.String(),
    pl.Enum: pl.String(),
}


@dataclass(frozen=True)
class TableToPredict:
    """What is asked for.

    Attributes:
        source: path or address of a Delta table, or of Parquet files.
        target: path or address of the Delta table that the predictions are written to.
        version: number or alias of the model; None for the champion.
        source_version: Delta version of the source; None for the newest, or the one that a run before this began with.
        keep: columns of the source that stand beside the predictions; None for all that are no features.
    """

    source: str
    target: str
    version: str | None = None
    source_version: int | None = None
    keep: tuple[str, ...] | None = None


@dataclass(frozen=True)
class TablePredictions:
    """What a run did.

    Attributes:
        version: the model.
        source: the table as it was scored.
        target: address of the predictions.
        computes_features: whether the table's events got their features first.
        parts: how many parts the table has.
        rows: how many rows it has.
        written_parts: parts that this run wrote; the others were there.
        written_rows: rows that this run wrote.
    """

    version: RegisteredVersion
    source: PartedTable
    target: str
    computes_features: bool
    parts: int
    rows: int
    written_parts: int
    written_rows: int


@dataclass(frozen=True)
class _Work:
    """Everything that scoring a part needs."""

    use_case: UseCase
    version: RegisteredVersion
    predictor: Predictor
    source: PartedTable
    table: LakeTable
    kept: tuple[str, ...]
    job: str

    def key(self, part: str) -> str:
        return f"{hashlib.sha256(self.job.encode()).hexdigest()[:24]}/{part}"


def predict_table(
    catalog: Catalog,
    registry: ModelRegistry,
    wanted: TableToPredict,
    access: Access,
    log: Callable[[str], object] = lambda line: None,
    most_rows: int = MOST_ROWS,
) -> TablePredictions:
    """Score every row of a table with a registered model and write the predictions to a Delta table.

    Args:
        catalog: the use case's tables, for the history of events.
        registry: where the model is.
        wanted: table, target and model.
        access: options of the object store.
        log: progress.
        most_rows: rows of a part.

    Raises:
        PredictionError: the model does not fit, columns lack or have other types, a value is infinite, or the target holds something else.
        RegistryError: there is no such version.
        TableUnreadable: the table cannot be read.
        DaysMissing: days that features of events look back at were never published.
        ArtifactError: the model's files were damaged or replaced.
    """
    use_case = catalog.use_case
    version = _version(use_case, registry, wanted.version)
    predictor = registered_run(registry, version).predictor()
    before = _recorded(wanted.target, access)
    pinned = wanted.source_version
    if pinned is None and before is not None and before.get("source") == wanted.source:
        pinned = before.get("source_version")
    source = open_table(wanted.source, access, pinned)
    computes = _computes_features(use_case, predictor, source)
    if computes:
        TableEvents(use_case, source).require_zone()
    kept = _kept(use_case, predictor, source, wanted.keep, computes)
    job = {
        "use_case": use_case.name,
        "source": wanted.source,
        "source_version": source.version,
        "identity": source.identity,
        "model_digest": version.tags.get(MODEL_DIGEST_TAG),
        "feature_contract": feature_contract_hash(use_case),
        "computes_features": computes,
        "rows_of_a_part": most_rows,
    }
    _refuse_other_job(wanted.target, before, job)
    table = LakeTable(wanted.target, _schema(use_case, source, kept), storage_options=_options(wanted.target, access))
    work = _Work(use_case, version, predictor, source, table, kept, json.dumps(job, sort_keys=True))
    if computes:
        parts, written = _predict_events(catalog, work, log)
    else:
        parts, written = _predict_parts(work, most_rows, log)
    return TablePredictions(version, source, wanted.target, computes, parts, source.rows, *written)


def _predict_parts(work: _Work, most_rows: int, log: Callable[[str], object]) -> tuple[int, tuple[int, int]]:
    """Score a table that has the features: the next part is read and the one before written meanwhile."""
    parts = list(work.source.parts(most_rows))
    done = work.table.committed([work.key(part.name) for part in parts])
    todo = [part for part in parts if work.key(part.name) not in done]
    columns = list(dict.fromkeys([*work.kept, *work.predictor.features]))

    def read(part: TablePart) -> pl.DataFrame:
        return work.source.read(part, columns)

    written = rows = 0
    with WriteBehind() as writing:
        for part, frame in read_ahead(todo, read):
            writing(partial(_write, work, part.name, _scored(work, part.name, frame), {}))
            written, rows = written + 1, rows + frame.height
            log(f"{part.name}: {rows:,} of {sum(part.rows for part in todo):,} rows")
    return len(parts), (written, rows)


def _predict_events(catalog: Catalog, work: _Work, log: Callable[[str], object]) -> tuple[int, tuple[int, int]]:
    """Score a table of events, day after day: a day is a part."""
    events = TableEvents(work.use_case, work.source)
    names = {day: f"event_day={day}" for day in events.rows_by_day}
    done = work.table.committed([work.key(name) for name in names.values()])
    todo = [day for day, name in names.items() if work.key(name) not in done]
    written = rows = 0
    with WriteBehind() as writing:
        for day, frame, versions in events_with_features(catalog, events, todo):
            rows_of_day = _with_columns_beside(work, frame)
            record = {"data_versions": json.dumps(versions, sort_keys=True)}
            writing(partial(_write, work, names[day], _scored(work, names[day], rows_of_day), record))
            written, rows = written + 1, rows + frame.height
            log(f"{day}: {rows:,} of {sum(events.rows_by_day[day] for day in todo):,} events")
    return len(names), (written, rows)


def _with_columns_beside(work: _Work, rows: pl.DataFrame) -> pl.DataFrame:
    """Events of a day with the kept columns of the source that are no request columns; those were not known to the features."""
    beside = [name for name in work.kept if name not in work.use_case.serving.request]
    if not beside:
        return rows
    keys, time = list(work.use_case.event_source.primary_key), pl.col(work.use_case.event_time)
    first, last = rows[work.use_case.event_time].min(), rows[work.use_case.event_time].max()
    stored = work.source.scan([*dict.fromkeys([*keys, work.use_case.event_time, *beside])])
    found = (
        stored.filter(time.is_between(first, last))
        .select(*keys, *(name for name in beside if name not in keys))
        .collect()
    )
    typed = found.with_columns(pl.col(name).cast(rows.schema[name]) for name in keys)
    return rows.drop(beside, strict=False).join(typed, on=keys, how="left", maintain_order="left")


def _scored(work: _Work, part: str, frame: pl.DataFrame) -> pl.DataFrame:
    """The rows of the target for rows with features.

    Raises:
        PredictionError: a feature is infinite, or the model gives no finite answer.
    """
    inputs = frame.select(pl.col(name).cast(pl.Float64).fill_null(np.nan) for name in work.predictor.features)
    try:
        answers = work.predictor.predict(np.ascontiguousarray(inputs.to_numpy()))
    except InputError as error:
        raise PredictionError(
            f"{work.source.address}, part {part}: {error}. Nothing of this part was written, and the parts before it were: correct the "
            "table's values, or leave these rows out, and write to another target"
        ) from error
    lacking = int((~np.isfinite(answers)).sum())
    if lacking:
        raise PredictionError(
            f"{work.source.address}, part {part}: the model gives no finite answer for {lacking} rows"
        )
    made_by = (work.version.version, work.version.tags.get(MODEL_DIGEST_TAG), feature_contract_hash(work.use_case))
    return frame.select(work.kept).with_columns(
        **task_of(work.use_case).log_columns(work.use_case, answers, work.predictor.classes),
        **{name: pl.lit(value, pl.String) for name, value in zip(_MADE_BY, made_by, strict=True)},
    )


def _write(work: _Work, part: str, frame: pl.DataFrame, record: Mapping[str, str]) -> None:
    metadata = {_JOB: work.job, "part": part, **record}
    work.table.append(frame, idempotency_key=work.key(part), metadata=metadata)


def _version(use_case: UseCase, registry: ModelRegistry, named: str | None) -> RegisteredVersion:
    """The version of that number or alias, if its features mean what the declaration says.

    Raises:
        PredictionError: there is none of that alias, or it was trained under another feature contract.
        RegistryError: there is none of that number.
    """
    name = named or CHAMPION
    version = registry.get(use_case.name, name) if name.isdecimal() else registry.by_alias(use_case.name, name)
    if version is None:
        raise PredictionError(
            f"{use_case.name}: no version has the alias {name!r}; `platform-assets models list {use_case.name}` shows what there is"
        )
    then, now = version.tags.get("feature_contract"), feature_contract_hash(use_case)
    if then is not None and then != now:
        raise PredictionError(
            f"{use_case.name}: version {version.version} was trained under feature contract {then}, and the declaration has {now}: its "
            "inputs would not mean what they meant. Bring the declaration of that time back, or name a later version"
        )
    return version


def _computes_features(use_case: UseCase, predictor: Predictor, source: PartedTable) -> bool:
    """Whether the table's events need their features; False where it has them.

    Raises:
        PredictionError: it has neither all features nor all columns of a request, features are no numbers, or classes differ.
    """
    if predictor.classes != use_case.classes:
        raise PredictionError(
            f"{use_case.name}: the model tells {', '.join(predictor.classes) or 'no classes'} apart, but "
            f"{', '.join(use_case.classes) or 'none'} are declared; name a version of this declaration"
        )
    features = [name for name in predictor.features if name not in source.schema]
    if not features:
        wrong = [
            f"{name} is {source.schema[name]}"
            for name in predictor.features
            if not (source.schema[name].is_numeric() or source.schema[name] == pl.Boolean)
        ]
        if wrong:
            raise PredictionError(f"{source.address}: features have to be numbers: {', '.join(wrong)}")
        return False
    request = [name for name in use_case.serving.request if name not in source.schema]
    if request:
        raise PredictionError(
            f"{source.address} can be scored with neither: as features it lacks {', '.join(features)}; as events of "
            f"{use_case.name} it lacks {', '.join(request)}. It has {', '.join(source.schema)}"
        )
    return True


def _kept(
    use_case: UseCase, predictor: Predictor, source: PartedTable, asked: Sequence[str] | None, computes: bool
) -> tuple[str, ...]:
    """Columns of the source that stand beside the predictions.

    Raises:
        PredictionError: one is not there, is called like a prediction's column, or cannot be stored.
    """
    features = () if computes else predictor.features
    kept = tuple(asked) if asked is not None else tuple(name for name in source.schema if name not in features)
    absent = [name for name in kept if name not in source.schema]
    own = _prediction_schema(use_case)
    clashes = [name for name in kept if name in own]
    unfit = [
        f"{name} ({source.schema[name]})"
        for name in kept
        if name in source.schema and _stored(source.schema[name]) is None
    ]
    problems = [
        f"{words} {', '.join(names)}"
        for words, names in (
            ("it has no", absent),
            ("the predictions have columns of the names", clashes),
            ("Delta would not give back unchanged", unfit),
        )
        if names
    ]
    if problems:
        raise PredictionError(f"{source.address}: {'; '.join(problems)}. Name the columns to keep with --keep")
    return kept


def _prediction_schema(use_case: UseCase) -> dict[str, pl.DataType]:
    columns = {name: PREDICTION_COLUMNS[name] for name in ("score", "decision")}
    return {**columns, **use_case.task.log_columns, **{name: pl.String() for name in _MADE_BY}}


def _schema(use_case: UseCase, source: PartedTable, kept: Sequence[str]) -> dict[str, pl.DataType]:
    stored = {name: _stored(source.schema[name]) for name in kept}
    return {**{name: dtype for name, dtype in stored.items() if dtype is not None}, **_prediction_schema(use_case)}


def _stored(dtype: pl.DataType) -> pl.DataType | None:
    """The type that values of a type are kept in; None where none keeps them."""
    if isinstance(dtype, pl.Datetime):
        return pl.Datetime("us", "UTC") if dtype.time_zone is not None else None
    wider = _WIDER.get(dtype.base_type())
    if wider is not None:
        return wider
    plain = dtype.is_signed_integer() or dtype.is_float() or dtype.is_decimal()
    return dtype if plain or dtype in (pl.Boolean(), pl.String(), pl.Binary(), pl.Date()) else None


def _recorded(target: str, access: Access) -> dict[str, Any] | None:
    """The job whose predictions the target holds; None where there is no table.

    Raises:
        PredictionError: it is a table of something else.
    """
    table = LakeTable(target, {"score": pl.Float64()}, storage_options=_options(target, access))
    try:
        history = table.history(None)
    except LakeTableMissing:
        return None
    jobs = [entry.metadata[_JOB] for entry in history if _JOB in entry.metadata]
    if not jobs and (len(history) > 1 or table.row_count()):
        raise PredictionError(f"{target} is a table of something else; name another target")
    return json.loads(jobs[0]) if jobs else None


def _refuse_other_job(target: str, before: Mapping[str, Any] | None, job: Mapping[str, Any]) -> None:
    """A target holds the predictions of one table by one model.

    Raises:
        PredictionError: it holds those of another one.
    """
    differing = [name for name in job if before is not None and before.get(name) != job[name]]
    if before is not None and differing:
        said = ", ".join(f"{name} {before.get(name)} and not {job[name]}" for name in differing)
        raise PredictionError(f"{target} holds predictions of another job: {said}. Name another target")


def _options(address: str, access: Access) -> dict[str, str] | None:
    return dict(access.object_store) if "://" in address else None
