"""Which folder Dagster remembers in, for commands that nobody told.

Belongs here: the two variables that Dagster reads. Does not belong here: settings of the installation (`settings.py`).
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from platform_assets.deployment.environments import DAGSTER_YAML, project_folder
from platform_assets.settings import PREFIX

EVENT_BATCH_SIZE = "500"
"""Events of many partitions are stored together, as under `make`: see `event_log.py`."""


def use_dagster_of_this_folder(home: Path) -> None:
    """Point Dagster to the project's `dagster.yaml`, as `make` does, so that a command typed by hand finds the same runs.

    The project is the one around the current folder, else the one around the home. A `DAGSTER_HOME` that is set already, and a project
    without `dagster.yaml`, change nothing.

    Args:
        home: the installation's home, where Dagster writes.
    """
    if "DAGSTER_HOME" in os.environ:
        return
    project = project_folder(Path.cwd()) or project_folder(home)
    if project is None or not (project / DAGSTER_YAML).is_file():
        return
    os.environ.setdefault(f"{PREFIX}DAGSTER", str(home.resolve() / "dagster"))
    os.environ["DAGSTER_HOME"] = str(project.resolve())
    os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", EVENT_BATCH_SIZE)


def dagster_is_named() -> bool:
    """Whether it is known where Dagster remembers."""
    return bool(os.environ.get("DAGSTER_HOME"))


@contextmanager
def environment_kept() -> Iterator[None]:
    """Leave the environment as it was, whatever a command sets meanwhile."""
    before = dict(os.environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def use_dagster_of_environment(home: Path, own_home: Path) -> None:
    """Keep what an environment materialized apart from production's, where the settings name production's folder for both;
    `own_home` is the environment's part of `home`."""
    variable = f"{PREFIX}DAGSTER"
    named = os.environ.get(variable)
    if own_home != home and named and Path(named).absolute() == (home / "dagster").absolute():
        os.environ[variable] = str(own_home / "dagster")
        (own_home / "dagster").mkdir(parents=True, exist_ok=True)


def move_into(environment: Mapping[str, str]) -> None:
    """Go on in an installation of its own: its settings take the place of all that this process was started with.

    Args:
        environment: `DAGSTER_HOME` and the settings, each with its prefix.
    """
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        del os.environ[name]
    os.environ.update(environment)
