"""Tensors of the Open Inference Protocol: the same events whatever form they come in, and a named refusal for each wrong one."""

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platform_assets.testing.declare import declare
from platform_assets_tests.serving.parking import EVENT, use_case
from serving.doors.tensors import Tensor, answers_of, events_of, inputs_of, outputs_of, packed, requested_outputs
from serving.refusals import RequestRefused

PARKING = use_case()
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "arrival": st.text(max_size=5),
            "arrived_at": st.just(EVENT["arrived_at"]),
            "lot": st.integers(1, 2**31 - 1),
            "speed": st.floats(0, 200),
            "gate": st.sampled_from(["north", "south"]),
            "electric": st.booleans(),
        }
    ),
    min_size=1,
    max_size=5,
)


def as_tensors(rows: list[dict[str, Any]], *, binary: bool, nested: bool = False) -> tuple[dict[str, Any], bytes]:
    inputs, blobs = [], []
    for tensor in inputs_of(PARKING).values():
        values = [row[tensor.name] for row in rows]
        shape = [len(rows), 1] if nested else [len(rows)]
        given: dict[str, Any] = {"name": tensor.name, "datatype": tensor.datatype, "shape": shape}
        if binary:
            blobs.append(packed(tensor.datatype, values))
            given["parameters"] = {"binary_data_size": len(blobs[-1])}
        else:
            given["data"] = [[value] for value in values] if nested else values
        inputs.append(given)
    return {"inputs": inputs}, b"".join(blobs)


@given(ROWS, st.booleans())
@settings(max_examples=50, deadline=None)
def test_json_and_binary_tensors_hold_the_same_events(rows: list[dict[str, Any]], nested: bool) -> None:
    request, content = as_tensors(rows, binary=True, nested=nested)
    assert events_of(request, PARKING, content) == rows
    request, _ = as_tensors(rows, binary=False, nested=nested)
    assert events_of(json.loads(json.dumps(request)), PARKING) == rows


def changed(of: str, **values: Any) -> dict[str, Any]:
    request, _ = as_tensors([EVENT, EVENT], binary=False)
    for tensor in request["inputs"]:
        if tensor["name"] == of:
            tensor.update(values)
    return request


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ([], "needs `inputs`"),
        ({"inputs": []}, "needs `inputs`"),
        ({"inputs": [{"shape": [1]}]}, "input 0 has no name"),
        (changed("lot", name="plot"), "no input 'plot'"),
        (changed("lot", name="speed"), "stands more than once"),
        (changed("lot", datatype="BYTES", data=["7", "7"]), "INT32 is expected"),
        (changed("lot", datatype="BF16"), "none of the protocol's"),
        (changed("gate", datatype="INT64", data=[1, 2]), "BYTES is expected"),
        (changed("lot", shape=[3]), "but 2 values"),
        (changed("lot", shape=[2, 2]), "[rows] or [rows, 1]"),
        (changed("lot", shape="2"), "[rows] or [rows, 1]"),
        (changed("lot", shape=[1], data=[7]), "has 2 rows and input 'lot' 1"),
        (changed("lot", data=[[7, 8]]), "nested otherwise"),
        (changed("lot", data=7), "needs `data`"),
        (changed("lot", parameters={"binary_data_size": 8}), "0 bytes are left"),
        (changed("lot", parameters={"shared_memory_region": "x"}), "shared memory"),
        ({"inputs": changed("lot")["inputs"][:2]}, "lacks the inputs lot, speed, gate"),
    ],
)
def test_a_wrong_request_is_refused_by_name(request_: Any, words: str) -> None:
    with pytest.raises(RequestRefused) as caught:
        events_of(request_, PARKING)
    assert words in str(caught.value)
    assert caught.value.status == 400


def test_binary_data_that_fits_no_tensor_is_refused() -> None:
    request, content = as_tensors([EVENT], binary=True)
    for wrong in (content[:-1], content + b"\0"):
        with pytest.raises(RequestRefused, match=r"bytes"):
            events_of(request, PARKING, wrong)
    request["inputs"][0]["parameters"]["binary_data_size"] -= 1
    with pytest.raises(RequestRefused, match="ends within a text"):
        events_of(request, PARKING, content)


def test_an_input_that_may_be_missing_can_be_left_out_and_too_many_rows_are_refused() -> None:
    request, _ = as_tensors([EVENT], binary=False)
    request["inputs"] = [tensor for tensor in request["inputs"] if tensor["name"] != "electric"]
    assert "electric" not in events_of(request, PARKING)[0]
    with pytest.raises(RequestRefused, match="1 to 1000"):
        events_of(as_tensors([EVENT] * 1001, binary=False)[0], PARKING)


def test_not_a_number_is_a_missing_value_where_one_may_be() -> None:
    case = declare(events={"id": "string", "at": "datetime", "speed": "float64?"}, label="late")
    values = {"id": ["a", "b"], "at": ["2024-01-01T00:00:00Z"] * 2, "speed": [math.nan, 1.5]}
    inputs = [
        {"name": name, "datatype": tensor.datatype, "shape": [2], "data": values[name]}
        for name, tensor in inputs_of(case).items()
    ]
    assert [event["speed"] for event in events_of({"inputs": inputs}, case)] == [None, 1.5]


def test_outputs_are_those_of_the_task_and_those_asked_for() -> None:
    assert list(outputs_of(PARKING)) == ["score", "decision", "unknown_entities", "fallback"]
    wanted = requested_outputs({"outputs": [{"name": "decision", "parameters": {"binary_data": True}}]}, PARKING)
    assert [(tensor.name, binary) for tensor, binary in wanted] == [("decision", True)]
    with pytest.raises(RequestRefused, match="no output 'x'"):
        requested_outputs({"outputs": [{"name": "x"}]}, PARKING)
    answer = {"probability": 0.1, "decision": "open", "unknown_entities": ["lot"]}
    given = answers_of([answer, answer], list(outputs_of(PARKING).values()), PARKING)
    assert {one.tensor.name: one.flat for one in given} == {
        "score": [0.1, 0.1],
        "decision": ["open", "open"],
        "unknown_entities": ["lot", "lot"],
        "fallback": ["", ""],
    }


def test_a_text_of_a_tensor_stands_behind_its_length() -> None:
    assert packed("BYTES", ["ab", ""]) == b"\x02\0\0\0ab\0\0\0\0"
    assert Tensor("x", "FP64").metadata() == {"name": "x", "datatype": "FP64", "shape": [-1]}
