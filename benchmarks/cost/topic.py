"""Costs: what measuring a run takes, whether what was recorded is what the process took, and how near forecasts come.

Belongs here: rounds with and without measuring, a run in a process of its own, and forecasts of runs from those before. Does not belong
here: the arithmetic (`platform_assets/monitoring/cost/`).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import polars as pl

from benchmarks.common.report import Bar, Topic
from platform_assets.declaration.loader import declared_use_cases
from platform_assets.installation import Installation
from platform_assets.monitoring.cost.attribution import forecast
from platform_assets.monitoring.cost.price_sheet import PriceSheet
from platform_assets.monitoring.cost.usage import SERVICE, STORAGE, run_rows, usage_frame
from platform_assets.orchestration.measured_steps import read_run_usage
from platform_assets.pipelines.show_cost import read_usage
from platform_assets.testing.child_process import ROOT
from platform_assets.testing.daemon_world import DaemonWorld
from platform_assets.testing.servers import free_port

TITLE = "Costs: measuring them, and what they say"
USE_CASE = "card_fraud"
QUIET = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}
STEPS, WORK = 12, 6_000_000
"""Steps of a round, and turns of each one's loop: some tenths of a second."""
MOST_OVERHEAD, MOST_DIFFERENCE, MOST_ERROR, LEAST_SHARE = 1.01, 0.02, 0.25, 0.9
FEWEST_BEFORE = 2
"""Runs that a forecast stands on at least."""


def measure_cost(scale: Mapping[str, Any], rounds: int, days: int, log: Callable[[str], None]) -> Topic:
    """Measure all three.

    Args:
        scale: simulator settings of the world that is run, in place of the declared ones; a small one is enough.
        rounds: with and without measuring, alternating.
        days: that another world is lived through, for runs to forecast.
        log: told of each figure.
    """
    plain, measured = zip(*(_pair(index) for index in range(3 * rounds)), strict=True)
    ratio = median(one / other for one, other in zip(measured, plain, strict=True))
    log(f"{STEPS} steps: {median(plain):.3f} CPU s, measured {median(measured):.3f}, ratio {ratio:.4f}")
    with tempfile.TemporaryDirectory(prefix="platform-assets-cost-") as folder:
        environment = _environment(Path(folder), scale)
        took = _run(environment)
        usage = _usage(environment)
        recorded = float(usage.filter(~pl.col("kind").is_in([SERVICE, STORAGE, "proxy"]))["cpu_seconds"].sum())
    log(f"`platform-assets run` took {took:.1f} CPU s, {recorded:.1f} are recorded")
    parts = _parts(usage)
    log(f"{parts[0]} folds and trials took {parts[1]:.1f} of {parts[2]:.1f} CPU s of the steps that train")
    errors = _forecast_errors(_usage_of_days(days))
    log(f"{len(errors)} runs forecast")
    return _topic(plain, measured, (took, recorded), parts, errors, (rounds, days))


def _topic(
    plain: Sequence[float],
    measured: Sequence[float],
    run: tuple[float, float],
    parts: tuple[int, float, float],
    errors: Sequence[float],
    sizes: tuple[int, int],
) -> Topic:
    """The section of the report; see `measure_cost`."""
    (took, recorded), (rounds, days) = run, sizes
    ratio = median(one / other for one, other in zip(measured, plain, strict=True))
    difference = abs(took - recorded) / took
    near = sum(error <= MOST_ERROR for error in errors) / len(errors) if errors else 0.0
    return Topic(
        TITLE,
        f"{STEPS} steps that each loop {WORK:,} times, in Dagster's own executor and in the one that measures, medians of {3 * rounds} "
        f"alternating rounds. Then `platform-assets run {USE_CASE}` in a process of its own: the CPU that the operating system counts, "
        f"children included, beside what is recorded of its steps and of itself. Then each run of {days} days of a small batch use "
        f"case, forecast from the runs of the same job before it (at least {FEWEST_BEFORE}).",
        ["", "measured", "beside", "ratio"],
        [
            ["steps, CPU-seconds", f"{median(measured):.3f}", f"{median(plain):.3f} unmeasured", f"{ratio:.4f}"],
            [
                "recorded CPU-seconds of a run",
                f"{recorded:.1f}",
                f"{took:.1f} by the operating system",
                f"{recorded / took:.3f}",
            ],
            [
                "CPU-seconds of folds and trials",
                f"{parts[1]:.1f} in {parts[0]} parts",
                f"{parts[2]:.1f} of the steps that train",
                f"{parts[1] / parts[2]:.3f}" if parts[2] else "-",
            ],
            [
                "error of a forecast",
                f"{100 * median(errors):.0f} % in the middle" if errors else "-",
                f"{len(errors)} runs",
                "",
            ],
        ],
        [
            Bar(
                f"measuring costs at most {100 * (MOST_OVERHEAD - 1):.0f} %",
                f"{100 * (ratio - 1):.2f} %",
                ratio <= MOST_OVERHEAD,
            ),
            Bar(
                f"recorded is what the process took, within {100 * MOST_DIFFERENCE:.0f} %",
                f"{100 * difference:.2f} %",
                difference <= MOST_DIFFERENCE,
            ),
            Bar(
                f"{100 * LEAST_SHARE:.0f} % of the forecasts within {100 * MOST_ERROR:.0f} %",
                f"{100 * near:.0f} %",
                near >= LEAST_SHARE,
            ),
        ],
    )


