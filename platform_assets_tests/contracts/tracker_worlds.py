"""What a tracker stored, read back from its files, and a world without a network.

Belongs here: reading and refusing. Does not belong here: what is promised (`test_trackers.py`).
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from platform_assets.registry.tracking import TrackingAddress


@dataclass(frozen=True)
class StoredRun:
    """A run as it is found afterwards."""

    run_id: str
    parent: str | None
    status: str
    tags: dict[str, str]
    params: dict[str, str]
    points: dict[tuple[str, int], float]
    files: set[str]


@dataclass(frozen=True)
class TrackerWorld:
    """A tracker's address, and what is stored there of a Dagster run."""

    kind: str
    address: TrackingAddress
    stored: Callable[[str], list[StoredRun]]


@contextmanager
def no_network() -> Iterator[None]:
    """Whatever would leave this machine fails the test: here at sockets, in programs that are started at the proxy they have."""
    asked: list[str] = []
    with closing(socket.create_server(("127.0.0.1", 0))) as proxy, pytest.MonkeyPatch.context() as patch:

        def listen() -> None:
            while True:
                try:
                    connection, _ = proxy.accept()
                except OSError:
                    return
                with connection:
                    asked.append(f"by the proxy: {connection.recv(200)!r}")

        threading.Thread(target=listen, daemon=True).start()
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"):
            patch.setenv(name, f"http://127.0.0.1:{proxy.getsockname()[1]}")
        connect, resolve = socket.socket.connect, socket.getaddrinfo

        def guarded(self: socket.socket, address: Any) -> Any:
            if self.family in (socket.AF_INET, socket.AF_INET6) and not str(address[0]).startswith("127."):
                asked.append(f"connect {address}")
                raise OSError(f"no network here: {address}")
            return connect(self, address)

        def unresolved(host: Any, *rest: Any, **named: Any) -> Any:
            if host not in (None, "", "localhost", "127.0.0.1"):
                asked.append(f"resolve {host}")
                raise socket.gaierror(f"no network here: {host}")
            return resolve(host, *rest, **named)

        patch.setattr(socket.socket, "connect", guarded)
        patch.setattr(socket, "getaddrinfo", unresolved)
        yield
    assert not asked, asked


def wandb_world(folder: Path) -> TrackerWorld:
    """Weights & Biases' files of runs that nobody sent."""
    address = TrackingAddress(str(folder), None, "contract")

    def stored(dagster_run_id: str) -> list[StoredRun]:
        runs = [_wandb_run(path) for path in sorted(folder.glob("wandb/offline-run-*/run-*.wandb"))]
        mine = {run.run_id: run for run in runs if run.tags.get("dagster_run_id") == dagster_run_id}
        return list(mine.values())

    return TrackerWorld("wandb", address, stored)


def _wandb_run(path: Path) -> StoredRun:
    """One file: protobuf records in a log."""
    from wandb.proto import wandb_internal_pb2
    from wandb.sdk.internal.datastore import DataStore

    log = DataStore()
    log.open_for_scan(str(path))
    run_id, exit_code, files = "", None, set()
    config: dict[str, Any] = {}
    points: dict[tuple[str, int], float] = {}
    while (data := log.scan_data()) is not None:
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        run_id = record.run.run_id or run_id
        for update in (*record.run.config.update, *record.config.update):
            config[update.key or update.nested_key[0]] = json.loads(update.value_json)
        line = {item.key or item.nested_key[0]: json.loads(item.value_json) for item in record.history.item}
        points |= {(name, line["step"]): value for name, value in line.items() if name[0] != "_" and name != "step"}
        files |= {item.path for item in record.artifact.manifest.contents}
        if record.WhichOneof("record_type") == "exit":
            exit_code = record.exit.exit_code
    tags = {name: str(value) for name, value in config.get("tags", {}).items()}
    params = {name: str(value) for name, value in config.items() if name not in ("tags", "dataset") and name[0] != "_"}
    status = {None: "RUNNING", 0: "FINISHED"}.get(exit_code, "FAILED")
    return StoredRun(run_id, tags.get("parent"), status, tags, params, points, files)
