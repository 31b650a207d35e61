"""The parts that the platform's metrics are read from: an installation's lake, registry and target, and what Dagster remembers.

Belongs here: which questions there are. Does not belong here: samples (`monitoring/telemetry/`), or answering scrapes (`cli/metrics.py`).
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

from platform_assets.declaration import UseCase
from platform_assets.declaration.names import ONLINE_STORE
from platform_assets.installation import Installation
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.layout import FEATURES as FEATURES_LAYER
from platform_assets.monitoring.cost.price_sheet import PriceSheet, sheet_name
from platform_assets.monitoring.operations import DaemonFact, OperationsFacts
from platform_assets.monitoring.telemetry.catalogue import (
    CLOCK,
    COST,
    DAEMONS,
    DUE,
    FEATURES,
    LAKE,
    MODELS,
    OPERATIONS,
    ROLLOUTS,
    WATCH,
)
from platform_assets.monitoring.telemetry.exporter import MetricsPart, Question, Sample
from platform_assets.monitoring.telemetry.model import champion_age, verdict_questions
from platform_assets.monitoring.telemetry.runs import DaemonProcesses, daemon_samples, operations_samples
from platform_assets.monitoring.telemetry.tables import feature_questions, lake_questions, newest_day
from platform_assets.pipelines.budgets import month_spent
from platform_assets.pipelines.due import Materialized
from platform_assets.pipelines.due_now.behind import days_behind as due_and_not_done
from platform_assets.pipelines.jobs import job_tables
from platform_assets.pipelines.show_cost import cost_of_days

EURO = "EUR"
SIGNS_OF_LIFE_KEPT_SECONDS = 4.0
"""A scrape each five seconds reads them anew: that a daemon is dead is told within a minute."""


class OperationsMemory(Protocol):
    """What the orchestrator remembers."""

    def facts(self, now: datetime) -> OperationsFacts:
        """Runs, checks, sensors and daemons."""

    def daemons(self) -> Sequence[DaemonFact]:
        """The daemons alone: one question."""

    def materialized(self, use_case: UseCase) -> Materialized:
        """What was materialized of the tables that `due` looks at."""


def platform_parts(
    installation: Installation, use_cases: Sequence[UseCase], memory: OperationsMemory
) -> list[MetricsPart]:
    """Every part, cheap ones first.

    Args:
        installation: whose.
        use_cases: that are declared.
        memory: of the orchestrator.
    """
    live = [use_case for use_case in use_cases if use_case.is_realtime]
    catalogs, sheet = [installation.catalog(use_case) for use_case in use_cases], installation.settings.price_sheet

    processes = DaemonProcesses()

    def of_dagster() -> list[Sample]:
        now = datetime.now(UTC)  # Dagster stamps its runs with the machine's time, whatever the simulated clock says
        jobs = [(use_case.name, job) for use_case in use_cases for job in job_tables(use_case)]
        return operations_samples(memory.facts(now), jobs, now)

    def of_daemons() -> list[Sample]:
        return daemon_samples(memory.daemons(), datetime.now(UTC), processes)

    def features() -> Iterator[Question]:
        for catalog in catalogs:
            yield from feature_questions(catalog)
        for use_case in live:
            yield partial(online_store_day, use_case, memory)

    return [
        MetricsPart(CLOCK, lambda: [partial(clock, installation)]),
        MetricsPart(DAEMONS, lambda: [of_daemons], kept_seconds=SIGNS_OF_LIFE_KEPT_SECONDS),
        MetricsPart(OPERATIONS, lambda: [of_dagster]),
        MetricsPart(ROLLOUTS, lambda: [partial(rollout, use_case, installation) for use_case in live]),
        MetricsPart(DUE, lambda: [partial(days_behind, use_case, installation, memory) for use_case in use_cases]),
        MetricsPart(WATCH, lambda: [question for catalog in catalogs for question in verdict_questions(catalog)]),
        MetricsPart(FEATURES, features),
        MetricsPart(COST, lambda: [partial(costs, one, sheet_name(sheet, one.use_case.cloud)) for one in catalogs]),
        MetricsPart(LAKE, lambda: [question for catalog in catalogs for question in lake_questions(catalog)]),
        MetricsPart(
            MODELS, lambda: [partial(_champion, one, installation) for one in use_cases if one.is_trained_here]
        ),
    ]


def clock(installation: Installation) -> list[Sample]:
    """The time that what is due is judged by."""
    return [Sample("clock_timestamp_seconds", (), installation.clock.now().timestamp())]


def costs(catalog: Catalog, sheet: str) -> list[Sample]:
    """What the last 24 hours cost, by kind, in the sheet's currency (euros under their own name as well), and what a budget has spent.

    Raises:
        BudgetExceeded: a budget is in another currency than the prices.
    """
    prices, name, now = PriceSheet.named(sheet), catalog.use_case.name, datetime.now(UTC)
    spent = cost_of_days(catalog, prices, now, days=1)
    samples = [Sample("cost", (name, one.kind, prices.currency), one.money) for one in spent.kinds]
    if prices.currency == EURO:
        samples += [Sample("cost_euros", (name, one.kind), one.money) for one in spent.kinds]
    month = month_spent(catalog, prices, now)
    return samples if month is None else [*samples, Sample("budget_spent_ratio", (name,), month.ratio)]


def online_store_day(use_case: UseCase, memory: OperationsMemory) -> list[Sample]:
    """The newest day whose state was written to the online store."""
    written = memory.materialized(use_case).get((FEATURES_LAYER, ONLINE_STORE), {})
    return newest_day(use_case, "online_store_day_timestamp_seconds", [day for day in written if day is not None])


def days_behind(use_case: UseCase, installation: Installation, memory: OperationsMemory) -> list[Sample]:
    """Days that are due now and not done, by job; 0 for a job of which none is."""
    behind = due_and_not_done(use_case, memory.materialized(use_case), installation.clock.now())
    return [Sample("due_days_behind", (use_case.name, job), len(days)) for job, days in behind.items()]


def rollout(use_case: UseCase, installation: Installation) -> list[Sample]:
    """Since when the stage of a rollout under way has stood, and how much the new version answers."""
    view = installation.serving.target().rollout(use_case.name)
    if view is None or view.new is None:
        return []
    samples = [Sample("rollout_new_weight_ratio", (use_case.name,), view.new.weight / 100)]
    if view.rollout.since:
        since = datetime.fromisoformat(view.rollout.since)
        samples.append(Sample("rollout_stage_since_timestamp_seconds", (use_case.name,), since.timestamp()))
    return samples


def _champion(use_case: UseCase, installation: Installation) -> Iterable[Sample]:
    return champion_age(use_case, installation.models.registry())
