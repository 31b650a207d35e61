"""Which way each limit is loosened; and no field of the sections that hold limits is forgotten."""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from platform_assets.declaration.sections.alerting import Objectives
from platform_assets.declaration.sections.behaviour import Direction, Invariance, MinimumCase
from platform_assets.declaration.sections.gates import Floor, Gates
from platform_assets.declaration.sections.quality import Quality
from platform_assets.declaration.sections.rollout import AbStage, CanaryStage, Guards, ReplaceStage, ShadowStage
from platform_assets.declaration.sections.serving import Monitoring, RetrainRule, WatchedColumn
from platform_assets.declaration.sections.slices import Slice
from platform_assets.pipelines.change.fields import Field, differences, fields_of
from platform_assets.pipelines.change.limits import LIMITS, NO_LIMITS, WATCHED_THINGS, loosenings
from platform_assets.testing.change_world import parking
from platform_assets.testing.declare import declare

SECTIONS: dict[str, type[BaseModel]] = {
    "gates": Gates,
    "gates.floors.*": Floor,
    "gates.slices.*": Slice,
    "gates.behaviour.*": Invariance,
    "gates.behaviour.* ": Direction,
    "gates.behaviour.*  ": MinimumCase,
    "sources.*.quality": Quality,
    "monitoring": Monitoring,
    "monitoring.columns.*": WatchedColumn,
    "monitoring.retrain": RetrainRule,
    "monitoring.objectives": Objectives,
    "serving.guards": Guards,
    "serving.rollout.*": ReplaceStage,
    "serving.rollout.* ": CanaryStage,
    "serving.rollout.*  ": ShadowStage,
    "serving.rollout.*   ": AbStage,
}
PARTS = ("description", "why", "name")
FLOOR = {"floors": [{"metric": "brier", "bound": 0.1}]}
LOWER_FLOOR = {"floors": [{"metric": "brier", "bound": 0.2}]}


