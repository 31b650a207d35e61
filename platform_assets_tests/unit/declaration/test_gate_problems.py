"""Gates that name what does not exist are refused at load, with place and remedy."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from platform_assets.declaration import UseCase
from platform_assets.declaration.gate_kinds import gate_names
from platform_assets.declaration.tasks.binary import BINARY
from platform_assets.declaration.tasks.regression import REGRESSION
from platform_assets.testing.declare import declare, row, window

EVENTS = {"payment": "int64", "at": "datetime", "customer": "int64", "shop": "int64", "amount": "float64"}
VIEWS = [
    "amount",
    {"name": "when", "rows": [row("is_night", "CASE WHEN extract(hour FROM at) < 6 THEN 1 ELSE 0 END")]},
    {"name": "activity", "entity": "customer", "windows": [window("customer_count", "count", None, [7])]},
]
BYPASS = {"who": "head of risk", "why": "agreed for the pilot", "until": "2999-01-01"}
SLICE = {"name": "night", "expression": "is_night", "floor": 0.5}
DIRECTION = {"name": "amount", "kind": "direction", "change": {"amount": "amount * 2"}, "score": "not_lower"}


def declared(**gates: Any) -> UseCase:
    return declare(events=EVENTS, label="is_bad", features=VIEWS, gates=gates)


@pytest.mark.parametrize(
    ("gates", "told"),
    [
        ({"bypasses": [{**BYPASS, "gate": "calibrated"}]}, "no such gate; known: training_data"),
        ({"bypasses": [{**BYPASS, "gate": "calibration"}]}, "no such gate"),
        ({"bypasses": [{**BYPASS, "gate": "training_data"}] * 2}, "'training_data' is declared 2 times"),
        ({"floors": [{"metric": "rmse", "bound": 1}]}, "is not measured"),
        ({"plausible": {"log_loss": 0.1}}, "is not measured"),
        ({"max_single_feature": {"brier": 0.1}}, "does not apply to one feature"),
        ({"slices": [{**SLICE, "expression": "amount >"}]}, "is not an expression"),
        ({"slices": [{**SLICE, "expression": "amount > limit_of_card"}]}, "uses unknown columns limit_of_card"),
        ({"slices": [{**SLICE, "expression": "is_bad"}]}, "uses the label 'is_bad'"),
        ({"slices": [{**SLICE, "metric": "r2"}]}, "is not measured"),
        ({"slices": [SLICE, SLICE]}, "'night' is declared 2 times"),
        ({"behaviour": [{**DIRECTION, "change": {"sum": 1}}]}, "no such feature"),
        ({"behaviour": [{**DIRECTION, "change": {"amount": "shop"}}]}, "uses unknown columns shop"),
        ({"behaviour": [{**DIRECTION, "where": "amount >"}]}, "is not an expression"),
        ({"baseline_margin": -0.1}, "greater than or equal to 0"),
    ],
)
def test_what_does_not_exist_is_refused(gates: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        declared(**gates)


def test_what_applies_to_another_task_is_refused() -> None:
    for gates, told in (
        ({"max_calibration_error": 0.1}, "applies to binary and multiclass tasks only"),
        ({"slices": [{"name": "rain", "expression": "rain > 1", "max_error_rate_difference": 0.1}]}, "apply to binary"),
    ):
        with pytest.raises(ValidationError, match=told):
            declare(events={**EVENTS, "rain": "float64"}, label={"rides": "float64"}, gates=gates)


def test_columns_of_the_event_table_and_features_can_divide_rows() -> None:
    use_case = declared(
        slices=[
            {**SLICE, "expression": "shop > 5000"},
            {**SLICE, "name": "busy", "expression": "customer_count_7d > 9"},
        ]
    )
    assert gate_names(use_case.gates, BINARY)[-4:] == ["slice_busy", "single_feature", "no_leakage", "reproducible"]


def test_gates_on_by_default_are_those_that_every_model_can_keep() -> None:
    assert gate_names(declared().gates, BINARY) == [
        "training_data",
        "unknown_entities",
        "beats_baselines",
        "no_worse_than_champion",
        "not_trained_on_test_days",
        "plausible",
        "mean_prediction",
        "single_feature",
        "no_leakage",
        "reproducible",
    ]
    assert "mean_prediction" not in gate_names(declared().gates, REGRESSION)


def test_one_bound_tells_how_much_a_feature_may_know_before_and_after_training() -> None:
    assert declared().gates.single_feature_score_bound(BINARY) == 0.99
    gates = declared(max_single_feature={"auc_roc": 0.95, "r2": 0.9}).gates
    assert (gates.single_feature_score_bound(BINARY), gates.single_feature_score_bound(REGRESSION)) == (0.95, 0.9)
    assert declared(max_single_feature={}).gates.single_feature_score_bound(BINARY) == 1.0
    with pytest.raises(ValidationError, match="max_single_feature_score"):
        declared(max_single_feature_score=0.95)


def test_a_kept_declaration_with_a_retired_gate_is_still_read() -> None:
    """Releases and training runs keep their declaration: a rollback reads an old one."""
    kept = json.loads(declared().model_dump_json())
    kept["gates"]["max_single_feature_score"] = 0.98
    assert UseCase.model_validate_json(json.dumps(kept)) == declared()
