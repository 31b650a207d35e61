"""What a request may be, and how a refusal is worded."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from platform_assets.connectors.casting import cast_typed
from platform_assets.testing.declare import declare
from platform_assets_tests.serving.parking import EVENT, use_case
from serving import request as requests
from serving.refusals import MAX_PROBLEMS, RequestRefused

MODEL = requests.request_model(use_case())


def refusal(body: bytes) -> RequestRefused:
    with pytest.raises(RequestRefused) as caught:
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
        ("lot", 7.5, "nothing behind its decimal point"),
        ("lot", 2.0**53, "exact without a decimal point"),
        ("lot", 1e300, "exact without a decimal point"),
        ("lot", float("nan"), "valid integer"),
        ("lot", float("-inf"), "valid integer"),
        ("lot", 10**400, "less than or equal to 2147483647"),
        ("lot", "7", "valid integer"),
        ("lot", "7.0", "valid integer"),
        ("lot", True, "valid integer"),
        ("lot", [7], "valid integer"),
        ("speed", True, "valid number"),
        ("speed", 10**400, "valid number"),
        ("gate", 1, "'north' or 'south'"),
        ("electric", 1, "valid boolean"),
        ("arrival", "half \ud83d", "whole characters"),
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


@pytest.mark.parametrize(
    ("written", "lot"), [("12.0", 12), ("12.", None), ("1.2e1", 12), ("-0.0", None), ("12.000", 12), ("012", None)]
)
def test_a_whole_number_may_be_written_with_a_decimal_point(written: str, lot: int | None) -> None:
    """None: no JSON, or below the column's minimum."""
    body = changed(lot=4711).replace(b"4711", written.encode())
    if lot is None:
        assert refusal(body).status in (400, 422)
    else:
        value = requests.parse_event(MODEL, body)["lot"]
        assert (value, type(value)) == (lot, int)


@given(st.integers(-(2**31), 2**31 - 1) | st.floats(allow_nan=False) | st.booleans())
def test_numbers_fit_whole_columns_as_they_fit_in_a_file_of_typed_columns(value: float) -> None:
    """But for truth values: they are numbers to polars, and none to a caller."""
    column = use_case().event_source.column("lot")
    cast, failed = cast_typed(pl.Series([value]), column)
    expected = None if failed[0] or isinstance(value, bool) or cast[0] < 1 else cast[0]
    parsed = None
    with suppress(RequestRefused):
        parsed = requests.parse_event(MODEL, changed(lot=value))["lot"]
    assert parsed == expected


def test_whole_numbers_of_a_list_of_values_are_taken_the_same_way() -> None:
    case = declare(events={"visit": "int64", "at": "datetime", "lanes": [1, 2]}, label="unpaid", features=["lanes"])
    model = requests.request_model(case)
    for written, lanes in (
        ("1", 1),
        ("1.0", 1),
        ("2.0", 2),
        ("1.5", None),
        ("true", None),
        ("3.0", None),
        ('"1"', None),
    ):
        body = f'{{"visit": 5.0, "at": "2024-01-01T00:00:00Z", "lanes": {written}}}'.encode()
        if lanes is None:
            with pytest.raises(RequestRefused):
                requests.parse_event(model, body)
        else:
            event = requests.parse_event(model, body)
            assert (event["lanes"], type(event["lanes"]), event["visit"]) == (lanes, int, 5)


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "0999-06-01T00:00:00+05:30"])
def test_every_year_that_is_written_is_read(time: str) -> None:
    assert requests.parse_event(MODEL, changed(arrived_at=time))["arrived_at"] == datetime.fromisoformat(time)


def test_thousands_of_wrong_fields_are_counted_and_the_first_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without being validated one by one: the model sees the declared fields alone."""
    seen: list[int] = []
    validate = MODEL.model_validate
    monkeypatch.setattr(MODEL, "model_validate", lambda values: (seen.append(len(values)), validate(values))[1])
    wrong = EVENT | {"speed": -1} | {f"field_{number}": number for number in range(50_000)}
    body = json.dumps(wrong).encode()
    assert len(body) > 600_000
    error = refusal(body)
    assert "50001 problem(s)" in str(error)
    assert seen == [len(EVENT)]
    assert len(error.problems) == MAX_PROBLEMS
    assert error.problems[0].field == "speed", "a declared field comes before unknown ones"


def test_a_long_name_is_shown_by_its_beginning() -> None:
    error = refusal(changed(**{"x" * 30_000: 1}))
    assert len(error.problems[0].field) < 100


@pytest.mark.parametrize(
    "body", [b"", b"{", b"nonsense", b"\xff\xfe\x00", b'{"a": 1} trailing', b"[" * 50_000, b"9" * 5_000]
)
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


@settings(suppress_health_check=[HealthCheck.too_slow])  # a busy machine makes inputs slowly
@given(
    st.binary(max_size=60)
    | st.recursive(st.none() | st.text() | st.floats(), st.lists).map(lambda v: json.dumps(v).encode())
)
def test_no_body_gets_anything_but_an_event_or_a_refusal(body: bytes) -> None:
    with suppress(RequestRefused):
        assert set(requests.parse_event(MODEL, body)) == set(use_case().serving.request)


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


def test_keys_of_predictions_are_the_services_own() -> None:
    assert len({requests.new_request_id() for _ in range(1_000)}) == 1_000
    assert requests.caller_id_from("payment-4711") == "payment-4711"
    assert [requests.caller_id_from(given) for given in (None, "", "a b", "ü", "a\nb", "x" * 129)] == [None] * 6


def test_a_body_of_many_wrong_rows_is_read_no_further_than_its_first_problems() -> None:
    model = requests.features_model(use_case())
    row = {"kmh": "1", "lot_count_1d": "2", "lot_speed_7d": None}
    with pytest.raises(RequestRefused, match="at least") as caught:
        requests.parse_rows(model, json.dumps({"rows": [row] * 1000}).encode())
    assert len(caught.value.problems) == MAX_PROBLEMS
    assert caught.value.problems[0].field == "rows.0.kmh"


def test_rows_of_features_take_null_and_refuse_strangers() -> None:
    model = requests.features_model(use_case())
    row = {"kmh": 1.0, "lot_count_1d": 2, "lot_speed_7d": None}
    assert requests.parse_rows(model, json.dumps({"rows": [row]}).encode()) == [row]
    for wrong in ([], [row | {"other": 1}], [{"kmh": 1.0}], [row] * 1001):
        with pytest.raises(RequestRefused):
            requests.parse_rows(model, json.dumps({"rows": wrong}).encode())


@pytest.mark.parametrize(
    ("written", "fits"), [("19.95", True), ("7", True), ("-0.1", True), ("1.005", False), ("1e15", False)]
)
def test_a_decimal_has_the_decimals_that_are_declared(written: str, fits: bool) -> None:
    amount = {"type": "decimal", "scale": 2}
    case = declare(events={"visit": "int64", "at": "datetime", "amount": amount}, label="unpaid", features=["amount"])
    body = f'{{"visit": 5, "at": "2024-01-01T00:00:00Z", "amount": {written}}}'.encode()
    if fits:
        assert requests.parse_event(requests.request_model(case), body)["amount"] == float(written)
        return
    with pytest.raises(RequestRefused) as caught:
        requests.parse_event(requests.request_model(case), body)
    assert "at most 2 decimals" in str(caught.value.problems)
