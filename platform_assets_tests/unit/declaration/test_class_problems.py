"""A multi-class declaration: its classes are listed with the label, and what makes no sense of it is refused with its place."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from platform_assets.declaration import feature_contract_hash, load_use_case
from platform_assets.declaration.contract import feature_contract
from platform_assets.declaration.prediction_log import prediction_log_schema
from platform_assets_tests.unit.pipelines.ticket_world import CLASSES, TICKETS, declared

FOLDER = Path(__file__).parents[3] / "platform_assets" / "defs" / "card_fraud"


def label(**changes: Any) -> dict[str, Any]:
    """The sources with the label's column changed."""
    sources = deepcopy(TICKETS["sources"])
    column = sources[1]["columns"][2]
    column |= changes
    sources[1]["columns"][2] = {name: value for name, value in column.items() if value is not None}
    return {"sources": sources}


def training(**changes: Any) -> dict[str, Any]:
    return {"training": TICKETS["training"] | changes}


def learners(*more: dict[str, Any]) -> dict[str, Any]:
    return training(learners=[*TICKETS["training"]["learners"], *more])


def gates(**changes: Any) -> dict[str, Any]:
    return {"gates": TICKETS["gates"] | changes}


SLICE = {"name": "long", "expression": "length > 300"}
CASE = {"kind": "minimum_case", "name": "bill", "given": {"amounts": 9}, "at_least": 0.5}
BYPASS = {"who": "all of us", "why": "agreed for now", "until": "2999-01-01"}


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (label(allowed=None), r"sources.1.columns.2.allowed\n.*the label of a multi-class task lists its classes, in the order"),
        (label(allowed=["yes", "no"]), "two classes are a binary task: declare it with labels 0 and 1"),
        (label(allowed=["billing"]), "1 classes; a multi-class task has from 3 to 200"),
        (label(allowed=["a", "b", "c", "b"]), "class 'b' is listed 2 times"),
        (label(allowed=["a", "b", ""]), "a class has no name"),
        (label(type="float64", allowed=None), "the label of a multi-class task is one of string, int8, int32, int64"),
        (training(metrics=["balanced_accuracy", "brier"]), "training.metrics.1\n.*does not apply to a multiclass task; known: acc"),
        (training(metrics=["balanced_accuracy", "rmse"]), "does not apply to a multiclass task"),
        (learners({"name": "line", "kind": "ridge"}), "is for regression tasks, this one is multiclass"),
        (learners({"name": "same", "kind": "single_feature", "feature": "length"}), "is for binary and regression tasks"),
        (
            learners({"name": "up", "kind": "xgboost", "monotone": {"length": "increasing"}}),
            "raises one class's probability lowers another's",
        ),
        (
            learners({"name": "some", "kind": "xgboost", "inputs": ["length", "width"]}),
            "learners.3.inputs\n.*no such feature; known: ",
        ),
        (learners({"name": "some", "kind": "xgboost", "inputs": ["length", "length"]}), "names a feature twice"),
        (
            learners({"name": "two", "kind": "blend", "of": ["constant", "trees"], "inputs": ["length"]}),
            "is for the learners that it joins: declare it there",
        ),
        (
            {"serving": TICKETS["serving"] | {"decision": {"threshold": 0.5}}},
            "applies to binary tasks only; a multi-class model answers the class that is most probable",
        ),
        (gates(max_relative_calibration_error=0.5), "applies to binary tasks only, this one is multiclass"),
        (gates(slices=[{**SLICE, "max_selection_rate_difference": 0.1}]), "which apply to binary tasks"),
        (gates(floors=[{"metric": "r2", "bound": 0.1}]), "is not measured"),
        (gates(behaviour=[CASE]), "gates.behaviour.0.of_class\n.*names the class whose probability is meant; known: billing, out"),
        (gates(behaviour=[{**CASE, "of_class": "sales"}]), "names the class whose probability is meant"),
        (gates(bypasses=[{**BYPASS, "gate": "relative_calibration"}]), "no such gate"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_with_its_place(changed: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        declared(**changed)


def test_classes_are_the_labels_allowed_values_in_their_order() -> None:
    assert declared().classes == CLASSES
    numbers = declared(**label(type="int32", allowed=[30, 10, 20]), gates={"min_training_rows": 10})
    assert numbers.classes == ("30", "10", "20")
    assert (numbers.model_name, numbers.task.has_classes) == ("classifier", True)
    assert prediction_log_schema(numbers)["probabilities"].is_nested()


def test_other_tasks_know_no_classes_and_keep_their_contract() -> None:
    """The hashes are those of the declarations before there were classes: a model trained then is still served."""
    for name in ("card_fraud", "bike_demand"):
        use_case = load_use_case(FOLDER.parent / name)
        assert use_case.classes == ()
        assert set(feature_contract(use_case)["label"]) == {"column", "delay_days"}
        assert "probabilities" not in prediction_log_schema(use_case)
    card = load_use_case(FOLDER).model_dump()
    card["gates"]["behaviour"] = [{**CASE, "given": {"amount": 9}, "of_class": "fraud"}]
    with pytest.raises(ValidationError, match="is for multi-class tasks; this one is binary"):
        type(declared()).model_validate(card)


def test_the_order_of_classes_is_part_of_the_contract() -> None:
    turned = declared(**label(allowed=list(reversed(CLASSES))))
    assert feature_contract_hash(turned) != feature_contract_hash(declared())
