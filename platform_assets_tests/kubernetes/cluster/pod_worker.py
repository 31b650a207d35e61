"""One pod on its node: volumes, init containers, containers, its status, and its end.

Belongs here: the pod's phases and conditions as the kubelet writes them. Does not belong here: one container (`containers.py`), which pods
there are (`kubelet.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from platform_assets_tests.kubernetes.cluster.container_commands import paths_of
from platform_assets_tests.kubernetes.cluster.containers import Container
from platform_assets_tests.kubernetes.cluster.events import NORMAL, WARNING, EventRecorder
from platform_assets_tests.kubernetes.cluster.images import Image, Images
from platform_assets_tests.kubernetes.cluster.objects import NODE, POD, Object, set_condition
from platform_assets_tests.kubernetes.cluster.pod_environment import ConfigError
from platform_assets_tests.kubernetes.cluster.store import ApiError, ObjectStore
from platform_assets_tests.kubernetes.cluster.values import now
from platform_assets_tests.kubernetes.cluster.volumes import MountError, Volumes, remove_folder

MOUNT_AGAIN_SECONDS = 0.5


@dataclass(frozen=True)
class Backoff:
    """How long the kubelet waits before it tries again.

    Attributes:
        crash_seconds: before the second restart of a container that ended; doubled each time.
        image_seconds: before an image is asked for again; doubled each time.
        most_seconds: the longest wait of both.
        visible_seconds: how long a first refusal shows as such before it shows as a wait.
    """

    crash_seconds: float = 10.0
    image_seconds: float = 10.0
    most_seconds: float = 300.0
    visible_seconds: float = 1.0


FAST = Backoff(crash_seconds=0.5, image_seconds=0.5, most_seconds=4.0, visible_seconds=0.2)


@dataclass(frozen=True)
class Machine:
    """What all pods share."""

    store: ObjectStore
    events: EventRecorder
    images: Images
    session: aiohttp.ClientSession
    folder: Path
    backoff: Backoff
    token: Callable[[Object, Object], str]
    service_variables: Callable[[str, bool], dict[str, str]]
    """What pods of a namespace are told of the API, and, where they want links, of its Services."""
    credentials: Callable[[Object], dict[str, str]]
    """Files for the API, by their path in a pod's folder."""


