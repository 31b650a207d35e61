"""What served when, made from what, promoted by which evidence: the question that a ledger is kept for.

Belongs here: what a version was made from, and the answer about a point in time. Does not belong here: writing entries
(`champion_moves.py`), or printing (`cli/models/ledger.py`).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from platform_assets.registry.base import ModelRegistry, RegisteredVersion
from platform_assets.registry.ledger import MOVES, Ledger
from platform_assets.registry.promotion import MODEL_DIGEST

MADE_FROM = "made_from"
"""Key in a promotion's evidence: what the version was made from, so that the ledger knows it without the registry."""
_TAGS = (
    "as_of",
    "learner",
    "feature_contract",
    "code_version",
    "seed",
    MODEL_DIGEST,
    "trained_on_first_day",
    "trained_on_last_day",
)


@dataclass(frozen=True)
class Served:
    """What answered at a point in time.

    Attributes:
        use_case: whose model.
        environment: in which environment.
        version: the model version that answered.
        champion: the version that was champion then; another one for as long as a deployment follows a promotion.
        since: when it began to answer.
        until: when another version took over; None while it still answers.
        release: digest of the service; None without a service.
        made_from: as-of day, data versions, feature contract, code version, seed, library versions, model digest.
        decision: the ledger's entry that made the version champion: `action`, `at`, `run_id`, and its evidence.
        promotion: the entry by which it was promoted, with the gates it passed; another one than `decision` after a rollback.
    """

    use_case: str
    environment: str
    version: str
    champion: str | None
    since: datetime
    until: datetime | None
    release: str | None
    made_from: Mapping[str, Any]
    decision: Mapping[str, Any]
    promotion: Mapping[str, Any]


def made_from(version: RegisteredVersion, libraries: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What a version was made from.

    Args:
        version: its entry in the registry.
        libraries: distribution to version, as its model's manifest has them; default: the version's own tag.
    """
    origin: dict[str, Any] = {name: version.tags[name] for name in _TAGS if name in version.tags}
    origin["data_versions"] = version.tag_json("data_versions") or {}
    origin["library_versions"] = dict(libraries or version.tag_json("library_versions") or {})
    origin["mlflow_run"] = version.run_id
    return origin


def served_at(ledger: Ledger, use_case: str, at: datetime, registry: ModelRegistry | None = None) -> Served | None:
    """What answered at that time.

    Args:
        ledger: of the environment that is asked about.
        use_case: whose model.
        at: the time, UTC.
        registry: asked what a version was made from when its promotion is older than that record.

    Returns:
        The answer, or None when nothing answered then.
    """
    entries = ledger.entries(use_case)
    moves = entries.filter(pl.col("action").is_in(MOVES))
    deployed = entries.filter(pl.col("action") == "deployed")
    answering = moves if deployed.is_empty() else deployed
    before = answering.filter(pl.col("at") <= at)
    if before.is_empty():
        return None
    version = str(before["model_version"][-1])
    since = _since(before)
    after = answering.filter((pl.col("at") > at) & (pl.col("model_version") != version))
    release = None if deployed.is_empty() else before["release"][-1]
    return Served(
        use_case=use_case,
        environment=ledger.environment,
        version=version,
        champion=ledger.champion_at(use_case, at),
        since=since,
        until=None if after.is_empty() else after["at"][0],
        release=release,
        made_from=_recorded(moves, version) or _registered(registry, use_case, version),
        decision=_decision(moves, version, at),
        promotion=_decision(moves.filter(pl.col("action") == "promoted"), version, at),
    )


def _since(rows: pl.DataFrame) -> datetime:
    """When the last row's version began to answer without a break."""
    versions, moments = rows["model_version"].to_list(), rows["at"].to_list()
    position = len(versions) - 1
    while position > 0 and versions[position - 1] == versions[-1]:
        position -= 1
    since: datetime = moments[position]
    return since


def _decision(moves: pl.DataFrame, version: str, at: datetime) -> dict[str, Any]:
    """The latest move to the version up to that time; a deployment may come before its move is written."""
    own = moves.filter(pl.col("model_version") == version)
    up_to = own.filter(pl.col("at") <= at)
    chosen = up_to.tail(1) if not up_to.is_empty() else own.head(1)
    if chosen.is_empty():
        return {}
    row = chosen.row(0, named=True)
    return {**{name: row[name] for name in ("action", "at", "run_id")}, "evidence": json.loads(row["evidence"])}


def _recorded(moves: pl.DataFrame, version: str) -> dict[str, Any]:
    own = moves.filter(pl.col("model_version") == version)["evidence"]
    records = [json.loads(text).get(MADE_FROM) for text in own.reverse()]
    return next((record for record in records if record), {})


def _registered(registry: ModelRegistry | None, use_case: str, version: str) -> dict[str, Any]:
    return made_from(registry.get(use_case, version)) if registry is not None else {}