def _pair(index: int) -> tuple[float, float]:
    """CPU-seconds of a job without and with measuring; the order changes with each pair."""
    taken = {name: _steps(name) for name in (("plain", "measured") if index % 2 else ("measured", "plain"))}
    return taken["plain"], taken["measured"]


def _steps(name: str) -> float:
    import dagster as dg

    from platform_assets.orchestration.measured_steps import measured_in_process_executor

    def step(number: int) -> dg.AssetsDefinition:
        @dg.asset(key=[USE_CASE, "clean", f"table_{number}"])
        def work() -> None:
            count = 0
            for value in range(WORK):
                count += value & 3

        return work

    assets = [step(number) for number in range(STEPS)]
    executor = measured_in_process_executor if name == "measured" else dg.in_process_executor
    job = dg.define_asset_job(f"{USE_CASE}__load", selection=assets, executor_def=executor)
    resolved = dg.Definitions(assets=assets, jobs=[job]).resolve_job_def(f"{USE_CASE}__load")
    with dg.DagsterInstance.ephemeral() as instance:
        from dagster._core.definitions.job_base import InMemoryJob
        from dagster._core.execution.api import execute_run

        run = instance.create_run_for_job(resolved, run_config=QUIET)
        started = time.process_time()
        execute_run(InMemoryJob(resolved), run, instance, raise_on_error=True)
        return time.process_time() - started


def _environment(home: Path, scale: Mapping[str, Any]) -> dict[str, str]:
    world = {"customers": 1000, "terminals": 2000, **scale}
    return {
        **os.environ,
        "PLATFORM_ASSETS_HOME": str(home),
        "PLATFORM_ASSETS_DAGSTER": str(home / "dagster"),
        "PLATFORM_ASSETS_PORT": str(free_port()),
        "PLATFORM_ASSETS_SIMULATION": json.dumps(world),
        "PLATFORM_ASSETS_REPLAYED_REQUESTS": "500",
        "DAGSTER_HOME": str(ROOT),
    }


def _run(environment: Mapping[str, str]) -> float:
    """CPU-seconds of `platform-assets run`, as the operating system counts them; what it started is stopped.

    Raises:
        RuntimeError: it failed.
    """
    command = [sys.executable, "-m", "platform_assets.cli"]
    try:
        with tempfile.TemporaryFile() as printed:
            running = subprocess.Popen(
                [*command, "run", USE_CASE], env=environment, cwd=ROOT, stdout=printed, stderr=subprocess.STDOUT
            )
            try:
                _, status, used = os.wait4(running.pid, 0)
            except BaseException:  # whoever ends the benchmark ends what it started
                running.kill()
                running.wait()
                raise
            running.returncode = os.waitstatus_to_exitcode(status)
            if running.returncode:
                printed.seek(0)
                said = printed.read()[-600:].decode(errors="replace")
                raise RuntimeError(f"`platform-assets run` ended with {running.returncode}: {said}")
    finally:
        subprocess.run([*command, "stop"], env=environment, cwd=ROOT, capture_output=True, check=False)
    return used.ru_utime + used.ru_stime


def _usage(environment: Mapping[str, str]) -> pl.DataFrame:
    installation = Installation.from_environment(environment)
    catalog = installation.catalog(declared_use_cases(USE_CASE)[0].use_case)
    return read_usage(catalog, datetime.now(UTC) - timedelta(days=1))


def _parts(usage: pl.DataFrame) -> tuple[int, float, float]:
    """Parts of trainings that were kept apart, what they took, and what the steps that train took with them."""
    apart = usage.filter(pl.col("part").is_not_null())
    steps = usage.join(apart.select("run_id", "name").unique(), on=["run_id", "name"], how="semi")
    return apart.height, float(apart["cpu_seconds"].sum()), float(steps["cpu_seconds"].sum())


def _usage_of_days(days: int) -> pl.DataFrame:
    """What the runs of a batch use case took, day after day."""
    with tempfile.TemporaryDirectory(prefix="platform-assets-cost-days-") as folder:
        world, began = DaemonWorld(Path(folder)), datetime.now(UTC) - timedelta(minutes=1)
        first = world.begin()
        for offset in range(days):
            world.deliver(first + timedelta(days=offset))
            world.live_a_day_undisturbed(first + timedelta(days=offset + 1))
        runs = read_run_usage(world.jobs.instance, began)
        world.close()
    return usage_frame(row for run in runs for row in run_rows(run))


def _forecast_errors(usage: pl.DataFrame) -> list[float]:
    """Relative errors of what each run would have been forecast to take."""
    sheet, errors = PriceSheet.named("own"), list[float]()
    from platform_assets.monitoring.cost.attribution import days_in

    runs = usage.filter(pl.col("run_id").is_not_null(), pl.col("job") != "command")
    for (job,), of_job in runs.group_by("job"):
        ended = (
            of_job.group_by("run_id")
            .agg(pl.col("at").max(), pl.col("cpu_seconds").sum(), pl.col("days").first())
            .sort("at")
        )
        for row in ended.iter_rows(named=True):
            before = of_job.filter(pl.col("at") < row["at"])
            if before["run_id"].n_unique() >= FEWEST_BEFORE and row["cpu_seconds"]:
                said = forecast(before, sheet, str(job), days_in(row["days"]))
                if said is not None:
                    errors.append(abs(said.cpu_seconds - row["cpu_seconds"]) / row["cpu_seconds"])
    return errors
