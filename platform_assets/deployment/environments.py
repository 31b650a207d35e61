"""Where a home lies that no setting names, and its environments: production in the home itself, every other in a folder below it.

Belongs here: these folders, and making them. Does not belong here: which parts of an installation an environment has to itself
(`settings.py`).
"""

from __future__ import annotations

import os
from pathlib import Path

PRODUCTION = "production"
OTHERS = "environments"
PORTS = {PRODUCTION: 8700, "staging": 8710, "dev": 8720}
"""The address of each environment, where the settings name none."""


DAGSTER_YAML = "dagster.yaml"
HOMES = ".platform"
"""Folder of a project that its homes lie in, one for each profile of `make run`."""
_OURS = ("serving", "dagster", "mlflow", "lake")
"""Folders that a home has, one of them at least."""


def project_folder(start: Path) -> Path | None:
    """The nearest folder, from `start` upwards, that is a project: with a `dagster.yaml`, or with homes below `.platform`."""
    for folder in (start, *start.parents):
        if (folder / DAGSTER_YAML).is_file() or homes_of(folder):
            return folder
    return None


def homes_of(project: Path) -> list[Path]:
    """The homes of a project that are there, by name."""
    try:
        found = sorted((project / HOMES).iterdir())
    except OSError:
        return []
    return [home for home in found if any((home / ours).is_dir() for ours in _OURS)]


def default_home(start: Path) -> Path:
    """The home that is meant where no setting names one: of the project around a folder, or else below that folder."""
    return (project_folder(start) or start) / HOMES / "default"


def environment_home(home: Path, environment: str) -> Path:
    """The folder of what an environment has to itself."""
    return home if environment == PRODUCTION else home / OTHERS / environment


def other_environments(own_home: Path) -> dict[str, Path]:
    """The folders of all other environments that share a home with one, by name, whether they are there or not."""
    home = own_home.parent.parent if own_home.parent.name == OTHERS else own_home
    return {name: folder for name in PORTS if (folder := environment_home(home, name)) != own_home}


def make_home(home: Path, own_home: Path) -> None:
    """Create the folders that local defaults write to.

    The home is its owner's alone, for it holds data, models and addresses; so is what this process writes from now on.

    Args:
        home: of all environments.
        own_home: of this one.

    Raises:
        OSError: a folder cannot be written.
    """
    os.umask(0o077)
    home.parent.mkdir(parents=True, exist_ok=True)
    made = not home.exists()
    home.mkdir(mode=0o700, exist_ok=True)
    if made or any((home / ours).is_dir() for ours in ("serving", "dagster")):
        home.chmod(0o700)
    (home / "mlflow").mkdir(parents=True, exist_ok=True)
    for folder in ("feast", "serving", "prediction_log", "reports"):
        (own_home / folder).mkdir(parents=True, exist_ok=True)
