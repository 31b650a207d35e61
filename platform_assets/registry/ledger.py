"""The deployment ledger: an append-only Delta table of every move of a champion and every release.

MLflow keeps no history of aliases (mlflow#2169), so what served when is remembered here. Belongs here: entries and
questions about the past. Does not belong here: making the moves (`promotion.py`, `deployment/`).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import polars as pl

from platform_assets.lake.table import LakeTable

Action = Literal["promoted", "refused", "rolled_back", "deployed", "deployment_failed"]
MOVES: tuple[Action, ...] = ("promoted", "rolled_back")
"""Actions that make another version the champion."""

LEDGER_SCHEMA: dict[str, pl.DataType] = {
    "entry": pl.String(),
    "at": pl.Datetime("us", "UTC"),
    "use_case": pl.String(),
    "action": pl.String(),
    "model_version": pl.String(),
    "previous_version": pl.String(),
    "release": pl.String(),
    "evidence": pl.String(),
    "run_id": pl.String(),
}
"""`entry` is the idempotency key, `release` the digest of the service, `evidence` JSON, `run_id` the Dagster run."""


@dataclass(frozen=True)
class Entry:
    """One move, as it is written to the ledger."""

    entry: str
    at: datetime
    use_case: str
    action: Action
    model_version: str
    previous_version: str | None
    release: str | None
    evidence: Mapping[str, Any]
    run_id: str


@dataclass(frozen=True)
class Ledger:
    """The ledger in one lake table."""

    table: LakeTable

    def record(self, entry: Entry) -> bool:
        """Append an entry; the same entry a second time is not written again.

        Returns:
            Whether the entry was written now.
        """
        row = {**entry.__dict__, "evidence": json.dumps(entry.evidence, sort_keys=True, default=str)}
        commit = self.table.append(pl.DataFrame([row], schema=LEDGER_SCHEMA), idempotency_key=entry.entry)
        return not commit.already_committed

    def entries(self, use_case: str) -> pl.DataFrame:
        """All entries of a use case, oldest first."""
        if not self.table.exists():
            return pl.DataFrame(schema=LEDGER_SCHEMA)
        return self.table.scan().filter(pl.col("use_case") == use_case).sort("at", "entry").collect()

    def moves(self, use_case: str) -> pl.DataFrame:
        """The entries that made another version the champion, oldest first."""
        return self.entries(use_case).filter(pl.col("action").is_in(MOVES))

    def serving_at(self, use_case: str, at: datetime) -> str | None:
        """Model version that served at that time, or None when nothing did."""
        deployed = self.entries(use_case).filter((pl.col("action") == "deployed") & (pl.col("at") <= at))
        return None if deployed.is_empty() else str(deployed["model_version"][-1])
