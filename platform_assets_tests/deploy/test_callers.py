"""Who may call, through the real proxy: each refusal, and that what is within the limits is answered."""

import json
import ssl
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import httpx
import pytest

from platform_assets.declaration.sections.callers import CallerLimits, Callers
from platform_assets.deployment.callers import CallerAccess, CallersUnusable, make_access
from platform_assets.deployment.local import LocalTarget
from platform_assets.deployment.own_requests import own_client
from platform_assets.deployment.release import Release
from platform_assets_tests.deploy.certificates import authority, signed
from platform_assets_tests.deploy.conftest import SERVICE, unused_port
from serving.doors.grpc.protocol import INFERENCE_SERVICE

TOKENS = {"checkout": ["checkout-token-0001"], "batch": ["batch-token-0000001"]}
LIMITS = {
    "auth": "token",
    "most_body_bytes": 2048,
    "concurrent": 3,
    "own": {"batch": {"requests_per_second": 1, "burst": 5}},
}


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


CHECKOUT, BATCH = bearer("checkout-token-0001"), bearer("batch-token-0000001")


def ask(target: LocalTarget, use_case: str, path: str = "score", body: bytes = b"{}", **headers: str) -> httpx.Response:
    url = f"{target.address(use_case)}/{path}"
    return httpx.post(url, content=body, headers=headers, trust_env=False, timeout=20, verify=False)


def in_force(target: LocalTarget, access: CallerAccess | None) -> LocalTarget:
    again = LocalTarget(target.root, target.envoy_port, guarded=False, callers=access)
    again.ensure_running()
    return again


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalTarget]:
    """Two use cases of which one requires tokens and limits and the other nothing, at an address that checks callers."""
    root = tmp_path_factory.mktemp("callers")
    target = LocalTarget(root / "target", unused_port(), guarded=False, callers=make_access(True, TOKENS, None))
    (root / "tiny_service.py").write_text(SERVICE)
    try:
        target.deploy(tiny_release(root, "card_fraud", Callers.model_validate(LIMITS)))
        target.deploy(tiny_release(root, "open_case", Callers(auth="none", requests_per_second=1, burst=3)))
        yield target
    finally:
        target.stop_all()


def tiny_release(home: Path, use_case: str, callers: Callers) -> Release:
    command = [sys.executable, "-m", "uvicorn", "tiny_service:app", "--port", "{port}", "--log-level", "warning"]
    environment = {"VERSION": use_case}
    return Release(use_case, "1", command, "/readyz", home, environment, callers=callers)


def test_a_token_opens_and_its_absence_or_another_does_not(checked: LocalTarget) -> None:
    assert ask(checked, "card_fraud", **CHECKOUT).text == "card_fraud"
    for headers in (
        {},
        bearer("checkout-token-0002"),
        {"authorization": "Basic eDp5"},
        {"x-platform-assets-caller": "checkout"},
    ):
        refused = ask(checked, "card_fraud", **headers, **{"x-request-id": "r-1"})
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
        assert "authorization: Bearer TOKEN" in refused.json()["error"]
        assert refused.json()["request_id"] == "r-1"
    assert ask(checked, "open_case").status_code == 200


def test_what_names_no_route_is_closed_and_the_proxy_s_own_is_not(checked: LocalTarget) -> None:
    base = checked.address()
    assert httpx.get(f"{base}/other", trust_env=False).status_code == 401
    assert httpx.get(f"{base}/other", headers=CHECKOUT, trust_env=False).status_code == 404
    assert httpx.get(f"{base}/-/routing", trust_env=False).status_code == 200
    status = checked.status()
    assert status.running
    assert status.problems == ()
    assert status.checks_callers
    assert "card_fraud: by token (2 known)" in status.callers


