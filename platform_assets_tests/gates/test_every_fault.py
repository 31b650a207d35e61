"""Every kind of fault that a data gate can see is caught by the rule meant for it; good days pass."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest

from platform_assets.simulation.faults import FAULT_KINDS, WORLD_KINDS
from platform_assets.testing.fault_world import FaultWorld
from platform_assets.testing.planted_faults import MEANT, good_days, plant_and_load


@pytest.fixture(scope="module")
def planted_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultWorld]:
    with dg.DagsterInstance.ephemeral() as instance:
        world = FaultWorld(tmp_path_factory.mktemp("faults") / "lake", instance)
        world.load_good_days()
        yield world


def test_there_is_a_rule_for_every_kind() -> None:
    assert {fault["kind"] for fault, _ in MEANT} == set(FAULT_KINDS) - WORLD_KINDS


TRIED_ELSEWHERE = {"nulls", "duplicates", "out_of_range", "missing_column", "changed_type", "late_rows", "volume_drop"}
"""By test_data_gates."""
TRIED = [(fault, rule) for fault, rule in MEANT if fault["kind"] not in TRIED_ELSEWHERE]


@pytest.mark.parametrize(("fault", "rule"), TRIED, ids=[f"{f['kind']}-{f.get('column', 'rows')}" for f, _ in TRIED])
def test_a_fault_is_caught_by_the_rule_meant_for_it(
    planted_world: FaultWorld, fault: dict[str, Any], rule: str
) -> None:
    outcome = plant_and_load(planted_world, {**fault, "seed": 1})
    assert rule in outcome.caught_by, f"caught by {sorted(outcome.caught_by)}"
    assert not outcome.published
    assert outcome.good_rows_refused == 0


def test_good_days_pass() -> None:
    assert good_days(range(1), 60) == (60, 0)
