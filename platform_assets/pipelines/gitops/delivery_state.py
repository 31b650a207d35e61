"""What ledger, alias, git and target each say of a use case, side by side.

Belongs here: the plain values that rules judge, and reading the ledger's side from its entries. Does not belong here: the rules
(`delivery_rules.py`), or asking the parties (`delivery.py`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from platform_assets.deployment.gitops.repository import FoundRelease
from platform_assets.registry.holds import DeliveryHold, newest_hold
from platform_assets.registry.ledger import MOVES, Entry


@dataclass(frozen=True)
class BegunRollback:
    """A rollback whose service was about to go back, and of which the ledger knows no end.

    Attributes:
        version: that was to answer again.
        by: who decided it.
        why: in words.
    """

    version: str
    by: str
    why: str


@dataclass(frozen=True)
class LedgerSide:
    """What the ledger says.

    Attributes:
        champion: version of the newest move; None before the first.
        entry: of that move.
        decided: who decided it, why and when.
        hold: in force, None for none.
        placed_holds: names of the entries of holds that people placed.
        begun: a rollback that was begun and is not over.
        intended: version that an intent without an entry names.
        deployed: release of the newest deployment, as `version/digest`; None for none.
        failed: what went wrong when the champion was deployed last; empty when nothing did.
    """

    champion: str | None = None
    entry: str | None = None
    decided: tuple[str, str, datetime] | None = None
    hold: DeliveryHold | None = None
    placed_holds: frozenset[str] = frozenset()
    begun: BegunRollback | None = None
    intended: str | None = None
    deployed: str | None = None
    failed: str = ""


@dataclass(frozen=True)
class TargetSide:
    """What answers.

    Attributes:
        serves: release with the most traffic, as the target names it; None for none.
        coming: release that is being rolled out, None for none.
        problem: why the target cannot be asked; empty where it can.
    """

    serves: str | None = None
    coming: str | None = None
    problem: str = ""


@dataclass(frozen=True)
class DeliveryState:
    """All four, and what is needed to compare them.

    Attributes:
        use_case: whose.
        environment: in which.
        ledger: its side.
        alias: version that the champion's alias points at.
        git: what stands in the repository.
        target: its side; None where no service answers.
        digest: of the service that was built for the ledger's champion; None where none was.
    """

    use_case: str
    environment: str
    ledger: LedgerSide
    alias: str | None
    git: FoundRelease
    target: TargetSide | None
    digest: str | None

    @property
    def release(self) -> str | None:
        """The champion's service as a target names it; None where none was built."""
        if self.ledger.champion is None or not self.digest:
            return None
        return release_name(self.ledger.champion, self.digest)


def release_name(version: str, digest: str) -> str:
    """How a target calls the service of a version."""
    return f"v{version}-{digest.removeprefix('sha256:')[:12]}"


def ledger_side(rows: Sequence[Mapping[str, Any]], intent: Entry | None, at: datetime) -> LedgerSide:
    """The ledger's side, from its entries, oldest first. Pure.

    Args:
        rows: all entries of the use case in the environment.
        intent: a move that was intended and has no entry.
        at: the time, for holds that end by themselves.
    """
    moves = [place for place, row in enumerate(rows) if row["action"] in MOVES]
    newest = rows[moves[-1]] if moves else None
    deployed = [row for row in rows if row["action"] == "deployed"]
    champion = None if newest is None else str(newest["model_version"])
    return LedgerSide(
        champion=champion,
        entry=None if newest is None else newest["entry"],
        decided=None if newest is None else _decided(newest),
        hold=newest_hold(rows, at),
        placed_holds=frozenset(row["entry"] for row in rows if row["action"] == "held"),
        begun=_begun(rows),
        intended=None if intent is None else intent.model_version,
        deployed=f"{deployed[-1]['model_version']}/{deployed[-1]['release']}" if deployed else None,
        failed=_failed(rows[moves[-1] + 1 :], champion) if moves else "",
    )


def _decided(row: Mapping[str, Any]) -> tuple[str, str, datetime]:
    said = json.loads(row["evidence"])
    decided = said.get("decided") or {}
    by = decided.get("who") or said.get("who") or row["run_id"] or "automation"
    why = decided.get("why") or said.get("why") or said.get("reason") or ""
    return str(by), str(why), row["at"]


def _begun(rows: Sequence[Mapping[str, Any]]) -> BegunRollback | None:
    """The newest rollback that was begun, unless the ledger says how it ended."""
    found = None
    for row in rows:
        if row["action"] == "rollback_begun":
            said = json.loads(row["evidence"])
            found = BegunRollback(str(row["model_version"]), str(said.get("who", "")), str(said.get("why", "")))
        elif row["action"] in MOVES or (
            row["action"] in ("deployment_failed", "refused") and json.loads(row["evidence"]).get("rollback")
        ):
            found = None
    return found


def _failed(since: Sequence[Mapping[str, Any]], champion: str | None) -> str:
    """What went wrong when the champion was deployed after it became champion, unless it went right later."""
    failed = ""
    for row in since:
        if row["model_version"] != champion:
            continue
        if row["action"] == "deployment_failed":
            failed = str(json.loads(row["evidence"]).get("error", "it failed"))
        elif row["action"] in ("deployed", "rollout_started"):
            failed = ""
    return failed
