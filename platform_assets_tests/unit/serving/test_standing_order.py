"""A standing order: answers are reviewed or refused while it is in force, and given as ever once it is lifted."""

from pathlib import Path

import pytest

from platform_assets.declaration.standing_order import StandingOrder, read_order, write_order
from platform_assets_tests.serving.parking import EVENT
from platform_assets_tests.unit.serving.test_app import SCORE, Served
from serving import standing_order


@pytest.fixture(autouse=True)
def looks_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service looks once a second; a test does not wait for that."""
    monkeypatch.setattr(standing_order, "LOOK_SECONDS", 0.0)


def order(then: str, **more: str) -> StandingOrder:
    given = {"then": then, "cause": "drift@2", "why": "drift for 3 days", "tell": "#risk", "since": "2024-03-12"}
    return StandingOrder.model_validate(given | more)


def test_refused_until_a_person_lifts_it(tmp_path: Path) -> None:
    served = Served(tmp_path, unknown="review")
    folder = served.runtime.settings.log_folder
    assert served.client.post(SCORE, json=EVENT).status_code == 200
    write_order(folder, order("refuse"))
    refused = served.client.post(SCORE, json=EVENT)
    assert refused.status_code == 503
    assert "until a person lifts it: drift for 3 days" in refused.json()["error"]
    assert len(served.logged()) == 1, "what is refused is not logged as an answer"
    assert served.metric("refused_requests_total", status="503") == 1
    write_order(folder, order("refuse", lifted_by="ada", lifted_because="mended"))
    assert served.client.post(SCORE, json=EVENT).status_code == 200


def test_every_decision_is_left_to_people(tmp_path: Path) -> None:
    served = Served(tmp_path, unknown="review")
    served.client.post(SCORE, json=EVENT)
    write_order(served.runtime.settings.log_folder, order("review"))
    known = EVENT | {"arrival": "T-2"}
    assert served.client.post(SCORE, json=known).json()["decision"] == "review"
    assert served.logged()[-1]["decision"] == "review"


def test_a_rule_decides_in_place_of_the_model(tmp_path: Path) -> None:
    served = Served(tmp_path, unknown="review")
    use_case = served.runtime.release.use_case
    assert use_case.serving.decision is not None
    served.client.post(SCORE, json=EVENT)
    name = use_case.feature_names[0]
    value = served.logged()[-1][f"feature__{name}"]
    for number, (rule, decision) in enumerate(
        {
            f"{name} >= {value}": use_case.serving.decision.above,
            f"{name} > {value}": use_case.serving.decision.below,
            f"{name} > NULL": use_case.serving.decision.below,
        }.items()
    ):
        write_order(served.runtime.settings.log_folder, order("rule", rule=rule))
        answer = served.client.post(SCORE, json=EVENT | {"arrival": f"T-{number + 2}"}).json()
        assert answer["decision"] == decision, rule
        [line] = [line for line in served.logged() if line["request_id"] == answer["request_id"]]
        assert line["decision"] == decision, "what was answered is what is logged"


def test_a_stranger_stays_with_people_whatever_the_rule_says(tmp_path: Path) -> None:
    served = Served(tmp_path, unknown="review")
    use_case = served.runtime.release.use_case
    write_order(served.runtime.settings.log_folder, order("rule", rule=f"{use_case.feature_names[0]} IS NOT NULL"))
    assert served.client.post(SCORE, json=EVENT).json()["decision"] == "review"


def test_a_file_that_is_no_order_changes_nothing_and_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    served = Served(tmp_path, unknown="review")
    folder = served.runtime.settings.log_folder
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "standing_order.json").write_text("{}")
    assert served.client.post(SCORE, json=EVENT).status_code == 200
    assert "is no standing order" in caplog.text


def test_an_order_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert read_order(tmp_path) is None
    write_order(tmp_path / "log", order("review"))
    assert read_order(tmp_path / "log") == order("review")
