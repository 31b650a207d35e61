"""A third kind of target, for tests: services are threads of this process behind a front server that chooses by weight.

It stands beside the product: nothing of `platform_assets/` was edited for it. It runs releases whose command is `python MODULE ...` and
whose module has `answer(path, environment)`, as the contract's tiny service has.
"""

from __future__ import annotations

import importlib.util
import json
import random
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from platform_assets.deployment.errors import StartFailed
from platform_assets.deployment.release import DeploymentResult, ProcessStatus, Release, TargetStatus, UseCaseStatus
from platform_assets.deployment.rollout import engine
from platform_assets.deployment.rollout.events import RolloutDecision
from platform_assets.deployment.rollout.stages import AT_ONCE, Assignment, Plan
from platform_assets.deployment.rollout.state import Rollout
from platform_assets.deployment.rollout.view import ArmView, CounterBlock, RolloutView
from platform_assets.deployment.target import Target

READY_SECONDS = 2.0
Answer = Callable[[str], tuple[int, str]]


def serve(answer: Answer, port: int = 0) -> ThreadingHTTPServer:
    """Answer GET and POST on a port of 127.0.0.1, in threads."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            status, text = answer(self.path)
            body = text.encode()
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *_: Any) -> None:
            """Nobody reads it."""

    ThreadingHTTPServer.daemon_threads = True
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    return server


@dataclass(frozen=True)
class ThreadArm:
    name: str
    release: Release
    weight: int = 0

    @property
    def version(self) -> str:
        return self.release.version

    @property
    def fingerprint(self) -> str:
        return self.release.fingerprint


@dataclass
class Remembered:
    """What outlives a command, and what runs; verbs change it only while the lock is held."""

    arms: dict[str, dict[str, ThreadArm]] = field(default_factory=dict)
    rollouts: dict[str, Rollout] = field(default_factory=dict)
    mirrors: dict[str, tuple[str, int]] = field(default_factory=dict)
    splits: dict[str, tuple[str, Assignment]] = field(default_factory=dict)
    servers: dict[str, ThreadingHTTPServer] = field(default_factory=dict)
    in_flight: dict[str, int] = field(default_factory=dict)
    generation: int = 0


class ThreadSession:
    """The verbs."""

    def __init__(self, memory: Remembered, counting: threading.Lock) -> None:
        self.memory, self._counting = memory, counting

    def use_cases(self) -> Sequence[str]:
        return list(self.memory.arms)

    def arms(self, use_case: str) -> Sequence[ThreadArm]:
        return list(self.memory.arms.get(use_case, {}).values())

    def rollout(self, use_case: str) -> Rollout | None:
        return self.memory.rollouts.get(use_case)

    def mirrored(self, use_case: str) -> str | None:
        return self.memory.mirrors.get(use_case, (None, 0))[0]

    def record(self, use_case: str, rollout: Rollout | None) -> None:
        self.memory.rollouts.pop(use_case, None)
        if rollout is not None:
            self.memory.rollouts[use_case] = rollout

    def prepare(self, release: Release) -> str:
        self.memory.generation += 1
        name = f"{release.use_case}-{self.memory.generation}"
        self.memory.arms.setdefault(release.use_case, {})[name] = ThreadArm(name, release)
        return name

    def start(self, use_case: str, arm: str) -> None:
        known = self.memory.arms[use_case].get(arm)
        if known is None:
            return
        if arm not in self.memory.servers:
            file = known.release.working_dir / known.release.command[1]
            spec = importlib.util.spec_from_file_location("tiny_service", file)
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            try:
                module.check(known.release.environment)
            except RuntimeError as error:
                raise StartFailed(arm, "it ended", log_path="none", log_lines=[str(error)]) from error
            environment = known.release.environment
            self.memory.servers[arm] = serve(lambda path: module.answer(path, environment))
        self.wait_ready(use_case, arm)

    def wait_ready(self, use_case: str, arm: str) -> None:
        path = self.memory.arms[use_case][arm].release.ready_path
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if arm in self.memory.servers and get(self.url(arm) + path)[0] == 200:
                return
            time.sleep(0.02)
        raise StartFailed(arm, f"{path} did not answer 200", log_path="none", log_lines=[])

    def probe(self, use_case: str, arm: str, check: Callable[[str], None]) -> None:
        check(self.url(arm))

    def set_weights(
        self,
        use_case: str,
        weights: Mapping[str, int],
        treated: str | None = None,
        assignment: Assignment | None = None,
    ) -> None:
        assert not weights or sum(weights.values()) == 100
        self.memory.splits.pop(use_case, None)
        if treated is not None and assignment is not None:
            self.memory.splits[use_case] = (treated, assignment)
        arms = self.memory.arms.get(use_case, {})
        self.memory.arms[use_case] = {n: replace(arm, weight=weights.get(n, 0)) for n, arm in arms.items()}

    def mirror(self, use_case: str, arm: str | None, percent: int = 100) -> None:
        self.memory.mirrors.pop(use_case, None)
        if arm is not None:
            self.memory.mirrors[use_case] = (arm, percent)

    def drain(self, use_case: str, arm: str) -> None:
        while self.memory.in_flight.get(arm, 0):
            time.sleep(0.01)

    def remove(self, use_case: str, arm: str) -> None:
        if self.mirrored(use_case) == arm:
            self.mirror(use_case, None)
        server = self.memory.servers.pop(arm, None)
        if server is not None:
            server.shutdown()
            server.server_close()
        arms = self.memory.arms.get(use_case, {})
        arms.pop(arm, None)
        if not arms:
            self.memory.arms.pop(use_case, None)

    def url(self, arm: str) -> str:
        return f"http://127.0.0.1:{self.memory.servers[arm].server_port}"

    def answer(self, path: str) -> tuple[int, str]:
        """What the front server answers: the chosen arm's answer, while a copy goes to the mirror."""
        use_case = path.split("/")[2] if path.startswith("/v1/") else ""
        with self._counting:
            arms = [arm for arm in self.arms(use_case) if arm.weight]
            if not arms:
                return 404, json.dumps({"deployed": list(self.memory.arms)})
            [chosen] = random.choices(arms, [arm.weight for arm in arms])
            self.memory.in_flight[chosen.name] = self.memory.in_flight.get(chosen.name, 0) + 1
        try:
            mirror, percent = self.memory.mirrors.get(use_case, (None, 0))
            if mirror is not None and random.random() * 100 < percent:
                threading.Thread(target=get, args=(self.url(mirror) + path,)).start()
            return get(self.url(chosen.name) + path)
        finally:
            with self._counting:
                self.memory.in_flight[chosen.name] -= 1


