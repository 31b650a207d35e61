"""A small world of the use cases of a checkout: from the sources to a judged model, in a home that is thrown away.

Belongs here: running it, and what came of it as plain values: rows, metrics, checks, and what it cost. Does not belong here: comparing two
of them (`pipelines/change/samples.py`).

It is run as a file, `python -P sample_run.py OUTPUT USE_CASE...`, on checkouts that need not have it, like `described_definitions.py`.
Nothing is promoted, packaged or deployed.
"""

import json
import resource
import sys
import traceback
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from time import process_time
from typing import Any

import dagster as dg

from platform_assets.declaration import UseCase
from platform_assets.declaration.days import DayRange
from platform_assets.declaration.loader import declared_use_cases
from platform_assets.declaration.names import EVALUATION, TRAINING_SET
from platform_assets.installation import Installation
from platform_assets.lake.layout import MODEL, TRAINING
from platform_assets.orchestration.due_runs import run_request
from platform_assets.orchestration.in_process import InProcess
from platform_assets.orchestration.metadata import asset_key
from platform_assets.orchestration.run_origin import execute_with_origin
from platform_assets.pipelines.due import DueJob, due, polled
from platform_assets.pipelines.jobs import LABELS, LOAD, TRAIN
from platform_assets.pipelines.timeline import Timeline, plan, plan_live

SAID_LINES = 6


def sampled(name: str) -> dict[str, Any]:
    """What came of the small world of a use case.

    Args:
        name: of the use case.
    """
    installation = Installation.from_environment()
    installation.settings.prepare()
    jobs = InProcess.of(installation, lambda line: None)
    use_case = declared_use_cases(name)[0].use_case
    days = _days(use_case)
    wanted = {LABELS: days.labels, LOAD: days.history, TRAIN: DayRange(days.as_of, days.as_of)}
    steps: dict[str, float] = {}
    failed: list[str] = []
    for due_job in _in_order(use_case, jobs, days.as_of, wanted):
        began = process_time()
        failed += _executed(use_case, jobs, due_job)
        steps[due_job.job] = round(steps.get(due_job.job, 0.0) + process_time() - began, 2)
        if failed:
            break
    catalog = installation.catalog(use_case)
    return {
        "days": [str(days.history.first), str(days.history.last)],
        "as_of": str(days.as_of),
        "rows": {table: catalog.stored(table).row_count() for table in sorted(catalog.stored_names())},
        "metrics": dict(_metrics(use_case, jobs)),
        "checks": {f"{check.asset} {check.name}": check.passed for check in jobs.checks(use_case)},
        "evidence": {
            f"{check.asset} {check.name}": str(check.metadata.get("explanation", ""))
            for check in jobs.checks(use_case)
            if not check.passed
        },
        "failed": failed,
        "cpu_seconds": steps,
        "memory_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def _days(use_case: UseCase) -> Timeline:
    """The first days after which a model can be judged; those of the declared history where it holds no more."""
    try:
        return plan_live(use_case, 1)
    except ValueError:
        return plan(use_case)


def _in_order(use_case: UseCase, jobs: InProcess, as_of: date, wanted: dict[str, DayRange]) -> Iterator[DueJob]:
    yield from polled(use_case)
    yield from due(use_case, jobs.materialized(use_case), as_of, wanted)


def _executed(use_case: UseCase, jobs: InProcess, due_job: DueJob) -> list[str]:
    """Run a job, training only as far as the evaluation; what failed, check results apart."""
    request = run_request(use_case, due_job)
    if due_job.job == TRAIN:
        tables = [(TRAINING, TRAINING_SET), (MODEL, use_case.model_name), (MODEL, EVALUATION)]
        selection = [asset_key(use_case, *table) for table in tables]
        request = request.with_replaced_attrs(asset_selection=selection)
    assert request.job_name is not None, "a run of a job names it"
    result = execute_with_origin(jobs.definitions, jobs.instance, request.job_name, request, {})
    said = []
    for event in result.all_events:
        if event.event_type_value == "STEP_FAILURE":
            error = event.step_failure_data.error
            text = "" if error is None else (error.cause or error).message.strip()
            if "AssetCheckFailed" not in text:
                said.append(f"{event.step_key}: {' '.join(text.splitlines()[:SAID_LINES])}")
    return said


def _metrics(use_case: UseCase, jobs: InProcess) -> Iterator[tuple[str, Any]]:
    model = jobs.latest_metadata(use_case, MODEL, use_case.model_name) or {}
    evaluated = jobs.latest_metadata(use_case, MODEL, EVALUATION) or {}
    if "winner" in model:
        yield "winner", model["winner"]
    for metric in use_case.training.metrics:
        value = model.get(metric, evaluated.get(f"same_rows_{metric}"))
        if isinstance(value, int | float):
            yield metric, round(float(value), 5)


def main(output: str, *names: str) -> None:
    """Run the small world of each use case, and write what came of them into a file."""
    found: dict[str, Any] = {}
    for name in names:
        try:
            found[name] = sampled(name)
        except Exception as error:  # noqa: BLE001 - a side that cannot be run is told, whatever it fails with
            last = traceback.format_exception_only(error)[-1].strip()
            found[name] = {"failed": [last], "rows": {}, "metrics": {}, "checks": {}, "evidence": {}, "cpu_seconds": {}}
    Path(output).write_text(json.dumps(found, sort_keys=True), encoding="utf-8")


if __name__ == "__main__":
    dg.get_dagster_logger().setLevel("ERROR")
    main(*sys.argv[1:])
