"""The machine below the target: ports, files, and which processes are ours.

Belongs here: small questions to and requests of the operating system that know nothing of services or versions.
Does not belong here: the process manager and the proxy, which have modules of their own.
"""

from __future__ import annotations

import os
import resource
import socket
import stat
from collections.abc import Collection
from pathlib import Path

import psutil

from platform_assets.deployment.errors import TargetUnavailable

LOOPBACK = "127.0.0.1"
LOWEST_PORT = 20_000
MOST_OPEN_FILES = 65_536
# The path of a unix-domain socket holds at most 108 bytes, its end included, and supervisord first binds a temporary
# name that is longer by a dot and its process id.
SOCKET_PATH_BYTES = 108 - 1 - 12


def port_is_free(port: int) -> bool:
    """True when this process could listen on the loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def _first_ephemeral_port() -> int:
    """Lowest port the kernel hands to outgoing connections."""
    try:
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 49_152  # the range the standard assigns, which systems without that file use


def free_port(start: int, reserved: Collection[int]) -> int:
    """Find a loopback port that nobody listens on.

    Ports below the range of outgoing connections are used: while a service restarts, a client that keeps connecting to
    a port inside that range can be given the same port as its own and connect to itself, which keeps the service out.

    Args:
        start: where in the range the search begins; different targets begin at different ports.
        reserved: ports assigned to a program that may not listen yet.

    Raises:
        TargetUnavailable: every port of the range is taken.
    """
    size = max(_first_ephemeral_port() - LOWEST_PORT, 1_000)
    for offset in range(size):
        port = LOWEST_PORT + (start + offset) % size
        if port not in reserved and port_is_free(port):
            return port
    raise TargetUnavailable(f"no free port on {LOOPBACK} within {LOWEST_PORT}..{LOWEST_PORT + size - 1}")


def open_files_limit() -> int:
    """How many files and connections a process may open here at most: what its soft limit can be raised to."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return MOST_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_OPEN_FILES)


def port_owner(port: int) -> str:
    """Say who listens on a port, as well as this user may know."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.Error:
        return "another process"
    for connection in connections:
        listens = connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port
        if listens and connection.pid:
            try:
                return f"process {connection.pid} ({psutil.Process(connection.pid).name()})"
            except psutil.Error:
                return f"process {connection.pid}"
    return "another process"


def resident_bytes(pid: int | None, *, children: bool = True) -> int:
    """Resident memory of a process, by default with its descendants; 0 when there is none."""
    if not pid:
        return 0
    try:
        process = psutil.Process(pid)
        family = [process, *(process.children(recursive=True) if children else [])]
    except psutil.Error:
        return 0
    total = 0
    for member in family:
        try:
            total += member.memory_info().rss
        except psutil.Error:
            continue  # ended meanwhile
    return total


def write_private(path: Path, text: str) -> bool:
    """Replace a file in one step, readable by its owner only.

    Returns:
        False when the file held this text already and was left alone.
    """
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    return True


def last_lines(path: Path, count: int = 20) -> list[str]:
    """The last lines of a log file, [] when there is none."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(file.tell() - 64 * 1024, 0))
            return file.read().decode("utf-8", errors="replace").splitlines()[-count:]
    except FileNotFoundError:
        return []


def socket_path(root: Path, target_id: str, name: str) -> Path:
    """Where a socket called `name` goes: inside the root when that path is short enough, else below /tmp."""
    inside = root / "run" / name
    if len(os.fsencode(inside)) <= SOCKET_PATH_BYTES:
        return inside
    return Path("/tmp") / f"platform-assets-{os.getuid()}-{target_id}" / name


def make_directory(directory: Path) -> None:
    """Make a directory for this user, unless it is there.

    Raises:
        TargetUnavailable: it cannot be made, or cannot be written.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise TargetUnavailable(f"cannot make the directory {directory}: {error.strerror}") from error
    if not os.access(directory, os.W_OK | os.X_OK):
        raise TargetUnavailable(f"cannot write to the directory {directory}: it belongs to someone else")


def make_private_directory(directory: Path) -> None:
    """Make a directory that no other user can put anything into.

    Raises:
        TargetUnavailable: it is there but belongs to another user or is open to others, or cannot be made.
    """
    make_directory(directory)
    status = directory.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o022:
        raise TargetUnavailable(f"{directory} is not a directory that only this user can write; move it away")
