"""The deployed release once more, where it may be attacked: an address, a store and a log of its own, the log on a small disk.

Belongs here: staging it, and good callers beside it. Does not belong here: what is done to it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.attack.good_callers import Outcome, read_outcomes
from benchmarks.common.deployed import DeployedUseCase, copied_settings
from platform_assets.declaration import UseCase
from platform_assets.declaration.prediction_log import SEGMENT_SUFFIX
from platform_assets.deployment.local import LocalTarget
from platform_assets.deployment.local.host import free_port
from platform_assets.deployment.release import Release
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.features.online.feast_connection import FeastSettings
from platform_assets.pipelines.check_service import ServiceCheck, check_service
from platform_assets.testing.child_process import ROOT

LOG_DISK = "24m"
PROCESSES = 2
RATE_PER_SECOND = 50.0


@dataclass(frozen=True)
class Scene:
    """A staged service under good load.

    Attributes:
        use_case: its declaration.
        target: where it runs.
        serving: the home that `status` looks at.
        release: what runs.
        store: the online store's file.
        feast: Feast's settings of it.
        on_own_disk: whether the prediction log has a small disk of its own; only root can make one.
        outcomes_file: of the good callers.
        bodies: what they send, in order.
    """

    use_case: UseCase
    target: LocalTarget
    serving: ServingHome
    release: Release
    store: Path
    feast: Mapping[str, Any]
    on_own_disk: bool
    outcomes_file: Path
    bodies: Sequence[bytes]

    @property
    def url(self) -> str:
        """Where events are scored, through the proxy."""
        return f"{self.target.address(self.use_case.name)}/score"

    @property
    def log(self) -> Path:
        """Where predictions are logged."""
        return self.serving.log_folder(self.use_case.name)

    def check(self) -> ServiceCheck:
        """What `platform-assets status` finds."""
        return check_service(self.use_case, self.serving, FeastSettings.model_validate(self.feast))

    def outcomes(self, since: float, until: float) -> list[Outcome]:
        """Good requests that were sent within a while."""
        return [outcome for outcome in read_outcomes(self.outcomes_file) if since <= outcome.sent_at < until]

    def passes_within(self, seconds: float) -> float | None:
        """Seconds until the check passes; None when it does not in time."""
        started = time.monotonic()
        while time.monotonic() - started < seconds:
            if self.check().passed:
                return time.monotonic() - started
            time.sleep(0.25)
        return None

    def missing(self) -> list[int]:
        """Good requests that were answered and do not stand in the log, by number."""
        key = self.use_case.event_source.primary_key[0]
        answered = [outcome.number for outcome in read_outcomes(self.outcomes_file) if outcome.answered]
        logged = set()  # read after the outcomes: callers go on
        for segment in self.log.glob(f"*{SEGMENT_SUFFIX}"):
            for line in segment.read_bytes().split(b"\n")[:-1]:
                logged.add(json.loads(line)[key])
        return [number for number in answered if json.loads(self.bodies[number])[key] not in logged]

    def empty_segments(self) -> int:
        """Segments without a line."""
        return sum(segment.stat().st_size == 0 for segment in self.log.glob(f"*{SEGMENT_SUFFIX}"))


@contextlib.contextmanager
def under_good_load(installation: DeployedUseCase) -> Iterator[Scene]:
    """Stage the deployed release on copies, with good callers; everything is ended and removed after the block.

    Raises:
        NotCopied: the online store is not an SQLite file.
        DeploymentError: it does not come up.
    """
    with tempfile.TemporaryDirectory(prefix="platform-assets-attack-") as scratch, contextlib.ExitStack() as stack:
        home, name = Path(scratch) / "home", installation.use_case.name
        serving = ServingHome(str(home), free_port(os.getpid(), ()))
        log = serving.log_folder(name)
        own_disk = stack.enter_context(_small_disk(log))
        copied = copied_settings(installation.settings, home / "service")
        settings = copied.model_copy(update={"log_folder": log})
        environment = {**installation.release.environment, **settings.to_environment()}
        environment["PLATFORM_ASSETS_SERVING_RELEASE_DIGEST"] = installation.bento.digest
        release = replace(installation.release, environment=environment, processes=PROCESSES)
        target = LocalTarget(home / "serving", serving.port, port_setting="the benchmark's port")
        stack.callback(target.stop_all)
        target.deploy(release)
        store = Path(str(settings.feast["online_store"]["path"]))
        scene = Scene(
            installation.use_case,
            target,
            serving,
            release,
            store,
            settings.feast,
            own_disk,
            home / "outcomes.jsonl",
            installation.bodies,
        )
        stack.enter_context(_good_callers(scene, home))
        yield scene


@contextlib.contextmanager
def _good_callers(scene: Scene, folder: Path) -> Iterator[None]:
    events, until = folder / "events.jsonl", folder / "until"
    events.write_bytes(b"\n".join(scene.bodies) + b"\n")
    command = [sys.executable, "-m", "benchmarks.attack.good_callers", "--url", scene.url, "--events", str(events)]
    command += ["--outcomes", str(scene.outcomes_file), "--until", str(until), "--rate", str(RATE_PER_SECOND)]
    with subprocess.Popen(command, cwd=ROOT) as callers:
        try:
            yield
        finally:
            until.touch()
            try:
                callers.wait(60)
            except subprocess.TimeoutExpired:
                callers.kill()


@contextlib.contextmanager
def _small_disk(folder: Path) -> Iterator[bool]:
    """A small disk at the folder, in memory; False where this user may not make one."""
    folder.mkdir(parents=True)
    mount = shutil.which("mount")
    made = os.getuid() == 0 and mount is not None
    if made:
        command = [str(mount), "-t", "tmpfs", "-o", f"size={LOG_DISK},mode=0700", "platform-assets-attack", str(folder)]
        made = subprocess.run(command, check=False, capture_output=True).returncode == 0
    try:
        yield made
    finally:
        if made:
            subprocess.run(["umount", "-l", str(folder)], check=False)
