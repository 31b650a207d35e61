"""A service built and started once for all tests of this tier.

Belongs here: the Bento, the running process, and calls to it. Does not belong here: the use case (`parking.py`).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from platform_assets.deployment.packaging import BuiltBento, build_bento, serve_command
from platform_assets.deployment.packaging.self_test import free_port
from platform_assets_tests.serving.parking import HERE, make_model, release_info, use_case
from serving.settings import ServingSettings

START_SECONDS = 120.0
FAKE_STORE = "fake_online_store:open_fake"


@dataclass
class Answer:
    status: int
    body: Any
    headers: dict[str, str]


class Service:
    """A serving process, its address and its files."""

    def __init__(self, bento: BuiltBento, folder: Path, **settings: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.log_folder, self.output = folder, folder / "log", folder / "output.txt"
        fields = {
            "feast": {"folder": str(folder)},
            "log_folder": self.log_folder,
            "online_features": FAKE_STORE,
            "counts_folder": folder / "counts",
        }
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        command, environment = serve_command(bento, ServingSettings.model_validate(fields | settings), str(self.port))
        environment["PYTHONPATH"] += os.pathsep + str(HERE)
        self.process = subprocess.Popen(
            command,
            cwd=bento.code_folder,
            env=os.environ | environment,
            stdout=self.output.open("wb"),
            stderr=subprocess.STDOUT,
        )

    def call(self, path: str, body: Any = None, **headers: str) -> Answer:
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.address + path, data, {"content-type": "application/json"} | named)
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                status, content, got = response.status, response.read(), dict(response.headers)
        except urllib.error.HTTPError as error:
            status, content, got = error.code, error.read(), dict(error.headers)
        text = content.decode()
        return Answer(status, json.loads(text) if text.startswith(("{", "[")) else text, got)

    def score(self, event: Any, **headers: str) -> Answer:
        return self.call("/v1/parking/score", event, **headers)

    def wait_until_ready(self) -> Service:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if self.call("/readyz").status == 200:
                    return self
            except OSError:
                time.sleep(0.05)
        raise AssertionError(f"the service did not start:\n{self.output.read_text()[-3000:]}")

    def refusal(self) -> str:
        """What a service that does not start said, once it has ended by itself."""
        code = self.process.wait(START_SECONDS)
        assert code != 0
        return self.output.read_text()

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(30)

    def logged(self) -> list[dict[str, Any]]:
        lines: list[dict[str, Any]] = []
        for path in sorted(self.log_folder.glob("*.jsonl")):
            lines += [json.loads(line) for line in path.read_text().splitlines()]
        return lines

    def metrics(self) -> dict[str, float]:
        lines = [line for line in self.call("/metrics").body.splitlines() if line and not line.startswith("#")]
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}

    def eventually(self, seen: Any) -> None:
        """Wait for what happens behind the answer."""
        deadline = time.monotonic() + 10
        while not seen():
            assert time.monotonic() < deadline, "did not happen"
            time.sleep(0.02)


@pytest.fixture(scope="session")
def bento_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bentos")


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("model") / "model"


@pytest.fixture(scope="session")
def bento(bento_home: Path, model_folder: Path) -> BuiltBento:
    predictor = make_model(model_folder)
    return build_bento(use_case(), model_folder, release_info(predictor), bento_home)


@pytest.fixture(scope="session")
def running_service(bento: BuiltBento, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = Service(bento, tmp_path_factory.mktemp("service"))
    try:
        yield service.wait_until_ready()
    finally:
        service.stop()
