"""One container of a pod: pulled, configured, started, probed, ended, started again.

Belongs here: the life of a container and its status as the kubelet writes it. Does not belong here: the pod (`pod_worker.py`), its process
(`pod_process.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from platform_assets_tests.kubernetes.cluster import images as image_store
from platform_assets_tests.kubernetes.cluster.container_commands import ask, launch, run_hook
from platform_assets_tests.kubernetes.cluster.events import NORMAL, WARNING
from platform_assets_tests.kubernetes.cluster.objects import Object, suffix
from platform_assets_tests.kubernetes.cluster.pod_environment import ConfigError
from platform_assets_tests.kubernetes.cluster.pod_process import PodProcess
from platform_assets_tests.kubernetes.cluster.probes import Probe
from platform_assets_tests.kubernetes.cluster.values import now, quantity

if TYPE_CHECKING:
    from platform_assets_tests.kubernetes.cluster.pod_worker import PodWorker

MESSAGE_LINES, MESSAGE_BYTES = 80, 2048
CONFIG_AGAIN_SECONDS = 1.0


class Container:
    """One container."""

    def __init__(self, pod: PodWorker, spec: Object, *, is_init: bool) -> None:
        self.pod, self.spec, self.is_init = pod, spec, is_init
        self.name: str = spec["name"]
        self.state: Object = {"waiting": {"reason": "PodInitializing" if pod.has_init else "ContainerCreating"}}
        self.last_state: Object = {}
        self.restart_count = 0
        self.ready = self.started = False
        self.identity = ""
        self.process: PodProcess | None = None
        self.out_of_memory = False
        self.stopping = False
        self._started_at = ""
        self._came_up = asyncio.Event()
        self._backoff_seconds = 0.0
        limit = ((spec.get("resources") or {}).get("limits") or {}).get("memory")
        self.memory_limit = quantity(limit) if limit is not None else None

    @property
    def is_sidecar(self) -> bool:
        return self.is_init and self.spec.get("restartPolicy") == "Always"

    @property
    def exit_code(self) -> int | None:
        """Of a container that has ended for good or for now."""
        ended = self.state.get("terminated")
        return None if ended is None else int(ended["exitCode"])

    def log_file(self, restart: int) -> Path:
        return self.pod.folder / "logs" / self.name / f"{restart}.log"

    def status(self) -> Object:
        """As it stands in the pod's status."""
        status: Object = {
            "name": self.name,
            "image": self.spec["image"],
            "imageID": f"test-cluster/{self.spec['image']}" if self.identity else "",
            "state": self.state,
            "lastState": self.last_state,
            "ready": self.ready,
            "restartCount": self.restart_count,
            "started": self.started,
        }
        if self.identity:
            status["containerID"] = self.identity
        return status

    async def run(self) -> None:
        """Run it as often as its policy says."""
        while True:
            await self._pull()
            await self._once()
            if self.stopping or not self._runs_again():
                return
            await self._back_off()

    async def wait_started(self) -> None:
        """Wait until its startup probe passed, or, without one, until it runs."""
        await self._came_up.wait()

    def _runs_again(self) -> bool:
        policy = self.pod.spec.get("restartPolicy", "Always")
        if self.is_sidecar:
            return True
        if self.is_init and policy == "Always":
            policy = "OnFailure"
        return policy == "Always" or (policy == "OnFailure" and self.exit_code != 0)

    async def _pull(self) -> None:
        name, policy = self.spec["image"], self.spec.get("imagePullPolicy")
        policy = policy or (
            "Always" if name.endswith(":latest") or ":" not in name.rpartition("/")[2] else "IfNotPresent"
        )
        backoff = self.pod.backoff.image_seconds
        while self.pod.images.find(name) is None:
            if not image_store.is_valid_name(name):
                reason, words = "InvalidImageName", f'couldn\'t parse image name "{name}": invalid reference format'
                self._event(WARNING, "InspectFailed", f'Failed to apply default image tag "{name}": {words}')
            elif policy == "Never":
                reason, words = (
                    "ErrImageNeverPull",
                    f'Container image "{name}" is not present with pull policy of Never',
                )
                self._event(WARNING, reason, words)
            else:
                self._event(NORMAL, "Pulling", f'Pulling image "{name}"')
                reason, words = "ErrImagePull", f"rpc error: code = NotFound desc = {image_store.not_found(name)}"
                self._event(WARNING, "Failed", f'Failed to pull image "{name}": {words}')
            self._event(WARNING, "Failed", f"Error: {reason}")
            self._wait_as(reason, words)
            if reason == "ErrImagePull":
                await asyncio.sleep(min(backoff, self.pod.backoff.visible_seconds))
                self._event(NORMAL, "BackOff", f'Back-off pulling image "{name}"')
                self._event(WARNING, "Failed", "Error: ImagePullBackOff")
                self._wait_as("ImagePullBackOff", f'Back-off pulling image "{name}": {reason}: {words}')
            await asyncio.sleep(backoff)
            backoff = min(2 * backoff, self.pod.backoff.most_seconds)
        if policy == "Always":
            self._event(NORMAL, "Pulling", f'Pulling image "{name}"')
            self._event(NORMAL, "Pulled", f'Successfully pulled image "{name}" in 1ms (1ms including waiting)')
        else:
            self._event(NORMAL, "Pulled", f'Container image "{name}" already present on machine')

    async def _once(self) -> None:
        """Start it, watch it, and write down how it ended."""
        while True:
            try:
                self.process = await launch(self.pod, self.spec, self.log_file(self.restart_count))
                break
            except ConfigError as error:
                self._event(WARNING, "Failed", f"Error: {error}")
                self._wait_as("CreateContainerConfigError", str(error))
                await asyncio.sleep(CONFIG_AGAIN_SECONDS)
            except OSError as error:
                self._could_not_start(error)
                return
        self.identity = f"containerd://{suffix(self.pod.uid + self.name + str(self.restart_count))}{suffix()}"
        self._started_at = now()
        self.state = {"running": {"startedAt": self._started_at}}
        self._event(NORMAL, "Created", f"Created container: {self.name}")
        self._event(NORMAL, "Started", f"Started container {self.name}")
        self.out_of_memory = False
        watching = asyncio.create_task(self._watch())
        try:
            code = await self.process.wait()
        finally:
            watching.cancel()
        self._ended(code)

    def _could_not_start(self, error: OSError) -> None:
        command = error.filename or self.spec["name"]
        words = (
            "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: "
            f'unable to start container process: error during container init: exec: "{command}": {error.strerror}'
        )
        self._event(WARNING, "Failed", f"Error: {words}")
        ended = {"exitCode": 128, "reason": "StartError", "message": words}
        self.state = {"terminated": {**ended, "startedAt": "1970-01-01T00:00:00Z", "finishedAt": now()}}
        self.pod.publish()

    async def _watch(self) -> None:
        """Its hook and its probes, as long as it runs."""
        assert self.process is not None
        probes = {name: self.spec.get(f"{name}Probe") for name in ("startup", "readiness", "liveness")}
        self.started = probes["startup"] is None
        self.ready = self.started and probes["readiness"] is None
        self.pod.publish()
        if hook := (self.spec.get("lifecycle") or {}).get("postStart"):
            await run_hook(self.pod, self.spec, hook)
        if probes["startup"]:
            await self._startup(probes["startup"])
            self.started = True
            self.ready = probes["readiness"] is None
            self.pod.publish()
        self._came_up.set()
        async with asyncio.TaskGroup() as group:
            for name in ("readiness", "liveness"):
                if spec := probes[name]:
                    probe = Probe(spec, lambda one: ask(self.pod, self.spec, one))
                    changed = self._set_ready if name == "readiness" else self._not_alive
                    group.create_task(probe.watch(name == "readiness", changed, self._failure_of(name)))

    async def _startup(self, spec: Object) -> None:
        passed = asyncio.Event()

        def changed(value: bool) -> None:
            if value:
                passed.set()
            else:
                self._restart(f"Container {self.name} failed startup probe, will be restarted", spec)

        probe = Probe(spec, lambda one: ask(self.pod, self.spec, one))
        watching = asyncio.create_task(probe.watch(True, changed, self._failure_of("startup")))
        try:
            await passed.wait()
        finally:
            watching.cancel()

    def _failure_of(self, name: str):  # type: ignore[no-untyped-def]
        def failed(words: str) -> None:
            self._event(WARNING, "Unhealthy", f"{name.capitalize()} probe failed: {words}")

        return failed

    def _set_ready(self, value: bool) -> None:
        if self.ready != value:
            self.ready = value
            self.pod.publish()

    def _not_alive(self, value: bool) -> None:
        if not value:
            self._restart(f"Container {self.name} failed liveness probe, will be restarted", self.spec["livenessProbe"])

    def _restart(self, words: str, probe: Object) -> None:
        self._event(NORMAL, "Killing", words)
        grace = probe.get("terminationGracePeriodSeconds") or self.pod.spec.get("terminationGracePeriodSeconds", 30)
        self.pod.keep(asyncio.create_task(self.end_process(float(grace))))

    def _ended(self, code: int) -> None:
        assert self.process is not None
        self.process = None
        self.ready = self.started = False
        reason = "OOMKilled" if self.out_of_memory else "Completed" if code == 0 else "Error"
        ended: Object = {
            "exitCode": 137 if self.out_of_memory else code,
            "reason": reason,
            "startedAt": self._started_at,
            "finishedAt": now(),
            "containerID": self.identity,
        }
        if message := self._last_words(code):
            ended["message"] = message
        self.ready = self.is_init and code == 0
        self.state = {"terminated": ended}
        self.pod.publish()

    def _last_words(self, code: int) -> str:
        """What it wrote into its termination log; the end of its output where its policy says so."""
        written = self.pod.termination_log(self.name)
        if written.exists() and (text := written.read_text(errors="replace")[-4096:]):
            written.unlink()
            return text
        if code == 0 or self.spec.get("terminationMessagePolicy") != "FallbackToLogsOnError":
            return ""
        lines = self.log_file(self.restart_count).read_text(errors="replace").splitlines()[-MESSAGE_LINES:]
        return "\n".join(line.split(" ", 3)[3] for line in lines)[-MESSAGE_BYTES:]

    async def _back_off(self) -> None:
        """The first restart is at once, each further one waits twice as long."""
        ended = self.state
        if self._backoff_seconds:
            shown = f"{self._backoff_seconds:g}s"
            place = f"{self.name} pod={self.pod.name}_{self.pod.namespace}({self.pod.uid})"
            self._event(
                WARNING,
                "BackOff",
                f"Back-off restarting failed container {self.name} in pod {self.pod.name}_{self.pod.namespace}({self.pod.uid})",
            )
            self.last_state = ended
            self._wait_as("CrashLoopBackOff", f"back-off {shown} restarting failed container={place}")
            await asyncio.sleep(self._backoff_seconds)
        self._backoff_seconds = min(
            2 * self._backoff_seconds or self.pod.backoff.crash_seconds, self.pod.backoff.most_seconds
        )
        self.last_state = ended
        self.restart_count += 1

    async def end_process(self, grace_seconds: float) -> None:
        """preStop, SIGTERM, and SIGKILL when the time is over."""
        process = self.process
        if process is None:
            return
        loop = asyncio.get_running_loop()
        deadline = loop.time() + grace_seconds
        if (hook := (self.spec.get("lifecycle") or {}).get("preStop")) and grace_seconds > 0:
            with contextlib.suppress(TimeoutError):
                failure = await asyncio.wait_for(run_hook(self.pod, self.spec, hook), grace_seconds)
                if failure:
                    self._event(WARNING, "FailedPreStopHook", "PreStopHook failed")
        if process is not self.process:
            return
        process.send(signal.SIGTERM)
        while self.process is process and loop.time() < deadline:
            await asyncio.sleep(0.02)
        if self.process is process:
            process.kill()

    def _wait_as(self, reason: str, words: str) -> None:
        self.state = {"waiting": {"reason": reason, "message": words}}
        self.pod.publish()

    def _event(self, kind: str, reason: str, words: str) -> None:
        place = "initContainers" if self.is_init else "containers"
        self.pod.event(kind, reason, words, path=f"spec.{place}{{{self.name}}}")
