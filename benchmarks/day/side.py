"""Days of a lake, one after the other, in one process: CPU seconds of their parts.

Belongs here: what both commits can do with the same tables. Does not belong here: making the tables, comparing (`topic.py`).

    python -m benchmarks.day.side LAKE FOLDER FIRST_DAY DAYS

prints JSON: for each part the CPU seconds of each day but the first, which fills the store. Takes no name that only one commit has.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

from benchmarks.common.world import scored_use_case
from platform_assets.declaration.days import DayRange
from platform_assets.features.online.feast_connection import FeastSettings
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake
from platform_assets.pipelines.compute_features import compute_features
from platform_assets.pipelines.refresh_online_store import refresh_online_store


def measured_days(lake: str, folder: Path, first: date, count: int) -> dict[str, list[float]]:
    """CPU seconds of features and of the store for each day after the first."""
    import feast  # noqa: F401 - seconds of imports that are no part of a day

    use_case = scored_use_case().use_case
    catalog = Catalog(use_case, Lake(lake))
    folder.mkdir(parents=True)
    store = {"type": "sqlite", "path": str(folder / "online.db")}
    registry = f"sqlite:///{folder / 'registry.db'}"
    settings = FeastSettings(project=use_case.name, registry=registry, online_store=store, home=str(folder))
    parts: dict[str, list[float]] = {"features": [], "store": []}
    for number in range(count + 1):
        day = first + timedelta(days=number)
        features = 0.0
        for view in use_case.features:
            features += _cpu(lambda view=view, day=day: compute_features(catalog, view, DayRange(day, day)))  # type: ignore[misc]
        filled = _cpu(lambda day=day: refresh_online_store(catalog, settings, day, lambda line: None))  # type: ignore[misc]
        if number:
            parts["features"].append(features)
            parts["store"].append(filled)
    return parts


def _cpu(call: Callable[[], object]) -> float:
    before = time.process_time()
    call()
    return time.process_time() - before


if __name__ == "__main__":
    json.dump(
        measured_days(sys.argv[1], Path(sys.argv[2]), date.fromisoformat(sys.argv[3]), int(sys.argv[4])), sys.stdout
    )
