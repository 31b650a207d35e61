"""What the declaration says of each kind of learner is what the learner itself says; and one that only this test knows can be declared.

Belongs here: agreement of the two lists. Does not belong here: fitting (`model/`), or messages about declarations (`unit/declaration`).
"""

import pytest
from pydantic import ValidationError

from platform_assets.declaration.checks.learners import learner_problems
from platform_assets.declaration.learner_kinds import DECLARED_LEARNERS, DeclaredLearnerKind
from platform_assets.declaration.sections.training import DeclaredLearner, Training
from platform_assets.training.candidates import declared_candidates
from platform_assets.training.learners import LEARNERS, LearnerKind
from platform_assets.training.learners.base import OBJECTIVES
from platform_assets.training.learners.constant import KIND as CONSTANT
from platform_assets.training.learners.single import KIND as SINGLE_FEATURE

NEAREST = LearnerKind(
    name="nearest",
    description="As single_feature.",
    settings=SINGLE_FEATURE.settings,
    fit=SINGLE_FEATURE.fit,
    load=SINGLE_FEATURE.load,
    libraries=(),
    objectives=("regression",),
)
DECLARED = DeclaredLearnerKind(
    "nearest", f"{__name__}:NEAREST", objectives=("regression",), may_name_feature=True, needs_feature=True
)


def training(*learners: dict[str, object], task: str = "regression") -> Training:
    return Training.model_validate({"task": task, "learners": learners, "metrics": ["rmse"], "select_by": "rmse"})


@pytest.mark.parametrize("name", DECLARED_LEARNERS.names)
def test_what_is_declared_of_a_learner_is_what_it_is(name: str) -> None:
    declared, kind = DECLARED_LEARNERS[name], LEARNERS[name]
    assert declared.name == kind.name == name
    assert set(declared.objectives or OBJECTIVES) == set(kind.objectives)
    assert declared.may_name_feature == ("column" in kind.settings)
    assert declared.may_name_feature or not declared.needs_feature
    assert declared.takes_categories == ("categories" in kind.settings)
    assert declared.takes_monotone == ("monotone" in kind.settings)
    assert declared.names_estimator == ("estimator" in kind.settings)
    assert declared.joins_others == (kind.made_of is not None)


def test_a_further_learner_edits_no_existing_file() -> None:
    nearest = {"name": "near", "kind": "nearest", "feature": "b"}
    with pytest.raises(ValidationError, match=r"Input should be 'constant', .*'blend' or 'stack'"):
        training(nearest)
    with DECLARED_LEARNERS.with_member("nearest", DECLARED):
        assert not list(learner_problems(training(nearest), ["a", "b"]))
        [candidate] = declared_candidates(training(nearest), ["a", "b"])
        assert candidate.learner.kind is NEAREST
        assert candidate.learner.settings["column"] == 1
        without = [message for *_, message in learner_problems(training({**nearest, "feature": None}), ["a", "b"])]
        assert without == ["is needed by a learner of kind nearest"]
        other = training({"name": "c", "kind": "constant", "feature": "b"})
        [(_, _, message)] = learner_problems(other, ["a", "b"])
        assert message == "is needed by a learner of kind single_feature, rule, nearest or last_value, and by no other"
        [(_, _, message)] = learner_problems(training(nearest, task="binary"), ["a", "b"])
        assert message == "is for regression tasks, this one is binary"


def test_a_learner_that_is_not_declared_is_made_of_others() -> None:
    for name in set(LEARNERS) - set(DECLARED_LEARNERS):
        assert LEARNERS[name].made_of is not None
    assert CONSTANT.made_of is None
    assert DeclaredLearner(name="c", kind="constant").kind in DECLARED_LEARNERS
