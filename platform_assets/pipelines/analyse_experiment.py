"""Analyse an A/B test: what it shows by now, and the page that says so with the path of the evidence.

Belongs here: from the lake's tables to a verdict and a page. Does not belong here: the tests (`experiments/analysis/`), reading rows
(`experiment_rows.py`), or acting on the verdict (`advance_rollout.py`).

It may be done at any time, any number of times: nothing but the latest day of known labels decides what it sees.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from platform_assets.experiments.analysis.analyse import Analysis, analyse
from platform_assets.experiments.analysis.page import render_page
from platform_assets.lake.catalog import Catalog
from platform_assets.pipelines.experiment_rows import known_before, known_outcomes, latest_test, logged_requests
from platform_assets.pipelines.running_experiments import StartedExperiment, refuse_changes, started_experiment
from platform_assets.registry.ledger import Ledger


class ExperimentNotRun(RuntimeError):
    """There is nothing to analyse; the message says what to do first."""


@dataclass(frozen=True)
class AnalysedExperiment:
    """An analysis with where it came from.

    Attributes:
        analysis: what is known.
        started: the test as it was begun.
        as_of: labels known at 00:00 UTC of this day were counted.
        evidence: which versions of which tables, and which entry of the ledger, it was made from.
    """

    analysis: Analysis
    started: StartedExperiment
    as_of: date
    evidence: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {**self.analysis.to_dict(), "as_of": self.as_of.isoformat(), "evidence": dict(self.evidence)}


def analyse_experiment(
    catalog: Catalog, ledger: Ledger | None = None, name: str | None = None, as_of: date | None = None
) -> AnalysedExperiment:
    """What a test shows by now.

    Args:
        catalog: the tables.
        ledger: where its begin is recorded; None takes the plan that is declared.
        name: of the test, as the log has it; None for the one that the newest request was part of.
        as_of: labels known at 00:00 UTC of this day; None for all that arrived.

    Raises:
        ExperimentNotRun: the log knows no such test.
        ExperimentChanged: the declaration says something else under its name.
        DesignError: its measure cannot be computed.
    """
    use_case = catalog.use_case
    found = name or latest_test(catalog)
    if found is None:
        raise ExperimentNotRun(
            f"{use_case.name}: no request was part of an A/B test yet. Declare `serving.rollout: [{{strategy: ab}}]` and `experiment:` "
            f"with `assign_by`, deploy a second version, and store the log of a day (materialize {use_case.name}/serving/prediction_log)"
        )
    started = started_experiment(use_case, ledger, found)
    refuse_changes(use_case, started)
    known = as_of or latest_labels(catalog)
    column, plan = started.split.column, started.plan
    logged = logged_requests(catalog, found, column)
    if logged.is_empty():
        raise ExperimentNotRun(f"{use_case.name}: no request in the log was part of test {found!r}")
    outcomes = known_outcomes(catalog, plan, logged, known)
    first = logged["day"].min()
    assert isinstance(first, date), "there are rows"
    history = known_before(catalog, plan, column, first)
    guards = use_case.serving.guards
    analysis = analyse(
        started.split,
        plan,
        logged,
        outcomes,
        history,
        alpha_guards=guards.alpha,
        latency_margin_ratio=guards.latency_p99_ratio,
    )
    return AnalysedExperiment(analysis, started, known, _evidence(catalog, started, history.height))


def latest_labels(catalog: Catalog) -> date:
    """The day at whose midnight all labels that were published are known."""
    labels = catalog.labels
    days = labels.stored.partitions() if labels.exists() else []
    if not days:
        return catalog.use_case.history.first_day
    return days[-1] + timedelta(days=max(1, catalog.use_case.label_arrival_days))


def write_experiment_report(analysed: AnalysedExperiment, folder: Path) -> Path:
    """Write the page and, beside it, the same as JSON; returns the page."""
    page = folder / f"experiment-{analysed.analysis.name}.html"
    page.write_text(render_page(analysed.analysis, analysed.as_of, analysed.evidence), encoding="utf-8")
    page.with_suffix(".json").write_text(json.dumps(analysed.to_dict(), indent=1, default=str), encoding="utf-8")
    return page


def _evidence(catalog: Catalog, started: StartedExperiment, history_events: int) -> dict[str, Any]:
    """The path back: tables with their versions, how entities were assigned, and the ledger's entry."""
    tables = {
        catalog.path(table): table.version()
        for table in (catalog.predictions, catalog.events, catalog.labels)
        if table.exists()
    }
    return {
        "tables": tables,
        "split": f"{started.split.salt}: {started.split.header()}",
        "begun": "not recorded; the plan is the declared one" if started.at is None else started.at.isoformat(),
        "ledger_entry": started.entry,
        "history_events": history_events,
        "analysed_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
