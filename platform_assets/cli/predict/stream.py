"""`platform-assets predict stream`: the process that scores a topic, in the foreground or kept beside the services.

Belongs here: settings, signals and progress messages. Does not belong here: following the release (`pipelines/score_stream.py`).
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from platform_assets.cli.console import console
from platform_assets.cli.features.stream import forwarded, stopping
from platform_assets.declaration.loader import declared_use_cases
from platform_assets.deployment.target import BESIDE
from platform_assets.installation import Installation
from platform_assets.pipelines.score_stream import Instance, StreamScoringError, score_stream


def score(name: str, instance: int, metrics_port: int | None) -> None:
    """Score the topic until interrupted.

    Raises:
        StreamScoringError: nothing is deployed, or there is nothing to score.
    """
    use_case, installation, stop = (
        declared_use_cases(name)[0].use_case,
        Installation.from_environment(),
        threading.Event(),
    )
    installation.settings.prepare()
    with stopping(stop):
        console.print(f"{name}: Ctrl-C stops it after the batch it works on, and it goes on where it stopped")
        score_stream(
            use_case,
            installation.models,
            installation.feature_store,
            installation.serving,
            stop,
            lambda line: console.print(line, markup=False),
            Instance(instance, metrics_port),
        )


def detach_scoring(name: str, instance: int, metrics_port: int | None) -> None:
    """Have the local target's process manager keep it running.

    Raises:
        StreamScoringError: the use case declares no topics.
    """
    stream = declared_use_cases(name)[0].use_case.serving.stream
    if stream is None:
        raise StreamScoringError(
            f"{name} declares no topics: `serving.mode: streaming` or `hybrid` with `serving.stream`"
        )
    command = [sys.executable, "-m", "platform_assets.cli", "predict", "stream", name, "--instance", str(instance)]
    command += [] if metrics_port is None else ["--metrics-port", str(metrics_port)]
    target = Installation.from_environment().serving.target()
    log = target.keep_beside(_program(name, instance), command, forwarded(stream.brokers), Path.cwd())
    console.print(f"{name}: topic {stream.events} is scored into {stream.predictions} in the background, log {log}")
    console.print(f"To end it: platform-assets predict stream {name} --end")


def end_scoring(name: str, instance: int) -> None:
    """Stop the one in the background."""
    ended = Installation.from_environment().serving.target().end_beside(_program(name, instance))
    console.print(
        f"{name}: {'the scoring of the topic has ended' if ended else 'no topic is scored in the background'}"
    )
    console.print(f"To start it: platform-assets predict stream {name} --detach")


def _program(name: str, instance: int) -> str:
    return f"{BESIDE}score-{name}-{instance}"
