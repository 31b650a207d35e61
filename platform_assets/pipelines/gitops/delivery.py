"""The four parties of an installation: its ledger, its registry's alias, its GitOps repository and its target.

Belongs here: asking each, and what one step does to it, by the pipelines that everybody else uses. Does not belong here: which step is due
(`delivery_rules.py`), or the order of steps (`reconcile.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from platform_assets.declaration import UseCase
from platform_assets.deployment.errors import DeploymentError
from platform_assets.deployment.gitops.release_file import ReleaseFile, WrittenHold
from platform_assets.deployment.gitops.repository import ReleaseRepository
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.features.online.feature_store import FeatureStore
from platform_assets.lake.catalog import Catalog
from platform_assets.pipelines.deploy import deploy_version, ledger_entry
from platform_assets.pipelines.gitops.check_release import ReleaseRefused, check_release
from platform_assets.pipelines.gitops.comparison import serving_again
from platform_assets.pipelines.gitops.delivery_state import (
    BegunRollback,
    DeliveryState,
    LedgerSide,
    TargetSide,
    ledger_side,
)
from platform_assets.pipelines.gitops.describe_release import describe_release
from platform_assets.pipelines.package import DIGEST_TAG, NotPromoted, PackagingFailed, package_version
from platform_assets.pipelines.promote import promote_model
from platform_assets.pipelines.roll_back import roll_back_model
from platform_assets.pipelines.rollout_record import RolloutBooks, settle_ended
from platform_assets.pipelines.targets import TARGET
from platform_assets.pipelines.write_model_card import CARD_FILE
from platform_assets.registry.base import CHAMPION, RegisteredVersion
from platform_assets.registry.champion_moves import settle as settle_move
from platform_assets.registry.errors import RegistryError, RegistryUnreachable, RollbackRefused
from platform_assets.registry.holds import place_hold
from platform_assets.registry.ledger import Ledger
from platform_assets.registry.model_store import ModelStore
from platform_assets.registry.promotion import refuse
from platform_assets.registry.training_run import registered_run

CARD, COMPARISON = "card.html", "comparison.md"
"""Files beside a release, for people."""


@dataclass(frozen=True)
class InstalledDelivery:
    """A use case of an installation, in its environment.

    Attributes:
        use_case: the declaration.
        models: registry and ledger.
        feature_store: what its service reads its features from.
        serving: where its service is built and answers.
        repository: where release files stand.
        run_id: of who reconciles, for the ledger.
        log: progress.
    """

    use_case: UseCase
    models: ModelStore
    feature_store: FeatureStore
    serving: ServingHome
    repository: ReleaseRepository
    run_id: str
    log: Callable[[str], None] = field(default=lambda line: None, repr=False)

    @property
    def name(self) -> str:
        """Of the use case."""
        return self.use_case.name

    @property
    def ledger(self) -> Ledger:
        """Of the use case."""
        return self.models.ledger(self.name)

    def settle(self) -> None:
        """Write down what a rollout's decision left half done: the target took it, and the ledger has not heard of it."""
        if not self.use_case.is_realtime:
            return
        books = RolloutBooks(self.use_case, self.models, self.serving, self.run_id)
        try:
            view = self.serving.target().rollout(self.name)
            if not books.settle_interrupted(view) and view is None:
                settle_ended(books, datetime.now(UTC))
        except DeploymentError as error:
            self.log(f"{self.name}: the target cannot be asked about rollouts: {error}")

    def state(self) -> DeliveryState:
        """What all four say now."""
        registry, ledger = self.models.registry(), self.ledger
        rows = ledger.entries(self.name).to_dicts()
        side = ledger_side(rows, ledger.unfinished(self.name), datetime.now(UTC))
        alias = registry.by_alias(self.name, CHAMPION)
        digest = None if side.champion is None else registry.get(self.name, side.champion).tags.get(DIGEST_TAG)
        return DeliveryState(
            use_case=self.name,
            environment=self.models.environment,
            ledger=side,
            alias=None if alias is None else alias.version,
            git=self.repository.read(self.models.environment, self.name),
            target=self._target_side() if self.use_case.is_realtime else None,
            digest=digest or None,
        )

    def _target_side(self) -> TargetSide:
        try:
            target = self.serving.target()
            one, view = target.status().use_cases.get(self.name), target.rollout(self.name)
        except DeploymentError as error:
            return TargetSide(problem=str(error))
        coming = view.new.version if view is not None and view.new is not None else None
        return TargetSide(None if one is None else one.version, coming)

    def finish_move(self) -> None:
        """Write the entry of a move that was made."""
        settle_move(self.models.registry(), self.ledger, self.name)

    def finish_rollback(self, begun: BegunRollback) -> None:
        """Carry out a rollback that was begun; one that is not possible any more is over.

        Raises:
            ReleaseRefused: it is not possible any more; the ledger has an entry of it.
            DeploymentError: the service did not take over.
        """
        try:
            roll_back_model(
                self.use_case,
                self.models,
                self.feature_store,
                self.serving,
                self.run_id,
                why=begun.why,
                who=begun.by,
                to=begun.version,
            )
        except RollbackRefused as error:
            version = self.models.registry().get(self.name, begun.version)
            self._refuse(version, str(error), self.run_id, rollback=True)
            raise ReleaseRefused(str(error)) from error
        except RegistryUnreachable:
            raise
        except RuntimeError as error:
            raise ReleaseRefused(str(error)) from error

    def return_alias(self, version: str) -> None:
        """Point the champion's alias at the ledger's champion."""
        self.models.registry().set_alias(self.name, CHAMPION, version)

    def adopt_hold(self, hold: WrittenHold, champion: str | None) -> None:
        """Write a hold that a person placed in git into the ledger."""
        place_hold(
            self.ledger,
            self.name,
            by=hold.by,
            why=hold.why,
            champion=champion or "",
            until=hold.until,
            since=hold.since.isoformat(),
        )

    def promote(self, file: ReleaseFile, commit: str) -> None:
        """Check a merged release against registry, verdict, declaration and its own service, then promote it.

        Raises:
            ReleaseRefused, PromotionRefused: it is not true, or not allowed; the ledger has an entry of it.
        """
        registry = self.models.registry()
        try:
            version = registry.get(self.name, file.model.version)
        except RegistryUnreachable:
            raise
        except RegistryError as error:
            raise ReleaseRefused(f"{error}; the release file names it as model.version") from error
        try:
            check_release(self.use_case, file, version, registered_run(registry, version).evidence())
            self._check_service(version, file)
        except (ReleaseRefused, PackagingFailed) as error:
            self._refuse(version, str(error), f"git {commit[:12]}")
            raise ReleaseRefused(str(error)) from error
        decided = {"who": file.decided.by, "why": file.decided.why, "commit": commit}
        catalog = Catalog(self.use_case, self.models.lake)
        promote_model(catalog, registry, self.ledger, version, f"git {commit[:12]}", decided)

    def _check_service(self, version: RegisteredVersion, file: ReleaseFile) -> None:
        """The service is built here, starts, answers known rows like the model, and is the one that was reviewed.

        Raises:
            PackagingFailed: it does not start, or answers otherwise.
            ReleaseRefused: it is another one.
        """
        if file.service is None:
            return
        packaged = package_version(self.use_case, version, self.models, self.feature_store, self.serving, self.log)
        if packaged.bento.digest != file.service.digest:
            raise ReleaseRefused(
                f"the release of version {version.version} of {self.name} is refused. service.digest: "
                f"{file.service.digest} was reviewed, and {packaged.bento.digest} is what this installation builds: its code, libraries or "
                "settings differ. Propose it again from here"
            )

    def _refuse(self, version: RegisteredVersion, why: str, run_id: str, *, rollback: bool = False) -> None:
        champion = self.models.registry().by_alias(self.name, CHAMPION)
        evidence = {"reason": why, **({"rollback": True} if rollback else {})}
        previous = None if champion is None else champion.version
        refuse(self.ledger, version, previous, evidence, self.ledger.next_moment(self.name, None), run_id)

    def recorded(self, state: DeliveryState) -> ReleaseFile:
        """The file that says what the ledger says."""
        side = state.ledger
        version, decided = self._champion(side)
        evidence = registered_run(self.models.registry(), version).evidence()
        return describe_release(
            version,
            evidence,
            self.models.environment,
            service_digest=state.digest if self.use_case.is_realtime else None,
            decided=decided,
            ledger_entry=side.entry,
            hold=side.hold,
        )

    def companions(self, state: DeliveryState, file: ReleaseFile) -> Mapping[str, str]:
        """The card of the version, and why it serves."""
        version, decided = self._champion(state.ledger)
        card = registered_run(self.models.registry(), version).folder / CARD_FILE
        page = {CARD: card.read_text(encoding="utf-8")} if card.is_file() else {}
        return {**page, COMPARISON: serving_again(version, decided, state.ledger.hold)}

    def _champion(self, side: LedgerSide) -> tuple[RegisteredVersion, tuple[str, str, datetime]]:
        assert side.champion is not None
        assert side.decided is not None
        return self.models.registry().get(self.name, side.champion), side.decided

    def deploy(self, version: str) -> None:
        """Deploy the service of a version in the declared stages; it is built where it is not there.

        Raises:
            DeploymentError: it did not take over; the ledger has an entry of it.
        """
        found = self.models.registry().get(self.name, version)
        parts = self.models, self.feature_store, self.serving
        try:
            deploy_version(self.use_case, found, *parts, self.run_id)
        except NotPromoted:
            try:
                packaged = package_version(self.use_case, found, *parts, self.log)
            except PackagingFailed as error:
                evidence = {"error": str(error)}
                digest = found.tags.get(DIGEST_TAG, "")
                self.ledger.record(
                    ledger_entry("deployment_failed", self.use_case, found, None, digest, evidence, self.run_id)
                )
                raise DeploymentError(str(error)) from error
            built = self.models.registry().get(self.name, packaged.model_version)
            deploy_version(self.use_case, built, *parts, self.run_id)

    def record_deployment(self, state: DeliveryState) -> None:
        """Write the deployment that the target has into the ledger."""
        version, _ = self._champion(state.ledger)
        evidence = {"message": "found on the target, and written down later", TARGET: self.serving.name}
        entry = ledger_entry("deployed", self.use_case, version, None, state.digest or "", evidence, self.run_id)
        self.ledger.record(entry)
