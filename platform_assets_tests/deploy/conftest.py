"""A tiny service, and local targets that leave nothing behind."""

import os
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from platform_assets.deployment.local import LocalTarget
from platform_assets.deployment.release import ProcessStatus, Release

SERVICE = """
import asyncio, json, os, sys

VERSION, MODE = os.environ["VERSION"], os.environ.get("MODE", "")
if MODE == "does not start" or os.path.exists("broken"):
    print("cannot load the model: file is missing", flush=True)
    sys.exit(3)

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    path, status, body = scope["path"], 200, VERSION
    headers = {name.decode(): value.decode() for name, value in scope["headers"]}
    if MODE == "says what it is told":
        body = " ".join([VERSION, *(headers.get(f"x-platform-assets-{name}", "-") for name in ("experiment", "variant"))])
    if path.endswith("/slow"):
        await asyncio.sleep(1.0)
    if MODE == "hangs" and path.endswith("/score"):
        await asyncio.sleep(5.0)
    if MODE == "records" and path.endswith("/record"):
        with open(f"received-{VERSION}.jsonl", "a") as file:
            file.write(json.dumps(headers) + "\\n")
    if path.endswith("/pid"):
        body = str(os.getpid())
    if path.endswith("/environment"):
        body = os.environ.get("ODD", "")
    if path.endswith("/request_id"):
        body = headers.get("x-request-id", "none")
    if path.endswith("/headers"):
        body = json.dumps(headers)
    if path.endswith("/length"):
        length, more = 0, True
        while more:
            message = await receive()
            length, more = length + len(message.get("body", b"")), message.get("more_body", False)
        body = str(length)
    if path.endswith("/self_test"):
        body = '{"probability": 0.25, "decision": "approve"}'
        if os.path.exists("store_gone"):
            status, body = 503, '{"error": "the online store does not answer: online.db was deleted"}'
        if os.path.exists("log_full"):
            status, body = 503, '{"error": "/log takes no lines: No space left on device"}'
    if path == "/readyz" and os.path.exists("log_full"):
        status, body = 503, '{"error": "/log takes no lines: No space left on device"}'
    if path == "/readyz" and MODE == "never ready":
        status = 503
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": body.encode()})
"""


def unused_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def marked(target: LocalTarget) -> list[str]:
    """Command lines of every process that has to do with a target, found without asking the target."""
    found = []
    for process in psutil.process_iter():
        try:
            line = " ".join(process.cmdline())  # empty: a process that ended a moment ago
            about_it = bool(line) and (str(target.root) in line or str(target.root) in process.cwd())
            if about_it and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(line)
        except psutil.Error:
            continue
    return found


def text(url: str) -> str:
    answer = httpx.get(url, trust_env=False, timeout=20)
    assert answer.status_code == 200, answer.text
    return answer.text


@contextmanager
def load(url: str, per_second: float, timeout_seconds: float = 20) -> Iterator[Counter[str]]:
    """One client on kept-alive connections asks for the url all the while; counts what it got by answer or error."""
    seen: Counter[str] = Counter()
    over = threading.Event()

    def ask() -> None:
        with httpx.Client(trust_env=False, timeout=timeout_seconds) as client:
            due = time.monotonic()
            while not over.is_set():
                seen["sent"] += 1
                try:
                    answer = client.post(url, content=b"{}")
                    seen[answer.text if answer.status_code == 200 else f"status {answer.status_code}"] += 1
                except httpx.HTTPError as error:
                    seen[type(error).__name__] += 1
                due += 1 / per_second
                time.sleep(max(0.0, due - time.monotonic()))

    client = threading.Thread(target=ask)
    client.start()
    try:
        yield seen
    finally:
        over.set()
        client.join()


def wait_for(condition: Callable[[], object], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def processes(target: LocalTarget) -> tuple[ProcessStatus, ...]:
    return target.status().use_cases["card_fraud"].processes


@pytest.fixture
def make_target(tmp_path: Path) -> Iterator[Callable[..., LocalTarget]]:
    """`make_target(name="a", **options)`: a target with a root of its own, stopped and checked afterwards."""
    made: list[LocalTarget] = []

    def make(name: str = "target", **options: Any) -> LocalTarget:
        port = options.pop("envoy_port", None) or unused_port()
        options.setdefault("guarded", False)  # a test that kills the process manager looks before it comes back
        made.append(LocalTarget(tmp_path / name, port, **options))
        return made[-1]

    yield make
    for target in made:
        target.stop_all()
        assert marked(target) == []


@pytest.fixture
def target(make_target: Callable[..., LocalTarget]) -> LocalTarget:
    return make_target()


@pytest.fixture
def release(tmp_path: Path) -> Callable[..., Release]:
    """`release("2", mode="never ready", use_case="churn", ...)`: a version of the tiny service."""
    home = tmp_path / "target" / "service"
    home.mkdir(parents=True)
    (home / "tiny_service.py").write_text(SERVICE)

    def build(version: str, mode: str = "", **changes: Any) -> Release:
        command = [sys.executable, "-m", "uvicorn", "tiny_service:app", "--port", "{port}", "--log-level", "warning"]
        environment = {"VERSION": version, "MODE": mode} | changes.pop("environment", {})
        values = {"use_case": "card_fraud", "ready_path": "/readyz", "working_dir": home, "command": command}
        return Release(version=version, environment=environment, **values | changes)

    return build
