"""Serving a built Bento by hand: what `bentoml serve` needs to know.

Belongs here: the environment, as a file that a shell reads. Does not belong here: how a target serves it (`run.py`).
"""

from __future__ import annotations

import shlex
from pathlib import Path

from platform_assets.deployment.local.host import write_private
from platform_assets.deployment.packaging.build import BuiltBento
from platform_assets.deployment.packaging.run import serve_command
from serving.settings import ServingSettings

OWN_OF_A_TARGET = ("PYTHONPATH", "PYTHONUNBUFFERED")
"""What a target's process is started with and `bentoml serve` sees to by itself."""


def write_environment(bento: BuiltBento, settings: ServingSettings) -> Path:
    """Write the variables that `bentoml serve` needs to serve a Bento as the platform does.

    They hold the addresses of stores, with their passwords, so only the file's owner can read it.

    Args:
        bento: what is to be served.
        settings: of its processes.

    Returns:
        The file, beside the Bentos; `set -a; . FILE; set +a` puts it in force.
    """
    _, variables = serve_command(bento, settings)
    lines = [f"{name}={shlex.quote(value)}" for name, value in sorted(variables.items()) if name not in OWN_OF_A_TARGET]
    path = bento_home(bento) / f"{bento.tag.partition(':')[0]}.env"
    write_private(path, "\n".join([f"# To serve {bento.tag} by hand.", *lines, ""]))
    return path


def bento_home(bento: BuiltBento) -> Path:
    """BENTOML_HOME of a Bento: where `bentoml list` and `bentoml serve` find it."""
    return bento.path.parents[2]


def command_by_hand(bento: BuiltBento, environment: Path) -> str:
    """What a person types to serve a Bento."""
    return f"set -a; . {shlex.quote(str(environment))}; set +a; bentoml serve {bento.tag} --port 3000"


def containerfile(bento: BuiltBento) -> Path:
    """What `bentoml containerize` builds, with the Bento's folder as its context."""
    return bento.path / "env" / "docker" / "Dockerfile"
