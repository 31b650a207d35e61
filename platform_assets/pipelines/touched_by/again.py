"""What would have been answered without a file: touched predictions scored again from the same tables without its rows.

Belongs here: features and answers without the rows. Does not belong here: which predictions a file touched (`predictions.py`).

Only the file's rows are taken away: all else is as it was when each request was scored, the model too, even where it was trained on them.
Where an event of the file had been asked about itself, the request stands in its place, as it did before the file came.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from platform_assets.declaration import EVENT_DAY
from platform_assets.declaration.sections.serving import REVIEW
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.features.consistency.replay import replayed_features
from platform_assets.lake.errors import LakeVersionMissing
from platform_assets.pipelines.explain_prediction.answer_again import model_answer
from platform_assets.pipelines.explain_prediction.errors import NotExplained
from platform_assets.pipelines.explain_prediction.model_then import AnsweringModel, model_then
from platform_assets.pipelines.known_then import events_then, rows_then
from platform_assets.pipelines.touched_by.predictions import (
    GroupThen,
    TouchedPredictions,
    answered_before,
    groups_then,
    logged_predictions,
)
from platform_assets.registry.model_store import ModelStore

AGAIN = ("score_without", "decision_without", "flips", "why_not")
"""Columns that are added: the answer without the file, whether the decision is another one, and why there is none."""


def answers_without(touched: TouchedPredictions, serving: ServingHome, models: ModelStore) -> pl.DataFrame:
    """The predictions that a file touched in their features, with what would have been answered without it.

    Args:
        touched: what the file touched.
        serving: where releases are kept.
        models: where models are registered.

    Returns:
        The rows of `touched.by_features` with the columns of `AGAIN`.
    """
    catalog = touched.file.catalog
    answers: list[dict[str, Any]] = []
    if catalog.use_case.is_realtime:
        log = logged_predictions(catalog, serving).join(touched.by_features, on="request_id", how="semi")
        kept: dict[tuple[str, str], AnsweringModel | str] = {}
        for group in groups_then(catalog, log):
            answers += _answers(touched, group, serving, models, kept)
    types = {
        "request_id": pl.String(),
        "score_without": pl.Float64(),
        "decision_without": pl.String(),
        "why_not": pl.String(),
    }
    found = touched.by_features.join(
        pl.DataFrame(answers, schema=types), on="request_id", how="left", maintain_order="left"
    )
    batch = "predictions of a table: replace the file, load its day again, then materialize the predictions of the days below"
    why = pl.col("why_not") if catalog.use_case.is_realtime else pl.lit(batch)
    flips = (pl.col("decision") != pl.col("decision_without")).alias("flips")
    return found.with_columns(why.alias("why_not"), flips)


def _answers(
    touched: TouchedPredictions,
    group: GroupThen,
    serving: ServingHome,
    models: ModelStore,
    kept: dict[tuple[str, str], AnsweringModel | str],
) -> list[dict[str, Any]]:
    try:
        features = _features_without(touched, group)
    except LakeVersionMissing as error:
        return [{"request_id": request, "why_not": str(error)} for request in group.rows["request_id"]]
    answers: list[dict[str, Any]] = []
    for row, values in zip(group.rows.iter_rows(named=True), features.iter_rows(named=True), strict=True):
        key = row["model_version"], row["release"] or ""
        if key not in kept:
            try:
                kept[key] = model_then(touched.file.catalog.use_case, row, serving, models)
            except NotExplained as error:
                kept[key] = str(error)
        answers.append({"request_id": row["request_id"], **_answer(kept[key], row, values)})
    return answers


def _answer(model: AnsweringModel | str, row: Mapping[str, Any], values: Mapping[str, float | None]) -> dict[str, Any]:
    if isinstance(model, str):
        return {"why_not": model}
    answer = model_answer(model, values)
    by_person = row["decision"] == REVIEW and answer.decision is not None
    return {"score_without": answer.score, "decision_without": REVIEW if by_person else answer.decision}


def _features_without(touched: TouchedPredictions, group: GroupThen) -> pl.DataFrame:
    """Features of requests as they would have been, in the order of the rows."""
    file, catalog = touched.file, touched.file.catalog
    tables = rows_then(catalog, group.versions, group.days)
    rows = file.published(group.versions[file.source.name])
    tables[file.source.name] = tables[file.source.name].join(
        rows.select(file.place), on=list(file.place), how="anti", maintain_order="left"
    )
    events = events_then(catalog, tables, group.rows[EVENT_DAY][0])
    return replayed_features(group.rows, events, answered_before(catalog, group.days), catalog.use_case, tables)