class PodWorker:
    """Runs one pod from its binding to its last process."""

    def __init__(self, machine: Machine, pod: Object, address: str) -> None:
        self._machine = machine
        self.store, self.images, self.session, self.backoff = (
            machine.store,
            machine.images,
            machine.session,
            machine.backoff,
        )
        self.object, self.address = pod, address
        self.spec: Object = pod["spec"]
        self.name, self.namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
        self.uid: str = pod["metadata"]["uid"]
        self.folder = machine.folder / "pods" / self.uid
        self.has_init = bool(self.spec.get("initContainers"))
        self.volumes = Volumes(self.store, machine.folder, self.folder, machine.token)
        self.init = [Container(self, one, is_init=True) for one in self.spec.get("initContainers") or []]
        self.containers = [Container(self, one, is_init=False) for one in self.spec["containers"]]
        self.running: set[asyncio.Task[None]] = set()
        self.silent = False
        """Of a lost node: nothing is reported."""
        self._started_at = now()
        self._initialized = not self.has_init
        self._sandbox = False
        self._failure: tuple[str, str] | None = None
        self._disruption: tuple[str, str] | None = None
        self._main: asyncio.Task[None] | None = None
        self._leaving: asyncio.Task[None] | None = None
        self._deleted = False

    # Life

    def start(self) -> None:
        self._main = asyncio.create_task(self._run())
        seconds = self.spec.get("activeDeadlineSeconds")
        if seconds is not None:
            self.keep(asyncio.create_task(self._deadline(float(seconds))))

    def keep(self, task: asyncio.Task[None]) -> None:
        """Hold on to a task until it is done, or the pod is."""
        self.running.add(task)
        task.add_done_callback(self.running.discard)

    def fail(
        self, reason: str, message: str, disruption: tuple[str, str] | None = None, grace_seconds: float = 0.0
    ) -> None:
        """End the pod as failed, and leave it to be read.

        Args:
            reason: of its status.
            message: of its status.
            disruption: reason and message of a condition DisruptionTarget.
            grace_seconds: between SIGTERM and SIGKILL.
        """
        if self._failure is None:
            self._failure, self._disruption = (reason, message), disruption
            self.publish()
            self._end(grace_seconds, delete=False)

    def delete(self, grace_seconds: float) -> None:
        """End the pod, then remove its object."""
        self._deleted = True
        self._end(grace_seconds, delete=True)

    def kill(self) -> None:
        """End every process at once."""
        for one in self.all():
            if one.process is not None:
                one.process.kill()

    def all(self) -> Iterable[Container]:
        return [*self.init, *self.containers]

    def _end(self, grace_seconds: float, *, delete: bool) -> None:
        if self._leaving is None or self._leaving.done():
            self._leaving = asyncio.create_task(self._leave(grace_seconds, delete))
        elif grace_seconds <= 0:
            self.kill()

    async def _leave(self, grace_seconds: float, delete: bool) -> None:
        for one in self.all():
            one.stopping = True
            if one.process is not None:
                self.event(NORMAL, "Killing", f"Stopping container {one.name}")
        self.publish()
        sidecars = [one for one in self.init if one.is_sidecar]
        for group in ([one for one in self.all() if one not in sidecars], sidecars):
            await asyncio.gather(*(one.end_process(grace_seconds) for one in group))
        for task in [*self.running, *([self._main] if self._main else [])]:
            if not any(one.process for one in self.all()):
                task.cancel()
        await asyncio.gather(*self.running, *([self._main] if self._main else []), return_exceptions=True)
        self.publish()
        if delete or self._deleted:
            await self.remove()

    async def remove(self) -> None:
        """Remove the object and the folder of a pod whose processes are gone."""
        if self.silent:
            return
        with contextlib.suppress(ApiError):
            self.store.delete(POD, self.namespace, self.name, grace_seconds=0, uid=self.uid)

    def clean(self) -> None:
        remove_folder(self.folder)

    async def _deadline(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        if not all(one.exit_code is not None for one in self.containers):
            words = "Pod was active on the node longer than the specified deadline"
            self.event(NORMAL, "DeadlineExceeded", words)
            grace = float(self.spec.get("terminationGracePeriodSeconds", 30))
            self.fail("DeadlineExceeded", words, grace_seconds=grace)

    # Running

    async def _run(self) -> None:
        self.publish()
        await self._mount()
        self._sandbox = True
        self.publish()
        for one in self.init:
            task = asyncio.create_task(one.run())
            if one.is_sidecar:
                self.keep(task)
                await one.wait_started()
                continue
            try:
                await task
            except asyncio.CancelledError:
                task.cancel()
                raise
            if one.exit_code != 0:
                self.publish()
                return
        self._initialized = True
        for one in self.containers:
            one.state = {"waiting": {"reason": "ContainerCreating"}}
        self.publish()
        tasks = [asyncio.create_task(one.run()) for one in self.containers]
        try:
            await asyncio.gather(*tasks)
        except asyncio.CancelledError:
            for task in tasks:
                task.cancel()
            raise
        for one in reversed([one for one in self.init if one.is_sidecar]):
            one.stopping = True
            await one.end_process(float(self.spec.get("terminationGracePeriodSeconds", 30)))
        self.publish()

    async def _mount(self) -> None:
        while True:
            try:
                self.volumes.make(self.object)
                self.volumes.make(self.object, self._rewrite)
                break
            except (MountError, ConfigError) as error:
                self.event(WARNING, "FailedMount", str(error))
                await asyncio.sleep(MOUNT_AGAIN_SECONDS)
        for path, text in self._machine.credentials(self.object).items():
            file = self.folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
            file.chmod(0o600)

    def _rewrite(self, text: str) -> str:
        """The text of a mounted file, with the paths of all containers' mounts replaced."""
        for one in self.all():
            text = paths_of(self, one.spec, self.images.find(one.spec["image"]) or Image()).here(text)
        return text

    def termination_log(self, container: str) -> Path:
        folder = self.folder / "termination"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / container

    def service_variables(self) -> dict[str, str]:
        return self._machine.service_variables(self.namespace, self.spec.get("enableServiceLinks", True))

    # Status

    def event(self, kind: str, reason: str, words: str, *, path: str = "") -> None:
        if not self.silent:
            self._machine.events.record(self.object, kind, reason, words, component="kubelet", path=path)

    def publish(self) -> None:
        """Write the status, where it is another one than before."""
        if self.silent:
            return
        with contextlib.suppress(ApiError):
            self.object = self.store.change(POD, self.namespace, self.name, self._write_status, manager="kubelet")

    def _phase(self) -> str:
        codes = [one.exit_code for one in self.containers]
        ended = all(code is not None for code in codes) and all("terminated" in one.state for one in self.containers)
        if self._failure is not None and not any(one.process for one in self.all()):
            return "Failed"
        if ended and not self._will_restart():
            return "Succeeded" if not any(codes) else "Failed"
        plain_init = [one for one in self.init if not one.is_sidecar]
        if any(one.exit_code not in (None, 0) for one in plain_init) and self.spec.get("restartPolicy") == "Never":
            return "Failed"
        ran = any("running" in one.state or "terminated" in one.state or one.last_state for one in self.containers)
        return "Running" if self._initialized and ran else "Pending"

    def _will_restart(self) -> bool:
        policy = self.spec.get("restartPolicy", "Always")
        if self._deleted or any(one.stopping for one in self.containers):
            return False
        return policy == "Always" or (policy == "OnFailure" and any(one.exit_code != 0 for one in self.containers))

    def _write_status(self, pod: Object) -> None:
        if pod["metadata"]["uid"] != self.uid:
            return
        status = pod.setdefault("status", {})
        before = status.get("phase")
        status["phase"] = before if before in ("Succeeded", "Failed") else self._phase()
        node = self.store.read(NODE, None, self.spec["nodeName"])
        status["hostIP"] = next(one["address"] for one in node["status"]["addresses"] if one["type"] == "InternalIP")
        status["hostIPs"] = [{"ip": status["hostIP"]}]
        status["startTime"] = self._started_at
        status["podIP"], status["podIPs"] = self.address, [{"ip": self.address}]
        if self.init:
            status["initContainerStatuses"] = [one.status() for one in self.init]
        status["containerStatuses"] = [one.status() for one in self.containers]
        if self._failure is not None and status["phase"] == "Failed":
            status["reason"], status["message"] = self._failure
        self._write_conditions(status)

    def _write_conditions(self, status: Object) -> None:
        generation = {"observedGeneration": self.object["metadata"].get("generation", 1)}
        set_condition(status, "PodReadyToStartContainers", self._sandbox, **generation)
        over = status["phase"] in ("Succeeded", "Failed")
        incomplete = [one.name for one in self.init if not one.is_sidecar and one.exit_code != 0]
        if self._initialized or (over and not incomplete):
            reason = "PodCompleted" if status["phase"] == "Succeeded" else ""
            set_condition(status, "Initialized", True, reason, **generation)
        else:
            words = f"containers with incomplete status: [{' '.join(incomplete)}]"
            set_condition(status, "Initialized", False, "ContainersNotInitialized", words, **generation)
        unready = [one.name for one in self.containers if not one.ready]
        for name in ("ContainersReady", "Ready"):
            if status["phase"] == "Succeeded":
                set_condition(status, name, False, "PodCompleted", **generation)
            elif status["phase"] == "Failed":
                set_condition(status, name, False, "PodFailed", **generation)
            elif unready:
                words = f"containers with unready status: [{' '.join(unready)}]"
                set_condition(status, name, False, "ContainersNotReady", words, **generation)
            else:
                set_condition(status, name, True, **generation)
        set_condition(status, "PodScheduled", True, **generation)
        if self._disruption is not None:
            set_condition(status, "DisruptionTarget", True, *self._disruption, **generation)
