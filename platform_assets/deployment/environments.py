"""Where the environments of one home lie: production in the home itself, every other in a folder below it.

Belongs here: these folders. Does not belong here: which of an installation's parts an environment has to itself (`installation.py`).
"""

from __future__ import annotations

from pathlib import Path

PRODUCTION = "production"
OTHERS = "environments"
PORTS = {PRODUCTION: 8700, "staging": 8710, "dev": 8720}
"""The address of each environment, where the settings name none."""


def environment_home(home: Path, environment: str) -> Path:
    """The folder of what an environment has to itself."""
    return home if environment == PRODUCTION else home / OTHERS / environment


def other_environments(own_home: Path) -> dict[str, Path]:
    """The folders of all other environments that share a home with one, by name, whether they are there or not."""
    home = own_home.parent.parent if own_home.parent.name == OTHERS else own_home
    return {name: folder for name in PORTS if (folder := environment_home(home, name)) != own_home}