def leaves(model: type[BaseModel], path: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        below = field.annotation
        if isinstance(below, type) and issubclass(below, BaseModel):
            yield from leaves(below, f"{path}.{name}")
        elif str(below).startswith("dict") or (str(below).startswith("tuple") and _holds_models(below)):
            yield f"{path}.{name}.*"
        else:
            yield f"{path}.{name}"


def _holds_models(annotation: Any) -> bool:
    return any(
        (isinstance(part, type) and issubclass(part, BaseModel)) or "Annotated" in str(part)
        for part in get_args(annotation)
    )


@pytest.mark.parametrize("section", SECTIONS)
def test_each_field_is_a_limit_or_said_to_be_none(section: str) -> None:
    known = [*(limit.pattern for limit in LIMITS), *WATCHED_THINGS, *NO_LIMITS]
    for path in (leaf.removesuffix(".*") for leaf in leaves(SECTIONS[section], section.strip())):
        is_known = any(
            pattern == path or pattern.startswith(f"{path}.") or fnmatchcase(path, pattern) for pattern in known
        )
        assert is_known or path.rpartition(".")[2] in PARTS, (
            f"{path}: add it to LIMITS or NO_LIMITS of pipelines/change/limits.py"
        )


def changed(**sections: Any) -> dict[str, Any]:
    document = parking()
    document["training"]["metrics"] = ["auc_roc", "average_precision", "brier"]
    for section, fields in sections.items():
        document[section] = {**document.get(section, {}), **fields}
    return plain(document)


def plain(document: dict[str, Any]) -> dict[str, Any]:
    for view in document["features"]:
        view.pop("functions", None)
    return dict(declare_document(document).model_dump(mode="json"))


def declare_document(document: dict[str, Any]) -> Any:
    from platform_assets.declaration import UseCase

    return UseCase.model_validate(document)


def looser(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return [str(item) for item in loosenings(before, after, {"auc_roc": True, "brier": False})]


@pytest.mark.parametrize(
    ("tight", "loose", "path"),
    [
        ({"gates": {"confidence": 0.95}}, {"gates": {"confidence": 0.9}}, "gates.confidence"),
        ({"gates": {"reproducible": True}}, {"gates": {"reproducible": False}}, "gates.reproducible"),
        ({"gates": {"plausible": {"auc_roc": 0.95}}}, {"gates": {"plausible": {"auc_roc": 0.99}}}, "gates.plausible.auc_roc"),
        ({"gates": {"plausible": {"brier": 0.05}}}, {"gates": {"plausible": {"brier": 0.01}}}, "gates.plausible.brier"),
        ({"gates": {"max_model_megabytes": 5}}, {"gates": {"max_model_megabytes": None}}, "gates.max_model_megabytes"),
        ({"gates": FLOOR}, {"gates": LOWER_FLOOR}, "gates.floors.brier.bound"),
        ({"monitoring": {"max_psi": 0.2}}, {"monitoring": {"max_psi": 0.3}}, "monitoring.max_psi"),
        ({}, {"monitoring": {"columns": {"speed": {"max_ks": 0.9}}}}, "monitoring.columns.speed.max_ks"),
    ],
)  # fmt: skip
def test_a_limit_is_looser_one_way_only(tight: dict[str, Any], loose: dict[str, Any], path: str) -> None:
    before, after = changed(**tight), changed(**loose)
    assert path in looser(before, after)
    assert path not in looser(after, before)


def rolled_out(*stages: dict[str, Any]) -> dict[str, Any]:
    return changed(serving={"rollout": list(stages)}) if stages else changed()


REPLACE, CANARY, SHADOW = {"strategy": "replace"}, {"strategy": "canary"}, {"strategy": "shadow"}


@pytest.mark.parametrize(
    ("before", "after", "paths"),
    [
        ([], [CANARY], []),
        ([REPLACE], [SHADOW, CANARY], []),
        ([CANARY], [SHADOW, CANARY, REPLACE], []),
        ([CANARY], [], ["serving.rollout.canary"]),
        ([SHADOW, CANARY], [CANARY], ["serving.rollout.shadow"]),
        ([REPLACE | {"keep_minutes": 30}], [CANARY], ["serving.rollout.replace"]),
        ([REPLACE | {"keep_minutes": 30}], [REPLACE], ["serving.rollout.replace.keep_minutes"]),
        ([CANARY], [CANARY | {"steps_percent": [1, 5, 25, 50]}], []),
        ([CANARY], [CANARY | {"steps_percent": [5, 50]}], ["serving.rollout.canary.steps_percent"]),
        ([CANARY], [CANARY | {"steps_percent": [20, 25, 50]}], ["serving.rollout.canary.steps_percent"]),
        ([CANARY], [CANARY | {"step_minutes": 1}], ["serving.rollout.canary.step_minutes"]),
        ([CANARY], [CANARY | {"at_most_hours": 1}], []),
    ],
)
def test_a_rollout_is_looser_by_what_it_no_longer_asks_for_and_not_by_another_stage(
    before: list[dict[str, Any]], after: list[dict[str, Any]], paths: list[str]
) -> None:
    assert looser(rolled_out(*before), rolled_out(*after)) == paths


def test_a_share_that_was_not_declared_is_that_of_all_refused_rows() -> None:
    before, after = changed(), changed()
    after["sources"][0]["quality"]["max_duplicate_ratio"] = 0.005
    assert looser(before, after) == []
    after["sources"][0]["quality"]["max_duplicate_ratio"] = 0.5
    assert looser(before, after) == ["sources.visits.quality.max_duplicate_ratio"]


def test_things_are_known_by_name_and_not_by_place() -> None:
    use_case = declare(events={"id": "int64", "at": "datetime", "a": "float64", "b": "float64"}, label="label")
    document = use_case.model_dump(mode="json")
    turned = {**document, "sources": list(reversed(document["sources"]))}
    assert differences(document, turned) == []
    paths = [str(field) for field in fields_of(document)]
    assert "sources.events.columns.a.minimum" in paths
    assert Field(("sources", "events"), ("sources", 0), None) in list(fields_of(document))
