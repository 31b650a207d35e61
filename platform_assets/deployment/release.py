"""What is deployed, and what a target reports back: the vocabulary every kind of target shares.

Belongs here: frozen values without behaviour of any one target.
Does not belong here: how a target does it, and how a Bento is built.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from platform_assets.declaration.sections.callers import Callers
from platform_assets.declaration.sections.compute import Compute
from platform_assets.deployment.errors import InvalidRelease

PORT_PLACEHOLDER = "{port}"
HOST_PLACEHOLDER = "{host}"
_USE_CASE = re.compile(r"[a-z][a-z0-9_]{0,59}")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+-]{0,127}")
_READY_PATH = re.compile(r"/[!-~]*")


@dataclass(frozen=True)
class Release:
    """One version of one use case's service, ready to be started.

    Attributes:
        use_case: lower-case letters, digits and underscores; requests reach the service under `/v1/<use_case>/`.
        version: names the version; letters, digits and `. _ : + -`. Shown in the `x-service-version` response header.
        command: program and arguments. `{port}` stands for the port to listen on, `{host}` for the address: 127.0.0.1, or a pod's own.
        environment: variables set on top of the inherited ones; `{port}` and `{host}` are replaced in the values too.
        ready_path: answers 200 once the service can score, and anything else before.
        working_dir: the directory the command starts in; must exist.
        probe: the self-test, called with the base URL of each process before it gets any traffic; raises when an
            answer is wrong. None skips it, and readiness alone decides.
        processes: how many processes serve this version, each on a port of its own.
        callers: who may call it, and how much each caller may ask for.
        root: the folder of everything that the command reads, which is what a target elsewhere has to be given; None for `working_dir`.
        compute: what each process may use, and how many there may be, where a target gives machines out; None for that target's default.
    """

    use_case: str
    version: str
    command: list[str]
    ready_path: str
    working_dir: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    probe: Callable[[str], None] | None = None
    processes: int = 1
    callers: Callers = field(default_factory=Callers)
    root: Path | None = None
    compute: Compute | None = None

    def __post_init__(self) -> None:
        where = f"release {self.use_case!r} version {self.version!r}"
        if not _USE_CASE.fullmatch(self.use_case):
            raise InvalidRelease(f"{where}: use_case must match {_USE_CASE.pattern}")
        if not _VERSION.fullmatch(self.version):
            raise InvalidRelease(f"{where}: version must match {_VERSION.pattern}")
        if not self.command:
            raise InvalidRelease(f"{where}: command is empty")
        texts = [*self.command, *self.environment, *self.environment.values()]
        if any("\0" in text for text in texts) or any("=" in name or not name for name in self.environment):
            raise InvalidRelease(f"{where}: a NUL byte in command or environment, or a variable name that is none")
        if not any(PORT_PLACEHOLDER in text for text in [*self.command, *self.environment.values()]):
            raise InvalidRelease(f"{where}: neither command nor environment contains {PORT_PLACEHOLDER}")
        if not _READY_PATH.fullmatch(self.ready_path):
            raise InvalidRelease(f"{where}: ready_path must start with / and be printable, got {self.ready_path!r}")
        if self.processes < 1:
            raise InvalidRelease(f"{where}: processes must be at least 1, got {self.processes}")

    @property
    def fingerprint(self) -> str:
        """Digest of everything that decides how the service runs; the probe is left out, it changes nothing."""
        parts = {
            "version": self.version,
            "command": self.command,
            "environment": dict(sorted(self.environment.items())),
            "ready_path": self.ready_path,
            "working_dir": str(self.working_dir),
            "processes": self.processes,
        }
        if self.callers != Callers():
            parts["callers"] = self.callers.model_dump(mode="json")
        if self.compute is not None:
            parts["compute"] = self.compute.model_dump(mode="json")
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class DeploymentResult:
    """What a deployment did.

    Attributes:
        use_case: the use case.
        version: the version that was deployed.
        previous_version: the version that served before, None for a first deployment.
        address: base URL without a trailing slash; the service's paths under `/v1/<use_case>/` are below it.
        changed: False when this very release was already serving and healthy.
        message: one sentence for a person.
        timings_seconds: per phase (`start`, `probe`, `shift`, `drain`, `remove`) and `total`; only `total` when
            nothing changed.
        waiting: the phase in which its rollout waits for a decision, the previous version serving beside it; None when it took over.
    """

    use_case: str
    version: str
    previous_version: str | None
    address: str
    changed: bool
    message: str
    timings_seconds: Mapping[str, float]
    waiting: str | None = None


@dataclass(frozen=True)
class ProcessStatus:
    """One supervised process.

    Attributes:
        state: the process manager's word (RUNNING, STARTING, BACKOFF, EXITED, FATAL, STOPPED ...).
        ready: whether it answered 200 on its readiness path when it was looked at.
        resident_bytes: memory of the process and all below it.
        reason: why it is not ready, in its own words or those of who asked it; empty when it is.
    """

    program: str
    version: str
    state: str
    pid: int | None
    port: int
    ready: bool
    uptime_seconds: float
    resident_bytes: int
    reason: str = ""


@dataclass(frozen=True)
class UseCaseStatus:
    """One use case on a target.

    Attributes:
        version: the version with the most traffic, None when none has any.
        weights: traffic in percent per version.
        rollout: phase of a rollout that is under way or was interrupted, None when there is none.
        mirror: version that gets a copy of the traffic and answers nobody, None when there is none.
    """

    use_case: str
    version: str | None
    address: str
    weights: Mapping[str, int]
    processes: tuple[ProcessStatus, ...]
    rollout: str | None
    mirror: str | None = None

    @property
    def serving(self) -> bool:
        """True when some process of a version with traffic is ready."""
        return any(process.ready and self.weights.get(process.version) for process in self.processes)


@dataclass(frozen=True)
class TargetStatus:
    """A whole target.

    Attributes:
        running: whether the target's proxy answers on the public address.
        resident_bytes: memory of the target's own processes, by name.
        problems: what is wrong with the target itself, each with what to do.
        checks_callers: whether callers are checked.
        callers: the same, and how, for people; empty where the target cannot check them.
        own_socket: file of the socket by which the platform itself asks, past what callers have to show; None where there is none.
    """

    running: bool
    address: str
    resident_bytes: Mapping[str, int]
    use_cases: Mapping[str, UseCaseStatus]
    problems: tuple[str, ...] = field(default=(), kw_only=True)
    checks_callers: bool = field(default=False, kw_only=True)
    callers: str = field(default="", kw_only=True)
    own_socket: str | None = field(default=None, kw_only=True)
