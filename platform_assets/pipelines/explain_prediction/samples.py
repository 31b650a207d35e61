"""Samples of each day's predictions, explained and stored: whether what is answered can be proven, before anybody asks.

Belongs here: which predictions are taken, explaining them, and the table. Does not belong here: explaining one (`explain.py`), what
Dagster is told (`orchestration/assets/explanations.py`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from platform_assets.declaration import EVENT_DAY, UseCase
from platform_assets.declaration.days import DayRange
from platform_assets.declaration.names import EXPLANATIONS
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.commits import Commit
from platform_assets.lake.layout import MONITORING
from platform_assets.lake.table import LakeTable
from platform_assets.pipelines.explain_prediction.errors import NotExplained
from platform_assets.pipelines.explain_prediction.explain import PredictionExplanation, explain_prediction
from platform_assets.pipelines.explain_prediction.find import FoundPrediction
from platform_assets.registry.model_store import ModelStore

REFUSED = "refused"
MOST_FEATURES = 5


@dataclass(frozen=True)
class ExplainedDay:
    """The samples of one day.

    Attributes:
        explained: how many.
        proven: how many are equal to the bit, both ways.
        expired: how many cannot be held against what was known, because retention took it or the model.
        wrong: request and verdict of those that are there, and are not equal.
    """

    explained: int
    proven: int
    expired: int
    wrong: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class ExplainedSamples:
    """The samples of some days, and where they were stored."""

    by_day: Mapping[date, ExplainedDay]
    commit: Commit
    uri: str


def explanations_schema(use_case: UseCase) -> dict[str, pl.DataType]:
    """Columns of the samples: the event's key, the prediction, whether it is proven, and what mattered most as JSON."""
    keys = {name: use_case.event_source.column(name).polars_type for name in use_case.event_source.primary_key}
    said = dict.fromkeys(("request_id", "model_version", "decision", "proof", "verdict", "mattered"), pl.String())
    return {**keys, **said, "score": pl.Float64(), "proven": pl.Boolean(), EVENT_DAY: pl.Date()}


def explanations_table(catalog: Catalog) -> LakeTable:
    """The samples that were explained."""
    schema = explanations_schema(catalog.use_case)
    return catalog.lake.table(catalog.use_case.name, MONITORING, EXPLANATIONS, schema)


def explain_samples(catalog: Catalog, serving: ServingHome, models: ModelStore, days: DayRange) -> ExplainedSamples:
    """Explain as many predictions of each day as are declared, the same ones each time, and store what was found.

    Raises:
        ArtifactError: a kept model was damaged.
    """
    log, count = catalog.predictions, catalog.use_case.monitoring.explanations.samples_per_day
    rows: list[dict[str, Any]] = []
    by_day: dict[date, ExplainedDay] = {}
    for day in days.days:
        logged = log.read(day, day).to_dicts() if log.exists() else []
        chosen = sorted(logged, key=lambda row: hashlib.sha256(str(row["request_id"]).encode()).digest())[:count]
        own = [_row(catalog, row, serving, models) for row in chosen]
        by_day[day] = _day(own)
        rows += own
    table = explanations_table(catalog)
    frame = pl.DataFrame(rows, schema=table.schema)
    commit = table.write_partitions(frame, days.first, days.last, metadata={"samples": str(count)}, allow_empty=True)
    return ExplainedSamples(by_day, commit, table.uri)


def _row(catalog: Catalog, row: Mapping[str, Any], serving: ServingHome, models: ModelStore) -> dict[str, Any]:
    names = (*catalog.use_case.event_source.primary_key, "request_id", "model_version", "decision", "score", EVENT_DAY)
    known = {name: row[name] for name in names}
    found = FoundPrediction(row, f"{catalog.path(catalog.predictions)} version {catalog.predictions.version()}")
    try:
        explained = explain_prediction(catalog, found, serving, models)
    except NotExplained as error:
        return {**known, "proof": REFUSED, "verdict": str(error), "mattered": "[]", "proven": False}
    proof = explained.features.proof if explained.answer.same else "different"
    return {
        **known,
        "proof": proof,
        "verdict": explained.verdict,
        "mattered": _mattered(explained),
        "proven": explained.is_proven,
    }


def _mattered(explained: PredictionExplanation) -> str:
    added = [one for one in explained.accounts if one.contribution][:MOST_FEATURES]
    return json.dumps([[one.name, one.logged, one.contribution] for one in added])


def _day(rows: list[dict[str, Any]]) -> ExplainedDay:
    wrong = [(row["request_id"], row["verdict"]) for row in rows if row["proof"] == "different"]
    proven = sum(row["proven"] for row in rows)
    return ExplainedDay(len(rows), proven, len(rows) - proven - len(wrong), tuple(wrong))
