"""The deployment ledger: an append-only Delta table of every move of a champion and every release.

MLflow keeps no history of aliases (mlflow#2169), so what served when is remembered here. The ledger holds facts only: an
entry is written once the move has happened. Before it happens, an intent is written to a table of its own, so that a
process that ends in between leaves behind what is needed to tell, later, whether the move happened
(`champion_moves.py`). Every entry carries a link to those before it (`ledger_chain.py`). Belongs here: entries, intents, and questions
about the past. Does not belong here: making the moves.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import polars as pl

from platform_assets.lake.evolution import Evolution
from platform_assets.lake.folders import StoredFolder
from platform_assets.lake.schemas import LEDGER_SCHEMA
from platform_assets.lake.table import LakeTable
from platform_assets.registry.base import PRODUCTION, Environment
from platform_assets.registry.ledger_chain import CHAIN_COLUMN, next_link

Action = Literal[
    "promoted",
    "refused",
    "rolled_back",
    "deployed",
    "deployment_failed",
    "experiment_started",
    "rollout_started",
    "rollout_advanced",
    "rollout_raised",
    "rollout_held",
    "rollout_aborted",
    "rollout_promoted",
    "rollout_finished",
    "rollback_begun",
    "held",
    "hold_lifted",
]
MOVES: tuple[Action, ...] = ("promoted", "rolled_back")
"""Actions that make another version the champion."""


@dataclass(frozen=True)
class Entry:
    """One move, as it is written to the ledger. Without an environment it is the ledger's own."""

    entry: str
    at: datetime
    use_case: str
    action: Action
    model_version: str
    previous_version: str | None
    release: str | None
    evidence: Mapping[str, Any]
    run_id: str
    environment: Environment | None = None


def ledger_table(
    uri: str,
    storage_options: dict[str, str] | None = None,
    known: str | None = None,
    copied_to: StoredFolder | None = None,
) -> LakeTable:
    """The table of a ledger; one that was written before a column was added gets the column with its next entry."""
    evolution = Evolution(automatic=True)
    return LakeTable(uri, LEDGER_SCHEMA, None, storage_options, evolution=evolution, known=known, copied_to=copied_to)


@dataclass(frozen=True)
class Ledger:
    """The ledger in one lake table, as one environment sees it.

    Attributes:
        table: its entries.
        environment: whose entries are meant.
        keeps_holds: whether nothing is promoted after a rollback until a person lifts it, see `holds.py`; so where releases stand in a
            GitOps repository.
    """

    table: LakeTable
    environment: Environment = PRODUCTION
    keeps_holds: bool = False

    def of(self, environment: Environment) -> "Ledger":
        """The same ledger with another environment's entries."""
        return replace(self, environment=environment)

    def record(self, entry: Entry) -> bool:
        """Append an entry; the same entry a second time is not written again.

        Returns:
            Whether the entry was written now.
        """
        row = self._row(entry)
        return _append(self.table, {**row, CHAIN_COLUMN: next_link(self.table, row)}, entry.entry)

    def entries(self, use_case: str) -> pl.DataFrame:
        """All entries of a use case in this environment, oldest first."""
        return self._read(self.table, use_case)

    def moves(self, use_case: str) -> pl.DataFrame:
        """The entries that made another version the champion, oldest first."""
        return self.entries(use_case).filter(pl.col("action").is_in(MOVES))

    def champion_at(self, use_case: str, at: datetime) -> str | None:
        """Version that was champion at that time, or None when none was."""
        return _last(self.moves(use_case).filter(pl.col("at") <= at))

    def serving_at(self, use_case: str, at: datetime) -> str | None:
        """Version that answered at that time, or None when nothing did: what was deployed, without a service the champion."""
        entries = self.entries(use_case)
        deployed = entries.filter(pl.col("action") == "deployed")
        return self.champion_at(use_case, at) if deployed.is_empty() else _last(deployed.filter(pl.col("at") <= at))

    def intend(self, intent: Entry) -> None:
        """Write down a move that is about to be made, in the words of the entry that will be written once it is made."""
        _append(self._intents, self._row(intent), None)

    def next_moment(self, use_case: str, at: datetime | None) -> datetime:
        """That time, or the present; or the first one after all moves and intents: clocks of several machines must not turn their
        order round."""
        known = [table["at"].max() for table in (self.moves(use_case), self._read(self._intents, use_case))]
        return max(
            [
                at or datetime.now(UTC),
                *(latest + timedelta(microseconds=1) for latest in known if isinstance(latest, datetime)),
            ]
        )

    def unfinished(self, use_case: str) -> Entry | None:
        """The newest intent, if the ledger has no entry for it: the process ended, or is about to write the entry."""
        intents = self._read(self._intents, use_case)
        if intents.is_empty():
            return None
        row = intents.row(-1, named=True)
        if row["entry"] in self.entries(use_case)["entry"].to_list():
            return None
        known = {name: value for name, value in row.items() if name != CHAIN_COLUMN}
        return Entry(**{**known, "evidence": json.loads(row["evidence"])})

    @property
    def _intents(self) -> LakeTable:
        known = None if self.table.known is None else f"{self.table.known}_intents"
        copy = self.table.copied_to
        copied_to = None if copy is None else replace(copy, uri=f"{copy.uri}_intents")
        return replace(self.table, uri=f"{self.table.uri}_intents", known=known, copied_to=copied_to)

    def _row(self, entry: Entry) -> dict[str, Any]:
        evidence = json.dumps(entry.evidence, sort_keys=True, default=str)
        return {**entry.__dict__, "evidence": evidence, "environment": entry.environment or self.environment}

    def _read(self, table: LakeTable, use_case: str) -> pl.DataFrame:
        if not table.exists():
            return pl.DataFrame(schema=LEDGER_SCHEMA)
        rows = table.scan().with_columns(pl.col("environment").fill_null(PRODUCTION))
        wanted = (pl.col("use_case") == use_case) & (pl.col("environment") == self.environment)
        return rows.filter(wanted).sort("at", "entry").collect()


def _append(table: LakeTable, row: Mapping[str, Any], key: str | None) -> bool:
    commit = table.append(pl.DataFrame([row], schema=LEDGER_SCHEMA), idempotency_key=key)
    return not commit.already_committed


def _last(rows: pl.DataFrame) -> str | None:
    return None if rows.is_empty() else str(rows["model_version"][-1])
