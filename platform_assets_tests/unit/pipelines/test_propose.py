"""A promotion is proposed only where it would be allowed, with all that reviewers read, and nothing moves before the merge."""

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from platform_assets.deployment.gitops.pull_requests.branch import BranchOnly
from platform_assets.pipelines.gitops.comparison import changed_features
from platform_assets.pipelines.gitops.propose import ProposedPromotion, Proposer, propose_promotion
from platform_assets.pipelines.gitops.reconcile import reconcile
from platform_assets.pipelines.package import PackagingFailed
from platform_assets.registry.errors import NotEvaluated, PromotionHeld, PromotionRefused
from platform_assets.registry.holds import place_hold
from platform_assets_tests.unit.pipelines.delivery_world import DeliveryWorld
from platform_assets_tests.unit.pipelines.test_reconcile import serving


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DeliveryWorld:
    return DeliveryWorld(tmp_path, monkeypatch)


def proposed(world: DeliveryWorld, number: str, environment: Any = "production") -> ProposedPromotion:
    drivers: Any = SimpleNamespace(drivers=lambda: (), credentials=None, secrets=None)
    variables: Mapping[str, str] = {}
    parts = Proposer(world.models, drivers, world.serving, world.releases, BranchOnly(), variables, lambda line: None)
    version = world.registry.get(world.name, number)
    return propose_promotion(world.case, version, environment, parts, who="head of risk", why="fewer false alarms")


def test_a_merged_proposal_is_promoted_and_nothing_moves_before(world: DeliveryWorld) -> None:
    serving(world, "1")
    found = proposed(world, "2")
    assert found.branch.name == "promote/parking/2/production"
    file, companions = world.releases.branches[found.branch.name]
    assert (file.model.version, file.evidence.compared_with, file.decided.why) == ("2", "1", "fewer false alarms")
    page = companions["comparison.md"]
    for words in (
        "version 1 serves now",
        "fewer false alarms",
        "training: 3 s",
        "self-test: 20 known rows",
        "## Gates",
    ):
        assert words in page
    assert reconcile(world.process()).mended == ()
    assert world.champion == "1"
    world.releases.merge(found.branch.name)
    assert reconcile(world.process()).agrees
    assert world.champion == "2"
    decided = world.ledger.moves("parking").row(-1, named=True)["evidence"]
    assert "head of risk" in decided
    assert "fewer false alarms" in decided


def test_the_first_version_of_another_environment_is_proposed_as_well(world: DeliveryWorld) -> None:
    serving(world, "1")
    found = proposed(world, "1", "staging")
    file, companions = world.releases.branches[found.branch.name]
    assert (file.environment, file.ledger_entry) == ("staging", None)
    assert "nothing serves yet" in companions["comparison.md"]


def test_what_would_be_refused_is_not_proposed(world: DeliveryWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    serving(world, "1")
    with pytest.raises(PromotionRefused, match="is the champion of production already"):
        proposed(world, "1")
    world.broken.add("2")
    with pytest.raises(PackagingFailed, match="answers known rows otherwise"):
        proposed(world, "2")
    good = world.evidence
    monkeypatch.setattr(world, "evidence", lambda number: {**good(number), "passed": False})
    with pytest.raises(PromotionRefused, match="its gates did not pass"):
        proposed(world, "3")
    monkeypatch.setattr(world, "evidence", lambda number: {**good(number), "champion": "4"})
    with pytest.raises(PromotionRefused, match="compared with version 4"):
        proposed(world, "3")
    monkeypatch.setattr(world, "evidence", lambda number: {})
    with pytest.raises(NotEvaluated):
        proposed(world, "3")
    monkeypatch.setattr(world, "evidence", good)
    place_hold(world.ledger, "parking", by="audit", why="year's end", champion="1")
    with pytest.raises(PromotionHeld, match=r"held since .* by audit: year's end"):
        proposed(world, "3")
    assert world.releases.branches == {}


def test_features_that_mean_something_else_are_named() -> None:
    before = {
        "views": [{"name": "car", "rows": [{"name": "kmh", "expression": "speed"}, {"name": "old", "expression": "a"}]}]
    }
    now = {
        "views": [
            {"name": "car", "rows": [{"name": "kmh", "expression": "speed * 2"}, {"name": "new", "expression": "b"}]}
        ]
    }
    lines = "\n".join(changed_features(before, now))
    assert "views car rows kmh expression means something else: 'speed' was, 'speed * 2' is" in lines
    assert "views car rows new expression is new" in lines
    assert "views car rows old expression is gone" in lines
    assert changed_features(before, before) == []
