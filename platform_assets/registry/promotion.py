"""Moving the champion: only with evidence, and never without an entry in the ledger.

Belongs here: promotion, and what keeps a version from it. Does not belong here: the verdict itself (`evaluation/gates/verdict.py`), the
steps of a move (`champion_moves.py`), rollback (`rollback.py`).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from platform_assets.registry.base import CHAMPION, PRODUCTION, ModelRegistry, RegisteredVersion
from platform_assets.registry.champion_moves import Move, move_champion, settle
from platform_assets.registry.errors import PromotionHeld, PromotionRefused
from platform_assets.registry.holds import hold_in_force
from platform_assets.registry.ledger import Entry, Ledger

Promotion = Move
"""What a promotion did."""

MODEL_DIGEST = "model_digest"
"""Tag of a registered version: the digest of its model. Two versions with the same digest are the same model."""


@dataclass(frozen=True)
class RolledBack:
    """Why a model is not promoted by itself any more: somebody rolled back from it."""

    at: datetime
    model_version: str
    why: str
    who: str


def promote(
    registry: ModelRegistry,
    ledger: Ledger,
    version: RegisteredVersion,
    evidence: Mapping[str, Any],
    at: datetime | None,
    run_id: str,
    *,
    decided: Mapping[str, str] | None = None,
) -> Promotion:
    """Make a version the champion.

    What an earlier process left half done is settled first, see `champion_moves.py`. While a hold is in force nothing is promoted, whoever
    asks (`holds.py`). Unless a person decided it, a model that was rolled
    back from is not promoted again: not under this number, nor trained again to the same bytes under another one; and where releases stand
    in a git repository nothing takes a champion's place.

    Args:
        registry: where versions and aliases live.
        ledger: where the move is recorded.
        version: the version to promote.
        evidence: the verdict on exactly this version; must hold `passed: true`, `model_version`, and `champion`: the
            version it was compared with, None when there was none.
        at: time of the promotion, UTC; None for the present.
        run_id: Dagster run that promotes.
        decided: `who` and `why`, when a person asked for it; kept with the entry.

    Raises:
        PromotionRefused: when the evidence belongs to another version, did not pass, or is about a champion that has
            been replaced since; or when the model was rolled back from. The refusal is recorded.
        PromotionHeld: a hold is in force; nothing is recorded.
        RegistryUnreachable: when the registry does not answer: the champion is the one it was.
    """
    settle(registry, ledger, version.use_case)
    champion = registry.by_alias(version.use_case, CHAMPION)
    previous = champion.version if champion else None
    kept = {**evidence, **({"decided": dict(decided)} if decided else {})}
    hold = hold_in_force(ledger, version.use_case) if previous != version.version else None
    if hold is not None:
        raise PromotionHeld(
            f"{version.use_case} version {version.version} was not promoted: {hold.sentence(version.use_case)}"
        )
    against = _refusal(version, previous, evidence, ledger.environment)
    if not against and decided is None and previous != version.version:
        against = refusal_after_rollback(ledger, version) or _by_itself(ledger, previous)
    if against:
        refuse(ledger, version, previous, {**kept, "reason": against}, at or datetime.now(UTC), run_id)
        raise PromotionRefused(f"{version.use_case} version {version.version} was not promoted: {against}")
    return move_champion(registry, ledger, "promoted", version, kept, at, run_id)


def rolled_back_from(ledger: Ledger, version: RegisteredVersion) -> RolledBack | None:
    """The latest rollback away from this model, unless a person has promoted it since."""
    rollback = None
    digest = version.tags.get(MODEL_DIGEST)
    for row in ledger.moves(version.use_case).iter_rows(named=True):
        evidence = json.loads(row["evidence"])
        away = evidence.get("rolled_back_from", {})
        same = away.get("model_version") == version.version or (digest is not None and away.get(MODEL_DIGEST) == digest)
        if same:
            rollback = RolledBack(row["at"], away["model_version"], evidence.get("why", ""), evidence.get("who", ""))
        elif row["model_version"] == version.version:
            rollback = None
    return rollback


def refuse(
    ledger: Ledger,
    version: RegisteredVersion,
    previous: str | None,
    evidence: Mapping[str, Any],
    at: datetime,
    run_id: str,
) -> None:
    """Record that a version was not promoted; once for each run."""
    environment = "" if ledger.environment == PRODUCTION else f"/{ledger.environment}"
    entry = Entry(
        entry=f"{version.use_case}{environment}/refused/{version.version}/{run_id}",
        at=at,
        use_case=version.use_case,
        action="refused",
        model_version=version.version,
        previous_version=previous,
        release=None,
        evidence=evidence,
        run_id=run_id,
    )
    ledger.record(entry)


def refusal(registry: ModelRegistry, ledger: Ledger, version: RegisteredVersion, evidence: Mapping[str, Any]) -> str:
    """Why the evidence does not allow the promotion now; empty when it does. Nothing is recorded."""
    champion = registry.by_alias(version.use_case, CHAMPION)
    return _refusal(version, champion.version if champion else None, evidence, ledger.environment)


def _refusal(version: RegisteredVersion, previous: str | None, evidence: Mapping[str, Any], environment: str) -> str:
    """Why the evidence does not allow the promotion, and what to do; empty when it does.

    Where there is no champion, nothing can be worse than it: evidence from another environment, which compared the version with that
    one's champion, is more than is asked for.
    """
    if evidence.get("model_version") != version.version:
        return f"the evidence is about version {evidence.get('model_version')}. Materialize the evaluation asset again."
    if evidence.get("passed") is not True:
        return "its gates did not pass. Look at the checks of the evaluation asset, mend the cause, and train again."
    compared = evidence.get("champion")
    if previous is not None and previous not in (compared, version.version):
        where = "" if environment == PRODUCTION else f" of {environment}"
        return (
            f"it was compared with {f'version {compared}' if compared else 'no champion'}, but the champion{where} is version "
            f"{previous} now. Evaluate it against that one: PLATFORM_ASSETS_ENVIRONMENT={environment} dg launch --assets "
            f"'key:\"{version.use_case}/model/evaluation\"' --partition {version.tags.get('as_of', 'DAY')}"
        )
    return ""


def _by_itself(ledger: Ledger, previous: str | None) -> str:
    """Where releases stand in git nothing takes a champion's place unless a person decided or merged it."""
    if not ledger.keeps_holds or previous is None:
        return ""
    return (
        "releases stand in a git repository here (PLATFORM_ASSETS_GITOPS), and nobody decided it. Propose it: `platform-assets models "
        "promote --pr`, and merge it."
    )


def refusal_after_rollback(ledger: Ledger, version: RegisteredVersion) -> str:
    """Why a model that was rolled back from is not promoted again by itself, and what to do; empty when it was not."""
    rollback = rolled_back_from(ledger, version)
    if rollback is None:
        return ""
    by = f" by {rollback.who}" if rollback.who else ""
    return (
        f"version {rollback.model_version}, the same model, was rolled back from at {rollback.at:%Y-%m-%d %H:%M} UTC{by}: {rollback.why} "
        "Train a new model, or promote this one on your own word with `platform-assets models promote`."
    )
