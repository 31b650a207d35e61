"""The rows that an A/B test is decided from: who was given which version, what came of it, and what each did before.

Belongs here: reading the prediction log, events and labels, and their joins. Does not belong here: the analysis
(`experiments/analysis/`).
"""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl

from platform_assets.declaration import EVENT_DAY
from platform_assets.declaration.expressions import columns_of
from platform_assets.declaration.sections.experiments import Experiment
from platform_assets.experiments.analysis.analyse import AT, LATENCY, RELEASE, VALUE
from platform_assets.experiments.analysis.effect import DAY, UNIT, VARIANT
from platform_assets.experiments.design import DesignError, measure_values
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.errors import LakeTableMissing
from platform_assets.pipelines.labelled_events import labelled_events
from platform_assets.training.folds import last_labelled_day

ANSWERS = ("score", "decision")
"""What a measure may name besides the event's columns and the label, as it was answered."""


def latest_test(catalog: Catalog) -> str | None:
    """The test that the newest request was part of; None where the log knows none."""
    table = catalog.predictions
    if not table.exists():
        return None
    rows = table.scan(columns=["experiment", "scored_at"], ordered=False).filter(pl.col("experiment").is_not_null())
    newest = rows.sort("scored_at").last().collect()
    return None if newest.is_empty() else str(newest["experiment"][0])


def logged_requests(catalog: Catalog, name: str, column: str) -> pl.DataFrame:
    """Live requests while a test ran, each event once: `unit`, `variant`, `day`, `at`, `release`, `latency_ms`, key, score and decision.

    Args:
        catalog: the tables.
        name: of the test.
        column: whose values were assigned.
    """
    keys = list(catalog.use_case.event_source.primary_key)
    return (
        catalog.predictions.scan(ordered=False)
        .filter(pl.col("experiment") == name)
        .select(
            *keys,
            pl.col(column).cast(pl.String).alias(UNIT),
            pl.col("variant").alias(VARIANT),
            pl.col(EVENT_DAY).alias(DAY),
            pl.col("scored_at").alias(AT),
            pl.col("release").alias(RELEASE),
            pl.col("latency_ms").alias(LATENCY),
            *ANSWERS,
        )
        .collect()
        .sort(AT)
        .unique(keys, keep="first", maintain_order=True)
    )


def known_outcomes(catalog: Catalog, experiment: Experiment, logged: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """Exposed requests whose outcome is known: `unit`, `variant`, `day`, `value` and a column for each guardrail.

    Only days whose labels are complete count: of a younger day the early labels are of one kind, such as complaints.

    Args:
        catalog: the tables.
        experiment: what is measured.
        logged: from `logged_requests`.
        as_of: labels known at 00:00 UTC of this day.
    """
    exposed = logged.filter(pl.col(VARIANT).is_not_null())
    first = exposed[DAY].min()
    last = last_labelled_day(as_of, catalog.use_case.label_delay_days)
    if not isinstance(first, date) or last < first:
        return _measured(exposed.head(0), experiment, [UNIT, VARIANT, DAY])
    events = _known_events(catalog, first, last, as_of)
    keys = list(catalog.use_case.event_source.primary_key)
    own = exposed.select(*keys, UNIT, VARIANT, DAY, *(name for name in ANSWERS if name not in events.columns))
    return _measured(events.join(own, on=keys, how="inner"), experiment, [UNIT, VARIANT, DAY])


def known_before(catalog: Catalog, experiment: Experiment, column: str, first: date) -> pl.DataFrame:
    """Events before a test whose outcome was known when it began: `unit`, `value` and a column for each guardrail.

    Args:
        catalog: the tables.
        experiment: what is measured.
        column: whose values are assigned.
        first: first day of the test.
    """
    begin = max(first - timedelta(days=experiment.history_days), catalog.use_case.history.first_day)
    empty = pl.DataFrame(schema={UNIT: pl.String, **dict.fromkeys(_measures(experiment), pl.Float64)})
    last = min(first - timedelta(days=1), last_labelled_day(first, catalog.use_case.label_delay_days))
    if last < begin:
        return empty
    try:
        events = _known_events(catalog, begin, last, first)
    except LakeTableMissing:
        return empty
    events = with_answers(catalog, experiment, events, begin, last)
    return _measured(events.with_columns(pl.col(column).cast(pl.String).alias(UNIT)), experiment, [UNIT])


def with_answers(
    catalog: Catalog, experiment: Experiment, events: pl.DataFrame, first: date, last: date
) -> pl.DataFrame:
    """Events with what was answered, where a measure names it: those that were scored, each once.

    Args:
        catalog: the tables.
        experiment: what is measured.
        events: rows of the event table.
        first: first event day.
        last: last event day.
    """
    named = {column for text in _measures(experiment).values() for column in _columns(text)}
    wanted = [name for name in ANSWERS if name in named and name not in events.columns]
    if not wanted:
        return events
    keys = list(catalog.use_case.event_source.primary_key)
    if not catalog.predictions.exists():
        return events.head(0).with_columns(pl.lit(None).alias(name) for name in wanted)
    answers = catalog.predictions.read(first, last, columns=[*keys, *wanted])
    return events.join(answers.unique(keys, keep="first", maintain_order=True), on=keys, how="inner")


def _known_events(catalog: Catalog, first: date, last: date, as_of: date) -> pl.DataFrame:
    events = labelled_events(catalog, first, last, as_of)
    return events.filter(pl.col(catalog.use_case.label.column).is_not_null())


def _measures(experiment: Experiment) -> dict[str, str]:
    """Column to expression."""
    return {VALUE: experiment.measure, **{one.name: one.measure for one in experiment.guardrails}}


def _columns(text: str) -> list[str]:
    try:
        return columns_of(text)
    except (pl.exceptions.PolarsError, ValueError) as error:
        raise DesignError(f"experiment: {text!r} cannot be computed: {error}") from error


def _measured(rows: pl.DataFrame, experiment: Experiment, kept: list[str]) -> pl.DataFrame:
    """These rows with their measures."""
    if rows.is_empty():
        return rows.select(kept).with_columns(pl.lit(None, pl.Float64).alias(name) for name in _measures(experiment))
    fields = {VALUE: "experiment.measure"} | {
        one.name: f"experiment.guardrails.{one.name}.measure" for one in experiment.guardrails
    }
    values = [measure_values(rows, text, fields[name]).alias(name) for name, text in _measures(experiment).items()]
    return rows.select(kept).with_columns(values)
