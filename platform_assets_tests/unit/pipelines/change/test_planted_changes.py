"""Bad changes are stopped by the gate that is meant for them, and nobody is kept from a good one."""

from pathlib import Path

import pytest

from platform_assets.pipelines.change.check import check_change
from platform_assets.pipelines.change.comment import comment_on
from platform_assets.pipelines.change.gates.registry import CHANGE_GATES
from platform_assets.pipelines.change.report import report_of
from platform_assets.pipelines.change.sides import ChangeSide
from platform_assets.testing.planted_changes import BAD, GOOD

from .planted import planted_in

IN_PROCESS = [name for name, planted in BAD.items() if not planted.needs_code]


def test_every_gate_is_meant_for_a_planted_change() -> None:
    assert {planted.gate for planted in BAD.values()} == set(CHANGE_GATES) - {"small_world"}  # test_small_world.py
    assert len(BAD) >= 20
    assert len(GOOD) >= 20


@pytest.mark.parametrize("name", IN_PROCESS)
def test_a_bad_change_is_stopped_by_its_gate(before: ChangeSide, checkout: Path, name: str) -> None:
    with planted_in(checkout, before, BAD[name]) as change:
        [outcome] = check_change(change, [BAD[name].gate])
        assert not outcome.passed
        for finding in outcome.broken:
            assert finding.message
            assert finding.next_step
            assert finding.line >= 1
            assert (checkout / finding.file).exists() or (before.root / finding.file).exists()


@pytest.mark.parametrize("name", GOOD)
def test_a_good_change_passes_every_gate(before: ChangeSide, checkout: Path, name: str) -> None:
    with planted_in(checkout, before, GOOD[name]) as change:
        outcomes = check_change(change)
        assert {outcome.name: outcome.broken for outcome in outcomes if not outcome.passed} == {}
        assert f"all {len(CHANGE_GATES) - 1} gates kept" in comment_on(change, report_of(change), outcomes)
