"""Which target serves which release, as far as the ledger knows: a move on one machine does not move the others.

Belongs here: comparing what was deployed where with the champion. Does not belong here: what runs on this machine
(`check_service.py`), or deploying (`deploy.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from platform_assets.declaration import UseCase
from platform_assets.registry.base import CHAMPION
from platform_assets.registry.model_store import ModelStore

TARGET = "target"
"""Key of a deployment's evidence: which target it was made on."""


@dataclass(frozen=True)
class TargetRelease:
    """What was last deployed on a target.

    Attributes:
        target: machine and folder.
        model_version: version of the registered model.
        release: digest of its service.
        at: since when.
        is_champion: whether that model is the champion now.
    """

    target: str
    model_version: str
    release: str
    at: datetime
    is_champion: bool

    def __str__(self) -> str:
        text = f"{self.target} serves model version {self.model_version} since {self.at:%Y-%m-%d %H:%M:%S}"
        return text if self.is_champion else f"{text}, which is not the champion: deploy there too"


def targets_of(use_case: UseCase, models: ModelStore) -> list[TargetRelease]:
    """What was last deployed on each target of a use case, in the order of their names; of deployments that name their target."""
    champion = models.registry().by_alias(use_case.name, CHAMPION)
    entries = models.ledger(use_case.name).entries(use_case.name).iter_rows(named=True)
    return latest_by_target(entries, None if champion is None else champion.version)


def latest_by_target(entries: Iterable[Mapping[str, Any]], champion: str | None) -> list[TargetRelease]:
    """As `targets_of`, of entries of the ledger, oldest first, and the champion's version."""
    latest: dict[str, TargetRelease] = {}
    for entry in entries:
        target = json.loads(entry["evidence"]).get(TARGET) if entry["action"] == "deployed" else None
        if target is not None:
            version = str(entry["model_version"])
            latest[target] = TargetRelease(
                target, version, str(entry["release"]), entry["at"], is_champion=version == champion
            )
    return [latest[name] for name in sorted(latest)]
