"""The deployed service that the benchmarks measure, deployed once more on copies of what it reads.

Belongs here: finding release, settings and requests of an installation that `make run` made, and staging a second
deployment of the same release. Does not belong here: any measurement.

Scoring leaves traces: an event counts in its customer's later features and stands in the prediction log, which monitoring
reads. Made-up load must not do that to the deployed service. So the same release (same Bento, digest and settings) is put
by the same target code behind a second proxy on a port of its own, with a copy of the online store and a log of its own,
and only that one is loaded, redeployed and killed.
"""

from __future__ import annotations

import json
import os
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import psutil

from benchmarks.common.world import scored_use_case
from platform_assets.cli.run.replay import request_body
from platform_assets.connectors.conforming import conform
from platform_assets.declaration import UseCase
from platform_assets.declaration.loader import DeclaredUseCase
from platform_assets.deployment.local import LocalTarget
from platform_assets.deployment.local.host import free_port
from platform_assets.deployment.packaging import BuiltBento, find_bento
from platform_assets.deployment.release import Release
from platform_assets.deployment.target import Target
from platform_assets.features.online.feast_connection import FeastSettings, prepare_sqlite
from platform_assets.installation import Installation
from platform_assets.pipelines.deploy import release_of
from platform_assets.pipelines.package import DIGEST_TAG, serving_settings
from platform_assets.pipelines.timeline import plan
from platform_assets.registry.base import CHAMPION
from platform_assets.settings import Settings
from serving.settings import ServingSettings

SQLITE = "sqlite:///"
DAYS_OF_EVENTS = 5


class NotRunning(RuntimeError):
    """There is no deployed service to measure; `make run` makes one."""


class NotCopied(RuntimeError):
    """The online store cannot be copied, and the deployed one must not be written to."""


@dataclass(frozen=True)
class DeployedUseCase:
    """One deployed use case.

    Attributes:
        use_case: its declaration.
        folder: folder that the declaration stands in.
        target: where it runs.
        bento: what runs.
        release: what the target was asked to run.
        settings: of its processes.
        bodies: request bodies in time order: real events of the first days after the replayed ones.
        distinct: those of them that are their group's (customer's) first on their day, in the same order.
    """

    use_case: UseCase
    folder: Path
    target: Target
    bento: BuiltBento
    release: Release
    settings: ServingSettings
    bodies: Sequence[bytes]
    distinct: Sequence[bytes]

    @property
    def url(self) -> str:
        """Where events are scored, through the proxy."""
        return f"{self.target.address(self.use_case.name)}/score"

    def release_named(self, suffix: str) -> Release:
        """The same service under another version, for redeployments."""
        return replace(self.release, version=f"{self.release.version}-{suffix}")


def find_installation(name: str | None = None) -> DeployedUseCase:
    """A declared use case whose champion is deployed and answers; nothing is started or changed.

    Args:
        name: of the use case; the first one declared when left out.

    Raises:
        NotRunning: when it does not run, or something else than the champion does.
    """
    settings = Settings.from_environment()
    declared = scored_use_case(name)
    use_case = declared.use_case
    serving = Installation(settings).serving
    feast = Installation(settings).feature_store
    models = Installation(settings).models
    version = models.registry().by_alias(use_case.name, CHAMPION)
    bento = None if version is None else find_bento(use_case, version.tags.get(DIGEST_TAG, ""), serving.bento_root())
    if version is None or bento is None:
        raise NotRunning(f"{use_case.name} was never deployed below {settings.home}: run `make run` first")
    process = serving_settings(use_case, feast, serving)
    release = release_of(use_case, version, bento, process)
    status = serving.target().status().use_cases.get(use_case.name)
    if status is None or not status.serving or status.version != release.version:
        result = "nothing" if status is None else f"{status.version}, {'ready' if status.serving else 'not ready'}"
        raise NotRunning(
            f"{use_case.name}: {release.version} should be serving at {serving.target().address()}, found {result}: "
            "run `make run` first"
        )
    events = _events(declared, settings)
    return DeployedUseCase(
        use_case=use_case,
        folder=declared.folder,
        target=serving.target(),
        bento=bento,
        release=release,
        settings=process,
        bodies=_bodies(events, use_case),
        distinct=_bodies(first_of_each_day(events, use_case), use_case),
    )


