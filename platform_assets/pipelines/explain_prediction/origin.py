"""Where a prediction's model comes from: who let it answer, on which evidence, and the rollout that it was part of.

Belongs here: reading the ledger for one prediction. Does not belong here: the ledger (`registry/ledger.py`), the model (`model_then.py`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from platform_assets.registry.ledger import Ledger

ENDS = ("rollout_promoted", "rollout_aborted", "rollout_finished")


@dataclass(frozen=True)
class LedgerEntry:
    """An entry of the ledger: what was done, when, with its evidence."""

    entry: str
    action: str
    at: datetime
    model_version: str
    previous_version: str | None
    release: str | None
    run_id: str
    evidence: Mapping[str, Any]


@dataclass(frozen=True)
class PredictionOrigin:
    """What the ledger knows of a prediction's model.

    Attributes:
        promotion: by which the version was allowed to answer; None where it answered before anybody promoted it (a rollout).
        deployment: the last one of the version before the prediction.
        rollout: entries of the rollout under way when the prediction was made, in order.
        experiment: the A/B test that the request was part of, with what its entity was given; None without one.
        role: whether the answer was given (`live`) or only logged (`shadow`).
    """

    promotion: LedgerEntry | None
    deployment: LedgerEntry | None
    rollout: Sequence[LedgerEntry]
    experiment: str | None
    role: str


def prediction_origin(ledger: Ledger, use_case: str, row: Mapping[str, Any]) -> PredictionOrigin:
    """What the ledger knows of the model that made a prediction.

    Args:
        ledger: of the environment that answered.
        use_case: its name.
        row: the logged prediction.
    """
    entries = ledger.entries(use_case)
    own = entries.filter(pl.col("model_version") == row["model_version"])
    test = None if row.get("experiment") is None else f"{row['experiment']}, {row.get('variant') or 'took no part'}"
    return PredictionOrigin(
        promotion=_last(own, "promoted", row["scored_at"]),
        deployment=_last(own, "deployed", row["scored_at"]),
        rollout=_rollout(entries, row),
        experiment=test,
        role=row.get("role") or "live",
    )


def _last(entries: pl.DataFrame, action: str, at: datetime) -> LedgerEntry | None:
    """The latest entry of that action up to a time; a service may answer a moment before its entry is written."""
    named = entries.filter(pl.col("action") == action)
    before = named.filter(pl.col("at") <= at)
    chosen = before.tail(1) if before.height else named.head(1)
    return None if chosen.is_empty() else _entry(chosen.row(0, named=True))


def _rollout(entries: pl.DataFrame, row: Mapping[str, Any]) -> tuple[LedgerEntry, ...]:
    found: list[LedgerEntry] = []
    for entry in map(_entry, entries.iter_rows(named=True)):
        if entry.action == "rollout_started":
            found = [entry] if entry.at <= row["scored_at"] else found
        elif found and entry.action.startswith("rollout_") and found[-1].action not in ENDS:
            found.append(entry)
    if not found or row["model_version"] not in (found[0].model_version, found[0].previous_version):
        return ()
    over = found[-1].action in ENDS and found[-1].at < row["scored_at"]
    return () if over else tuple(found)


def _entry(row: Mapping[str, Any]) -> LedgerEntry:
    names = ("entry", "action", "at", "model_version", "previous_version", "release", "run_id")
    return LedgerEntry(**{name: row[name] for name in names}, evidence=json.loads(row["evidence"]))
