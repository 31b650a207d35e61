"""`platform-assets run` with a cluster as its target: one command from an empty namespace to a model that answers through the gateway."""

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from platform_assets.testing.servers import postgresql, redis
from platform_assets_tests.kubernetes.serving_world import serving_world

pytestmark = pytest.mark.kubernetes
ROOT = Path(__file__).parents[2]
MOST_SECONDS = 600
SMALL_WORLD = json.dumps({"customers": 1000, "terminals": 2000})
TRANSACTION = {
    "transaction_id": 999000000001,
    "transaction_time": "2018-09-25T12:00:00Z",
    "customer_id": 7,
    "terminal_id": 11,
    "amount": 42.5,
}


def test_one_command_leads_from_an_empty_namespace_to_an_answer_through_the_gateway(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with postgresql() as registry, redis() as store, serving_world(tmp_path / "world") as world:
        registry.stop()
        registry.start(max_connections=100)  # the services' pods and the run keep some each
        cluster = world.settings(shared=tmp_path, start_timeout_seconds=180)
        environment = {
            "DAGSTER_HOME": str(ROOT),
            "PLATFORM_ASSETS_DAGSTER": str(home / "dagster"),
            "PLATFORM_ASSETS_HOME": str(home),
            "PLATFORM_ASSETS_SIMULATION": SMALL_WORLD,
            "PLATFORM_ASSETS_REPLAYED_REQUESTS": "200",
            "PLATFORM_ASSETS_TARGET": "kubernetes",
            "PLATFORM_ASSETS_KUBERNETES": cluster.model_dump_json(),
            "PLATFORM_ASSETS_FEAST_REGISTRY": registry.url,
            "PLATFORM_ASSETS_FEAST_ONLINE_STORE": json.dumps(store.online_store),
        }

        def platform(*words: str) -> str:
            command = [sys.executable, "-m", "platform_assets.cli", *words]
            done = subprocess.run(
                command,
                cwd=ROOT,
                env=os.environ | environment,
                capture_output=True,
                text=True,
                timeout=MOST_SECONDS,
                check=False,
            )
            assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-2000:]}"
            return done.stdout

        platform("run", "card_fraud")
        shown = platform("target", "status")
        assert "card_fraud" in shown
        with httpx.Client(trust_env=False, timeout=30) as client:
            answer = client.post(f"{cluster.address}/v1/card_fraud/score", json=TRANSACTION)
        assert answer.status_code == 200, answer.text
        assert 0 <= answer.json()["probability"] <= 1
        platform("stop")
