"""The champion since when and by what, the newest rollout, and whether a new model is asked for.

Belongs here: what ledger, rollout history and decisions say. Does not belong here: asking the registry, whose client costs seconds to load.
"""

import json
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from platform_assets.declaration import UseCase
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.schemas import AS_OF
from platform_assets.monitoring.use_case_page.state import DecisionState, ModelState, RolloutState
from platform_assets.pipelines.rollout_history import newest_look
from platform_assets.registry.ledger import MOVES
from platform_assets.registry.model_store import ModelStore


def champion(use_case: UseCase, models: ModelStore) -> ModelState | None:
    """The version of the newest move of the champion; None while there was none."""
    entries = models.ledger(use_case.name).entries(use_case.name)
    moves = [row for row in entries.iter_rows(named=True) if row["action"] in MOVES]
    if not moves:
        return None
    last = moves[-1]
    evidence = json.loads(last["evidence"])
    # A rollback's own evidence does not say how its model was made: the promotion of that version does.
    made: dict[str, Any] = next(
        (json.loads(row["evidence"]) for row in reversed(moves) if _made(row, last["model_version"])), {}
    )
    origin = evidence.get("made_from") or made.get("made_from") or {}
    return ModelState(
        version=str(last["model_version"]),
        since=last["at"],
        as_of=date.fromisoformat(origin["as_of"]) if origin.get("as_of") else None,
        learner=str(origin.get("learner", "")),
        evidence=_evidence(evidence),
        by=last["action"],
    )


def _made(row: Mapping[str, Any], version: str) -> bool:
    return bool(row["model_version"] == version and row["action"] == "promoted")


def _evidence(evidence: Mapping[str, Any]) -> tuple[str, ...]:
    """The reason and how many gates passed, or who decided and why."""
    lines = []
    if reason := evidence.get("reason"):
        lines.append(str(reason))
    if gates := evidence.get("gates"):
        passed = sum(bool(gate.get("passed")) for gate in gates)
        bypassed = [str(gate.get("name")) for gate in gates if gate.get("bypass")]
        lines.append(
            f"{passed} of {len(gates)} gates passed" + (f", bypassed: {', '.join(bypassed)}" if bypassed else "")
        )
    if why := evidence.get("why"):
        who = f", {evidence['who']}" if evidence.get("who") else ""
        lines.append(f"{why}{who}")
    return tuple(lines)


def newest_rollout(use_case: UseCase, serving: ServingHome) -> tuple[RolloutState | None, ModelState | None]:
    """The newest rollout as its last look saw it, and the challenger that it brings while it lasts."""
    look = newest_look(serving.rollout_history(use_case.name)) if use_case.is_realtime else None
    if look is None:
        return None, None
    since = datetime.fromisoformat(look.since) if look.since else None
    state = RolloutState(
        new=look.new,
        old=look.old,
        stage=f"{look.step} of {look.steps}, {look.phase}",
        weight_percent=look.weight,
        since=since,
        outcome=str(look.outcome),
        sentence=look.sentence,
        over=look.over,
    )
    if look.over:
        return state, None
    judged = [f"{one.get('guard')}: {one.get('outcome')}" for one in look.findings]
    return state, ModelState(version=look.new, since=since, evidence=tuple(judged), by="rollout")


def newest_decision(catalog: Catalog) -> DecisionState | None:
    """The newest retrain decision; None before the first."""
    table = catalog.retrain_decisions
    days = table.partitions() if table.exists() else []
    if not days:
        return None
    columns = [AS_OF, "verdict", "reason", "failed_requests"]
    row = table.read(days[-1], days[-1], columns=columns).row(-1, named=True)
    return DecisionState(
        as_of=row[AS_OF], verdict=row["verdict"], reason=row["reason"], failed_requests=row["failed_requests"] or 0
    )
