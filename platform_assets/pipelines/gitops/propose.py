"""Proposing a promotion: a release file on a branch, with all that reviewers need, once it is known that it would be allowed.

Belongs here: what is checked before, and what is pushed. Does not belong here: what happens after the merge (`reconcile.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from platform_assets.declaration import UseCase
from platform_assets.deployment.gitops.pull_requests.base import OpenedRequest, ProposedText, PullRequests
from platform_assets.deployment.gitops.release_file import ReleaseFile
from platform_assets.deployment.gitops.repository import PushedBranch, ReleaseRepository
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.features.online.feature_store import FeatureStore
from platform_assets.lake.catalog import Catalog
from platform_assets.pipelines.check_parity import require_parity
from platform_assets.pipelines.gitops.check_release import check_release
from platform_assets.pipelines.gitops.comparison import ProposedModel, SelfTestFigures, comparison_page
from platform_assets.pipelines.gitops.delivery import CARD, COMPARISON
from platform_assets.pipelines.gitops.describe_release import commit_here, describe_release
from platform_assets.pipelines.package import package_version
from platform_assets.pipelines.write_model_card import CARD_FILE
from platform_assets.registry.base import CHAMPION, Environment, RegisteredVersion
from platform_assets.registry.errors import NotEvaluated, PromotionHeld, PromotionRefused
from platform_assets.registry.holds import hold_in_force
from platform_assets.registry.ledger import Ledger
from platform_assets.registry.model_store import ModelStore
from platform_assets.registry.promotion import refusal
from platform_assets.registry.training_run import registered_run


@dataclass(frozen=True)
class Proposer:
    """What a promotion is proposed with.

    Attributes:
        models: registry and ledger.
        feature_store: what the service will read its features from.
        serving: where its service is built.
        repository: where release files stand.
        requests: how reviewers are asked.
        variables: the environment, for a token.
        log: progress.
    """

    models: ModelStore
    feature_store: FeatureStore
    serving: ServingHome
    repository: ReleaseRepository
    requests: PullRequests
    variables: Mapping[str, str]
    log: Callable[[str], None]


@dataclass(frozen=True)
class ProposedPromotion:
    """A promotion that waits to be merged.

    Attributes:
        file: the release.
        branch: that was pushed.
        request: what reviewers find.
    """

    file: ReleaseFile
    branch: PushedBranch
    request: OpenedRequest


def promotion_branch(use_case: str, version: str, environment: str) -> str:
    """Name of the branch of a promotion."""
    return f"promote/{use_case}/{version}/{environment}"


def propose_promotion(
    use_case: UseCase, version: RegisteredVersion, environment: Environment, parts: Proposer, *, who: str, why: str
) -> ProposedPromotion:
    """Check a version, write its release on a branch, and ask for the merge. Nothing moves before that.

    Args:
        use_case: whose model.
        version: that is to serve.
        environment: where.
        parts: registry, repository and the rest.
        who: proposes it.
        why: in words.

    Raises:
        PromotionHeld: the use case is held in that environment.
        NotEvaluated, PromotionRefused, ReleaseRefused: it would not be promoted; the message says why.
        ParityNotProven: what it serves with differs online and offline.
        PackagingFailed: its service does not start, or answers otherwise than the model.
        GitFailed, PullRequestRefused: see there.
    """
    registry, ledger = parts.models.registry().of(environment), parts.models.ledger(use_case.name).of(environment)
    champion = registry.by_alias(use_case.name, CHAMPION)
    _check_allowed(version, champion, ledger)
    require_parity(Catalog(use_case, parts.models.lake), version.tags["as_of"])
    run = registered_run(registry, version)
    evidence = run.evidence()
    if not evidence:
        raise NotEvaluated(
            f"{use_case.name}: version {version.version} was not evaluated; materialize its evaluation first"
        )
    against = refusal(registry, ledger, version, evidence)
    if against:
        raise PromotionRefused(f"{use_case.name} version {version.version} would not be promoted: {against}")
    figures, digest = _service(use_case, version, parts)
    moves = ledger.moves(use_case.name)
    file = describe_release(
        version,
        evidence,
        environment,
        service_digest=digest,
        decided=(who, why, datetime.now(UTC)),
        ledger_entry=None if moves.is_empty() else str(moves["entry"][-1]),
        commit=commit_here(),
    )
    check_release(use_case, file, version, evidence)
    serving = None if champion is None else ProposedModel(champion, registered_run(registry, champion))
    page = comparison_page(use_case, file, ProposedModel(version, run), serving, figures)
    card = run.folder / CARD_FILE
    companions = {COMPARISON: page, **({CARD: card.read_text(encoding="utf-8")} if card.is_file() else {})}
    title = f"{use_case.name}: promote version {version.version} to {environment}"
    name = promotion_branch(use_case.name, version.version, environment)
    branch = parts.repository.propose(file, name, f"{title}\n\n{who}: {why}\n", companions)
    return ProposedPromotion(file, branch, parts.requests.open(branch, ProposedText(title, page), parts.variables))


def _check_allowed(version: RegisteredVersion, champion: RegisteredVersion | None, ledger: Ledger) -> None:
    if champion is not None and champion.version == version.version:
        raise PromotionRefused(
            f"{version.use_case} version {version.version} is the champion of {ledger.environment} already; nothing was proposed"
        )
    hold = hold_in_force(ledger, version.use_case)
    if hold is not None:
        raise PromotionHeld(
            f"{version.use_case} version {version.version} was not proposed: {hold.sentence(version.use_case)}"
        )


def _service(
    use_case: UseCase, version: RegisteredVersion, parts: Proposer
) -> tuple[SelfTestFigures | None, str | None]:
    """Build the service and let it prove itself; its figures and its digest."""
    if not use_case.is_realtime:
        return None, None
    packaged = package_version(use_case, version, parts.models, parts.feature_store, parts.serving, parts.log)
    tested = packaged.self_test
    figures = SelfTestFigures(
        tested.rows, tested.max_difference, tested.startup_seconds, tested.resident_bytes, packaged.bento.size_bytes
    )
    return figures, packaged.bento.digest
