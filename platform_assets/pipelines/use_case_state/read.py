"""A use case's state, put together and judged.

Belongs here: the order of reading, and what is said of what cannot be read. Does not belong here: any single part (its neighbours).
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from platform_assets.declaration import UseCase
from platform_assets.declaration.clock import Clock
from platform_assets.deployment.release import TargetStatus
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.installation import Installation
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake
from platform_assets.monitoring.cost.price_sheet import OF_CLOUD, sheet_name
from platform_assets.monitoring.use_case_page.findings import with_findings
from platform_assets.monitoring.use_case_page.state import NotComputed, OpenAlert, UseCaseState
from platform_assets.monitoring.use_case_page.state_of_operations import StateOfOperations
from platform_assets.pipelines.use_case_state.alerts import alertmanager_of, open_alerts
from platform_assets.pipelines.use_case_state.data import newest_event, sources
from platform_assets.pipelines.use_case_state.links import links
from platform_assets.pipelines.use_case_state.models import champion, newest_decision, newest_rollout
from platform_assets.pipelines.use_case_state.series import answered_series, cost_series, monitored
from platform_assets.pipelines.use_case_state.service import service_now
from platform_assets.registry.model_store import ModelStore

STALE_AFTER_SECONDS = 40 * 60
"""A page is made again at least every quarter of an hour; the script in it turns red when it is older than this."""


@dataclass(frozen=True)
class StateSources:
    """What a state is read from.

    Attributes:
        lake: the tables.
        models: the ledger.
        serving: services and their folders.
        clock: what time it is for use cases.
        automation: whether schedules and sensors start by themselves.
        alertmanager: its address, where a setting names it.
        price_sheet: name or file of the prices that costs are shown with, or `cloud`.
    """

    lake: Lake
    models: ModelStore
    serving: ServingHome
    clock: Clock
    automation: bool
    alertmanager: str | None = None
    price_sheet: str = OF_CLOUD


def sources_of(installation: Installation) -> StateSources:
    """Those of an installation."""
    settings = installation.settings
    return StateSources(
        installation.lake,
        installation.models,
        installation.serving,
        installation.clock,
        settings.automation == "on",
        settings.alertmanager,
        settings.price_sheet,
    )


@dataclass(frozen=True)
class Around:
    """What of the surroundings a state is read with.

    Attributes:
        operations: what Dagster knows.
        status: of the target; None asks it now.
        machine_now: the machine's time, where a test sets it.
    """

    operations: StateOfOperations = field(default_factory=StateOfOperations)
    status: TargetStatus | None = None
    machine_now: datetime | None = None


def read_use_case_state(use_case: UseCase, read_from: StateSources, around: Around | None = None) -> UseCaseState:
    """Everything that stands on the page of a use case, judged.

    Args:
        use_case: the declaration.
        read_from: tables, ledger and services.
        around: what Dagster, target and alerts say.
    """
    around = around or Around()
    catalog, serving = Catalog(use_case, read_from.lake), read_from.serving
    clock, now = read_from.clock, read_from.clock.now()
    newest = newest_event(catalog)
    sheet = sheet_name(read_from.price_sheet, use_case.cloud)
    windows, series, absent = monitored(catalog)
    answered, missing = answered_series(catalog)
    costs, uncounted = cost_series(catalog, sheet, around.machine_now or datetime.now(UTC))
    service = service_now(use_case, serving, around.status) if use_case.is_realtime else None
    model = champion(use_case, read_from.models)
    alertmanager = alertmanager_of(Path(serving.home), read_from.alertmanager)
    alerts = None if alertmanager is None else open_alerts(use_case.name, alertmanager)
    looks, challenger = newest_rollout(use_case, serving)
    state = UseCaseState(
        use_case=use_case.name,
        description=use_case.description,
        owner=use_case.owner,
        environment=read_from.models.environment,
        now=now,
        made_at=around.machine_now or datetime.now(UTC),
        stale_after_seconds=STALE_AFTER_SECONDS,
        clock_is_simulated=clock.is_simulated,
        is_realtime=use_case.is_realtime,
        is_trained_here=use_case.is_trained_here,
        history_ends=use_case.history.last_day,
        freshness_warn_hours=use_case.freshness.warn_after_hours,
        freshness_fail_hours=use_case.freshness.fail_after_hours,
        train_every_days=use_case.training.every_days,
        automation=read_from.automation,
        newest_event=newest,
        lag_seconds=None if newest is None else (now - newest).total_seconds(),
        sources=sources(catalog),
        champion=model,
        challenger=challenger,
        rollout=looks,
        service=service,
        windows=windows,
        decision=newest_decision(catalog),
        operations=around.operations,
        alerts=alerts,
        series=(*series, *answered, *costs),
        not_computed=(*absent, *missing, *uncounted, *_absent(alertmanager, alerts)),
        links=links(use_case, serving, read_from.models.tracking_uri, model, windows),
    )
    return with_findings(state)


def _absent(alertmanager: str | None, alerts: tuple[OpenAlert, ...] | None) -> list[NotComputed]:
    absent: list[NotComputed] = []
    if alerts is None:
        silent = f"{alertmanager} does not answer"
        why = "no Alertmanager is set, and `make observe` started none" if alertmanager is None else silent
        absent.append(NotComputed(what="Open alerts", why=why))
    return absent
