"""Runs in this process that Dagster's UI shows as it shows its own.

`JobDefinition.execute_in_process` makes a run without an origin, and the UI's first page, the pages of jobs and the timeline leave out
runs whose code location they do not know; it has no argument for one. So the run is made through `DagsterInstance.create_run_for_job`,
with the origin that `workspace.yaml` gives the job, and executed with what `execute_in_process` stands on, none of which is public.
Belongs here: this workaround, until `execute_in_process` gives its runs an origin. Does not belong here: any other private name of Dagster.
"""

import os
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import dagster as dg
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run
from dagster._core.remote_origin import RemoteRepositoryOrigin
from dagster._core.workspace.load import location_origin_from_module_name

from platform_assets.orchestration.local_runs.worker import Worker
from platform_assets.orchestration.measured_steps import measured_in_process_executor

LOCATION, MODULE = "platform_assets", "platform_assets.definitions"
"""The code location's name and module, as in `workspace.yaml` and in pyproject.toml's `tool.dg`."""


def execute_with_origin(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    job_name: str,
    request: dg.RunRequest,
    run_config: Mapping[str, Any],
) -> dg.JobExecutionResult:
    """Run a job in this process, as `execute_in_process` does, with an origin.

    Args:
        definitions: have the job.
        instance: remembers the run.
        job_name: the job.
        request: the run's partition and tags, and the assets of the job where it is about some of them only.
        run_config: of the run.

    Returns:
        The result; a step that fails does not raise.
    """
    whole = definitions.resolve_job_def(job_name).as_ephemeral_job(resource_defs={}, input_values={})
    part = frozenset(request.asset_selection or ())
    chosen = whole.get_subset(asset_selection=part) if part else whole
    job = chosen.with_executor_def(measured_in_process_executor)  # an ephemeral job has one of its own
    tags = dict(request.tags)
    if request.partition_key is not None:
        tags |= job.get_tags_for_partition_key(request.partition_key, selected_asset_keys=None)
    location = location_origin_from_module_name(MODULE, None, working_directory=None, location_name=LOCATION)
    repository = RemoteRepositoryOrigin(location, definitions.get_repository_def().name)
    run_id = str(uuid4())
    run = instance.create_run_for_job(
        job,
        run_id=run_id,
        run_config=run_config,
        tags={**job.run_tags, **tags, **Worker.of(run_id, os.getpid()).tags},
        remote_job_origin=repository.get_job_origin(job_name),
    )
    return execute_run(InMemoryJob(job), run, instance)
