"""Each step of a run is measured, also one that fails, and what was measured can be read again."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from platform_assets.declaration.sections.compute import Compute
from platform_assets.monitoring.cost.usage import PartUsage, Quantities, run_rows
from platform_assets.orchestration.kubernetes.sizes import COMPUTE_TAG
from platform_assets.orchestration.local_runs.launcher import CPU_SECONDS_TAG
from platform_assets.orchestration.measured_steps import (
    PARTS_ENTRY,
    declared_gpus,
    measured_in_process_executor,
    read_run_usage,
    with_declared_gpus,
)
from platform_assets.orchestration.run_origin import execute_with_origin

JOB = "parking__load"


def burn(seconds: float) -> None:
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass


@dg.asset(key=["parking", "raw", "stays"])
def raw() -> None:
    burn(0.05)


@dg.asset(key=["parking", "clean", "stays"], deps=[raw])
def clean() -> None:
    burn(0.15)
    raise ValueError("a day that cannot be cleaned")


def job() -> Any:
    selected = dg.define_asset_job(JOB, selection=[raw, clean], executor_def=measured_in_process_executor)
    return dg.Definitions(assets=[raw, clean], jobs=[selected]).resolve_job_def(JOB)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as one:
        yield one


def test_steps_are_measured_one_by_one(instance: dg.DagsterInstance) -> None:
    began = datetime.now(UTC) - timedelta(minutes=1)
    run = instance.create_run_for_job(job(), tags={CPU_SECONDS_TAG: "1.5", "dagster/partition": "2026-11-30"})
    from dagster._core.definitions.job_base import InMemoryJob
    from dagster._core.execution.api import execute_run

    result = execute_run(InMemoryJob(job()), run, instance)
    assert not result.success
    (usage,) = read_run_usage(instance, began, "parking")
    assert (usage.use_case, usage.job, usage.days, usage.cpu_seconds) == ("parking", "load", "2026-11-30", 1.5)
    assert set(usage.steps) == {"raw/stays", "clean/stays"}
    assert usage.steps["raw/stays"].cpu_seconds >= 0.05
    assert usage.steps["clean/stays"].cpu_seconds >= 0.15
    assert usage.steps["clean/stays"].gigabyte_seconds > 0
    taken = sum(step.cpu_seconds for step in usage.steps.values())
    assert usage.overhead_cpu_seconds == pytest.approx(1.5 - taken)


def test_parts_of_a_training_are_read_with_its_run(instance: dg.DagsterInstance) -> None:
    began = datetime.now(UTC) - timedelta(minutes=1)
    fold = {"part": "boosted/fold 0", "seconds": 0.05, "cpu_seconds": 0.05}

    @dg.asset(key=["parking", "model", "late"])
    def model() -> dg.MaterializeResult:
        burn(0.05)
        return dg.MaterializeResult(metadata={PARTS_ENTRY: dg.MetadataValue.json([fold])})

    job_of_one = dg.define_asset_job("parking__train", selection=[model])
    definitions = dg.Definitions(assets=[model], jobs=[job_of_one])
    assert execute_with_origin(definitions, instance, "parking__train", dg.RunRequest(), {}).success
    (usage,) = read_run_usage(instance, began)
    assert usage.parts == {"model/late": [PartUsage(**fold)]}
    rows = run_rows(usage)
    assert [row["part"] for row in rows if row["name"] == "model/late"] == ["boosted/fold 0", None]


@pytest.mark.parametrize(("seen", "expected"), [(0, 0.0), (1, 4.0), (8, 8.0)])
def test_gpus_that_a_step_declares_are_kept_for_it_where_they_are_seen(seen: int, expected: float) -> None:
    gpus = SimpleNamespace(count=seen, held=lambda pids: 0)
    assert with_declared_gpus(Quantities(4.0, 1.0), 2, gpus).gpu_seconds == expected
    assert with_declared_gpus(Quantities(4.0, 1.0), 0, gpus).gpu_seconds == 0.0
    tags = {COMPUTE_TAG: Compute(gpus=2).model_dump_json()}
    plan: Any = SimpleNamespace(step_dict_by_key={"model": SimpleNamespace(tags=tags)})
    assert (declared_gpus(plan, "model"), declared_gpus(plan, "another")) == (2, 0)


def test_a_run_of_which_nothing_is_known_is_left_out(instance: dg.DagsterInstance) -> None:
    began = datetime.now(UTC) - timedelta(minutes=1)
    run = instance.create_run_for_job(job())
    instance.report_run_failed(run)
    assert read_run_usage(instance, began) == []


def test_another_use_case_is_not_read(instance: dg.DagsterInstance) -> None:
    began = datetime.now(UTC) - timedelta(minutes=1)
    run = instance.create_run_for_job(job(), tags={CPU_SECONDS_TAG: "2.0"})
    instance.report_run_failed(run)
    assert read_run_usage(instance, began, "another") == []
    (usage,) = read_run_usage(instance, began)
    assert usage.overhead_cpu_seconds == 2.0


def test_runs_of_a_command_in_its_own_process_are_measured_too(instance: dg.DagsterInstance) -> None:
    began = datetime.now(UTC) - timedelta(minutes=1)
    job_of_one = dg.define_asset_job(JOB, selection=[raw])
    definitions = dg.Definitions(assets=[raw], jobs=[job_of_one])
    assert execute_with_origin(definitions, instance, JOB, dg.RunRequest(), {}).success
    (usage,) = read_run_usage(instance, began)
    assert usage.steps["raw/stays"].cpu_seconds >= 0.05
