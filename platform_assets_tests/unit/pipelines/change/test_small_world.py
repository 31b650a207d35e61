"""A small world of both sides: what became red, what did not run, and the figures before and after."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from platform_assets.pipelines.change import samples
from platform_assets.pipelines.change.check import check_change
from platform_assets.pipelines.change.samples import samples_section, touched_use_cases, with_samples
from platform_assets.pipelines.change.sides import ChangeSide
from platform_assets.testing.change_world import FUNCTIONS, declared, edit_text, write
from platform_assets.testing.planted_changes import PlantedChange

from .planted import change_of, planted_in

GREEN = {
    "days": ["2024-01-01", "2024-01-20"],
    "as_of": "2024-01-21",
    "rows": {"clean/visits": 1000},
    "metrics": {"auc_roc": 0.8, "winner": "logistic"},
    "checks": {"model/evaluation floor_auc_roc": True},
    "evidence": {},
    "failed": [],
    "cpu_seconds": {"load": 2.0},
    "memory_megabytes": 300,
}
RED = {
    **GREEN,
    "rows": {"clean/visits": 900},
    "metrics": {"auc_roc": 0.6, "winner": "logistic"},
    "checks": {"model/evaluation floor_auc_roc": False},
    "evidence": {"model/evaluation floor_auc_roc": "0.6 is below 0.7"},
    "cpu_seconds": {"load": 3.0},
}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (GREEN, RED, "floor_auc_roc is red on the small world, and was green: 0.6 is below 0.7"),
        (None, RED, "floor_auc_roc is red on the small world: 0.6 is below 0.7"),
        (GREEN, {**GREEN, "failed": ["clean: no such column"]}, "does not run: clean: no such column"),
        ({**GREEN, "failed": ["no file"]}, {**GREEN, "failed": ["no file"]}, "(nor does it run before the change)"),
        (RED, RED, None),
        (GREEN, GREEN, None),
    ],
)
def test_what_the_change_made_red_is_named(
    before: ChangeSide, checkout: Path, old: dict[str, Any] | None, new: dict[str, Any], said: str | None
) -> None:
    change = replace(change_of(checkout, before), samples={"parking": (old, new)})
    [outcome] = check_change(change, ["small_world"])
    assert outcome.passed is (said is None)
    assert said is None or said in outcome.broken[0].message


def test_the_comment_shows_what_is_otherwise(checkout: Path) -> None:
    section = samples_section({"parking": (GREEN, RED)})
    assert "| rows: clean/visits | 1,000 | 900 | -10.0% |" in section
    assert "| metrics: auc_roc | 0.8 | 0.6 | -25.0% |" in section
    assert "| CPU seconds: load | 2.0 | 3.0 | +50.0% |" in section
    assert "winner" not in section


def test_only_use_cases_that_a_change_touches_are_run(
    before: ChangeSide, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[tuple[str, list[str]]] = []

    def run(side: ChangeSide, names: list[str]) -> dict[str, Any]:
        ran.append((side.root.name, list(names)))
        return dict.fromkeys(names, GREEN)

    monkeypatch.setattr(samples, "_run", run)
    with planted_in(checkout, before, PlantedChange("", lambda root: write(root, "README.md", "# Page\n"))) as change:
        assert with_samples(change).samples == {}
    with planted_in(checkout, before, PlantedChange("", declared(lambda d: d.update(owner="team:lots")))) as change:
        first = with_samples(change)
        again = with_samples(change)
        assert first.samples == again.samples == {"parking": (GREEN, GREEN)}
    assert sorted(side for side, _ in ran) == ["after", "after", "before"]  # that of the commit before is remembered
    with planted_in(checkout, before, PlantedChange("", edit_text(FUNCTIONS, "6.0", "7.0"))) as change:
        assert touched_use_cases(change) == ["parking"]
