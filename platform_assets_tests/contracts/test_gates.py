"""What every gate does, whatever it looks at: each of the registry, and one that only this test knows.

Belongs here: that a gate's names are its declaration's, that it is green on a good model and red on a bad one, and that silence is red.
Does not belong here: the words of one gate (`unit/evaluation`), all gates of a planted model together (`gates/test_planted_models.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from platform_assets.declaration import UseCase
from platform_assets.declaration.gate_kinds import DECLARED_GATES, DeclaredGate, gate_names
from platform_assets.evaluation.gates.base import GateInputs
from platform_assets.evaluation.gates.judging import guarded, judge
from platform_assets.evaluation.gates.registry import GATES
from platform_assets.evaluation.judged_model import JudgedModel, against_champion, alone
from platform_assets.orchestration.assets.evaluation import evaluation_asset
from platform_assets.tasks.gate_result import GateResult
from platform_assets.testing.credit_world import AS_OF, champion, declared
from platform_assets.testing.declare import window
from platform_assets.testing.planted_models import KINDS, good, leaked, perfect, squashed

SEED = 3


def planted(kind: str) -> Callable[[int, Path], JudgedModel]:
    return KINDS[kind][0]


def with_gates(
    plant: Callable[[int, Path], JudgedModel], changes: Mapping[str, object], seed: int, folder: Path
) -> JudgedModel:
    """A model, and another declaration of its gates."""
    gates = {**declared().gates.model_dump(), **changes}
    use_case = UseCase.model_validate({**declared().model_dump(), "gates": gates})
    return replace(plant(seed, folder), use_case=use_case)


def undeclared_strangers(seed: int, folder: Path) -> JudgedModel:
    """A good model whose use case keeps histories and does not say what somebody without one gets."""
    document = declared().model_dump()
    history = {
        "name": "history",
        "description": "h",
        "entity": "member",
        "windows": [window("applications", "count", None, [7])],
    }
    serving = document["serving"] | {"unknown": None}
    changed = {**document, "features": [*document["features"], history], "serving": serving}
    return replace(good(seed, folder), use_case=UseCase.model_validate(changed))


BAD: Mapping[str, Callable[[int, Path], JudgedModel]] = {
    "training_data": partial(with_gates, good, {"min_positives": 100_000}),
    "training_days": planted("a training day missing"),
    "unknown_entities": undeclared_strangers,
    "beats_baselines": planted("shuffled labels"),
    "no_worse_than_champion": planted("worse than the champion"),
    "not_trained_on_test_days": planted("trained on the test period"),
    "floors": planted("shuffled labels"),
    "plausible": leaked,
    "plausible_by_default": perfect,
    "calibration": squashed,
    "relative_calibration": planted("probabilities of nearly nothing"),
    "mean_prediction": squashed,
    "slices": planted("one slice inverted"),
    "fairness": planted("one slice always refused"),
    "behaviour": planted("more debt, lower score"),
    "single_feature": leaked,
    "no_leakage": planted("label leaked in two parts"),
    "importance": leaked,
    "scoring_time": planted("slow"),
    "model_size": planted("oversized"),
    "reproducible": planted("non-deterministic"),
}
"""For each gate a model that it must stop."""


def inputs_of(model: JudgedModel, *, with_champion: bool = True) -> GateInputs:
    same_rows = against_champion(model, champion(SEED)) if with_champion else alone(model)
    return GateInputs(model, same_rows, with_champion)


def results(key: str, inputs: GateInputs) -> list[GateResult]:
    return [guarded(name, GATES[key], inputs) for name in names_of(key, inputs.model.use_case)]


def names_of(key: str, use_case: UseCase) -> tuple[str, ...]:
    return DECLARED_GATES[key].names(use_case.gates, use_case.task)


@pytest.fixture(scope="module")
def good_inputs(tmp_path_factory: pytest.TempPathFactory) -> GateInputs:
    return inputs_of(good(SEED, tmp_path_factory.mktemp("good")))


def test_every_gate_has_names_in_the_declaration_and_a_bad_model() -> None:
    use_case = declared()
    assert set(BAD) == set(GATES), "a gate that nobody has seen red is no gate"
    assert len(set(gate_names(use_case.gates, use_case.task))) == len(gate_names(use_case.gates, use_case.task))


@pytest.mark.parametrize("key", GATES.names)
def test_a_good_model_passes(key: str, good_inputs: GateInputs) -> None:
    found = results(key, good_inputs)
    assert found, "the world declares every kind of gate"
    for name, result in zip(names_of(key, declared()), found, strict=True):
        assert result.name == name
        assert result.passed, result.explanation
        assert result.explanation.endswith(".")


@pytest.mark.parametrize("key", GATES.names)
def test_a_bad_model_is_stopped(key: str, tmp_path: Path) -> None:
    model = BAD[key](SEED, tmp_path)
    found = results(key, inputs_of(model, with_champion=key == "no_worse_than_champion"))
    assert [result for result in found if not result.passed], [result.explanation for result in found]


@pytest.mark.parametrize("key", GATES.names)
def test_a_gate_that_cannot_run_is_red_and_says_why(key: str, good_inputs: GateInputs) -> None:
    def broken(inputs: GateInputs, name: str) -> GateResult:
        raise ValueError("the rows are gone")

    def silent(inputs: GateInputs, name: str) -> None:
        return None

    for name in names_of(key, declared()):
        result = guarded(name, broken, good_inputs)
        assert (result.name, result.passed) == (name, False)
        assert result.explanation == f"{name} could not be judged: the rows are gone"
        assert not guarded(name, silent, good_inputs).passed


def test_a_gate_of_the_tests_own_is_judged_and_checked_like_any_other(good_inputs: GateInputs) -> None:
    model, same_rows = good_inputs.model, good_inputs.same_rows
    use_case, members = model.use_case, "platform_assets_tests.contracts.members.few_inputs"
    for judgement, passed in (("AT_MOST_FIFTY", True), ("AT_MOST_ONE", False)):
        gate = DeclaredGate(lambda gates, task: ("few_inputs",), f"{members}:{judgement}")
        with DECLARED_GATES.with_member("few_inputs", gate):
            assert gate_names(use_case.gates, use_case.task)[-1] == "few_inputs"
            result = judge(model, same_rows, AS_OF, has_champion=True).gates[-1]
            checks = {spec.name for spec in evaluation_asset(use_case=use_case).check_specs}
        assert (result.name, result.passed) == ("few_inputs", passed)
        assert "few_inputs" in checks
    assert "few_inputs" not in gate_names(use_case.gates, use_case.task)
