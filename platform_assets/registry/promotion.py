"""Moving the champion: only with evidence, and never without an entry in the ledger.

Belongs here: promotion. Does not belong here: the verdict itself (`evaluation/verdict.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from platform_assets.registry.errors import PromotionRefused
from platform_assets.registry.ledger import Entry, Ledger
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

    The ledger is written before the alias moves, so that a crash in between leaves an entry and a second attempt
    finishes the move without a second entry.

    Args:
        registry: where versions and aliases live.
        ledger: where the move is recorded.
        version: the version to promote.
        evidence: the verdict on exactly this version; must hold `passed: true` and `model_version`.
        at: time of the promotion, UTC.
        run_id: Dagster run that promotes.

    Raises:
        PromotionRefused: when the evidence belongs to another version or did not pass. The refusal is recorded.
    """
    previous = registry.by_alias(version.use_case, CHAMPION)
    if evidence.get("model_version") != version.version or evidence.get("passed") is not True:
        reason = (
            "its gates did not pass"
            if evidence.get("model_version") == version.version
            else f"the evidence is about version {evidence.get('model_version')}"
        )
        ledger.record(_entry("refused", version, previous, {**evidence, "reason": reason}, at, run_id))
        raise PromotionRefused(
            f"{version.use_case} version {version.version} was not promoted: {reason}. "
            "Look at the checks of the evaluation asset, mend the cause, and train again."
        )
    if previous is not None and previous.version == version.version:
        return Promotion(version, previous, moved=False)
    ledger.record(_entry("promoted", version, previous, evidence, at, run_id))
    registry.set_alias(version.use_case, CHAMPION, version.version)
    return Promotion(version, previous, moved=True)


def _entry(
    action: Any,
    version: RegisteredVersion,
    previous: RegisteredVersion | None,
    evidence: Mapping[str, Any],
    at: datetime,
    run_id: str,
) -> Entry:
    return Entry(
        entry=f"{version.use_case}/{action}/{version.version}/{run_id}",
        at=at,
        use_case=version.use_case,
        action=action,
        model_version=version.version,
        previous_version=previous.version if previous else None,
        release=None,
        evidence=evidence,
        run_id=run_id,
    )
