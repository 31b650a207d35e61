"""What a home holds after a run, to be compared with another: tables by their rows, models by their bytes, the champion and its release.

Belongs here: reading a home. Does not belong here: making one. Columns that say when, or in which run, something was done are left out, by
name: they differ between two runs of one orchestrator too.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import polars as pl

from platform_assets.declaration.loader import declared_use_cases
from platform_assets.installation import Installation
from platform_assets.registry.base import CHAMPION
from platform_assets.registry.training_run import registered_run

OF_THE_RUN = {"entry", "at", "evidence", "run_id", "chain", "scored_at", "latency_ms"}
"""Columns of moments and runs."""


def table_digest(frame: pl.DataFrame) -> str:
    """The rows, whatever their order, to the bit."""
    kept = frame.select(sorted(set(frame.columns) - OF_THE_RUN))
    lines = sorted(repr(row) for row in kept.iter_rows())
    return hashlib.sha256("\n".join([str(kept.schema), *lines]).encode()).hexdigest()


def file_digests(
    folder: Path, wanted: tuple[str, ...] = ("*.ubj", "*.json", "*.npz", "*.pt", "*.onnx")
) -> dict[str, str]:
    """Digest of each file of a model."""
    found = sorted(path for pattern in wanted for path in folder.rglob(pattern))
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def what_was_made(installation: Installation, name: str) -> dict[str, Any]:
    """Everything of a use case that another run of the same days has to make again."""
    [declared] = declared_use_cases(name)
    use_case = declared.use_case
    catalog = installation.catalog(use_case)
    tables = {}
    for table in catalog.stored_names():
        if table.startswith("maintenance/") or table.endswith(("/usage", "/anchors")):
            continue
        stored = catalog.stored(table)
        tables[table] = {"rows": table_digest(stored.read()), "version": stored.version()}
    registry = installation.models.registry()
    champion = registry.by_alias(use_case.name, CHAMPION)
    assert champion is not None
    return {
        "tables": tables,
        "champion": {
            "version": champion.version,
            **{
                key: champion.tags.get(key)
                for key in ("as_of", "learner", "model_digest", "data_versions", "release_digest")
            },
        },
        "model": file_digests(registered_run(registry, champion).predictor_folder),
    }
