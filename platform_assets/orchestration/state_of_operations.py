"""The part of a use case's state that Dagster knows.

Belongs here: facts, what was materialized and reasons of failures, read together. Does not belong here: what is made of them
(`pipelines/use_case_state/operations.py`).
"""

from datetime import datetime

import dagster as dg

from platform_assets.declaration import UseCase
from platform_assets.declaration.clock import Clock
from platform_assets.monitoring.use_case_page.state_of_operations import StateOfOperations
from platform_assets.orchestration.due_runs import read_remembered
from platform_assets.orchestration.operations_facts import Defined, failure_reason, read_facts
from platform_assets.pipelines.due_now.candidates import tables_to_read
from platform_assets.pipelines.due_now.decide import due_now
from platform_assets.pipelines.use_case_state.operations import operations_of


def read_state_of_operations(
    use_case: UseCase, definitions: Defined, instance: dg.DagsterInstance, clock: Clock, machine_now: datetime
) -> StateOfOperations:
    """Ask an instance for everything that the page shows of it.

    Args:
        use_case: the declaration.
        definitions: what there should be.
        instance: that remembers what there was.
        clock: what time it is for the use case.
        machine_now: the machine's time, by which Dagster counts.
    """
    now = clock.now()
    remembered = read_remembered(use_case, instance, tables_to_read(use_case))
    return operations_of(
        use_case,
        read_facts(definitions, instance, machine_now, use_case.name),
        due_now(use_case, remembered, now),
        now,
        machine_now,
        simulated=clock.is_simulated,
        reason_of=lambda run_id: failure_reason(instance, run_id),
    )
