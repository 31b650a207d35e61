"""Rolling back: an earlier champion becomes champion again.

Belongs here: which version to go back to, whether that is allowed, and recording it. Does not belong here: whether its service
still starts (`orchestration/assets/rollback.py` asks the deployment), or the steps of a move (`champion_moves.py`).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from platform_assets.registry.base import CHAMPION, ModelRegistry, RegisteredVersion
from platform_assets.registry.champion_moves import Move, move_champion, settle
from platform_assets.registry.errors import RollbackRefused
from platform_assets.registry.ledger import Ledger
from platform_assets.registry.promotion import MODEL_DIGEST, rolled_back_from


def rollback_target(
    registry: ModelRegistry, ledger: Ledger, use_case: str, to: str | None = None
) -> tuple[RegisteredVersion, RegisteredVersion]:
    """The champion, and the earlier champion to go back to.

    Args:
        registry: where versions and aliases live.
        ledger: who was champion before.
        use_case: whose model.
        to: version to go back to; without it, the latest champion before this one that nobody has rolled back from.

    Raises:
        RollbackRefused: there is no champion, or no such earlier one.
        RegistryUnreachable: the registry does not answer.
    """
    settle(registry, ledger, use_case)
    champion = registry.by_alias(use_case, CHAMPION)
    if champion is None:
        raise RollbackRefused(f"{use_case} has no champion in {ledger.environment}: there is nothing to roll back from")
    before = [str(version) for version in ledger.moves(use_case)["model_version"].reverse()]
    earlier = [version for version in dict.fromkeys(before) if version != champion.version]
    known = f"; earlier champions are {', '.join(reversed(earlier))}" if earlier else ": it had no champion before"
    if to == champion.version:
        raise RollbackRefused(f"version {to} of {use_case} is the champion now{known}")
    if to is not None:
        if to not in earlier:
            raise RollbackRefused(
                f"version {to} of {use_case} never was champion in {ledger.environment}, so that there is no evidence for it{known}. "
                f"Promote it: platform-assets models promote {use_case}@{to}"
            )
        return champion, registry.get(use_case, to)
    for number in earlier:
        version = registry.get(use_case, number)
        if rolled_back_from(ledger, version) is None:
            return champion, version
    again = " and all of them were rolled back from; name one with --to" if earlier else ""
    raise RollbackRefused(f"{use_case} has no earlier champion to go back to{known}{again}")


def roll_back(
    registry: ModelRegistry,
    ledger: Ledger,
    version: RegisteredVersion,
    *,
    why: str,
    who: str,
    evidence: Mapping[str, Any],
    release: str | None,
    at: datetime | None,
    run_id: str,
) -> Move:
    """Make an earlier champion the champion again; from now on the present one is promoted by a person only.

    Args:
        registry: where versions and aliases live.
        ledger: where the move is recorded.
        version: from `rollback_target`.
        why: what made it necessary; kept for those who look later.
        who: who decided it.
        evidence: that its service starts.
        release: digest of that service; None without one.
        at: time of the rollback, UTC; None for the present.
        run_id: Dagster run that rolls back.

    Raises:
        RegistryError: another process moved the champion at the same time, or the registry is unreachable.
    """
    champion = registry.by_alias(version.use_case, CHAMPION)
    away = {"model_version": champion.version, MODEL_DIGEST: champion.tags.get(MODEL_DIGEST)} if champion else {}
    kept = {**evidence, "why": why, "who": who, "rolled_back_from": away}
    return move_champion(registry, ledger, "rolled_back", version, kept, at, run_id, release)
