"""A declaration from a line or three: what is given stands in it, what is not has a default, and the result is valid."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from platform_assets.declaration import load_use_case
from platform_assets.testing.declare import declaration, declare, row, window, write_declaration

VISITS = {"visit": "int64", "at": "datetime", "lot": "int32", "speed": "float64?", "gate": ["north", "south"]}


def test_a_line_makes_a_binary_task_with_its_label_in_a_source_of_its_own() -> None:
    use_case = declare(events=VISITS, label="unpaid")
    assert use_case.training.task == "binary"
    assert (use_case.label_source.name, use_case.label_delay_days) == ("labels", 1)
    assert use_case.event_source.primary_key == ("visit",)
    assert use_case.event_time == "at"
    assert use_case.feature_names == ("lot", "speed")
    assert use_case.serving.request == tuple(VISITS)
    assert use_case.serving.decision is not None


@pytest.mark.parametrize(
    ("label", "task"),
    [("paid", "binary"), ({"ended": ["early", "late", "never"]}, "multiclass"), ({"cost": "float64"}, "regression")],
)
def test_the_label_says_which_task_it_is(label: str | dict[str, object], task: str) -> None:
    assert declare(events=VISITS, label=label).training.task == task


def test_a_label_among_the_events_is_delivered_with_them_and_never_a_feature_or_a_request() -> None:
    use_case = declare(events={**VISITS, "cost": "float64"}, label="cost")
    assert use_case.label_source is use_case.event_source
    assert "cost" not in use_case.feature_names
    assert "cost" not in use_case.serving.request


def test_views_bring_their_entities_and_columns_come_first() -> None:
    busy = {"name": "lot_activity", "entity": "lot", "windows": [window("visits", "count", None, [1, 7])]}
    use_case = declare(events=VISITS, label="unpaid", features=["speed", busy])
    assert use_case.feature_names == ("speed", "visits_1d", "visits_7d")
    assert use_case.entity("lot").key == "lot"


def test_sections_replace_their_defaults_and_fields_of_training_its_fields() -> None:
    use_case = declare(
        events=VISITS,
        label="unpaid",
        label_delay_days=3,
        name="parking",
        table="visits",
        training={"metrics": ["brier", "auc_roc"]},
        monitoring={"quality_metric": "brier", "min_rows": 10},
        features=[{"name": "twice", "rows": [row("double", "speed * 2")]}],
    )
    assert (use_case.name, use_case.events) == ("parking", "visits")
    assert use_case.training.metrics == ("brier", "auc_roc")
    assert use_case.training.splits.delay_days == 3
    assert use_case.monitoring.min_rows == 10


def test_what_is_not_valid_is_refused_as_in_any_declaration() -> None:
    with pytest.raises(ValidationError, match="no_such"):
        declare(events=VISITS, label="unpaid", features=[{"name": "wrong", "rows": [row("x", "no_such + 1")]}])


def test_the_yaml_loads_as_the_same_use_case(tmp_path: Path) -> None:
    document = declaration(events=VISITS, label="unpaid")
    assert write_declaration(tmp_path / "small", document) == tmp_path / "small" / "defs.yaml"
    assert load_use_case(tmp_path / "small") == declare(events=VISITS, label="unpaid")
