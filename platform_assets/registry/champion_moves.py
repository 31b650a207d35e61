"""Moving the champion's alias so that the ledger stays right whatever happens in between.

A move is made in three steps: the intent is written down, the alias moves, the entry is written to the ledger. A process may
end between any two of them. Whoever looks next settles what it left: the intent was carried out if the alias points where it
was to point, and then gets its entry; otherwise the move did not happen, and asking for it again makes it.

Belongs here: the three steps, and settling. Does not belong here: whether a version may be moved to (`promotion.py`,
`rollback.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from platform_assets.registry.base import CHAMPION, PRODUCTION, ModelRegistry, RegisteredVersion
from platform_assets.registry.errors import RegistryError
from platform_assets.registry.ledger import Action, Entry, Ledger


@dataclass(frozen=True)
class Move:
    """What a move did: the new champion, the one before, and whether anything moved."""

    version: RegisteredVersion
    previous: RegisteredVersion | None
    moved: bool


def settle(registry: ModelRegistry, ledger: Ledger, use_case: str) -> Entry | None:
    """Bring ledger and alias together after a process ended between two steps of a move.

    Returns:
        The entry that was lacking and is written now; None when nothing was.

    Raises:
        RegistryUnreachable: the registry cannot tell where the alias points.
    """
    intent = ledger.unfinished(use_case)
    if intent is None:
        return None
    champion = registry.by_alias(use_case, CHAMPION)
    if champion is None or champion.version != intent.model_version:
        return None
    ledger.record(intent)
    return intent


def move_champion(
    registry: ModelRegistry,
    ledger: Ledger,
    action: Action,
    version: RegisteredVersion,
    evidence: Mapping[str, Any],
    at: datetime | None,
    run_id: str,
    release: str | None = None,
) -> Move:
    """Point the champion's alias at a version and remember it.

    Args:
        registry: where versions and aliases live.
        ledger: where the move is recorded.
        action: `promoted` or `rolled_back`.
        version: the new champion.
        evidence: why; kept with the entry.
        at: time of the move, UTC; None for the moment at which the alias is about to move, which is what a caller wants whose
            registry takes its time. An entry is never older than the one before it.
        run_id: Dagster run that moves.
        release: digest of the service that is known to start, if any.

    Raises:
        RegistryError: another process moved the champion at the same time, or the registry is unreachable.
    """
    use_case = version.use_case
    champion = registry.by_alias(use_case, CHAMPION)
    previous = champion.version if champion else None
    if previous == version.version:
        return Move(version, champion, moved=False)
    key = f"/{action}/{version.version}/move {ledger.moves(use_case).height}"
    environment = "" if ledger.environment == PRODUCTION else f"/{ledger.environment}"
    entry = Entry(
        # The number makes the key: two attempts at the same time write one entry, whatever runs they belong to.
        entry=f"{use_case}{environment}{key}",
        at=ledger.next_moment(use_case, at),
        use_case=use_case,
        action=action,
        model_version=version.version,
        previous_version=previous,
        release=release,
        evidence=evidence,
        run_id=run_id,
    )
    ledger.intend(entry)
    registry.set_alias(use_case, CHAMPION, version.version)
    now = registry.by_alias(use_case, CHAMPION)
    if now is None or now.version != version.version:
        raise RegistryError(
            f"{use_case}: while version {version.version} was made champion, another process made it "
            f"{now.version if now else 'none'}; look at `platform-assets models ledger {use_case}`, and ask again if it is still wanted"
        )
    ledger.record(entry)
    return Move(version, champion, moved=True)
