"""Where releases stand in git, automation proposes and a person merges; what was rolled back does not come back by this door."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from platform_assets.deployment.gitops.pull_requests.branch import BranchOnly
from platform_assets.pipelines.gitops import automation
from platform_assets.pipelines.gitops.automation import AwaitedMerge, awaited_merge, promote_or_propose
from platform_assets.pipelines.gitops.propose import Proposer
from platform_assets.pipelines.gitops.reconcile import reconcile
from platform_assets.pipelines.package import unmerged_version
from platform_assets.pipelines.promote import PromotedModel, promote_model
from platform_assets.registry.errors import PromotionHeld, PromotionRefused
from platform_assets.registry.holds import lift_hold
from platform_assets_tests.unit.pipelines.delivery_world import DeliveryWorld
from platform_assets_tests.unit.pipelines.test_reconcile import serving


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DeliveryWorld:
    return DeliveryWorld(tmp_path, monkeypatch)


def passed_its_gates(world: DeliveryWorld, number: str, run_id: str = "run") -> PromotedModel | AwaitedMerge:
    """What the champion asset does for the model of a day."""
    drivers: Any = SimpleNamespace(drivers=lambda: (), credentials=None, secrets=None)
    parts = Proposer(world.models, drivers, world.serving, world.releases, BranchOnly(), {}, lambda line: None)
    return promote_or_propose(world.case, world.registry.get(world.name, number), parts, run_id)


def test_a_new_model_is_a_branch_and_serves_once_it_is_merged(world: DeliveryWorld) -> None:
    serving(world, "1")
    done = passed_its_gates(world, "2")
    assert isinstance(done, AwaitedMerge)
    assert done.branch == "promote/parking/2/production"
    file, _ = world.releases.branches[done.branch]
    assert (file.decided.by, file.model.version) == ("automation", "2")
    assert reconcile(world.process()).mended == ()
    assert world.champion == "1"
    waiting = unmerged_version(world.case, world.models, "2026-02-02")
    assert waiting is not None
    assert waiting.version == "2"
    world.releases.merge(done.branch)
    assert reconcile(world.process()).agrees
    assert world.champion == "2"
    assert unmerged_version(world.case, world.models, "2026-02-02") is None
    again = passed_its_gates(world, "2")
    assert isinstance(again, PromotedModel)
    assert not again.move.moved


def test_a_request_that_a_person_closed_is_not_opened_again(world: DeliveryWorld) -> None:
    serving(world, "1")
    passed_its_gates(world, "2")
    world.releases.branches.clear()
    done = passed_its_gates(world, "2", "another run")
    assert isinstance(done, AwaitedMerge)
    assert not done.pushed
    assert world.releases.branches == {}
    passed_its_gates(world, "3")
    world.releases.merge("promote/parking/3/production")
    reconcile(world.process())
    assert awaited_merge(world.ledger, world.registry.get(world.name, "2")) is None, "the champion moved since"


def test_what_was_rolled_back_is_neither_promoted_nor_proposed_by_automation(world: DeliveryWorld) -> None:
    serving(world, "1", "2")
    world.roll_back()
    reconcile(world.process())
    promoted = [one for one in world.actions() if one[0] == "promoted"]
    with pytest.raises(PromotionHeld, match="gitops lift parking"):
        passed_its_gates(world, "3")
    lift_hold(world.ledger, world.name, by="head of risk", why="the cause is known")
    world.registry.register(world.name, "run 5", world.tags("5") | {"model_digest": "model-2"})
    for number in ("2", "5"):
        with pytest.raises(PromotionRefused, match=r"the same model, was rolled back from .* declines doubled"):
            passed_its_gates(world, number)
    assert ("refused", "5") in world.actions()
    assert world.releases.branches == {}
    assert isinstance(passed_its_gates(world, "4"), AwaitedMerge)
    assert [one for one in world.actions() if one[0] == "promoted"] == promoted
    assert world.champion == "1"


def test_no_door_of_automation_promotes_past_git(world: DeliveryWorld) -> None:
    serving(world, "1")
    version: Any = world.registry.get(world.name, "2")
    with pytest.raises(PromotionRefused, match=r"nobody decided it\. Propose it"):
        promote_model(SimpleNamespace(), world.registry, world.ledger, version, "run")  # type: ignore[arg-type]
    assert world.champion == "1"


def test_the_first_release_takes_nobody_s_place_unless_git_knows_one(world: DeliveryWorld) -> None:
    world.merge("2")  # of an installation whose ledger was lost
    assert isinstance(passed_its_gates(world, "1"), AwaitedMerge)
    assert world.champion is None
    world.releases.files.clear()
    first = passed_its_gates(world, "3")
    assert isinstance(first, PromotedModel)
    assert world.champion == "3"
    assert automation.AUTOMATION not in str(world.releases.messages)
