"""The operations of all use cases of an installation: what there should be, beside what Dagster remembers.

Belongs here: opening the two, in a process of its own or for a command typed by hand. Does not belong here: asking
(`operations_facts.py`), or code that runs inside of a code location, which has its definitions already.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

import dagster as dg

from platform_assets.declaration import UseCase
from platform_assets.declaration.clock import Clock
from platform_assets.installation import Installation
from platform_assets.monitoring.operations import DaemonFact, OperationsFacts
from platform_assets.monitoring.use_case_page.state_of_operations import StateOfOperations
from platform_assets.orchestration.assembly import installed_definitions
from platform_assets.orchestration.dagster_folder import (
    environment_kept,
    use_dagster_of_environment,
    use_dagster_of_this_folder,
)
from platform_assets.orchestration.due_runs import read_materialized
from platform_assets.orchestration.operations_facts import read_daemons, read_facts
from platform_assets.orchestration.state_of_operations import read_state_of_operations
from platform_assets.pipelines.due import Materialized
from platform_assets.pipelines.due_now.candidates import tables_to_read


@dataclass(frozen=True)
class Operations:
    """What there should be, by the definitions, and the instance that remembers what there was."""

    definitions: dg.Definitions
    instance: dg.DagsterInstance

    @classmethod
    def of(cls, installation: Installation, show: Callable[[str], None]) -> Self:
        """All use cases of an installation, with this machine's instance; `show` takes a line for each that cannot be loaded."""
        return cls(installed_definitions(installation, show), dg.DagsterInstance.get())

    @classmethod
    def by_hand(cls, installation: Installation, show: Callable[[str], None]) -> Self:
        """The same for a command that somebody typed: it finds the runs that `make` made, and leaves the environment as it was."""
        settings = installation.settings
        with environment_kept():
            use_dagster_of_this_folder(settings.home)
            use_dagster_of_environment(settings.home, settings.own_home)
            return cls.of(installation, show)

    def materialized(self, use_case: UseCase) -> Materialized:
        """What was materialized of the tables that `due` looks at."""
        return read_materialized(use_case, self.instance, tables_to_read(use_case))

    def daemons(self) -> list[DaemonFact]:
        """What is known of each part of the daemon."""
        return read_daemons(self.instance)

    def facts(self, now: datetime, use_case: str | None = None) -> OperationsFacts:
        """All of it, or of one use case, as of a moment of the machine's clock."""
        return read_facts(self.definitions, self.instance, now, use_case)

    def of_use_case(self, use_case: UseCase, clock: Clock) -> StateOfOperations:
        """The part of a use case's state that Dagster knows; the clock is the use case's."""
        return read_state_of_operations(use_case, self.definitions, self.instance, clock, datetime.now(UTC))
