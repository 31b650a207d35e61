"""What somebody gets whom nobody has seen: refused, left to people, or decided, as declared."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from platform_assets.evaluation.gates.base import GateInputs
from platform_assets.evaluation.gates.unknown_entities import unknown_entities_gate
from platform_assets.testing.declare import declare, window
from platform_assets_tests.serving.parking import DECLARATION, EVENT, use_case
from platform_assets_tests.unit.serving.test_app import SCORE, Served
from serving.request import answer_model


def second(served: Served) -> dict[str, Any]:
    """The answer to the next event of the same lot."""
    answer: dict[str, Any] = served.client.post(SCORE, json=EVENT | {"arrival": "T-2"}).json()
    return answer


def test_decide_answers_as_before_and_counts(tmp_path: Path) -> None:
    undeclared = Served(tmp_path / "undeclared", unknown=None)
    served = Served(tmp_path / "decide", unknown="decide")
    body = {"x-request-id": "same"}
    answers = [each.client.post(SCORE, json=EVENT, headers=body) for each in (undeclared, served)]
    assert answers[0].content == answers[1].content
    assert answers[0].json()["unknown_entities"] == ["lot"]
    for each in (undeclared, served):
        assert each.metric("unknown_entity_requests_total", outcome="decide") == 1


def test_review_leaves_the_decision_to_people(tmp_path: Path) -> None:
    served = Served(tmp_path, unknown="review")
    answer = served.client.post(SCORE, json=EVENT).json()
    assert (answer["decision"], answer["unknown_entities"]) == ("review", ["lot"])
    assert isinstance(answer["probability"], float)
    assert second(served)["decision"] in ("open", "stop"), "it has been seen now"
    first, _ = served.logged()
    assert (first["decision"], first["unknown_entities"], first["score"]) == ("review", "lot", answer["probability"])
    assert served.metric("decisions_total", decision="review") == 1
    assert served.metric("unknown_entity_requests_total", outcome="review") == 1
    answer_model(served.runtime.release.use_case).model_validate(answer)


def test_refuse_scores_and_remembers_nothing(tmp_path: Path) -> None:
    served = Served(tmp_path, unknown="refuse")
    for _ in range(2):
        response = served.client.post(SCORE, json=EVENT, headers={"x-request-id": "payment-4711"})
        assert response.status_code == 422, "asking twice makes nobody known"
        assert [problem["field"] for problem in response.json()["problems"]] == ["lot"]
        assert response.json()["request_id"] == "payment-4711"
    assert served.store.events == {}
    served.store.events[EVENT["lot"]] = {"earlier": 30.0}
    assert served.client.post(SCORE, json=EVENT).status_code == 200
    assert len(served.logged()) == 1
    assert served.metric("unknown_entity_requests_total", outcome="refuse") == 2
    assert served.metric("unknown_entities_total", entity="lot") == 2
    assert served.metric("refused_requests_total", status="422") == 2


def test_a_store_that_is_not_asked_knows_no_strangers(tmp_path: Path) -> None:
    served = Served(tmp_path, unknown="refuse", fallback="no_history")
    (served.folder / "down").touch()
    response = served.client.post(SCORE, json=EVENT)
    (served.folder / "down").unlink()
    assert (response.status_code, response.json()["fallback"]) == (200, "store unreachable")


def test_the_self_test_is_answered_although_its_example_is_a_stranger(tmp_path: Path) -> None:
    served = Served(tmp_path, unknown="refuse")
    assert served.client.post("/v1/parking/self_test").status_code == 200


@pytest.mark.parametrize(
    ("serving", "words"),
    [
        ({"mode": "batch", "unknown": "refuse"}, "is for services"),
        ({"unknown": "ask"}, "'refuse', 'review' or 'decide'"),
    ],
)
def test_what_cannot_be_done_is_not_declared(serving: dict[str, Any], words: str) -> None:
    features = [
        {"name": "car", "description": "c", "rows": [{"name": "kmh", "expression": "speed", "description": "speed"}]}
    ]
    with pytest.raises(ValidationError, match=words):
        use_case(serving=DECLARATION["serving"] | serving, features=features)


def test_nothing_to_decide_leaves_nothing_to_review() -> None:
    case = {
        "events": {"visit": "int64", "at": "datetime", "lot": "int32", "size": "float64"},
        "label": {"paid": "float64"},
    }
    request = ["visit", "at", "lot", "size"]
    declare(**case, features=["size"], serving={"request": request, "unknown": "refuse"})
    with pytest.raises(ValidationError, match="a regression task has none"):
        declare(**case, features=["size"], serving={"request": request, "unknown": "review"})


class Judged:
    """As much of a judged model as the gate looks at."""

    def __init__(self, case: Any) -> None:
        self.use_case = case


def judged(**changes: Any) -> Any:
    return unknown_entities_gate(GateInputs(Judged(use_case(**changes)), None, False), "unknown_entities")  # type: ignore[arg-type]


def test_the_gate_asks_until_it_is_declared() -> None:
    red = judged(serving=DECLARATION["serving"] | {"unknown": None})
    assert not red.passed
    assert "lot was never seen" in red.explanation
    for outcome in ("refuse", "review", "decide"):
        assert judged(serving=DECLARATION["serving"] | {"unknown": outcome}).passed


def test_the_gate_asks_nobody_who_keeps_no_history() -> None:
    request = DECLARATION["serving"] | {"unknown": None}
    alone = [view for view in DECLARATION["features"] if not view.get("windows")]
    assert judged(serving=request, features=alone).passed
    delayed = [
        {
            "name": "lots",
            "description": "l",
            "entity": "lot",
            "windows": [window("visits", "count", None, [1], delay_days=2)],
        }
    ]
    assert judged(serving=request | {"mode": "batch"}, features=delayed).passed
