"""Moving the champion: only with evidence, and never without an entry in the ledger.

Belongs here: promotion. Does not belong here: the verdict itself (`evaluation/verdict.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from platform_assets.registry.errors import PromotionRefused
from platform_assets.registry.ledger import Action, Entry, Ledger
from platform_assets.registry.models import CHAMPION, ModelRegistry, RegisteredVersion


@dataclass(frozen=True)
class Promotion:
    """What a promotion did: the new champion, the one before, and whether anything moved."""

    version: RegisteredVersion
    previous: RegisteredVersion | None
    moved: bool


def promote(
    registry: ModelRegistry,
    ledger: Ledger,
    version: RegisteredVersion,
    evidence: Mapping[str, Any],
    at: datetime,
    run_id: str,
) -> Promotion:
    """Make a version the champion.

    The ledger is written before the alias moves. After a crash in between, the ledger's latest move is the one that is
    asked for again, and a second attempt, in the same Dagster run or in another, finishes it without a second entry.

    Args:
        registry: where versions and aliases live.
        ledger: where the move is recorded.
        version: the version to promote.
        evidence: the verdict on exactly this version; must hold `passed: true`, `model_version`, and `champion`: the
            version it was compared with, None when there was none.
        at: time of the promotion, UTC.
        run_id: Dagster run that promotes.

    Raises:
        PromotionRefused: when the evidence belongs to another version, did not pass, or is about a champion that has
            been replaced since. The refusal is recorded.
    """
    champion = registry.by_alias(version.use_case, CHAMPION)
    previous = champion.version if champion else None
    refusal = _refusal(version, previous, evidence)
    if refusal:
        entry = f"{version.use_case}/refused/{version.version}/{run_id}"
        ledger.record(_entry(entry, "refused", version, previous, {**evidence, "reason": refusal}, at, run_id))
        raise PromotionRefused(f"{version.use_case} version {version.version} was not promoted: {refusal}")
    if previous == version.version:
        return Promotion(version, champion, moved=False)
    moves = ledger.moves(version.use_case)
    if not _is_unfinished(moves, version, previous):
        # The number makes the key: two attempts at the same time write one entry, whatever runs they belong to.
        entry = f"{version.use_case}/promoted/{version.version}/move {moves.height}"
        ledger.record(_entry(entry, "promoted", version, previous, evidence, at, run_id))
    registry.set_alias(version.use_case, CHAMPION, version.version)
    return Promotion(version, champion, moved=True)


def _refusal(version: RegisteredVersion, previous: str | None, evidence: Mapping[str, Any]) -> str:
    """Why the evidence does not allow the promotion, and what to do; empty when it does."""
    if evidence.get("model_version") != version.version:
        return f"the evidence is about version {evidence.get('model_version')}. Materialize the evaluation asset again."
    if evidence.get("passed") is not True:
        return "its gates did not pass. Look at the checks of the evaluation asset, mend the cause, and train again."
    compared = evidence.get("champion")
    if previous not in (compared, version.version):
        return (
            f"it was compared with {'version ' + compared if compared else 'no champion'}, but the champion is version "
            f"{previous} now. Materialize the evaluation asset again."
        )
    return ""


def _is_unfinished(moves: pl.DataFrame, version: RegisteredVersion, previous: str | None) -> bool:
    """Whether the latest recorded move is this one and the alias has not followed."""
    if moves.is_empty():
        return False
    latest = moves.row(-1, named=True)
    return (latest["model_version"], latest["previous_version"]) == (version.version, previous)


def _entry(
    entry: str,
    action: Action,
    version: RegisteredVersion,
    previous: str | None,
    evidence: Mapping[str, Any],
    at: datetime,
    run_id: str,
) -> Entry:
    return Entry(
        entry=entry,
        at=at,
        use_case=version.use_case,
        action=action,
        model_version=version.version,
        previous_version=previous,
        release=None,
        evidence=evidence,
        run_id=run_id,
    )
