"""What the comparison of back ends would not let pass: a process that misses another's event, a topic that answers otherwise."""

import json

from benchmarks.back_ends.questions import KEY, Call, lacking_and_wrong, streamed_otherwise

CALLS = [Call(0, 0.0, 1.0), Call(1, 2.0, 4.0), Call(2, 3.0, 5.0), Call(3, 6.0, 7.0)]
"""The second and the third at once: each may know of the other, and need not."""


def test_an_answer_without_an_event_that_its_caller_knew_of_is_counted() -> None:
    assert lacking_and_wrong(CALLS, {0: 8.0, 1: 9.0, 2: 9.0, 3: 11.0}) == (0, 0)
    assert lacking_and_wrong(CALLS, {0: 8.0, 1: 9.0, 2: 10.0, 3: 11.0}) == (0, 0)
    assert lacking_and_wrong(CALLS, {0: 8.0, 1: 9.0, 2: 9.0, 3: 10.0}) == (1, 0), (
        "the fourth misses one of another process"
    )


def test_an_answer_that_counts_a_later_event_or_is_not_logged_is_counted() -> None:
    assert lacking_and_wrong(CALLS, {0: 8.0, 1: 11.0, 2: 9.0, 3: 11.0}) == (0, 1)
    assert lacking_and_wrong(CALLS, {0: 8.0, 1: 9.0, 3: 11.0}) == (1, 0)


def test_a_topic_has_to_answer_each_request_as_the_service_did() -> None:
    bodies = [{KEY: 1}, {KEY: 2}]
    given = [json.dumps({"status": 200, "probability": probability}) for probability in (0.25, 0.5)]
    answer = {"request_id": "payments[0]@1/x", "event": {KEY: 1}, "source": "payments[0]@1", "release": "sha256:1"}
    found = {1: {**answer, "probability": 0.25}, 2: {**answer, "probability": 0.5}}
    assert streamed_otherwise(bodies, given, found) == 0
    assert streamed_otherwise(bodies, given, {1: found[1]}) == 1
    assert streamed_otherwise(bodies, given, {**found, 2: {**answer, "probability": 0.5000001}}) == 1
