"""Our own service as it is packaged for KServe: what the manifest starts answers events by the Open Inference Protocol.

Belongs here: the command of the container, run as a process of this machine. Does not belong here: the manifest's schema
(`kubernetes/test_platform_runtimes.py`), and everything else that a service does.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from platform_assets.deployment.packaging import BuiltBento, start
from platform_assets.deployment.packaging.self_test import free_port
from platform_assets.deployment.platforms.base import ModelToPackage, PackageSettings
from platform_assets.deployment.platforms.kserve import LOG_FOLDER, MODELS_FOLDER, PORT, START
from platform_assets.deployment.platforms.registry import PLATFORMS
from platform_assets_tests.serving.conftest import FAKE_STORE, Service
from platform_assets_tests.serving.parking import EVENT, HERE, use_case
from serving.settings import ServingSettings

pytestmark = pytest.mark.slow


def test_the_packaged_service_answers_events(bento: BuiltBento, model_folder: Path, tmp_path: Path) -> None:
    settings = ServingSettings(feast={"folder": str(tmp_path)}, log_folder=tmp_path, online_features=FAKE_STORE)
    model = ModelToPackage(use_case(), "3", model_folder, np.empty((0, 3)), bento, settings)
    place = PackageSettings("s3://models/x", image="runtime", features="service", log_claim="predictions")
    (tmp_path / "files").mkdir()
    secret, inference = PLATFORMS["kserve"].package(model, tmp_path / "files", place).manifests
    service = Service.__new__(Service)
    service.folder, service.output = tmp_path, tmp_path / "output.txt"
    service.log_folder = tmp_path / "log" / "parking"
    service.port = free_port()
    service.address = f"http://127.0.0.1:{service.port}"
    here = {
        MODELS_FOLDER: str(tmp_path / "files" / "parking"),
        LOG_FOLDER: str(tmp_path / "log"),
        START: start.__file__,
        "0.0.0.0": "127.0.0.1",
        "/tmp/bentoml": str(tmp_path / "bentoml"),
    }

    def on_this_machine(text: str) -> str:
        for inside, outside in here.items():
            text = text.replace(inside, outside)
        return re.sub(rf"\b{PORT}\b", str(service.port), text)  # a digest may hold these digits as well

    [container] = inference["spec"]["predictor"]["containers"]
    program, *arguments = map(on_this_machine, container["command"])
    environment = {name: on_this_machine(value) for name, value in secret["stringData"].items()}
    environment["PYTHONPATH"] += os.pathsep + str(HERE)
    assert program == "python"
    service.process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=here[MODELS_FOLDER],
        env=os.environ | environment,
        stdout=service.output.open("wb"),
        stderr=subprocess.STDOUT,
    )
    try:
        service.wait_until_ready()
        kinds = {"lot": "INT32", "speed": "FP64", "electric": "BOOL"}
        inputs = [
            {"name": name, "shape": [1], "datatype": kinds.get(name, "BYTES"), "data": [value]}
            for name, value in EVENT.items()
        ]
        answer = service.call("/v1/parking/v2/models/parking/infer", {"inputs": inputs})
        assert answer.status == 200, answer.body
        scored = {output["name"]: output["data"] for output in answer.body["outputs"]}
        [logged] = service.logged()
        assert scored["score"] == [logged["score"]], "the prediction reaches the claim"
    finally:
        service.stop()
