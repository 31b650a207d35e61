"""Score a stream: one process that scores a topic with the release that serves, and follows it.

Belongs here: which release that is, and starting, watching and changing its process. Does not belong here: scoring (`serving/doors/`), or
how a release comes to serve (`deploy.py`).

The process runs the packed code of the release, as the services do. While versions share the traffic, the one with the most of it scores
the stream.
"""

import os
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from platform_assets.declaration import UseCase
from platform_assets.declaration.names import SERVICE
from platform_assets.deployment.packaging import BuiltBento, find_bento, stream_command
from platform_assets.deployment.packaging.sources import STREAM_DOOR
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.features.online.feature_store import FeatureStore
from platform_assets.lake.layout import SERVING
from platform_assets.pipelines.package import DIGEST_TAG, serving_settings
from platform_assets.registry.model_store import ModelStore
from platform_assets.settings import with_secrets

LOOK_SECONDS = 5.0
"""How often the target is asked which release serves."""
POLL_SECONDS = 0.2
STOP_SECONDS = 30.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 30.0
CANNOT_GO_ON = 4
"""Exit code of a process whose topics cannot be used; see `serving/doors/stream.py`."""


class StreamScoringError(RuntimeError):
    """A stream cannot be scored; the message says what is missing and what to do next."""


@dataclass(frozen=True)
class Instance:
    """One of the processes that may share a topic.

    Attributes:
        number: its own, from 0 on; a new process of a number fences the one before.
        metrics_port: of 127.0.0.1 that Prometheus may read; None for none.
    """

    number: int = 0
    metrics_port: int | None = None


def serving_bento(use_case: UseCase, models: ModelStore, serving: ServingHome) -> BuiltBento | None:
    """The Bento of the release with the most traffic; None while nothing is deployed.

    Raises:
        StreamScoringError: the use case declares no topics, or the Bento is gone or was built without the stream door.
    """
    if not use_case.scores_stream:
        raise StreamScoringError(
            f"{use_case.name}: serving.mode is {use_case.serving.mode}; declare `streaming` or `hybrid` with `serving.stream`"
        )
    status = serving.target().status().use_cases.get(use_case.name)
    if status is None or status.version is None or not status.weights.get(status.version):
        return None
    number = status.version.partition("-")[0].removeprefix("v")
    digest = models.registry().get(use_case.name, number).tags.get(DIGEST_TAG, "")
    bento = find_bento(use_case, digest, serving.bento_root()) if digest else None
    again = f"materialize {use_case.name}/{SERVING}/{SERVICE} again and deploy it"
    if bento is None:
        raise StreamScoringError(
            f"{use_case.name}: the service of version {number} is gone, or was changed since; {again}"
        )
    if not bento.code_folder.joinpath(*STREAM_DOOR.split(".")).with_suffix(".py").exists():
        raise StreamScoringError(
            f"{use_case.name}: the service of version {number} was built before `mode: {use_case.serving.mode}` was declared; {again}"
        )
    return bento


def score_stream(
    use_case: UseCase,
    models: ModelStore,
    feature_store: FeatureStore,
    serving: ServingHome,
    stop: threading.Event,
    log: Callable[[str], object],
    instance: Instance | None = None,
    environment: Mapping[str, str] = os.environ,
) -> None:
    """Score the topic with the release that serves, until stopped: a process that ends is started again, another release takes over.

    Args:
        use_case: whose topic.
        models: where the release's digest is registered.
        feature_store: what the process reads its features from.
        serving: the target that is followed, and the folders.
        stop: ends the process after the batch it works on.
        log: progress.
        instance: which of several processes; default: the only one.
        environment: that the process inherits; it or the source of secrets that it names holds the brokers.

    Raises:
        StreamScoringError: nothing is deployed, the release has no stream door, or its topics cannot be used.
    """
    one = instance or Instance()
    bento = serving_bento(use_case, models, serving)
    if bento is None:
        raise StreamScoringError(
            f"{use_case.name}: nothing is deployed; `platform-assets run {use_case.name}` deploys it"
        )
    pause_seconds = FIRST_PAUSE_SECONDS
    settings = serving_settings(use_case, feature_store, serving, follow=True)
    while not stop.is_set():
        command, variables = stream_command(bento, settings, one.number, one.metrics_port)
        started = time.monotonic()
        inherited = {**environment, **_brokers(use_case, environment)}
        process = subprocess.Popen(command, cwd=bento.code_folder, env={**inherited, **variables})
        log(f"{_now()} {use_case.name}: release {bento.digest[:19]} scores the stream, process {process.pid}")
        try:
            following = _watched(process, bento, lambda: serving_bento(use_case, models, serving), stop)
        finally:
            _end(process)
        if following is not None:
            log(f"{_now()} {use_case.name}: release {following.digest[:19]} serves now and takes the stream over")
            bento, pause_seconds = following, FIRST_PAUSE_SECONDS
        elif process.returncode == CANNOT_GO_ON:
            raise StreamScoringError(f"{use_case.name}: its topics cannot be used; the lines above say why")
        elif not stop.is_set():
            lived = time.monotonic() - started
            pause_seconds = FIRST_PAUSE_SECONDS if lived > LONGEST_PAUSE_SECONDS else pause_seconds
            log(
                f"{_now()} {use_case.name}: the process ended with {process.returncode}; started again in {pause_seconds:g} s"
            )
            stop.wait(pause_seconds)
            pause_seconds = min(LONGEST_PAUSE_SECONDS, pause_seconds * 2)


def _brokers(use_case: UseCase, environment: Mapping[str, str]) -> dict[str, str]:
    """The variable of the brokers, where a source of secrets holds it; read at each start, so that a new password counts then."""
    stream = use_case.serving.stream
    name = "" if stream is None else stream.brokers
    text = with_secrets(environment).get(name)
    return {name: text} if text else {}


def _watched(
    process: "subprocess.Popen[bytes]",
    bento: BuiltBento,
    look: Callable[[], BuiltBento | None],
    stop: threading.Event,
) -> BuiltBento | None:
    """Wait until the process ends, the stop, or another release serves: that one."""
    looked_at = time.monotonic()
    while process.poll() is None and not stop.wait(POLL_SECONDS):
        if time.monotonic() - looked_at > LOOK_SECONDS:
            looked_at = time.monotonic()
            serving = look()
            if serving is not None and serving.digest != bento.digest:
                return serving
    return None


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Let the process finish its batch, and end it where it does not."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
