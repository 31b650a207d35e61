"""Each kind of bad model is stopped by the gate that is meant for it, and a good one passes them all.

Belongs here: planted models in memory, judged as the evaluation asset judges them. Does not belong here: whole runs of the graph
(`test_model_gates.py`), many seeds (`benchmarks/gates/topic.py`).
"""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from platform_assets.declaration import UseCase
from platform_assets.declaration.gate_kinds import gate_names
from platform_assets.declaration.sections.gates import Bypass
from platform_assets.evaluation.gates.judging import judge
from platform_assets.evaluation.gates.verdict import Verdict
from platform_assets.evaluation.judged_model import JudgedModel, against_champion, alone
from platform_assets.tasks.gate_result import GateResult
from platform_assets.testing.credit_world import AS_OF, champion, declared, loaded_recipe
from platform_assets.testing.planted_models import KINDS, good, leaked, leaked_by_absence

SEED = 3
TODAY = AS_OF


def judged(subject: JudgedModel, *, with_champion: bool = False, today: date = TODAY) -> Verdict:
    rows = against_champion(subject, champion(SEED)) if with_champion else alone(subject)
    return judge(subject, rows, today, has_champion=with_champion)


def red(verdict: Verdict) -> list[str]:
    return [gate.name for gate in verdict.gates if not gate.passed]


def gate(verdict: Verdict, name: str) -> GateResult:
    return next(result for result in verdict.gates if result.name == name)


def with_gates(subject: JudgedModel, **changes: object) -> JudgedModel:
    gates = {**declared().gates.model_dump(), **changes}
    return replace(subject, use_case=UseCase.model_validate({**declared().model_dump(), "gates": gates}))


@pytest.fixture(scope="module")
def good_model(tmp_path_factory: pytest.TempPathFactory) -> JudgedModel:
    return good(SEED, tmp_path_factory.mktemp("good"))


def test_a_good_model_passes_every_gate(good_model: JudgedModel) -> None:
    verdict = judged(good_model, with_champion=True)
    assert red(verdict) == []
    assert [result.name for result in verdict.gates] == gate_names(declared().gates, declared().task)


def test_the_recipe_in_the_models_folder_makes_the_same_model(good_model: JudgedModel) -> None:
    again = replace(good_model, recipe=loaded_recipe(good_model))
    assert gate(judged(again), "reproducible").passed
    assert gate(judged(again), "not_trained_on_test_days").passed


@pytest.mark.parametrize("kind", KINDS)
def test_a_bad_model_is_stopped_by_the_gate_of_its_kind(kind: str, tmp_path: Path) -> None:
    plant, meant = KINDS[kind]
    verdict = judged(plant(SEED, tmp_path), with_champion=meant == "no_worse_than_champion")
    assert meant in red(verdict), gate(verdict, meant).explanation
    assert not verdict.passed
    assert gate(verdict, meant).explanation in verdict.reason


@pytest.mark.parametrize("plant", [leaked, leaked_by_absence])
def test_the_feature_that_carries_the_score_is_named(plant: object, tmp_path: Path) -> None:
    verdict = judged(plant(SEED, tmp_path))  # type: ignore[operator]
    assert "One feature alone carries the score: hour" in gate(verdict, "single_feature").explanation
    assert "plausible_auc_roc" in red(verdict)


def test_the_feature_that_the_model_rests_on_is_named(tmp_path: Path) -> None:
    verdict = judged(leaked(SEED, tmp_path))
    assert "importance" in red(verdict)
    assert gate(verdict, "importance").explanation.startswith("hour makes up")


def test_a_model_too_good_to_be_true_passes_once_somebody_answers_for_it(tmp_path: Path) -> None:
    acknowledged = [
        Bypass(gate=name, who="head of credit", why="the bureau closes records at once", until=date(2024, 6, 30))
        for name in ("plausible_auc_roc", "single_feature", "importance", "behaviour_hour")
    ]
    subject = with_gates(leaked(SEED, tmp_path), bypasses=[item.model_dump() for item in acknowledged])
    verdict = judged(subject)
    assert {"plausible_auc_roc", "single_feature"}.isdisjoint(red(verdict))
    assert "Let pass by head of credit, until 2024-06-30" in gate(verdict, "single_feature").explanation
    assert "single_feature" in red(judged(subject, today=date(2024, 7, 1))), "it has expired"


def test_a_slice_that_is_too_small_is_reported_and_all_too_small_are_red(good_model: JudgedModel) -> None:
    item = declared().gates.slices[0].model_dump()
    rare = "CASE WHEN income > 2.2 THEN 'rich' ELSE 'other' END"
    one = with_gates(good_model, slices=[{**item, "expression": rare, "max_selection_rate_difference": None}])
    assert red(judged(one)) == []
    assert "Too small to judge: rich" in gate(judged(one), "slice_region").explanation
    all_small = judged(with_gates(good_model, slices=[{**item, "min_rows": 10_000}]))
    assert red(all_small) == ["slice_region", "fairness_region"]
    assert "too small to judge" in gate(all_small, "slice_region").explanation


def test_a_gate_that_could_not_run_is_red_and_says_why(good_model: JudgedModel) -> None:
    slices = [{**declared().gates.slices[0].model_dump(), "expression": "hour * income"}]
    behaviour = [
        {"name": "rich", "kind": "direction", "change": {"debt": 1}, "score": "not_lower", "where": "income > 99"}
    ]
    verdict = judged(with_gates(good_model, slices=slices, behaviour=behaviour))
    assert red(verdict) == ["slice_region", "fairness_region", "behaviour_rich"]
    assert "group its values with CASE" in gate(verdict, "slice_region").explanation
    assert "rows can be tried where income > 99" in gate(verdict, "behaviour_rich").explanation


def test_a_model_that_may_differ_each_time_is_not_asked_for_the_same_bytes(tmp_path: Path) -> None:
    plant, _ = KINDS["non-deterministic"]
    verdict = judged(with_gates(plant(SEED, tmp_path), reproducible=False))
    assert "reproducible" not in [result.name for result in verdict.gates]
    assert gate(verdict, "not_trained_on_test_days").passed, "it differs by chance, not by what it saw"
    cheat, _ = KINDS["trained on the test period"]
    assert "not_trained_on_test_days" in red(judged(with_gates(cheat(SEED, tmp_path / "cheat"), reproducible=False)))