def get(url: str) -> tuple[int, str]:
    """Status and text; an error's own status too."""
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


class InProcessTarget:
    """Services as threads of this process."""

    def __init__(self, home: Path, port: int) -> None:
        self._port, self._lock = port, threading.Lock()
        self._session = ThreadSession(Remembered(), threading.Lock())
        self._front: ThreadingHTTPServer | None = None
        self._beside: dict[str, subprocess.Popen[bytes]] = {}

    def address(self, use_case: str | None = None) -> str:
        return f"http://127.0.0.1:{self._port}" + ("" if use_case is None else f"/v1/{use_case}")

    @contextmanager
    def session(self) -> Iterator[ThreadSession]:
        with self._lock:
            if self._front is None:
                self._front = serve(self._session.answer, self._port)
            for use_case in self._session.use_cases():
                for arm in self._session.arms(use_case):
                    if arm.weight or arm.name == self._session.mirrored(use_case):
                        self._session.start(use_case, arm.name)
                engine.settle(self._session, use_case)
            yield self._session

    def ensure_running(self) -> TargetStatus:
        with self.session():
            pass
        return self.status()

    def deploy(self, release: Release, plan: Plan = AT_ONCE) -> DeploymentResult:
        started = time.perf_counter()
        with self.session() as session:
            return engine.roll_out(session, release, plan, self.address(release.use_case), started)

    def rollout(self, use_case: str) -> RolloutView | None:
        rollout = self._session.memory.rollouts.get(use_case)
        if rollout is None:
            return None
        mirror, percent = self._session.memory.mirrors.get(use_case, (None, 0))
        arms = [
            ArmView(arm.name, arm.version, arm.fingerprint, arm.weight, percent if arm.name == mirror else 0)
            for arm in self._session.arms(use_case)
        ]
        return RolloutView(use_case, rollout, tuple(arms))

    def advance(self, use_case: str, revision: int, decision: RolloutDecision) -> Rollout:
        with self.session() as session:
            return engine.advance(session, use_case, revision, decision)

    def counters(self, use_case: str) -> Sequence[CounterBlock]:
        return ()

    def stop(self, use_case: str) -> bool:
        if not self._session.arms(use_case):
            return False
        with self.session() as session:
            engine.withdraw(session, use_case)
            return True

    def stop_all(self) -> None:
        with self._lock:
            servers = [*self._session.memory.servers.values(), *([self._front] if self._front else [])]
            for server in servers:
                server.shutdown()
                server.server_close()
            self._session.memory.servers.clear()
            self._front = None
            for name in list(self._beside):
                self.end_beside(name)

    def prune(self, *, remove: bool) -> Sequence[str]:
        return ()

    def status(self) -> TargetStatus:
        use_cases = {name: self._status(name) for name in self._session.use_cases()}
        return TargetStatus(self._front is not None, self.address(), {}, use_cases)

    def _status(self, use_case: str) -> UseCaseStatus:
        memory, arms = self._session.memory, self._session.arms(use_case)
        serving, rollout = engine.serving_arm(self._session, use_case), memory.rollouts.get(use_case)
        processes = tuple(
            ProcessStatus(arm.name, arm.version, "RUNNING", None, server.server_port, True, 0.0, 0)
            for arm in arms
            if (server := memory.servers.get(arm.name)) is not None
        )
        return UseCaseStatus(
            use_case,
            serving.version if serving else None,
            self.address(use_case),
            {arm.version: arm.weight for arm in arms},
            processes,
            rollout.phase.value if rollout else None,
            next((arm.version for arm in arms if arm.name == self._session.mirrored(use_case)), None),
        )

    def keep_beside(self, name: str, command: Sequence[str], environment: Mapping[str, str], working_dir: Path) -> Path:
        self._beside[name] = subprocess.Popen(list(command), env=dict(environment), cwd=working_dir)
        return working_dir / "none.log"

    def end_beside(self, name: str) -> bool:
        process = self._beside.pop(name, None)
        if process is not None:
            process.kill()
            process.wait()
        return process is not None


def open_in_process_target(home: Path, port: int) -> Target:
    """How the registry makes one."""
    return InProcessTarget(home, port)
