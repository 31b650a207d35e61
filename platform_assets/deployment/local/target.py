"""The local target as its users see it: deploy, look, stop.

Belongs here: the public commands, each under the target's lock, and bringing the target up from what an earlier run
left. Does not belong here: the verbs of a rollout (`session.py`) and their order (`rollout/`), and the formats of the process manager and
the proxy.
"""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from types import MappingProxyType

from platform_assets.deployment.callers import CallerAccess, scheme
from platform_assets.deployment.errors import (
    NoRollout,
    PortInUse,
    StartFailed,
    StateUnreadable,
    TargetUnavailable,
)
from platform_assets.deployment.local import envoy, envoy_config, guardian
from platform_assets.deployment.local.attendants import WATCHER, keep_attendants, watcher_program
from platform_assets.deployment.local.host import (
    LOOPBACK,
    make_directory,
    port_is_free,
    port_owner,
)
from platform_assets.deployment.local.locking import locked
from platform_assets.deployment.local.neighbours import STATE_FILE, refuse_port_of_others
from platform_assets.deployment.local.reporting import LocalStatus, local_status
from platform_assets.deployment.local.rollout_counters import read_counters
from platform_assets.deployment.local.services import Services
from platform_assets.deployment.local.session import LocalSession
from platform_assets.deployment.local.state import StateStore, TargetState, load_state
from platform_assets.deployment.local.stored_access import StoredAccess
from platform_assets.deployment.local.supervisor import Supervisor
from platform_assets.deployment.release import DeploymentResult, Release
from platform_assets.deployment.rollout import engine
from platform_assets.deployment.rollout.events import RolloutDecision
from platform_assets.deployment.rollout.stages import AT_ONCE, Plan
from platform_assets.deployment.rollout.state import Rollout
from platform_assets.deployment.rollout.view import CounterBlock, RolloutView
from platform_assets.deployment.target import BESIDE

logger = logging.getLogger(__name__)

STOP_DRAIN_SECONDS = 5.0


