"""An installation of its own, and two use cases that were taken all the way on it.

Belongs here: running a folder that holds nothing but `defs.yaml` and data. Does not belong here: what the folders hold
(`machine_world.py`).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest

import platform_assets
from platform_assets.cli.console import console
from platform_assets.cli.run.journey import Journey
from platform_assets.cli.run.replay import Traffic
from platform_assets.cli.run.steps import run_one
from platform_assets.cli.run.summary import print_summary
from platform_assets.declaration import load_use_case
from platform_assets.declaration.loader import DeclaredUseCase
from platform_assets.installation import Installation
from platform_assets.orchestration.component import use_case_definitions
from platform_assets.orchestration.in_process import InProcess, with_progress
from platform_assets.orchestration.resources.build import build_resources

from .finished import Finished, unused_port
from .machine_world import write_energy_use, write_machine_failure


@dataclass
class Onboarded(Finished):
    """A use case taken all the way, with what its replay saw and the screen it ended with."""

    declared: DeclaredUseCase
    traffic: Traffic | None
    screen: str


@dataclass(frozen=True)
class Installed:
    """An installation and the instance that remembers."""

    parts: Installation
    instance: dg.DagsterInstance

    def take_all_the_way(self, folder: Path) -> Onboarded:
        """What `platform-assets run` does for a folder below `defs/`."""
        declared = DeclaredUseCase(load_use_case(folder), folder)
        case = declared.use_case
        definitions = dg.Definitions.merge(
            use_case_definitions(case, folder),
            dg.Definitions(resources=build_resources(self.parts)),
        )
        jobs = InProcess(with_progress(definitions, console.print), self.instance)
        journey = Journey(declared, self.parts, jobs)
        with console.capture() as captured:
            traffic = run_one(journey)
            print_summary(journey, traffic, 0.0)
        return Onboarded(journey, declared, traffic, captured.get())


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """A home and a port that nobody else uses; whatever was started is stopped."""
    home = {"PLATFORM_ASSETS_HOME": str(tmp_path_factory.mktemp("home")), "PLATFORM_ASSETS_PORT": str(unused_port())}
    parts = Installation.from_environment(home)
    parts.settings.prepare()
    with dg.DagsterInstance.ephemeral() as instance:
        try:
            yield Installed(parts, instance)
        finally:
            parts.serving.target().stop_all()


@pytest.fixture(scope="session")
def machine_failure(installation: Installed, tmp_path_factory: pytest.TempPathFactory) -> Onboarded:
    """A classification with a late label, a text entity, a category and some bad cells."""
    folder = tmp_path_factory.mktemp("defs") / "machine_failure"
    write_machine_failure(folder)
    return installation.take_all_the_way(folder)


@pytest.fixture(scope="session")
def energy_use(installation: Installed, tmp_path_factory: pytest.TempPathFactory) -> Onboarded:
    """A regression with its label in the event table, and no entity."""
    folder = tmp_path_factory.mktemp("defs") / "energy_use"
    write_energy_use(folder)
    return installation.take_all_the_way(folder)


@pytest.fixture(scope="session")
def bike_demand(installation: Installed, tmp_path_factory: pytest.TempPathFactory) -> Onboarded:
    """The bundled use case in batch mode, on as short a history as its folds allow."""
    folder = tmp_path_factory.mktemp("defs") / "bike_demand"
    shutil.copytree(Path(platform_assets.__file__).parent / "defs" / "bike_demand", folder)
    text = (folder / "defs.yaml").read_text()
    (folder / "defs.yaml").write_text(text.replace("first_day: 2018-04-01", "first_day: 2018-04-20"))
    return installation.take_all_the_way(folder)
