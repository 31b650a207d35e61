"""From bytes to JSON: types of content, sizes, and what JSON leaves open."""

import asyncio
import json
from typing import Any

import pytest
from starlette.requests import ClientDisconnect, Request

from platform_assets.testing.declare import declare
from platform_assets_tests.serving.parking import EVENT, use_case
from serving import request as requests
from serving.bodies import json_value, largest_event_bytes, largest_rows_bytes, read_body
from serving.refusals import RequestRefused


def sent(chunks: list[bytes | None], **headers: str) -> Request:
    """A request whose body comes in these chunks; None: the caller goes away."""
    messages = iter(chunks)

    async def receive() -> dict[str, Any]:
        chunk = next(messages, b"")
        if chunk is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": chunk, "more_body": chunk != b""}

    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "POST", "headers": named}, receive)


def status(request: Request, limit: int = 1000) -> int:
    with pytest.raises(RequestRefused) as caught:
        asyncio.run(read_body(request, limit))
    return caught.value.status


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        'Application/JSON;charset="UTF-8"',
        "application/vnd.api+json",
        None,
    ],
)
def test_json_is_taken_however_it_is_named(content_type: str | None) -> None:
    headers = {} if content_type is None else {"content_type": content_type}
    assert asyncio.run(read_body(sent([b"{", b"}"], **headers), 1000)) == b"{}"


@pytest.mark.parametrize(
    "headers",
    [
        {"content_type": "application/x-www-form-urlencoded"},
        {"content_type": "text/plain"},
        {"content_type": "multipart/form-data; boundary=x"},
        {"content_type": ""},
        {"content_type": "application/json; charset=latin-1"},
        {"content_type": "application/json; charset=utf-16"},
        {"content_type": "application/json", "content_encoding": "gzip"},
    ],
)
def test_what_is_sent_as_something_else_is_a_415(headers: dict[str, str]) -> None:
    assert status(sent([b"{}"], **headers)) == 415


def test_a_body_is_refused_by_its_declared_length_and_by_what_comes() -> None:
    assert status(sent([], content_length="1001")) == 413
    assert status(sent([], content_length="9" * 400)) == 413
    assert status(sent([b"x" * 600, b"x" * 600, b"never read"])) == 413
    with pytest.raises(RequestRefused, match="larger than 1000 bytes"):
        asyncio.run(read_body(sent([b"x" * 1001]), 1000))


def test_a_caller_that_goes_away_is_no_refusal_of_ours() -> None:
    with pytest.raises(ClientDisconnect):
        asyncio.run(read_body(sent([b"{", None]), 1000))


@pytest.mark.parametrize("body", [b'{"a": 1, "a": 1}', b'{"a": 1, "b": {"c": 1, "\\u0063": 2}}', b'[{"": 0, "": 0}]'])
def test_a_name_that_stands_twice_is_refused(body: bytes) -> None:
    with pytest.raises(RequestRefused, match="more than once") as caught:
        json_value(body)
    assert caught.value.status == 400


def test_many_repeated_names_cost_no_more_than_reading_them() -> None:
    names = [f"n{number}" for number in range(50_000)]
    body = "{" + ",".join(f'"{name}":0' for name in [*names, names[-1]]) + "}"
    with pytest.raises(RequestRefused, match="more than once") as caught:
        json_value(body.encode())
    assert caught.value.problems[0].field == "n49999"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("{}".encode("utf-16"), "not UTF-8"),
        (b"\xef\xbb\xbf{}", "BOM"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b'{"lot": ' + b"1" * 5_000 + b"}", "too many digits"),
        (b"{'a': 1}", "character 1"),
    ],
)
def test_what_is_no_json_is_said_so(body: bytes, reason: str) -> None:
    with pytest.raises(RequestRefused) as caught:
        json_value(body)
    assert caught.value.status == 400
    assert reason in caught.value.problems[0].reason


def test_the_largest_body_follows_from_the_model() -> None:
    """The largest event that is accepted fits, as JSON with every character escaped and blanks between; ten of them do not."""
    case = use_case()
    largest = EVENT | {"arrival": "\U0001f600" * 4096, "speed": 12.123456789012345, "lot": 2**31 - 1}
    body = json.dumps(largest, indent=8).encode()
    assert requests.parse_event(requests.request_model(case), body)["lot"] == 2**31 - 1
    assert len(body) <= largest_event_bytes(case) < 2 * len(body)
    few = declare(events={"visit": "int64", "at": "datetime", "size": "float64"}, label="unpaid", features=["size"])
    assert largest_event_bytes(few) < 2_000, "a model without texts needs little"
    row = dict.fromkeys(case.feature_names, -1.2345678901234567e-308)
    assert len(json.dumps({"rows": [row] * 1000}, indent=4)) <= largest_rows_bytes(case)
