"""Holds: after a rollback nothing is promoted until a person lifts it.

A hold is an entry of the ledger, and so is its end. Nothing else ends one: a file that lost it, an updater that writes a newer version, a
new model that passed its gates. Belongs here: which hold is in force, placing one, lifting it. Does not belong here: the moves that begin
one (`champion_moves.py`), or how a hold stands in git (`deployment/gitops/`).
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from platform_assets.registry.base import PRODUCTION
from platform_assets.registry.errors import RegistryError
from platform_assets.registry.ledger import Action, Entry, Ledger

BEGINS: tuple[Action, ...] = ("rolled_back", "rollout_aborted", "held")
"""Actions after which nothing is promoted."""
ENDS: Action = "hold_lifted"


@dataclass(frozen=True)
class DeliveryHold:
    """Why nothing is promoted now.

    Attributes:
        entry: the ledger's entry that began it.
        by: who decided it: a person, or what judged a rollout.
        why: in words.
        since: when.
        until: when it ends by itself; None for a person's word.
        version: the model version that was gone back from, or was champion when a person placed the hold.
        action: of that entry, one of `BEGINS`.
    """

    entry: str
    action: str
    by: str
    why: str
    since: datetime
    until: datetime | None
    version: str

    def sentence(self, use_case: str) -> str:
        """What holds, and who can end it."""
        until = f" until {self.until:%Y-%m-%d %H:%M} UTC" if self.until else ""
        return (
            f"{use_case} is held{until} since {self.since:%Y-%m-%d %H:%M} UTC by {self.by or 'nobody named'}: "
            f"{self.why or 'no reason given'}. "
            f"A person lifts it: platform-assets gitops lift {use_case} --why ..."
        )


def hold_in_force(ledger: Ledger, use_case: str, at: datetime | None = None) -> DeliveryHold | None:
    """The hold of a use case in the ledger's environment; None where there is none, or where the installation keeps none."""
    if not ledger.keeps_holds:
        return None
    return newest_hold(ledger.entries(use_case).iter_rows(named=True), at or datetime.now(UTC))


def newest_hold(entries: Iterable[Mapping[str, Any]], at: datetime) -> DeliveryHold | None:
    """The hold that entries of a ledger, oldest first, leave in force at a time. Pure."""
    found = None
    for row in entries:
        if row["action"] == ENDS:
            found = None
        elif row["action"] in BEGINS:
            found = _hold(row)
    return None if found is None or (found.until is not None and found.until <= at) else found


def place_hold(
    ledger: Ledger, use_case: str, *, by: str, why: str, champion: str, until: datetime | None = None, since: str = ""
) -> DeliveryHold:
    """Promote nothing from now on; the same hold a second time is one entry.

    Args:
        ledger: of the environment.
        use_case: what is held.
        by: who decided it.
        why: kept for those who look later.
        champion: version that serves meanwhile.
        until: when it ends by itself; None for a person's word.
        since: when it was decided elsewhere, which tells it from the same words at another time.
    """
    evidence = {"who": by, "why": why, "until": until.isoformat() if until else None}
    key = hold_key(use_case, ledger.environment, by, why, since)
    entry = _entry(ledger, use_case, "held", champion, evidence, key)
    ledger.record(entry)
    return _hold({**entry.__dict__, "evidence": json.dumps(evidence)})


def lift_hold(ledger: Ledger, use_case: str, *, by: str, why: str) -> DeliveryHold:
    """End the hold that is in force; what it was.

    Raises:
        RegistryError: there is none.
    """
    hold = hold_in_force(ledger, use_case)
    if hold is None:
        raise RegistryError(f"{use_case} is not held in {ledger.environment}: there is nothing to lift")
    evidence = {"who": by, "why": why, "lifted": hold.entry}
    ledger.record(_entry(ledger, use_case, ENDS, hold.version, evidence, f"{hold.entry}/lifted"))
    return hold


def hold_key(use_case: str, environment: str, by: str, why: str, since: str) -> str:
    """The name of the entry of a hold that a person placed."""
    words = hashlib.sha256("\0".join((by, why, since)).encode()).hexdigest()[:16]
    return f"{use_case}{'' if environment == PRODUCTION else f'/{environment}'}/held/{words}"


def _hold(row: Mapping[str, Any]) -> DeliveryHold:
    said = json.loads(row["evidence"])
    away = said.get("rolled_back_from") or {}
    until = said.get("until")
    return DeliveryHold(
        entry=row["entry"],
        action=row["action"],
        by=str(said.get("who") or ""),
        why=str(said.get("why") or ""),
        since=row["at"],
        until=datetime.fromisoformat(until) if until else None,
        version=str(away.get("model_version") or row["model_version"]),
    )


def _entry(ledger: Ledger, use_case: str, action: Action, version: str, evidence: dict[str, Any], key: str) -> Entry:
    at = ledger.next_moment(use_case, None)
    return Entry(key, at, use_case, action, version, None, None, evidence, str(evidence["who"]))