class LocalTarget:
    """Service processes on this machine, kept alive by supervisord, behind Envoy on one address.

    Everything listens on 127.0.0.1 only. All that the target writes is below its root, but for the process manager's
    socket, which goes to a private directory below /tmp when the root's path is too long for one. Commands on the same
    root take turns, also across processes.
    """

    def __init__(
        self,
        root: Path,
        envoy_port: int,
        *,
        start_timeout_seconds: float = 180.0,
        drain_timeout_seconds: float = 30.0,
        lock_timeout_seconds: float = 300.0,
        request_timeout_seconds: float = 15.0,
        access_log: bool = False,
        port_setting: str = "envoy_port",
        others: Mapping[str, Path] = MappingProxyType({}),
        guarded: bool = True,
        callers: CallerAccess | None = None,
    ) -> None:
        """Describe a target; nothing is started or written.

        Args:
            root: directory for the target's state, configuration and logs.
            envoy_port: the public port; the address never changes with versions.
            start_timeout_seconds: the longest a version may take to become ready; a process that ends is noticed at once.
            drain_timeout_seconds: the longest to wait for a version's last requests before it is stopped.
            lock_timeout_seconds: the longest to wait for another command on this target.
            request_timeout_seconds: the longest a request may take in the proxy, repeated attempts included.
            access_log: whether the proxy writes a line per request to `logs/access.log`.
            port_setting: how the user's settings call `envoy_port`, for error messages.
            others: roots of the targets whose public port is theirs, whether they run or not, by what they are called.
            guarded: whether a guardian brings the process manager back when it is killed.
            callers: whether callers are checked, and how, from the next time on that the target is brought up; None leaves that as it is.

        Raises:
            ValueError: the port is out of range, or the root's path cannot stand in a configuration file.
        """
        if not 0 < envoy_port < 65_536:
            raise ValueError(f"{port_setting} must be within 1..65535, got {envoy_port}")
        self.root = root.resolve()
        if any(character in str(self.root) for character in "%;\n\r"):
            # supervisord expands some values twice: no escape for a percent sign survives in all of them
            raise ValueError(f"the path of a local target cannot contain a %, a ; or a line break: {self.root}")
        self.envoy_port = envoy_port
        self._target_id = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:16]
        self._start_timeout_seconds = start_timeout_seconds
        self._drain_timeout_seconds = drain_timeout_seconds
        self._lock_timeout_seconds = lock_timeout_seconds
        self._port_setting = port_setting
        self._others = dict(others)
        self._guarded = guarded
        self._request_timeout_seconds, self._access_log = request_timeout_seconds, access_log
        self._access = StoredAccess(self.root, callers)
        self._supervisor = Supervisor(self.root, self._target_id, as_root=os.getuid() == 0)
        self._services = Services(self.root, self._supervisor)
        self._envoy = envoy.Envoy(
            self.root,
            self._target_id,
            self._supervisor,
            request_timeout_seconds=request_timeout_seconds,
            access_log=access_log,
            port_setting=port_setting,
            access=self._access.load,
        )

    def address(self, use_case: str | None = None) -> str:
        """Base URL without a trailing slash: of a use case, or of the whole target."""
        base = f"{scheme(self._access.load())}://{LOOPBACK}:{self.envoy_port}"
        return base if use_case is None else base + envoy_config.path_prefix(use_case).rstrip("/")

    def ensure_running(self) -> LocalStatus:
        """Bring the process manager, the proxy and everything that was deployed up; what runs already is left alone.

        Leftovers of a run that was killed are ended, an interrupted rollout is taken to a safe end, and versions that
        were serving when the target was last stopped serve again. A version that does not come back is logged and
        shows in the status; it does not keep the rest from running.

        Raises:
            PortInUse: the public port belongs to a process that is not ours.
            TargetUnavailable: the root cannot be written, or the process manager or the proxy does not come up.
            TargetBusy: another command on this target did not end in time.
            StateUnreadable: the state file is damaged.
        """
        with self.session() as session:
            for _, arm in session.store.state.arms():
                try:
                    self._services.wait_ready(arm, self._start_timeout_seconds)
                except StartFailed as error:
                    logger.warning("%s", error)
        return self.status()

    def bring_back(self) -> bool:
        """Bring up what ran when the process manager was killed; what was stopped on purpose stays stopped.

        Returns:
            False when there was nothing to do.

        Raises:
            PortInUse, TargetUnavailable, TargetBusy, StateUnreadable: see `ensure_running`.
        """
        if not self.root.exists():
            return False
        with self._locked():
            if self._stopped_file.exists() or self._supervisor.pid() is not None:
                return False
            self._bring_up()
            return True

    @contextmanager
    def session(self) -> Iterator[LocalSession]:
        """HoldRollout the target's lock and bring it up.

        Raises:
            PortInUse, TargetUnavailable, TargetBusy, StateUnreadable: see `ensure_running`.
        """
        with self._locked():
            yield self._bring_up()

    def deploy(self, release: Release, plan: Plan = AT_ONCE) -> DeploymentResult:
        """Let a release take over its use case without losing a request. Other use cases are not touched.

        The new processes start next to the old ones, become ready, pass the probe, get the traffic, and only when the
        last request of the old ones has been answered are these stopped. When the new version fails on the way, it is
        removed and the old one serves as before.

        Args:
            release: what to deploy.
            plan: the stages in which the new version takes over; it waits in the first that is observed, see `advance`.

        Raises:
            RolloutUnderWay: another release is being rolled out; nothing was changed.
            StartFailed: the new version did not become ready; carries the last lines of its log.
            ProbeFailed: it gave wrong answers.
            RoutingRefused: the proxy did not take the new weights.
            InvalidRelease, PortInUse, TargetUnavailable, TargetBusy, StateUnreadable: nothing was changed.
        """
        started = time.perf_counter()
        with self.session() as session:
            result = engine.roll_out(session, release, plan, self.address(release.use_case), started)
            self._watch(session.store.state)
            return result

    def rollout(self, use_case: str) -> RolloutView | None:
        """What is being rolled out, without changing anything or waiting for other commands; None when nothing is.

        Raises:
            StateUnreadable: the state file is damaged.
        """
        state = self.stored()
        return None if state is None else state.use_case(use_case).view(use_case)

    def advance(self, use_case: str, revision: int, decision: RolloutDecision) -> Rollout:
        """Take a rollout that waits where somebody decided, if it is still at the revision that the decision is about.

        Raises:
            NoRollout, RolloutChanged, RolloutHeld, InvalidEvent, TargetUnavailable, TargetBusy, StateUnreadable: nothing was changed.
            RoutingRefused: the proxy did not take it; the rollout turned back, or is stuck.
        """
        if not self.root.exists():
            raise NoRollout(f"nothing of {use_case} is being rolled out: nothing was ever deployed below {self.root}")
        with self.session() as session:
            try:
                return engine.advance(session, use_case, revision, decision)
            finally:
                self._watch(session.store.state)

    def stored(self) -> TargetState | None:
        """What the target remembers, without waiting for other commands; None when nothing was ever deployed.

        Raises:
            StateUnreadable: the state file is damaged.
        """
        return load_state(self._state_path)

    def arm_counts(self) -> dict[str, envoy.ArmCounts]:
        """What the proxy counted of each arm since it was started.

        Raises:
            TargetUnavailable: it does not answer.
        """
        return self._envoy.arm_counts()

    def counters(self, use_case: str) -> tuple[CounterBlock, ...]:
        """What the proxy counted of both arms while the rollout under way waited, oldest first; empty when nothing is rolled out."""
        view = self.rollout(use_case)
        return () if view is None else read_counters(self.root, use_case, view.rollout.new)

    def stop(self, use_case: str) -> bool:
        """Take one use case off the address and stop its processes, after their last requests; False when it was not deployed."""
        if not self.root.exists():
            return False
        with self._locked():
            store = self._store()
            if not store.state.use_case(use_case).arms:
                return False
            if self._supervisor.pid() is not None:
                engine.withdraw(self._bring_up(), use_case)
                return True
            self._supervisor.end_leftovers()
            for arm in store.state.use_case(use_case).arms:
                self._services.forget(arm)
                store.put(store.state.without_arm(use_case, arm.name))
            store.put(store.state.with_rollout(use_case, None))
            return True

    def keep_beside(self, name: str, command: Sequence[str], environment: Mapping[str, str], working_dir: Path) -> Path:
        """Keep a process running that answers no requests, such as an event stream; it stops and comes back with the target.

        Its name begins with `beside-`; `environment` comes on top of this process's. Returns its log.
        """
        if not name.startswith(BESIDE):
            raise ValueError(f"a process beside the services is called {BESIDE}..., not {name!r}")
        with self._locked():
            self._bring_up()
            return self._services.keep(name, command, environment, working_dir)

    def end_beside(self, name: str) -> bool:
        """Stop a process beside the services and forget it; False when it was not known."""
        if not self.root.exists():
            return False
        with self._locked():
            known = self._supervisor.pid() is not None and name in self._supervisor.infos()
            if known:
                self._services.drop(name)
            return known

    def stop_all(self) -> None:
        """Stop every process of this target and verify that none is left. Safe when nothing runs.

        The proxy goes first, after its requests in flight. What was deployed stays recorded: `ensure_running` brings
        it back.

        Raises:
            StopFailed: something is still there.
            TargetBusy: another command on this target did not end in time.
        """
        if not self.root.exists():
            return
        with self._locked(to_stop=True):
            with suppress(OSError):
                self._stopped_file.touch()
            if self._supervisor.pid() is not None and envoy.PROGRAM in self._supervisor.infos():
                try:
                    self._envoy.stop(self._store().state, STOP_DRAIN_SECONDS)
                except (StateUnreadable, TargetUnavailable) as error:
                    logger.warning("the proxy is stopped without waiting for its requests: %s", error)
            self._supervisor.shut_down()
            self._envoy.remove_socket()

    def prune(self, *, remove: bool) -> tuple[str, ...]:
        """Nothing: processes that are not recorded end whenever the target is brought up."""
        return ()

    def status(self) -> LocalStatus:
        """Look at the target without changing anything or waiting for other commands.

        Raises:
            StateUnreadable: the state file is damaged.
        """
        state = self.stored()
        pid = self._supervisor.pid()
        return local_status(
            state,
            self.address,
            (self.envoy_port, self._port_setting),
            pid,
            self._supervisor.infos() if pid is not None else {},
            self._services,
            listens=state is not None and self._envoy.listens(state),
            callers=self._access.reported({} if state is None else envoy_config.required_of_callers(state)),
            own_socket=self._envoy.own_socket,
        )

    def _watch(self, state: TargetState) -> bool:
        """Have the watcher run while a rollout waits; when none does, the next command ends it. Whether one waits."""
        waits = any(use_case.rollout and use_case.rollout.waiting for use_case in state.use_cases.values())
        if waits:
            seconds = [f"{name}_timeout_seconds" for name in ("start", "drain", "lock", "request")]
            options = {name: getattr(self, f"_{name}") for name in (*seconds, "access_log", "port_setting", "guarded")}
            self._supervisor.ensure_program(WATCHER, watcher_program(self.root, self.envoy_port, options))
        return waits

    def _revive(self, session: LocalSession) -> None:
        """Start supervisord. What an earlier one left running, having been killed, goes on answering and is watched over."""
        keep = self._supervisor.configured()
        if not self._envoy.listens(session.store.state):
            keep -= {envoy.PROGRAM}
        self._supervisor.end_leftovers(keep)
        if envoy.PROGRAM not in keep and not port_is_free(self.envoy_port):
            raise PortInUse(self.envoy_port, setting=self._port_setting, owner=port_owner(self.envoy_port))
        session.move_from_taken_ports(self._supervisor.alive())
        self._supervisor.ensure_running(keep)

    @property
    def _stopped_file(self) -> Path:
        return self.root / guardian.STOPPED_FILE

    @property
    def _state_path(self) -> Path:
        return self.root / STATE_FILE

    def _locked(self, *, to_stop: bool = False) -> AbstractContextManager[None]:
        return locked(self.root, self._lock_timeout_seconds, to_stop=to_stop)

    def _store(self) -> StateStore:
        """The state as it is stored, or a first one, with this object's public port."""
        state = load_state(self._state_path)
        if state is None:
            state = TargetState(target_id=self._target_id, envoy_port=self.envoy_port)
        return StateStore(self._state_path, state.model_copy(update={"envoy_port": self.envoy_port}))

    def _bring_up(self) -> LocalSession:
        """Bring supervisord, Envoy and all recorded arms up, and finish what was interrupted. Needs the lock."""
        refuse_port_of_others(self.envoy_port, self._others, self._port_setting)
        for name in ("run", "logs", "launch", "supervisor/programs", "envoy/dynamic"):
            make_directory(self.root / name)
        self._stopped_file.unlink(missing_ok=True)
        store = self._store()
        session = LocalSession(
            store, self._services, self._envoy, self._start_timeout_seconds, self._drain_timeout_seconds
        )
        if self._supervisor.pid() is None:
            self._revive(session)
        self._access.put_in_force(lambda: self._envoy.ensure_running(store.state))
        state = store.put(store.state)
        known = {program.name for _, arm in state.arms() for program in arm.programs} | {envoy.PROGRAM}
        setting = self._port_setting if self._guarded else None
        known |= keep_attendants(self._supervisor, self.root, self.envoy_port, setting, self._envoy)
        if self._watch(state):
            known.add(WATCHER)
        for name in set(self._supervisor.infos()) - known:
            if name.startswith(BESIDE):
                continue
            self._supervisor.remove_program(name)
        for _, arm in state.arms():
            if arm.exposed:
                self._services.start(arm)
        for use_case in session.use_cases():
            engine.settle(session, use_case)
        return session
