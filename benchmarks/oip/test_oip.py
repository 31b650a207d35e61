"""The conformance bench itself: requests from metadata, and outcomes that are counted."""

import pytest

from benchmarks.oip.__main__ import outcomes, summary
from benchmarks.oip.checks import Checks, Outcome, need
from benchmarks.oip.model import flat, is_of, made_request, nested, packed, repeated
from benchmarks.oip.report import report


def test_a_check_that_raises_is_not_kept_and_the_next_one_is_made() -> None:
    checks = Checks("REST")
    with checks.check("one"):
        need(1 == 2, "it is not")
    with checks.check("two"):
        {}["nothing"]
    with checks.check("three"):
        need(True, "")
    assert [(one.what, bool(one.problem)) for one in checks.outcomes] == [
        ("one", True),
        ("two", True),
        ("three", False),
    ]
    assert summary(checks.outcomes) == {"REST": (1, 3)}


def test_a_request_is_made_from_metadata() -> None:
    metadata = {
        "inputs": [
            {"name": "x", "datatype": "FP32", "shape": [-1, 2]},
            {"name": "y", "datatype": "BYTES", "shape": [-1]},
        ]
    }
    request = made_request(metadata)
    assert request["inputs"][0] == {"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [1.0, 1.0]}
    assert repeated(request, 2)["inputs"][1]["data"] == ["example", "example"]
    assert nested([1, 2, 3, 4], [2, 2]) == [[1, 2], [3, 4]]
    assert flat([[1, 2], [3, 4]]) == [1, 2, 3, 4]
    assert packed("INT16", [1, -1]) == b"\x01\x00\xff\xff"
    assert [is_of("FP32", 1), is_of("INT8", True), is_of("BOOL", 1)] == [True, False, False]


def test_the_report_has_a_bar_for_the_first_server_and_lists_what_others_miss() -> None:
    good = [Outcome("REST", f"check {n}") for n in range(60)]
    found = {"ours": good, "other": [*good, Outcome("gRPC", "a thing", "does | not")]}
    topics = report(found, [{"name": "ours"}, {"name": "other"}])
    assert [bar.kept for bar in topics[0].bars] == [True, True]
    assert topics[0].rows[1][2:] == ["60 of 60", "0 of 1"]
    assert topics[1].rows == [["gRPC", "a thing", "does \\| not"]]


def test_a_server_that_does_not_answer_is_said_not_to() -> None:
    with pytest.raises(SystemExit, match="no server answers"):
        outcomes("http://127.0.0.1:9", "m", None, None)
