"""Back up an installation: its stores as they agree with each other, to where the settings say; list, verify and prune what is there.

Belongs here: which stores an installation has, whether registry and ledger agree, following them pass by pass. Does not belong here:
how files are copied and kept (`recovery/`), or putting them back (`restore.py`).
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from platform_assets.declaration.loader import every_declaration
from platform_assets.deployment.environments import PORTS, PRODUCTION, environment_home
from platform_assets.installation import Installation
from platform_assets.lake.folders import StoredFolder
from platform_assets.lake.retries import RETRIES
from platform_assets.pipelines.commit_copies_taken import begin_copies_anew
from platform_assets.pipelines.log_copies import remove_held_copies
from platform_assets.pipelines.released_services import release_of_ledger
from platform_assets.recovery.chunk_store import ChunkStore
from platform_assets.recovery.databases import is_postgresql, sqlite_path
from platform_assets.recovery.errors import BackupDamaged, BackupMissing, RecoveryError
from platform_assets.recovery.manifest import (
    FOLLOW,
    FULL,
    Kind,
    Manifest,
    ManifestStore,
    StoredBackup,
    chosen,
)
from platform_assets.recovery.restoring import RestoreDestination
from platform_assets.recovery.retention import PrunedBackups, prune_backups
from platform_assets.recovery.sealing import Sealing, parse_key
from platform_assets.recovery.settings import BackupSettings
from platform_assets.recovery.taking import ARTIFACTS, DAGSTER, LAKE, LOG, Agreement, BackupScope, take_backup
from platform_assets.recovery.trees import FileTree
from platform_assets.recovery.verification import VerifiedBackup, verify_backup
from platform_assets.registry.base import CHAMPION, ENVIRONMENTS
from platform_assets.registry.code_version import code_version
from platform_assets.settings import PREFIX, Settings, environment_variables

LOCK = "backup.lock"
LOCK_SECONDS = 30.0
SWEEP_EVERY = 200
"""Passes of `follow` between two looks for chunks that no backup needs."""


@dataclass(frozen=True)
class BackupPlace:
    """Where the backups of an installation are.

    Attributes:
        wanted: what the settings say.
        chunks: content.
        manifests: what is of which backup.
    """

    wanted: BackupSettings
    chunks: ChunkStore
    manifests: ManifestStore

    @property
    def folder(self) -> StoredFolder:
        """The target itself."""
        return self.chunks.folder

    def choose(self, name: str | None = None, at: datetime | None = None) -> StoredBackup:
        """The backup of a name, the newest before a moment, or the newest.

        Raises:
            BackupMissing: there is none.
        """
        return chosen(self.manifests.backups(), name, at, self.wanted.to)

    def newest(self) -> Manifest | None:
        """The newest backup; None where there is none, or where it cannot be read: everything is copied again then."""
        backups = self.manifests.backups()
        try:
            return self.manifests.read(backups[-1]) if backups else None
        except BackupDamaged:
            return None


def backup_place(settings: Settings, variables: Mapping[str, str] | None = None) -> BackupPlace:
    """Open the target of the settings; nothing is written.

    Args:
        settings: of the installation.
        variables: where the key is; the environment when None.

    Raises:
        BackupMissing: no target is set.
        RecoveryError: the key cannot be used.
    """
    wanted = settings.backup
    if wanted is None:
        raise BackupMissing(
            f"no target of backups is set: {PREFIX}BACKUP names one, such as "
            '{"to": "/mnt/backups/platform"}; see docs/operations/disaster-recovery.md'
        )
    key, variable = None, wanted.encryption_key_variable
    if variable is not None:
        key = parse_key((environment_variables() if variables is None else variables).get(variable, ""), variable)
    options = settings.object_store if wanted.object_store is None else wanted.object_store
    to = wanted.to if "://" in wanted.to else str(Path(wanted.to).absolute())
    folder, sealing = StoredFolder(to, {**RETRIES, **options} if "://" in to else None), Sealing(key)
    return BackupPlace(wanted, ChunkStore(folder, sealing), ManifestStore(folder, sealing))


def backup_scope(installation: Installation) -> BackupScope:
    """The stores of an installation.

    Raises:
        RecoveryError: the variable of a database is not set, or backups would go into the home that they are of.
    """
    settings = installation.settings
    home, trees = settings.home, installation_trees(installation)
    wanted = settings.backup
    if wanted is not None and "://" not in wanted.to and Path(wanted.to).absolute().is_relative_to(home):
        raise RecoveryError(
            f"backups would go to {wanted.to}, which lies in the home {home} itself and is lost with it; name another disk"
        )
    below = [Path(tree.uri) for tree in trees.values() if tree.is_local]
    elsewhere = {str(path.relative_to(home)) for path in below if path.is_relative_to(home)}
    for name in PORTS:
        own = environment_home(home, name)
        elsewhere.add(f"{(own / 'feast' / 'online.db').relative_to(home)}*")
    registries = [path for address in _addresses(settings).values() if (path := sqlite_path(address)) is not None]
    return BackupScope(
        home,
        trees,
        tuple(registries),
        installation_databases(settings),
        frozenset(elsewhere),
        code_version(),
    )


def installation_trees(installation: Installation) -> dict[str, FileTree]:
    """The files of an installation that lie in places of their own, by part."""
    settings, lake = installation.settings, installation.lake
    trees = {LAKE: FileTree(_place(lake.root), lake.storage_options())}
    artifacts = settings.mlflow_artifacts
    if artifacts is not None:
        options = {**RETRIES, **settings.object_store} if "://" in artifacts else None
        trees[ARTIFACTS] = FileTree(_place(artifacts.removeprefix("file://")), options)
    home = environment_home(settings.home, PRODUCTION)
    clustered = settings.target == "kubernetes" and settings.kubernetes is not None
    logs = Path(settings.kubernetes.log_folder) if clustered and settings.kubernetes else home / "prediction_log"
    trees[LOG] = FileTree(str(logs))
    dagster = environment_variables().get(f"{PREFIX}DAGSTER")
    if dagster and not Path(dagster).absolute().is_relative_to(settings.home):
        trees[DAGSTER] = FileTree(str(Path(dagster).absolute()))
    return trees


def installation_databases(settings: Settings) -> dict[str, str]:
    """Addresses of the PostgreSQL databases of an installation by name; never shown.

    Raises:
        RecoveryError: the variable of one is not set.
    """
    found = {name: address for name, address in _addresses(settings).items() if is_postgresql(address)}
    for name, variable in (settings.backup.databases if settings.backup is not None else {}).items():
        address = environment_variables().get(variable, "")
        if not is_postgresql(address):
            raise RecoveryError(
                f"{PREFIX}BACKUP names variable {variable} for the {name} database, and it holds no address of PostgreSQL"
            )
        found[name] = address
    return found


def restore_destination(installation: Installation) -> RestoreDestination:
    """Where a backup is put back to."""
    settings = installation.settings
    return RestoreDestination(
        settings.home,
        installation_trees(installation),
        sqlite_path(settings.mlflow),
        installation_databases(settings),
    )


def back_up(installation: Installation, *, kind: Kind = FULL, place: BackupPlace | None = None) -> Manifest:
    """Make a backup.

    Args:
        installation: what is copied.
        kind: of the backup.
        place: where it goes; that of the settings when None.

    Raises:
        RecoveryError: no target is set, a store cannot be copied, or the stores kept changing; no backup was written.
    """
    place = place or backup_place(installation.settings)
    scope = backup_scope(installation)
    if not scope.home.is_dir():
        raise RecoveryError(f"there is nothing to back up: {scope.home} does not exist")
    with one_backup_at_a_time(scope.home):
        manifest = take_backup(
            scope,
            place.chunks,
            place.manifests,
            lambda: registry_agrees(installation),
            previous=place.newest(),
            kind=kind,
        )
    copies = installation.settings.prediction_log_copy
    if kind == FULL:
        begin_copies_anew(installation.lake, manifest)
        if copies is not None:
            remove_held_copies(copies, manifest, datetime.now(UTC))
    return manifest


def follow(
    installation: Installation, every_seconds: float, stop: threading.Event, passed: Callable[[Manifest], None]
) -> None:
    """Make a pass each few seconds until `stop` is set: a backup of what changed, in place of the pass before.

    Args:
        installation: what is copied.
        every_seconds: between the beginnings of two passes.
        stop: ends it after the pass under way.
        passed: takes the backup of each pass that found something new.

    Raises:
        RecoveryError: a pass did not succeed; the one before it stays.
    """
    place, count, before = backup_place(installation.settings), 0, ""
    while not stop.is_set():
        begun = time.monotonic()
        manifest = back_up(installation, kind=FOLLOW, place=place)
        if manifest.name != before:
            count, before = count + 1, manifest.name
            with one_backup_at_a_time(installation.settings.home):
                prune_backups(place.manifests, place.chunks, place.wanted.keep, sweep=count % SWEEP_EVERY == 0)
            passed(manifest)
        stop.wait(max(0.0, every_seconds - (time.monotonic() - begun)))


def verify_backups(settings: Settings, name: str | None, *, every: bool) -> Iterator[VerifiedBackup]:
    """Read all of a backup, or of every one; the newest when none is named.

    Raises:
        BackupMissing: there is none.
        BackupDamaged: a manifest cannot be read.
    """
    place = backup_place(settings)
    for backup in place.manifests.backups() if every else [place.choose(name)]:
        yield verify_backup(place.manifests.read(backup), place.chunks)


def prune(installation: Installation, *, dry_run: bool) -> PrunedBackups:
    """Remove the backups that the settings do not keep, and chunks that none of the others needs.

    Raises:
        RecoveryError: no target is set, a backup is being made, or a manifest that stays cannot be read; nothing was removed.
    """
    place = backup_place(installation.settings)
    with one_backup_at_a_time(installation.settings.home):
        return prune_backups(place.manifests, place.chunks, place.wanted.keep, dry_run=dry_run)


def registry_agrees(installation: Installation) -> Agreement:
    """Whether each champion of the registry is the one of the ledger, and has the release that the ledger says serves."""
    champions: dict[str, str | None] = {}
    wrong = []
    loaded, _ = every_declaration()
    models = installation.models
    for declared in loaded:
        name = declared.use_case.name
        ledger = models.ledger(name)
        if not ledger.table.exists():
            continue
        registry = models.registry()
        for environment in ENVIRONMENTS:
            moves = ledger.of(environment).moves(name)
            if moves.is_empty():
                continue
            called = name if environment == PRODUCTION else f"{name} in {environment}"
            expected = str(moves["model_version"][-1])
            holder = registry.of(environment).by_alias(name, CHAMPION)
            champions[called] = None if holder is None else holder.version
            if champions[called] != expected and ledger.of(environment).unfinished(name) is None:
                found = champions[called] or "none"
                wrong.append(f"{called}: the ledger's champion is version {expected}, the registry's {found}")
        released = release_of_ledger(declared.use_case, installation)
        if released is not None and released.bento is None:
            wrong.append(f"{name}: the release {released.digest} that serves by the ledger does not lie in the home")
    return Agreement(champions, tuple(wrong))


@contextmanager
def one_backup_at_a_time(home: Path) -> Iterator[None]:
    """Hold the home's lock of backups.

    Raises:
        RecoveryError: another backup is being made or pruned for long.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(home / LOCK, timeout=LOCK_SECONDS, mode=0o600)
    try:
        lock.acquire()
    except Timeout as error:
        raise RecoveryError(f"another backup of {home} is being made or pruned; wait until it is over") from error
    try:
        yield
    finally:
        lock.release()


def _addresses(settings: Settings) -> dict[str, str]:
    return {"mlflow": settings.mlflow, "feast_registry": settings.feast_registry}


def _place(uri: str) -> str:
    return uri.rstrip("/") if "://" in uri else os.path.abspath(uri)