@contextmanager
def staged(installation: DeployedUseCase) -> Iterator[DeployedUseCase]:
    """The same release once more, at an address of its own; everything of it is stopped and removed at the end.

    Raises:
        NotCopied: the online store is not an SQLite file.
        DeploymentError: it does not come up.
    """
    with tempfile.TemporaryDirectory(prefix="platform-assets-bench-") as scratch:
        root = Path(scratch)
        settings = copied_settings(installation.settings, root / "service")
        environment = {**installation.release.environment, **settings.to_environment()}
        # The digest that the service insists on is part of the release's environment, not of the settings.
        environment["PLATFORM_ASSETS_SERVING_RELEASE_DIGEST"] = installation.bento.digest
        release = replace(installation.release, environment=environment)
        target = LocalTarget(root / "target", free_port(os.getpid(), ()), port_setting="the benchmark's port")
        try:
            target.deploy(release)
            yield replace(installation, target=target, release=release, settings=settings)
        finally:
            target.stop_all()


def copied_settings(settings: ServingSettings, folder: Path) -> ServingSettings:
    """Settings that read copies, made now, of Feast's registry and online store, and log into the same folder.

    Raises:
        NotCopied: one of them is not an SQLite file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    feast: dict[str, Any] = dict(settings.feast)
    registry, store = str(feast["registry"]), dict(feast["online_store"])
    if not registry.startswith(SQLITE) or store.get("type") != "sqlite":
        raise NotCopied(
            f"the benchmarks load a copy of the online store and can copy SQLite only; found {store.get('type')!r} with the "
            f"registry at {registry.partition('://')[0]!r}. Measure an installation with the default stores"
        )
    online = Path(str(feast["home"])) / str(store.get("path", "online.db"))
    _copy_sqlite(online, folder / "online.db")
    _copy_sqlite(Path(registry.removeprefix(SQLITE)), folder / "registry.db")
    feast |= {
        "registry": f"{SQLITE}{folder / 'registry.db'}",
        "online_store": {**store, "path": str(folder / "online.db")},
        "home": str(folder),
    }
    prepare_sqlite(FeastSettings.model_validate(feast))
    return settings.model_copy(update={"feast": feast, "log_folder": folder / "log"})


def first_of_each_day(events: pl.DataFrame, use_case: UseCase) -> pl.DataFrame:
    """Each group's first event of each day; all events when no group is declared."""
    group = use_case.training.group
    if group is None:
        return events
    day = pl.col(use_case.event_time).dt.date()
    return events.unique([group, day], keep="first", maintain_order=True)


def resident_megabytes(pid: int | None) -> float:
    """Memory of a process and all below it, in MB (10^6 bytes); 0 when it is gone."""
    if pid is None or not psutil.pid_exists(pid):
        return 0.0
    process = psutil.Process(pid)
    return sum(item.memory_info().rss for item in [process, *process.children(recursive=True)]) / 1e6


def _events(declared: DeclaredUseCase, settings: Settings) -> pl.DataFrame:
    """Events of the first days that no run has replayed, in time order."""
    use_case = declared.use_case
    source, first = use_case.event_source, plan(use_case).live.last + timedelta(days=1)
    sources = Installation(settings).sources
    result = sources.read(source, declared.folder, first, first + timedelta(days=DAYS_OF_EVENTS - 1), [])
    return conform(result, source).frame.sort(use_case.event_time, *source.primary_key)


def _bodies(events: pl.DataFrame, use_case: UseCase) -> list[bytes]:
    rows = events.select(use_case.serving.request).to_dicts()
    return [json.dumps(request_body(row)).encode() for row in rows]


def _copy_sqlite(source: Path, target: Path) -> None:
    """A consistent copy of a database that others may be writing to."""
    if not source.is_file():
        raise NotCopied(f"{source} does not exist: run `make run` first")
    with closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)
