"""The jobs of an installation, run in this process, and what the instance remembers of them.

Belongs here: what the command line asks of Dagster, answered in plain values. Does not belong here: which jobs to run
(`pipelines/due.py`), or printing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Self

import dagster as dg

from platform_assets.declaration import UseCase
from platform_assets.declaration.names import PAGE
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.installation import Installation
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.layout import LAYERS, MONITORING
from platform_assets.monitoring.cost.price_sheet import PriceSheet
from platform_assets.monitoring.use_case_page.state import UseCaseState
from platform_assets.orchestration.assembly import installed_definitions
from platform_assets.orchestration.assets.usage import (
    budget_evaluations,
    recorded_usage,
    usage_event,
    usage_metadata,
)
from platform_assets.orchestration.assets.use_case_page import made_page
from platform_assets.orchestration.due_runs import SENSOR_NAME, read_materialized, run_request, sensor_name
from platform_assets.orchestration.jobs import job_name
from platform_assets.orchestration.metadata import asset_key
from platform_assets.orchestration.operations_facts import first_sentence, red_day
from platform_assets.orchestration.progress import progress_logger
from platform_assets.orchestration.run_origin import execute_with_origin
from platform_assets.orchestration.switches import switches_of
from platform_assets.pipelines.due import DueJob, Materialized
from platform_assets.pipelines.use_case_state.read import StateSources

PROGRESS = "progress"


class RunFailed(RuntimeError):
    """A job did not succeed; the message says which and what to look at."""


@dataclass(frozen=True)
class CheckOutcome:
    """The latest evaluation of a check.

    Attributes:
        asset: `layer/table` of the asset that was checked.
        name: of the check.
        passed: its verdict.
        metadata: its evidence, as plain values.
        warns: whether it only warns when it does not pass.
    """

    asset: str
    name: str
    passed: bool
    metadata: dict[str, Any]
    warns: bool = False


@dataclass(frozen=True)
class InProcess:
    """Definitions, with a logger named `progress`, and the instance that remembers what was run."""

    definitions: dg.Definitions
    instance: dg.DagsterInstance

    @classmethod
    def of(cls, installation: Installation, show: Callable[[str], None]) -> Self:
        """All use cases of an installation, with this machine's instance.

        Args:
            installation: whose resources the jobs use.
            show: takes each line of progress, and one for each use case that cannot be loaded and is left out.
        """
        return cls(with_progress(installed_definitions(installation, show), show), dg.DagsterInstance.get())

    def materialized(self, use_case: UseCase) -> Materialized:
        """What was materialized of the tables that `due` looks at."""
        return read_materialized(use_case, self.instance)

    def done(self, use_case: UseCase, layer: str, table: str) -> set[date]:
        """Days of a table that were materialized."""
        days = self.instance.get_materialized_partitions(asset_key(use_case, layer, table))
        return {date.fromisoformat(day) for day in days}

    def execute(self, use_case: UseCase, due_job: DueJob) -> None:
        """Run a job.

        Raises:
            RunFailed: when it does not succeed.
        """
        name = job_name(use_case, due_job.job)
        config: dict[str, Any] = {"loggers": {PROGRESS: {}}}
        request = run_request(use_case, due_job)
        request = request.with_replaced_attrs(tags={**request.tags, SENSOR_NAME: sensor_name(use_case)})
        result = execute_with_origin(self.definitions, self.instance, name, request, config)
        if not result.success:
            failures = [event for event in result.all_events if event.event_type_value == "STEP_FAILURE"]
            texts = [event.step_failure_data.error_display_string.strip().splitlines() for event in failures]
            reasons = "; ".join(first_sentence(lines) for lines in texts) or "see the run in `make dev`"
            raise RunFailed(f"{name} did not succeed: {reasons}\nRun {result.run_id}: look at it with `make dev`.")

    def latest_metadata(self, use_case: UseCase, layer: str, table: str) -> dict[str, Any] | None:
        """Metadata of an asset's latest materialization, as plain values; None when there is none."""
        event = self.instance.get_latest_materialization_event(asset_key(use_case, layer, table))
        if event is None or event.asset_materialization is None:
            return None
        return {key: value.value for key, value in event.asset_materialization.metadata.items()}

    def daemon_is_alive(self) -> bool:
        """Whether Dagster's daemon runs on this instance now."""
        return switches_of(self.instance).is_alive(datetime.now(UTC))

    def make_page(self, use_case: UseCase, read_from: StateSources) -> UseCaseState:
        """Write the page of a use case, and have the instance remember it.

        Returns:
            What stands on it.
        """
        state, metadata = made_page(use_case, self.definitions, self.instance, read_from)
        event = dg.AssetMaterialization(asset_key(use_case, MONITORING, PAGE), metadata=metadata)
        self.instance.report_runless_asset_event(event)
        return state

    def record_usage(
        self, catalog: Catalog, serving: ServingHome, sheet: str, began: datetime, cpu_seconds: float
    ) -> None:
        """Record what the use case's runs took, and have the instance remember it.

        Args:
            catalog: the tables.
            serving: the target, whose processes are looked at.
            sheet: name or file of the price sheet.
            began: when this command began with the use case, by the machine's clock.
            cpu_seconds: that this process has taken since then, its runs among them.
        """
        command = (began, cpu_seconds)
        recorded = recorded_usage(catalog, serving, self.instance, command)
        metadata = usage_metadata(catalog, recorded, PriceSheet.named(sheet))
        self.instance.report_runless_asset_event(usage_event(catalog, recorded, metadata))
        for evaluation in budget_evaluations(catalog, PriceSheet.named(sheet)):
            self.instance.report_runless_asset_event(evaluation)

    def checks(self, use_case: UseCase) -> list[CheckOutcome]:
        """The latest evaluation of every check of the use case, in the order in which data flows.

        Of a check of data it is the latest of a day that is red, where one is: a good day after it makes that day no better.
        """
        keys = [
            key
            for key in self.definitions.resolve_asset_graph().asset_check_keys
            if key.asset_key.path[0] == use_case.name
        ]
        latest = self.instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
        outcomes = []
        for key in sorted(keys, key=lambda key: (LAYERS.index(key.asset_key.path[1]), key.asset_key.path[2], key.name)):
            record = red_day(self.instance, key) or latest.get(key)
            if record is not None and record.evaluation is not None:
                evaluation = record.evaluation
                values = {name: value.value for name, value in evaluation.metadata.items()}
                warns = evaluation.severity is dg.AssetCheckSeverity.WARN
                asset = "/".join(key.asset_key.path[1:])
                outcomes.append(CheckOutcome(asset, key.name, evaluation.passed, values, warns))
        return outcomes


def open_instance() -> dg.DagsterInstance:
    """The instance that `DAGSTER_HOME` names."""
    return dg.DagsterInstance.get()


def with_progress(definitions: dg.Definitions, show: Callable[[str], None]) -> dg.Definitions:
    """Definitions whose jobs can report their progress line by line."""
    return dg.Definitions.merge(definitions, dg.Definitions(loggers={PROGRESS: progress_logger(show)}))
