"""What a declared rollout is refused for, and what it becomes."""

from typing import Any

import pytest
from pydantic import ValidationError

from platform_assets.declaration import UseCase
from platform_assets.deployment.rollout.registry import declared_plan, experiment_of_version
from platform_assets.deployment.rollout.stages import AT_ONCE, StageKind
from platform_assets.testing.declare import declaration

EVENTS = {"payment": "int64", "at": "datetime", "customer": "int64", "amount": "float64"}
EXPERIMENT = {
    "hypothesis": "a newer model declines fewer good payments",
    "measure": "amount",
    "direction": "increase",
    "minimum_effect_ratio": 0.1,
    "assign_by": "customer",
}
SHADOW, CANARY, AB, REPLACE = ({"strategy": name} for name in ("shadow", "canary", "ab", "replace"))


def declared(*rollout: dict[str, Any], experiment: dict[str, Any] | None = None, **serving: Any) -> UseCase:
    given = declaration(events=EVENTS, label="is_bad", features=["amount"])
    request = ["payment", "at", "amount", *(["customer"] if serving.pop("carries_customer", True) else [])]
    given["serving"] |= {"rollout": list(rollout), "request": request, **serving}
    return UseCase.model_validate(given | ({"experiment": experiment} if experiment else {}))


@pytest.mark.parametrize(
    ("rollout", "more", "message"),
    [
        ([{**CANARY, "steps_percent": [5, 5]}], {}, "must rise within 1..99"),
        ([{**CANARY, "steps_percent": [50, 100]}], {}, "must rise within 1..99"),
        ([{**CANARY, "step_minutes": 120, "at_most_hours": 1}], {}, "before the 120 minutes"),
        ([{"strategy": "bluegreen"}], {}, "does not match any of the expected tags"),
        ([REPLACE, CANARY], {}, "replace gives the new version everything"),
        ([CANARY, SHADOW], {}, "write it before canary"),
        ([CANARY, CANARY], {}, "declared twice"),
        ([AB, AB], {"experiment": EXPERIMENT}, "declared twice"),
        ([AB], {}, "declare it with its measure and assign_by"),
        ([AB], {"experiment": {**EXPERIMENT, "assign_by": None}}, "declare experiment.assign_by"),
        ([AB], {"experiment": EXPERIMENT, "carries_customer": False}, "add it to serving.request"),
        ([SHADOW], {"mode": "batch"}, "serving.mode is batch: use replace"),
        ([CANARY], {"mode": "batch"}, "serving.mode is batch: use replace"),
        ([AB], {"mode": "batch", "experiment": EXPERIMENT}, "serving.mode is batch: use replace"),
        ([REPLACE], {"guards": {"alpha": 0.5}}, "less than 0.5"),
        ([REPLACE], {"guards": {"undecided": "guess"}}, "'hold', 'promote' or 'abort'"),
        ([], {}, "at least 1 item"),
    ],
)
def test_a_rollout_that_makes_no_sense_is_refused(rollout: list[Any], more: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        declared(*rollout, **more)


def test_stages_become_a_plan_in_the_order_written_and_survive_being_stored() -> None:
    use_case = declared(
        {**SHADOW, "share_percent": 30},
        CANARY,
        AB,
        {**REPLACE, "keep_minutes": 60},
        experiment=EXPERIMENT,
        guards={"undecided": "promote"},
    )
    plan = declared_plan(use_case)
    kinds = [(stage.kind, stage.percent, stage.undecided) for stage in plan]
    assert kinds == [
        (StageKind.MIRROR, 30, "promote"),
        (StageKind.WEIGHT, 5, "promote"),
        (StageKind.WEIGHT, 25, "promote"),
        (StageKind.WEIGHT, 50, "promote"),
        (StageKind.SPLIT, 50, "promote"),
        (StageKind.WEIGHT, 100, "hold"),
    ]
    assert plan[-1].minutes == 60
    assignment = plan[4].assignment
    assert assignment is not None
    assert (assignment.experiment, assignment.entity) == ("experiment", "customer")
    assert UseCase.model_validate_json(use_case.model_dump_json()) == use_case


def test_an_undeclared_rollout_replaces_at_once() -> None:
    assert declared_plan(UseCase.model_validate(declaration(events=EVENTS, label="is_bad"))) == AT_ONCE


def test_each_version_is_an_experiment_of_its_own() -> None:
    plan = declared_plan(declared(AB, experiment=EXPERIMENT | {"name": "newer"}))
    names = [stage.assignment.experiment for stage in experiment_of_version(plan, "7") if stage.assignment is not None]
    assert names == ["newer_v7"]
    assert experiment_of_version(AT_ONCE, "7") == AT_ONCE
