"""What loading the definitions costs.

Belongs here: fresh processes, CPU seconds. Does not belong here: anything that is already loaded.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from statistics import median

from benchmarks.installation import ROOT
from benchmarks.report import Bar, Topic

HEAVY = (
    "feast", "mlflow", "sklearn", "xgboost", "torch", "evidently", "bentoml", "kubernetes", "pandera", "numba", "scipy", "matplotlib",
)  # fmt: skip
LOAD = "from platform_assets.definitions import defs; defs().resolve_asset_graph()"
BUDGET_CPU_SECONDS = 3.0


def cpu_seconds(code: str) -> tuple[float, str]:
    """CPU seconds of a fresh interpreter that runs `code`, and what it printed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout.strip()


def measure_startup() -> Topic:
    """Definitions next to importing dagster and polars alone, and next to importing all the libraries."""
    listing = f"{LOAD}; import sys; print(','.join(name for name in {HEAVY!r} if name in sys.modules) or 'none')"
    loads = [cpu_seconds(listing) for _ in range(3)]
    alone = median(cpu_seconds("import dagster, polars")[0] for _ in range(3))
    loaded, heavy = median(seconds for seconds, _ in loads), loads[0][1]
    everything = cpu_seconds("import " + ", ".join(HEAVY))[0]
    return Topic(
        "Loading the definitions",
        "CPU seconds of a fresh interpreter, median of three.",
        ["", "CPU seconds"],
        [
            ["import dagster and polars", f"{alone:.2f}"],
            ["load the definitions", f"{loaded:.2f}"],
            ["import every heavy library (once)", f"{everything:.2f}"],
        ],
        [
            Bar(
                f"definitions load in under {BUDGET_CPU_SECONDS:.0f} s of CPU",
                f"{loaded:.2f} s",
                loaded < BUDGET_CPU_SECONDS,
            ),
            Bar("loading imports no heavy library", heavy, heavy == "none"),
        ],
    )
