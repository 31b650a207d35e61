"""What a request may be, and how a refusal is worded."""

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platform_assets_tests.serving.parking import EVENT, use_case
from serving import request as requests

MODEL = requests.request_model(use_case())


def refusal(body: bytes) -> requests.RequestRefused:
    with pytest.raises(requests.RequestRefused) as caught:
        requests.parse_event(MODEL, body)
    return caught.value


def changed(**fields: Any) -> bytes:
    return json.dumps({name: value for name, value in (EVENT | fields).items() if value is not ...}).encode()


def test_a_good_request_becomes_an_event_with_times_in_utc() -> None:
    event = requests.parse_event(MODEL, changed(arrived_at="2024-03-31T12:00:00.250+02:00"))
    assert event == EVENT | {"arrived_at": datetime(2024, 3, 31, 10, 0, 0, 250_000, tzinfo=UTC)}


@pytest.mark.parametrize("electric", [None, ...])
def test_a_nullable_column_may_be_null_or_absent(electric: Any) -> None:
    assert requests.parse_event(MODEL, changed(electric=electric))["electric"] is None


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("arrival", ..., "Field required"),
        ("arrival", None, "valid string"),
        ("arrival", 5, "valid string"),
        ("arrival", "x" * 5000, "at most 4096 characters"),
        ("arrived_at", "2024-03-31T10:00:00", "timezone"),
        ("arrived_at", "yesterday", "ISO 8601"),
        ("arrived_at", 1711879200, "ISO 8601"),
        ("arrived_at", "1711879200", "ISO 8601"),
        ("arrived_at", "2024-02-30T10:00:00Z", "day value is outside expected range"),
        ("arrived_at", "0001-01-01T00:00:00+14:00", "years 1 to 9999"),
        ("lot", 0, "greater than or equal to 1"),
        ("lot", 2**31, "less than or equal to 2147483647"),
        ("lot", 7.0, "valid integer"),
        ("lot", "7", "valid integer"),
        ("lot", True, "valid integer"),
        ("speed", -0.1, "greater than or equal to 0"),
        ("speed", 200.1, "less than or equal to 200"),
        ("speed", "12", "valid number"),
        ("speed", float("nan"), "finite"),
        ("speed", float("inf"), "finite"),
        ("gate", "east", "'north' or 'south'"),
        ("electric", "yes", "valid boolean"),
        ("colour", "red", "not permitted"),
    ],
)
def test_a_wrong_field_is_refused_by_name_and_reason(field: str, value: Any, reason: str) -> None:
    error = refusal(changed(**{field: value}))
    assert error.status == 422
    assert [problem.field for problem in error.problems] == [field]
    assert reason in error.problems[0].reason


@pytest.mark.parametrize("body", [b"", b"{", b"nonsense", b"\xff\xfe\x00", b'{"a": 1} trailing'])
def test_what_is_not_json_is_a_bad_request(body: bytes) -> None:
    assert refusal(body).status == 400


@pytest.mark.parametrize("body", [b"[]", b"null", b"7", b'"text"'])
def test_json_that_is_no_object_is_refused(body: bytes) -> None:
    assert refusal(body).status == 422


def test_a_refusal_never_repeats_what_was_sent() -> None:
    error = refusal(changed(gate="4929-1234-5678", speed="secret"))
    assert len(error.problems) == 2
    assert "4929" not in str(error.problems)
    assert "secret" not in str(error.problems)


@given(
    st.binary(max_size=60)
    | st.recursive(st.none() | st.text() | st.floats(), st.lists).map(lambda v: json.dumps(v).encode())
)
def test_no_body_gets_anything_but_an_event_or_a_refusal(body: bytes) -> None:
    with suppress(requests.RequestRefused):
        assert set(requests.parse_event(MODEL, body)) == set(use_case().serving.request)


def test_the_future_is_refused_beyond_the_allowed_skew() -> None:
    now = datetime(2024, 3, 31, 10, 0, tzinfo=UTC)
    requests.check_not_in_future(use_case(), {"arrived_at": now + timedelta(seconds=60)}, now, 60.0)
    with pytest.raises(requests.RequestRefused) as caught:
        requests.check_not_in_future(use_case(), {"arrived_at": now + timedelta(seconds=61)}, now, 60.0)
    assert caught.value.problems[0].field == "arrived_at"


def test_the_example_is_accepted() -> None:
    event = requests.parse_event(MODEL, json.dumps(requests.example_event(use_case())).encode())
    assert set(event) == set(use_case().serving.request)


@pytest.mark.parametrize(
    ("header", "kept"), [("abc-1", True), (None, False), ("", False), ("a b", False), ("x" * 129, False)]
)
def test_a_usable_request_id_is_kept_and_others_are_replaced(header: str | None, kept: bool) -> None:
    made = requests.request_id_from(header)
    assert (made == header) is kept
    assert 0 < len(made) <= 128


def test_rows_of_features_take_null_and_refuse_strangers() -> None:
    model = requests.features_model(use_case())
    row = {"kmh": 1.0, "lot_count_1d": 2, "lot_speed_7d": None}
    assert requests.parse_rows(model, json.dumps({"rows": [row]}).encode()) == [row]
    for wrong in ([], [row | {"other": 1}], [{"kmh": 1.0}], [row] * 1001):
        with pytest.raises(requests.RequestRefused):
            requests.parse_rows(model, json.dumps({"rows": wrong}).encode())
