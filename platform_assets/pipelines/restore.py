"""Restore an installation from a backup: files, then what is made again from them, the online stores and the services.

Belongs here: the order, and what became of each use case. Does not belong here: putting files back (`recovery/restoring.py`), single tables
(`restore_table.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl

from platform_assets.declaration import UseCase
from platform_assets.declaration.loader import every_declaration
from platform_assets.declaration.prediction_log import live_rows
from platform_assets.deployment.errors import DeploymentError
from platform_assets.features.errors import FeatureError
from platform_assets.features.event_frames import midnight
from platform_assets.installation import Installation
from platform_assets.lake.errors import LakeError
from platform_assets.monitoring.prediction_log import read_segments
from platform_assets.pipelines.back_up import (
    backup_place,
    installation_trees,
    one_backup_at_a_time,
    restore_destination,
)
from platform_assets.pipelines.check_service import check_service, explanation
from platform_assets.pipelines.commit_copies_taken import take_in_commits
from platform_assets.pipelines.log_copies import take_in_copies
from platform_assets.pipelines.refresh_online_store import refresh_online_store
from platform_assets.pipelines.released_services import release_of_ledger, serve_again
from platform_assets.pipelines.required_days import DaysMissing
from platform_assets.recovery.manifest import Manifest
from platform_assets.recovery.restoring import RestoredFiles, restore_files
from platform_assets.recovery.taking import LOG
from serving.online import StoreUnavailable, open_online_features

ONE_DAY = timedelta(days=1)
EVENTS_AT_ONCE = 500
NOT_MADE_AGAIN = (ValueError, DaysMissing, LakeError, DeploymentError, StoreUnavailable)
"""What a store or a service says that does not come up."""


@dataclass(frozen=True)
class RestoredUseCase:
    """What became of a use case.

    Attributes:
        name: of the use case.
        store: what was written to its online store.
        version: of the model that serves; None where nothing served.
        problem: what is wrong, and what to do; None where nothing is.
    """

    name: str
    store: str = ""
    version: str | None = None
    problem: str | None = None


@dataclass(frozen=True)
class RestoredHome:
    """What became of a home.

    Attributes:
        manifest: the backup.
        files: what was put back.
        use_cases: what was made again of each.
        seconds: that files, stores and services took.
        copied_predictions: that the backup lacks and the copy of the prediction log had.
        copied_commits: that the backup lacks and the copy of the lake had, by table.
    """

    manifest: Manifest
    files: RestoredFiles
    use_cases: tuple[RestoredUseCase, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)
    copied_predictions: int = 0
    copied_commits: dict[str, int] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether everything is there again."""
        return all(one.problem is None for one in self.use_cases)


def restore_home(
    installation: Installation,
    *,
    name: str | None = None,
    at: datetime | None = None,
    set_aside: bool = False,
    serve: bool = True,
    log: Callable[[str], None],
) -> RestoredHome:
    """Put a backup back into the home of the settings, fill online stores, and deploy what served.

    Args:
        installation: where it goes.
        name: of the backup; the newest, or the newest before `at`, when None.
        at: a moment.
        set_aside: whether what stands in the home is moved to a folder of it.
        serve: whether services are deployed.
        log: takes a line for each step.

    Raises:
        BackupMissing: there is none.
        BackupDamaged: a file is not what was written; nothing was changed.
        RestoreRefused: something stands where the backup would go; nothing was changed.
    """
    place = backup_place(installation.settings)
    manifest = place.manifests.read(place.choose(name, at))
    log(f"backup {manifest.name}: {len(manifest.files):,} files, {manifest.size / 1e6:,.0f} MB")
    home = installation.settings.home
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    started = time.monotonic()
    with one_backup_at_a_time(home):
        files = restore_files(manifest, place.chunks, restore_destination(installation), set_aside=set_aside)
    seconds = {"files": round(time.monotonic() - started, 2)}
    log(f"files are in their places after {seconds['files']:.1f} s")
    installation.settings.prepare()
    newest = name is None and at is None  # who asks for an earlier moment wants nothing that came after it
    commits = take_in_commits(installation.lake) if newest else {}
    if commits:
        log(f"{sum(commits.values()):,} commits of {len(commits)} tables that the backup lacks came from their copies")
    copies = installation.settings.prediction_log_copy
    logs = Path(installation_trees(installation)[LOG].uri)
    copied = take_in_copies(copies, logs) if newest and copies is not None else 0
    if copied:
        log(f"{copied:,} predictions that the backup lacks came from {copies}")
    outcomes = []
    for declared in every_declaration()[0]:
        begun = time.monotonic()
        outcomes.append(made_again(declared.use_case, installation, manifest.name, serve=serve, log=log))
        seconds[declared.use_case.name] = round(time.monotonic() - begun, 2)
    return RestoredHome(manifest, files, tuple(outcomes), seconds, copied, commits)


