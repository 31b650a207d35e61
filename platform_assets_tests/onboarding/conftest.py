"""An installation of its own, and two use cases that were taken all the way on it.

Belongs here: running a folder that holds nothing but `defs.yaml` and data. Does not belong here: what the folders hold
(`machine_world.py`).
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import httpx
import polars as pl
import pytest

from platform_assets.automation.jobs import build_jobs
from platform_assets.cli.console import console, progress_logger
from platform_assets.cli.replay import Traffic
from platform_assets.cli.run import PROGRESS, Journey, run_one
from platform_assets.cli.summary import print_summary
from platform_assets.cli.timeline import Timeline, plan
from platform_assets.cli.use_cases import DeclaredUseCase
from platform_assets.component import use_case_definitions
from platform_assets.lake.layout import SERVING
from platform_assets.registry.models import CHAMPION, RegisteredVersion
from platform_assets.resources.build import build_resources
from platform_assets.resources.models import ModelsResource
from platform_assets.resources.settings import Settings
from platform_assets.spec import UseCase, load_use_case
from platform_assets.spec.predictions import prediction_log_schema
from platform_assets.spec.tables import PREDICTION_LOG

from .machine_world import write_energy_use, write_machine_failure


@dataclass
class Onboarded:
    """A use case that was taken all the way: where it lives, what its replay saw, and the screen it ended with."""

    journey: Journey
    declared: DeclaredUseCase
    traffic: Traffic | None
    screen: str

    @property
    def use_case(self) -> UseCase:
        return self.journey.use_case

    @property
    def days(self) -> Timeline:
        return plan(self.use_case)

    @property
    def models(self) -> ModelsResource:
        return ModelsResource(tracking_uri=self.journey.settings.mlflow, lake_root=self.journey.settings.lake)

    @property
    def champion(self) -> RegisteredVersion:
        version = self.models.registry().by_alias(self.use_case.name, CHAMPION)
        assert version is not None, "nothing was promoted"
        return version

    def table(self, layer: str, name: str, schema: dict[str, pl.DataType]) -> pl.DataFrame:
        return self.journey.lake.table(self.use_case.name, layer, name, schema).read()

    def log(self) -> pl.DataFrame:
        return self.table(SERVING, PREDICTION_LOG, prediction_log_schema(self.use_case))

    def score(self, body: dict[str, Any]) -> httpx.Response:
        """What a client sees at the address, through the proxy."""
        address = self.journey.serving.target().address(self.use_case.name)
        return httpx.post(f"{address}/score", json=body, trust_env=False, timeout=20)

    def metadata(self, layer: str, name: str) -> dict[str, Any]:
        """Metadata of the latest materialization."""
        event = self.journey.instance.get_latest_materialization_event(dg.AssetKey([self.use_case.name, layer, name]))
        assert event is not None, f"{layer}/{name} was not materialized"
        assert event.asset_materialization is not None
        return {key: value.value for key, value in event.asset_materialization.metadata.items()}


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Settings, dg.DagsterInstance]]:
    """Settings on a free port and an instance; whatever was started is stopped."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    home = tmp_path_factory.mktemp("installation")
    settings = Settings.from_environment({"PLATFORM_ASSETS_HOME": str(home), "PLATFORM_ASSETS_PORT": str(port)})
    settings.prepare()
    with dg.DagsterInstance.ephemeral() as instance:
        yield settings, instance
    resources = build_resources(settings)
    resources["serving"].target().stop_all()


def take_all_the_way(folder: Path, settings: Settings, instance: dg.DagsterInstance) -> Onboarded:
    """What `platform-assets run` does for a use case below `defs/`."""
    declared = DeclaredUseCase(load_use_case(folder), folder)
    definitions = dg.Definitions.merge(
        use_case_definitions(declared.use_case, folder),
        dg.Definitions(resources=build_resources(settings), loggers={PROGRESS: progress_logger}),
    )
    journey = Journey(declared.use_case, build_jobs(declared.use_case), definitions, instance, settings)
    traffic = run_one(journey, declared)
    with console.capture() as captured:
        print_summary(journey, plan(declared.use_case), traffic, 0.0)
    return Onboarded(journey, declared, traffic, captured.get())


@pytest.fixture(scope="session")
def machine_failure(
    installation: tuple[Settings, dg.DagsterInstance], tmp_path_factory: pytest.TempPathFactory
) -> Onboarded:
    """A classification with a late label, a text entity, a category and some bad cells."""
    folder = tmp_path_factory.mktemp("defs") / "machine_failure"
    write_machine_failure(folder)
    return take_all_the_way(folder, *installation)


@pytest.fixture(scope="session")
def energy_use(
    installation: tuple[Settings, dg.DagsterInstance], tmp_path_factory: pytest.TempPathFactory
) -> Onboarded:
    """A regression with its label in the event table, and no entity."""
    folder = tmp_path_factory.mktemp("defs") / "energy_use"
    write_energy_use(folder)
    return take_all_the_way(folder, *installation)
