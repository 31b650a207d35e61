"""A code location whose assets behave as a test wants: they work, wait, or take memory.

Belongs here: what runs in pods of the test cluster. Does not belong here: the tests.
"""

import os
import time
from pathlib import Path
from typing import Any

import dagster as dg

from platform_assets.orchestration.kubernetes.sizes import step_tags
from platform_assets.testing.declare import declare

SIZES: dict[str, Any] = {
    "default": {"cpus": 0.5, "memory_gigabytes": 2, "priority": "low"},
    "raw/greedy": {"cpus": 0.5, "memory_gigabytes": 0.5, "priority": "low"},
    "raw/huge": {"cpus": 0.5, "memory_gigabytes": 500},
    "raw/crowd": {"cpus": 64, "memory_gigabytes": 1},
}
USE_CASE = declare(
    events={"event_id": "int64", "at": "datetime", "amount": "float64"}, label="is_late", name="podded", compute=SIZES
)
GREED_BYTES = 450_000_000


def _asset(name: str, **options: Any) -> Any:
    return dg.asset(key=["podded", "raw", name], op_tags=step_tags(USE_CASE, "raw", name), **options)


@_asset("work")
def work() -> None:
    """Nothing."""


@_asset("wait")
def wait(context: dg.AssetExecutionContext) -> None:
    """Until the file that the run's tag names is there; for as long as the pod lives."""
    awaited = Path(context.run.tags["wait-for"])
    while not awaited.exists():
        time.sleep(0.1)


@_asset("greedy", deps=[work])
def greedy(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """Takes more memory than it declared, and holds it for a while; a second try has room."""
    held = bytearray(os.urandom(1)) * GREED_BYTES
    time.sleep(3)
    return dg.MaterializeResult(metadata={"bytes": len(held)})


@_asset("huge")
def huge() -> None:
    """Asks for more memory than the quota of the namespace."""


@_asset("crowd")
def crowd() -> None:
    """Asks for more cores than any node has."""


ASSETS = [work, wait, greedy, huge, crowd]
defs = dg.Definitions(assets=ASSETS, executor=dg.in_process_executor)