def made_again(
    use_case: UseCase, installation: Installation, backup: str, *, serve: bool, log: Callable[[str], None]
) -> RestoredUseCase:
    """The online store and the service of a use case, from what was put back."""
    name = use_case.name
    released = release_of_ledger(use_case, installation)
    if released is None:
        return RestoredUseCase(name)
    try:
        store = fill_online_store(use_case, installation, log)
        if not serve:
            return RestoredUseCase(name, store, released.version)
        serve_again(use_case, installation, released, f"restore {backup}")
    except NOT_MADE_AGAIN as error:
        return RestoredUseCase(name, version=released.version, problem=f"{name}: {error}")
    check = check_service(use_case, installation.serving, installation.feature_store.settings(use_case))
    problem = None if check.passed else explanation(check)
    log(f"{name}: version {released.version} {'answers' if problem is None else 'does not answer rightly'}")
    return RestoredUseCase(name, store, released.version, problem)


def fill_online_store(use_case: UseCase, installation: Installation, log: Callable[[str], None]) -> str:
    """Fill a store that is empty after a restore: states as of the midnight that it was filled as of, then what was scored since.

    Returns:
        What was written, for people.

    Raises:
        FeatureError, LakeError: a state cannot be made.
    """
    at = filled_as_of(use_case, installation)
    if at is None:
        return ""
    return fill_as_of(use_case, installation, at, log)


def fill_as_of(
    use_case: UseCase, installation: Installation, at: date, log: Callable[[str], None], *, record: bool = True
) -> str:
    """Fill an empty store with states as of a midnight, and the events that were scored since.

    Args:
        use_case: whose store.
        installation: whose lake and prediction log.
        at: the midnight.
        log: takes lines.
        record: whether what was scored since is recorded.

    Raises:
        FeatureError, LakeError: a state cannot be made.
    """
    feast = installation.feature_store.settings(use_case)
    written = refresh_online_store(installation.catalog(use_case), feast, at - ONE_DAY, log)
    count = record_scored_since(use_case, installation, at) if record else 0
    states = sum(written.entities_written.values())
    words = f"{states:,} states as of {at}, and {count:,} events that were scored since"
    log(f"{use_case.name}: online store holds {words}")
    return words


def filled_as_of(use_case: UseCase, installation: Installation) -> date | None:
    """The midnight that the online store was last filled as of, by Feast's registry; None where it never was."""
    from platform_assets.features.online.feast_connection import feast_store
    from platform_assets.features.online.feast_objects import feast_objects
    from platform_assets.features.online.generation import expected_generation

    if not feast_objects(use_case):
        return None
    expected = expected_generation(feast_store(installation.feature_store.settings(use_case)))
    return None if expected is None else date.fromisoformat(expected.as_of)


def record_scored_since(use_case: UseCase, installation: Installation, at: date) -> int:
    """Bring events of the prediction log into the online store that happened since a midnight; how many.

    Raises:
        FeatureError: an event cannot be recorded.
    """
    folder = installation.serving.log_folder(use_case.name)
    rows = live_rows(read_segments(Path(folder), use_case).frame)
    since = pl.col(use_case.event_time) >= midnight(at, use_case.time_zone)
    events = rows.filter(since).select(use_case.serving.request).to_dicts()
    if not events:
        return 0
    online = open_online_features(use_case, installation.feature_store.settings(use_case).model_dump(mode="json"))
    for begin in range(0, len(events), EVENTS_AT_ONCE):
        for wrong in online.record_all(events[begin : begin + EVENTS_AT_ONCE]):
            if wrong is not None:
                raise FeatureError(f"an event of the prediction log cannot be recorded: {wrong}") from wrong
    return len(events)
