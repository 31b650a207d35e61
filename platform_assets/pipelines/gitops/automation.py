"""What automation does with a version whose gates passed, where releases stand in git: it proposes, and a person merges.

Belongs here: when it proposes, when it promotes by itself, and when it does neither. Does not belong here: what is proposed
(`propose.py`), what a merge does (`reconcile.py`), or a person's own promotion.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from platform_assets.declaration import UseCase
from platform_assets.lake.catalog import Catalog
from platform_assets.pipelines.gitops.propose import Proposer, promotion_branch, propose_promotion
from platform_assets.pipelines.promote import PromotedModel, promote_model
from platform_assets.registry.base import CHAMPION, RegisteredVersion
from platform_assets.registry.errors import PromotionRefused
from platform_assets.registry.ledger import Ledger
from platform_assets.registry.promotion import refusal_after_rollback, refuse

AUTOMATION = "automation"
"""Who proposes; who merges stands in git."""


@dataclass(frozen=True)
class AwaitedMerge:
    """A version whose release was proposed.

    Attributes:
        version: of the model.
        branch: that waits to be merged.
        address: where people find the request; None where only a branch was pushed, or where it was proposed before.
        pushed: False where it was proposed on the same move before: a request that somebody closed is not opened again.
    """

    version: RegisteredVersion
    branch: str
    address: str | None = None
    pushed: bool = True


def promote_or_propose(
    use_case: UseCase, version: RegisteredVersion, parts: Proposer, run_id: str
) -> PromotedModel | AwaitedMerge:
    """Propose the release of a version; where nothing was ever released, promote it.

    The first release takes nobody's place and undoes nobody's decision; the reconciler writes it to git. Every later one waits for a merge.

    Args:
        use_case: whose model.
        version: that passed its gates.
        parts: registry, repository and the rest.
        run_id: of who asks, for the ledger.

    Raises:
        PromotionHeld: the use case is held.
        PromotionRefused: it would not be promoted, or was rolled back from: only a person proposes that again.
        NotEvaluated, ReleaseRefused, ParityNotProven, PackagingFailed, GitFailed, PullRequestRefused: as `propose_promotion`.
    """
    models = parts.models
    registry, ledger = models.registry(), models.ledger(use_case.name)
    champion = registry.by_alias(use_case.name, CHAMPION)
    if (champion is not None and champion.version == version.version) or _nothing_was_released(use_case, parts):
        return promote_model(Catalog(use_case, models.lake), registry, ledger, version, run_id)
    against = refusal_after_rollback(ledger, version)
    if against:
        previous = None if champion is None else champion.version
        refuse(ledger, version, previous, {"reason": against}, datetime.now(UTC), run_id)
        raise PromotionRefused(f"{use_case.name} version {version.version} was not proposed: {against}")
    waiting = awaited_merge(ledger, version)
    if waiting is not None:
        return waiting
    why = f"it passed its gates, trained as of {version.tags.get('as_of', 'its day')}"
    proposed = propose_promotion(use_case, version, models.environment, parts, who=AUTOMATION, why=why)
    registry.set_tags(version, {_tag(ledger): _newest_move(ledger, use_case.name)})
    return AwaitedMerge(version, proposed.branch.name, proposed.request.address, proposed.branch.changed)


def awaited_merge(ledger: Ledger, version: RegisteredVersion) -> AwaitedMerge | None:
    """The proposal of a version that was made on the newest move; None where none was, or where the champion moved since."""
    if version.tags.get(_tag(ledger)) != _newest_move(ledger, version.use_case):
        return None
    branch = promotion_branch(version.use_case, version.version, ledger.environment)
    return AwaitedMerge(version, branch, pushed=False)


def _nothing_was_released(use_case: UseCase, parts: Proposer) -> bool:
    models = parts.models
    if not models.ledger(use_case.name).moves(use_case.name).is_empty():
        return False
    return parts.repository.read(models.environment, use_case.name).text is None


def _tag(ledger: Ledger) -> str:
    """Of a registered version: the newest move of the champion when it was proposed to that environment."""
    return f"proposed_on_{ledger.environment}"


def _newest_move(ledger: Ledger, use_case: str) -> str:
    moves = ledger.moves(use_case)
    return "none" if moves.is_empty() else str(moves["entry"][-1])
