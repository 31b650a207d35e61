"""What it costs to import modules, or to load the definitions: run in a fresh process.

Belongs here: next to nothing, because whatever this module imports counts as well. Does not belong here: comparing.

    python -m benchmarks.startup.imports [MODULE ...]

imports the modules, or loads the definitions when none is named, and prints JSON.
"""

from __future__ import annotations

import sys

HEAVY = (
    *("feast", "mlflow", "sklearn", "xgboost", "torch", "evidently", "bentoml", "kubernetes", "pandera", "numba"),
    *("scipy", "matplotlib", "pandas", "dagster_mlflow"),
)
"""Libraries that nothing may import before it needs them."""


def main(modules: list[str]) -> int:
    """Import, then print CPU seconds since the process began, memory in MB (10^6 bytes) and the heavy libraries loaded."""
    if modules:
        for module in modules:
            __import__(module)
    else:
        from platform_assets.definitions import defs

        defs().resolve_asset_graph()
    heavy = [module for module in HEAVY if module in sys.modules]
    import json
    import resource

    spent = resource.getrusage(resource.RUSAGE_SELF)

    import psutil

    result = {
        "cpu_seconds": spent.ru_utime + spent.ru_stime,
        "megabytes": psutil.Process().memory_info().rss / 1e6,
        "heavy": heavy,
    }
    sys.stdout.write(json.dumps(result) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