def test_every_door_asks_for_the_token(checked: LocalTarget) -> None:
    base = checked.address()
    for path in ("/v1/card_fraud/metrics", "/v2/models/card_fraud", "/v2/health/live", "/v2"):
        assert httpx.get(base + path, trust_env=False).status_code == 401
        assert httpx.get(base + path, headers=CHECKOUT, trust_env=False).status_code == 200
    with grpc.insecure_channel(base.removeprefix("http://")) as channel:
        for path in (f"/{INFERENCE_SERVICE}/ServerLive", "/platform_assets.card_fraud.v1.Scoring/Score"):
            with pytest.raises(grpc.RpcError) as refused:
                channel.unary_unary(path)(b"", timeout=20)
            assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
        live = channel.unary_unary(f"/{INFERENCE_SERVICE}/ServerLive")
        assert live(b"", timeout=20, metadata=tuple(CHECKOUT.items())) == b"\x08\x01"


def test_a_large_body_of_one_use_case_is_413(checked: LocalTarget) -> None:
    assert ask(checked, "card_fraud", "length", b"x" * 2048, **CHECKOUT).text == "2048"
    refused = ask(checked, "card_fraud", "length", b"x" * 2049, **CHECKOUT)
    assert refused.status_code == 413
    assert ask(checked, "card_fraud", "length", b"x" * 2049).status_code == 401, "nobody's body is taken"


def test_requests_a_second_are_counted_by_caller(checked: LocalTarget) -> None:
    answers = [ask(checked, "card_fraud", **BATCH) for _ in range(10)]
    statuses = [answer.status_code for answer in answers]
    assert statuses[:5] == [200] * 5
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.headers["retry-after"] == "1"
    assert "more requests a second" in refused.json()["error"]
    assert [ask(checked, "card_fraud", **CHECKOUT).status_code for _ in range(10)] == [200] * 10, "the other caller"
    time.sleep(1.2)
    assert ask(checked, "card_fraud", **BATCH).status_code == 200


def test_without_names_an_address_is_a_caller(checked: LocalTarget) -> None:
    time.sleep(3.1)
    statuses = [ask(checked, "open_case", **{"x-platform-assets-caller": str(n)}).status_code for n in range(8)]
    assert statuses[:3] == [200] * 3
    assert 429 in statuses


def test_requests_under_way_are_counted_by_caller(checked: LocalTarget) -> None:
    def slow(_: int) -> httpx.Response:
        return ask(checked, "card_fraud", "slow", **CHECKOUT)

    with ThreadPoolExecutor(6) as callers:
        answers = list(callers.map(slow, range(6)))
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [200] * 3 + [429] * 3
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.headers["retry-after"] == "1"
    assert "requests under way" in refused.json()["error"]
    assert [ask(checked, "card_fraud", **CHECKOUT).status_code for _ in range(5)] == [200] * 5, (
        "answered ones count no more"
    )


def test_a_caller_is_named_to_the_service_and_its_token_is_not(checked: LocalTarget) -> None:
    answer = ask(checked, "card_fraud", "headers", **CHECKOUT, **{"x-platform-assets-caller": "batch"})
    seen = json.loads(answer.text)
    assert seen["x-platform-assets-caller"] == "checkout"
    assert "authorization" not in seen


def test_the_platform_asks_by_its_own_socket(checked: LocalTarget) -> None:
    status = checked.status()
    socket = Path(status.own_socket or "")
    assert oct(socket.stat().st_mode & 0o777) == "0o600"
    with own_client(status.use_cases["card_fraud"].address, status.own_socket, 20) as client:
        assert client.post("/self_test").json()["decision"] == "approve"


def test_tokens_stand_in_private_files_and_nowhere_else(checked: LocalTarget) -> None:
    holding = [
        path for path in checked.root.rglob("*") if path.is_file() and b"checkout-token-0001" in path.read_bytes()
    ]
    assert {path.name for path in holding} == {"callers.json", "routes.json"}
    assert {oct(path.stat().st_mode & 0o777) for path in holding} == {"0o600"}
    assert "checkout-token" not in repr(checked.status()) + str(checked.status())
    transport = httpx.HTTPTransport(uds=str(next(checked.root.rglob("envoy.sock"))))
    with httpx.Client(transport=transport, trust_env=False) as admin:
        assert "checkout-token" not in admin.get("http://envoy/config_dump").text


