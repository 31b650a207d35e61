"""Which folder Dagster remembers in, for commands that nobody told.

Belongs here: the two variables that Dagster reads. Does not belong here: settings of the installation (`settings.py`).
"""

import os
from collections.abc import Mapping
from pathlib import Path

from platform_assets.settings import PREFIX


def use_dagster_of_this_folder(home: Path) -> None:
    """Point Dagster to the folder's `dagster.yaml`, as `make` does, so that a command typed by hand finds the same runs.

    A `DAGSTER_HOME` that is set already, and a folder without `dagster.yaml`, change nothing.

    Args:
        home: the installation's home, where Dagster writes.
    """
    if "DAGSTER_HOME" not in os.environ and Path("dagster.yaml").is_file():
        os.environ["DAGSTER_HOME"] = str(Path.cwd())
        os.environ.setdefault(f"{PREFIX}DAGSTER", str(home.resolve() / "dagster"))


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
