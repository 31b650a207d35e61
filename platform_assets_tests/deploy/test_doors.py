"""The doors of a target, through its public address: gRPC, the Open Inference Protocol, metrics of all processes."""

import os
import re
import signal
from collections.abc import Callable

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from platform_assets.deployment.local import LocalTarget
from platform_assets.deployment.local.attendants import DOORS
from platform_assets.deployment.release import Release
from platform_assets_tests.deploy.conftest import processes, text, wait_for
from serving.doors.grpc.protocol import INFERENCE_SERVICE, OPEN_INFERENCE, compile_proto

pytestmark = pytest.mark.slow

MakeRelease = Callable[..., Release]
PROTOCOL = compile_proto(OPEN_INFERENCE)


def test_every_door_is_behind_the_public_address_and_comes_back(target: LocalTarget, release: MakeRelease) -> None:
    address = target.deploy(release("v1-0123456789ab", processes=2)).address
    base, own = target.address(), processes(target)
    with grpc.insecure_channel(base.removeprefix("http://")) as channel:

        def ask(method: str, **fields: str) -> object:
            kind = PROTOCOL.messages[f"{method}Request"]
            call = channel.unary_unary(f"/{INFERENCE_SERVICE}/{method}", lambda message: message.SerializeToString())
            answer = call(kind(**fields), timeout=20, wait_for_ready=True)
            return PROTOCOL.messages[f"{method}Response"].FromString(answer)

        assert ask("ServerLive").live  # type: ignore[attr-defined]
        assert ask("ServerReady").ready  # type: ignore[attr-defined]
        with pytest.raises(grpc.RpcError) as unknown:
            ask("ModelReady", name="churn")
        assert (unknown.value.code().name, unknown.value.details()) == (
            "NOT_FOUND",
            "no use case is deployed under this path",
        )
        checked = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=20)
        assert checked.status == health_pb2.HealthCheckResponse.SERVING
    for path, body in (("/v2/health/live", {"live": True}), ("/v2/health/ready", {"ready": True})):
        assert httpx.get(base + path, trust_env=False).json() == body
    assert httpx.get(f"{base}/v2/", trust_env=False).json()["name"] == "platform-assets"
    assert int(text(f"{base}/v2/models/card_fraud/pid")) in {process.pid for process in own}
    assert httpx.get(f"{base}/v1/card_fraud/page", trust_env=False).status_code == 404, "nobody has written one yet"
    pages = target.root.parent / "pages"
    pages.mkdir()
    (pages / "card_fraud.html").write_text("how it is")
    (pages / "bike_demand.html").write_text("answers no requests")
    (pages / "index.html").write_text("how all are")
    for path, written in (("/v1/card_fraud/page", "how it is"), ("/v1/bike_demand/page", "answers no requests")):
        assert text(base + path) == written
    assert text(f"{base}/") == text(f"{base}/v1/pages") == "how all are"
    page = text(f"{address}/metrics")
    for process in own:
        assert f'use_case="card_fraud",arm="card_fraud-1",process="{process.program}"}} 1' in page
    assert re.search(r'platform_assets_proxy_requests_total\{use_case="card_fraud",arm="card_fraud-1"\} [1-9]', page)
    assert f'platform_assets_proxy_healthy_processes{{use_case="card_fraud",arm="card_fraud-1"}} {len(own)}' in page
    (door,) = [info.pid for name, info in target._supervisor.infos().items() if name == DOORS]
    assert door is not None
    os.kill(door, signal.SIGKILL)
    wait_for(lambda: httpx.get(f"{base}/v2/health/live", trust_env=False, timeout=20).status_code == 200)
    assert text(f"{address}/score") == "v1-0123456789ab"