def test_a_token_takes_the_place_of_another_without_a_lost_request(checked: LocalTarget) -> None:
    new = "checkout-token-9999"
    statuses: list[int] = []
    over = threading.Event()
    token = ["checkout-token-0001"]

    def keep_asking() -> None:
        with httpx.Client(trust_env=False, timeout=20, base_url=checked.address("card_fraud")) as client:
            while not over.is_set():
                statuses.append(client.post("/score", content=b"{}", headers=bearer(token[0])).status_code)

    caller = threading.Thread(target=keep_asking)
    caller.start()
    in_force(checked, make_access(True, TOKENS | {"checkout": [new, token[0]]}, None))
    token[0] = new
    time.sleep(0.2)
    in_force(checked, make_access(True, TOKENS | {"checkout": [new]}, None))
    time.sleep(0.2)
    over.set()
    caller.join()
    assert set(statuses) == {200}
    assert ask(checked, "card_fraud", **CHECKOUT).status_code == 401, "the old one is known no more"
    in_force(checked, None)
    assert ask(checked, "card_fraud").status_code == 401, "who brings it up without settings leaves it as it is"
    in_force(checked, make_access(True, TOKENS, None))


def test_certificates_open_and_those_of_another_authority_do_not(tmp_path: Path) -> None:
    ours, others = authority(tmp_path, "ours"), authority(tmp_path, "others")
    certificate, key = signed(ours, "address", "IP:127.0.0.1")
    tls = {"certificate": certificate, "key": key, "client_ca": ours}
    access = make_access(True, TOKENS, tls)
    (tmp_path / "tiny_service.py").write_text(SERVICE)
    target = LocalTarget(tmp_path / "target", unused_port(), guarded=False, callers=access)
    try:
        target.deploy(
            tiny_release(
                tmp_path,
                "card_fraud",
                Callers(auth="mtls", own={"checkout": CallerLimits(requests_per_second=1, burst=2)}),
            )
        )
        target.deploy(tiny_release(tmp_path, "by_token", Callers()))
        assert target.address().startswith("https://")

        def asked(use_case: str, shown: tuple[Path, Path] | None = None, **headers: str) -> httpx.Response:
            context = ssl.create_default_context(cafile=str(ours))
            if shown is not None:
                context.load_cert_chain(*shown)
            with httpx.Client(verify=context, trust_env=False, timeout=20) as client:
                return client.post(f"{target.address(use_case)}/headers", content=b"{}", headers=headers)

        checkout = signed(ours, "checkout")
        answer = asked("card_fraud", checkout, **{"x-platform-assets-caller": "batch"})
        assert answer.json()["x-platform-assets-caller"] == "checkout"
        for wrong in (None, signed(others, "checkout")):
            refused = asked("card_fraud", wrong)
            assert refused.status_code == 403
            assert "certificate of an authority" in refused.json()["error"]
        assert asked("by_token", **CHECKOUT).status_code == 200
        assert asked("by_token", checkout).status_code == 401, "a certificate is no token"
        statuses = [asked("card_fraud", checkout).status_code for _ in range(4)]
        assert 429 in statuses
        assert asked("card_fraud", signed(ours, "batch")).status_code == 200
        status = target.status()
        assert status.running
        with own_client(status.use_cases["card_fraud"].address, status.own_socket, 20) as client:
            assert client.post("/self_test").status_code == 200
        renewed = signed(ours, "renewed", "IP:127.0.0.1")
        in_force(target, make_access(True, TOKENS, tls | dict(zip(("certificate", "key"), renewed, strict=True))))
        assert asked("by_token", **CHECKOUT).status_code == 200
        with pytest.raises(CallersUnusable, match="key"):
            make_access(True, TOKENS, tls | {"key": checkout[1]})
    finally:
        target.stop_all()
