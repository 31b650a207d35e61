"""A built Bento and `bentoml serve`, as people use it who know BentoML: with the environment that the platform writes down for them."""

import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from platform_assets.deployment.packaging import BuiltBento
from platform_assets.deployment.packaging.by_hand import bento_home, command_by_hand, containerfile, write_environment
from platform_assets.deployment.packaging.self_test import free_port
from platform_assets_tests.serving.conftest import START_SECONDS
from serving.settings import ServingSettings


def test_bentoml_serve_answers(bento: BuiltBento, tmp_path: Path) -> None:
    settings = ServingSettings(
        feast={"password": "it's $ecret"}, log_folder=tmp_path / "log", online_features="serving.online:without_store"
    )
    file = write_environment(bento, settings)
    assert file.stat().st_mode & 0o077 == 0
    port = free_port()
    command = command_by_hand(bento, file).replace("--port 3000", f"--port {port} --host 127.0.0.1")
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "BENTOML_HOME")}
    clean["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), clean["PATH"]])
    output = tmp_path / "output.txt"
    process = subprocess.Popen(
        ["bash", "-c", command.replace("; bentoml", "; exec bentoml")],
        cwd=tmp_path,
        env=clean,
        stdout=output.open("wb"),
        stderr=subprocess.STDOUT,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                with urllib.request.urlopen(f"{address}/readyz", timeout=5) as answer:
                    assert answer.status == 200
                    break
            except OSError:
                assert time.monotonic() < deadline, output.read_text()[-2000:]
                assert process.poll() is None, output.read_text()[-2000:]
                time.sleep(0.1)
        for path in ("/", "/docs.json", "/v1/parking/release", "/v1/parking/metrics", "/v1/parking/v2/models/parking"):
            with urllib.request.urlopen(address + path, timeout=5) as answer:
                assert answer.status == 200
        request = urllib.request.Request(f"{address}/v1/parking/self_test", b"", {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=5) as answer:
            assert answer.status == 200
    finally:
        process.terminate()
        process.wait(30)
    listed = subprocess.run(
        ["bentoml", "list", "-o", "yaml"],
        env=clean | {"BENTOML_HOME": str(bento_home(bento))},
        capture_output=True,
        text=True,
        check=True,
    )
    assert bento.tag in listed.stdout
    assert "FROM" in containerfile(bento).read_text()
