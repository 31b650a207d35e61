"""A metric was renamed: homes made before keep the old name, and read; a declaration of today is told the new one."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from platform_assets.declaration import UseCase
from platform_assets.declaration.renamed import current_name, with_current_names
from platform_assets.registry.training_run import COMPARISON_FILE, VERDICT_FILE, read_model_run
from platform_assets.testing.declare import declaration

OLD, NEW = "card_precision_at_100", "group_precision_at_100"


def declared(metric: str) -> dict[str, Any]:
    """A declaration that names the metric wherever one can be named."""
    return declaration(
        events={"visit": "int64", "at": "datetime", "lot": "int32", "speed": "float64"},
        label="unpaid",
        features=["speed"],
        training={"metrics": ["auc_roc", metric], "select_by": metric, "group": "lot"},
        gates={
            "floors": [{"metric": metric, "bound": 0.1}],
            "plausible": {metric: 0.9},
            "slices": [{"name": "fast", "expression": "speed > 9", "metric": metric, "floor": 0.1}],
            "bypasses": [
                {"gate": f"{gate}_{metric}", "who": "head of lots", "why": "agreed in the board", "until": "2999-01-01"}
                for gate in ("floor", "plausible")
            ],
        },
        monitoring={"quality_metric": metric},
    )


def test_a_kept_declaration_is_read_under_todays_name() -> None:
    kept = UseCase.model_validate_json(json.dumps(declared(OLD)))
    assert kept == UseCase.model_validate(declared(NEW))
    assert kept.training.select_by == NEW


def test_a_declaration_of_today_is_told_the_new_name() -> None:
    with pytest.raises(ValidationError, match=f"{OLD} is called {NEW} now"):
        UseCase.model_validate(declared(OLD))


@pytest.mark.parametrize(
    ("stored", "today"),
    [
        ("card_precision_at_7", "group_precision_at_7"),
        ("floor_card_precision_at_100", "floor_group_precision_at_100"),
        ("fold.trees.card_precision_at_100", "fold.trees.group_precision_at_100"),
        ("card_precision_at_0", "card_precision_at_0"),
        ("the card_precision_at_100 is low", "the card_precision_at_100 is low"),
        ("auc_roc", "auc_roc"),
    ],
)
def test_names_and_nothing_else_change(stored: str, today: str) -> None:
    assert current_name(stored) == today
    assert with_current_names({stored: [stored, 1, None, {"metric": stored}]}) == {
        today: [today, 1, None, {"metric": today}]
    }


def test_a_run_of_then_is_read_under_todays_name(tmp_path: Path) -> None:
    mean = {"auc_roc": 0.9, OLD: 0.3}
    comparison = {"metrics": {OLD: True}, "candidates": {"trees": {"mean": mean, "baseline": False}}}
    (tmp_path / COMPARISON_FILE).write_text(json.dumps(comparison))
    gates = [{"name": f"floor_{OLD}", "passed": True, "explanation": f"{OLD} is 0.3."}]
    (tmp_path / VERDICT_FILE).write_text(json.dumps({"gates": gates, "same_rows": {"model": mean}}))
    run = read_model_run(tmp_path)
    assert run.comparison["candidates"]["trees"]["mean"] == {"auc_roc": 0.9, NEW: 0.3}
    evidence = run.evidence()
    assert evidence["same_rows"]["model"][NEW] == 0.3
    assert evidence["gates"][0]["name"] == f"floor_{NEW}"
    assert evidence["gates"][0]["explanation"] == f"{OLD} is 0.3.", "sentences stay as they were written"
