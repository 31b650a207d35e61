"""The command that serves a Bento.

Belongs here: program, arguments and environment. Does not belong here: starting it (a target's or the self-test's
work).
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from platform_assets.deployment.packaging import start
from platform_assets.deployment.release import PORT_PLACEHOLDER
from serving.settings import ServingSettings

if TYPE_CHECKING:
    from platform_assets.deployment.packaging.build import BuiltBento

LOOPBACK = "127.0.0.1"
READY_PATH = "/readyz"
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS"), "1")
"""Processes serve in parallel; a thread pool in each would only fight over the cores."""


def stream_command(
    bento: BuiltBento, settings: ServingSettings, instance: int = 0, metrics_port: int | None = None
) -> tuple[list[str], dict[str, str]]:
    """How to score the events of a Bento's topic with one process; as `serve_command`, and it listens nowhere.

    Args:
        bento: the release; its use case declares the topics.
        settings: of the process; its `release_digest` is set to the Bento's.
        instance: tells processes apart that share the topic.
        metrics_port: of 127.0.0.1 that Prometheus may read; None for none.

    Returns:
        Program with arguments, and variables to set on top of the inherited ones; the brokers' is not among them.
    """
    command, environment = serve_command(bento, settings)
    begin = command[: command.index("serving")]
    arguments = ["--instance", str(instance)]
    arguments += [] if metrics_port is None else ["--metrics-port", str(metrics_port)]
    return [*begin, "serving.doors.stream", str(bento.path), *arguments], environment


def serve_command(
    bento: BuiltBento, settings: ServingSettings, port: str = PORT_PLACEHOLDER, host: str = LOOPBACK
) -> tuple[list[str], dict[str, str]]:
    """How to serve a Bento with one process on one port.

    To be started in `bento.code_folder`. SIGTERM stops it cleanly; it answers 200 on `/readyz` once it can score.

    Args:
        bento: what to serve.
        settings: of the process; its `release_digest` is set to the Bento's.
        port: the port, or what stands for it until it is known.
        host: the address to listen on, or what stands for it until it is known.

    Returns:
        Program with arguments, and variables to set on top of the inherited ones.
    """
    expected = settings.model_copy(update={"release_digest": bento.digest})
    # -B: no compiled file is written into the release; -P: nothing is imported from the folder of the script.
    begin = [sys.executable, "-B", "-P", start.__file__, str(bento.code_folder), "serving"]
    command = [*begin, str(bento.path), "--host", host, "--port", port]
    environment = {
        **expected.to_environment(),
        **ONE_THREAD,
        "BENTOML_HOME": str(bento.path.parents[2]),
        "BENTOML_DO_NOT_TRACK": "true",
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": str(bento.code_folder),
    }
    return command, environment
