"""The steps that other orchestrators are given have the edges of Dagster's assets.

Belongs here: both graphs, held together. Does not belong here: what a step does, or the written projects.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from platform_assets.declaration import UseCase, load_use_case
from platform_assets.orchestration.assets.build import build_assets
from platform_assets.orchestration.component import use_case_definitions
from platform_assets.pipelines.steps.graph import step_named, steps_of
from platform_assets.pipelines.steps.registry import STEP_VERBS
from platform_assets.testing.declare import declare, window

ROOT = Path(__file__).parents[2]
DEFS = ROOT / "platform_assets" / "defs"
DAGSTERS_OWN = {
    "monitoring/retrain_decision",
    "maintenance/tables",
    "model/rollback",
    "serving/rollout",
    "experiments/design",
    "experiments/report",
    "serving/experiment_report",
}


def declared(name: str) -> UseCase:
    return load_use_case(DEFS / name)


def edges_of_assets(use_case: UseCase) -> Mapping[str, tuple[set[str], set[str]]]:
    """What each step's asset depends on: on its own day, and on the newest of; in names of the steps that make it."""
    assets = build_assets(use_case, DEFS / "card_fraud")
    made_by = {}
    for definition in assets:
        names = ["/".join(key.path[1:]) for key in definition.keys]
        step = next((name for name in names if name.startswith("clean/")), names[0])
        made_by |= dict.fromkeys(names, step)
    edges: dict[str, tuple[set[str], set[str]]] = {}
    for definition in assets:
        for spec in definition.specs:
            step = made_by["/".join(spec.key.path[1:])]
            needs, follows = edges.setdefault(step, (set(), set()))
            for dep in spec.deps:
                newest = isinstance(dep.partition_mapping, dg.LastPartitionMapping)
                (follows if newest else needs).add(made_by["/".join(dep.asset_key.path[1:])])
    return edges


CASES: dict[str, Any] = {
    "a service": lambda: declared("card_fraud"),
    "batch": lambda: declared("bike_demand"),
    "labels in the events": lambda: declare(
        events={"sale": "int64", "at": "datetime", "customer": "int64", "amount": "float64", "is_late": [0, 1]},
        label="is_late",
        features=[{"name": "recent", "entity": "customer", "windows": [window("spent", "sum", "amount", [1, 7])]}],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_steps_have_the_edges_of_the_assets(case: str) -> None:
    use_case = CASES[case]()
    edges = {name: both for name, both in edges_of_assets(use_case).items() if name not in DAGSTERS_OWN}
    steps = {step.name: (set(step.needs), set(step.follows)) for step in steps_of(use_case)}
    assert steps == edges


@pytest.mark.parametrize("case", CASES)
def test_no_step_comes_before_one_that_it_waits_for_and_each_has_a_verb(case: str) -> None:
    seen: set[str] = set()
    for step in steps_of(CASES[case]()):
        assert {*step.needs, *step.follows} <= seen
        assert callable(STEP_VERBS[step.kind])
        seen.add(step.name)


def test_a_step_that_nothing_has_is_named_with_the_one_that_was_meant() -> None:
    with pytest.raises(ValueError, match="did you mean 'clean/rentals'"):
        step_named(declared("bike_demand"), "clean/rental")


def test_dagster_starts_nothing_of_a_use_case_that_another_orchestrator_runs() -> None:
    folder = DEFS / "bike_demand"
    foreign = declared("bike_demand").model_copy(update={"orchestration": "airflow"})
    running = {
        name: {
            one.name
            for one in use_case_definitions(use_case, folder).sensors or []
            if one.default_status.value == "RUNNING"
        }
        for name, use_case in (("own", declared("bike_demand")), ("foreign", foreign))
    }
    assert running["own"]
    assert not running["foreign"]


OF_DAGSTERS_OWN_ASSETS = {
    "feed",
    "history",
    "retrain_decision",
    "rollback",
    "rollout",
    "maintenance",
    "recovery",
    "usage",
}
OF_DAGSTERS_OWN_ASSETS |= {"use_case_page", "delivery", "experiment", "experiment_report"}
HELPERS = {
    "explanations_schema",
    "listed_days",
    "newest_day",
    "referenced_columns",
    "report_path",
    "starts_from_events",
}
"""What asset modules ask of pipelines besides their verb."""


def verbs_in(folder: Path, leaving_out: set[str]) -> set[str]:
    """Functions of pipelines that the modules of a folder import."""
    found = set()
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            module = getattr(node, "module", None) or ""
            if isinstance(node, ast.ImportFrom) and module.startswith("platform_assets.pipelines."):
                of_steps = ".steps." in module or path.stem in leaving_out
                found |= set() if of_steps else {alias.name for alias in node.names if alias.name.islower()}
    return found


def test_a_step_calls_every_verb_that_its_asset_calls() -> None:
    platform = ROOT / "platform_assets"
    of_assets = verbs_in(platform / "orchestration" / "assets", OF_DAGSTERS_OWN_ASSETS)
    of_steps = verbs_in(platform / "pipelines" / "steps", set())
    assert {"ingest", "publish_features", "promote_model"} <= of_assets
    assert of_assets - of_steps - HELPERS == set()
