"""What starting costs: loading the definitions, and the service until it answers.

Belongs here: fresh processes, their seconds and memory. Does not
belong here: what happens in those processes (`imports.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import median

from benchmarks.common.deployed import DeployedUseCase
from benchmarks.common.processes import bare_fastapi, bentoml_serve, service
from benchmarks.common.report import Bar, Topic
from benchmarks.startup.imports import HEAVY
from platform_assets.testing.child_process import run_child

BUDGET_CPU_SECONDS = 3.0
DEFINITIONS = "load the definitions"


def measure_definitions(rounds: int, log: Callable[[str], None]) -> Topic:
    """Definitions next to importing dagster and polars alone, and next to importing all the libraries.

    Args:
        rounds: fresh processes of each.
        log: told of each median.
    """
    alternatives: dict[str, tuple[str, ...]] = {
        DEFINITIONS: (),
        "import dagster and polars, nothing else": ("dagster", "polars"),
        "import dagster, polars and every heavy library": ("dagster", "polars", *HEAVY),
    }
    costs: dict[str, tuple[float, float]] = {}
    heavy: set[str] = set()
    for name, modules in alternatives.items():
        result = [run_child("benchmarks.startup.imports", *modules) for _ in range(rounds)]
        costs[name] = (median(run["cpu_seconds"] for run in result), median(run["megabytes"] for run in result))
        if name == DEFINITIONS:
            heavy = {module for run in result for module in run["heavy"]}
        log(f"{name}: {costs[name][0]:.2f} CPU s, {costs[name][1]:.0f} MB")
    own = costs[DEFINITIONS]
    return Topic(
        "Loading the definitions",
        f"What every reload of the code server and every step of the multiprocess executor pays: CPU seconds of a fresh process from its "
        f"start, and its memory afterwards; medians of {rounds}. The last line is what law 7 (heavy imports inside functions) saves.",
        ["", "CPU seconds", "memory MB", "CPU seconds relative to loading"],
        [[name, f"{cpu:.2f}", f"{size:.0f}", f"{cpu / own[0]:.2f}"] for name, (cpu, size) in costs.items()],
        [
            Bar(
                f"definitions load in under {BUDGET_CPU_SECONDS:.0f} s of CPU",
                f"{own[0]:.2f} s",
                own[0] < BUDGET_CPU_SECONDS,
            ),
            Bar("loading imports no heavy library", ", ".join(sorted(heavy)) or "none of them", not heavy),
        ],
    )


def measure_service_start(installation: DeployedUseCase, rounds: int, log: Callable[[str], None]) -> Topic:
    """The service process next to BentoML's own command on the same Bento, and next to bare FastAPI.

    Args:
        installation: whose Bento is started, on copies of its stores.
        rounds: starts of each, alternating.
        log: told of every start.
    """
    servers = {
        "platform's service process": service,
        "`bentoml serve` of the same Bento": bentoml_serve,
        "bare FastAPI": bare_fastapi,
    }
    result: dict[str, list[tuple[float, float]]] = {name: [] for name in servers}
    for _ in range(rounds):
        for name, start in servers.items():
            with start(installation) as server:
                result[name].append((server.start_seconds, server.resident_megabytes))
            log(f"{name}: ready after {result[name][-1][0]:.1f} s, {result[name][-1][1]:.0f} MB")
    middle = {name: tuple(median(column) for column in zip(*runs, strict=True)) for name, runs in result.items()}
    own = next(iter(middle.values()))
    return Topic(
        "Starting the service",
        f"From starting the process until it answers that it can score (model verified against its self-test rows, features warmed up), "
        f"and the memory of all its processes then; medians of {rounds} starts, alternating.",
        ["", "seconds", "memory MB", "seconds relative to the platform's", "memory relative"],
        [
            [name, f"{seconds:.2f}", f"{size:.0f}", f"{seconds / own[0]:.2f}", f"{size / own[1]:.2f}"]
            for name, (seconds, size) in middle.items()
        ],
    )
