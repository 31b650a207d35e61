"""Merged promotions are deployed, rollbacks stand in git and hold, and whatever ends in between agrees afterwards."""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from platform_assets.deployment.errors import DeploymentError
from platform_assets.deployment.gitops.errors import GitFailed
from platform_assets.deployment.gitops.release_file import WrittenHold, write_release_file
from platform_assets.deployment.rollout.events import Abort, Advance
from platform_assets.pipelines.gitops.delivery_rules import Mend, disagreements
from platform_assets.pipelines.gitops.reconcile import Reconciled, reconcile
from platform_assets.registry.base import CHAMPION
from platform_assets.registry.errors import PromotionHeld
from platform_assets.registry.holds import BEGINS, hold_in_force, lift_hold, place_hold
from platform_assets_tests.unit.deployment.gitops_files import digest
from platform_assets_tests.unit.pipelines.delivery_world import DeliveryWorld, Killed

FIRST, SECOND = "v1-000000000000", "v2-000000000000"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DeliveryWorld:
    return DeliveryWorld(tmp_path, monkeypatch)


def settled(world: DeliveryWorld) -> Reconciled:
    done = reconcile(world.process())
    assert done.agrees, (done.problems, [str(one) for one in done.left])
    return done


def serving(world: DeliveryWorld, *numbers: str) -> None:
    """Versions that were merged, rolled out and taken on, one after the other."""
    for number in numbers:
        world.merge(number)
        settled(world)
        while world.target.state is not None:
            world.decide(Advance)
        settled(world)


def test_nothing_promoted_is_no_disagreement(world: DeliveryWorld) -> None:
    assert settled(world).mended == ()


def test_a_merge_promotes_and_deploys_in_the_declared_stages(world: DeliveryWorld) -> None:
    serving(world, "1")
    assert (world.champion, world.target.serves) == ("1", FIRST)
    assert world.actions() == [("promoted", "1"), ("deployed", "1")]
    world.merge("2")
    mended = [one.mend for one in settled(world).mended]
    assert mended == [Mend.APPLY_MERGE, Mend.RECORD_IN_GIT, Mend.DEPLOY]
    assert (world.champion, world.target.serves) == ("2", FIRST)
    assert world.target.state is not None, "a canary begins, and nothing more"
    assert settled(world).mended == (), "what is rolled out is left alone"
    while world.target.state is not None:
        world.decide(Advance)
    settled(world)
    assert world.target.serves == SECOND
    file = world.git.file
    assert file is not None
    assert (file.decided.by, file.ledger_entry) == ("head of risk", "parking/promoted/2/move 1")


def test_a_verdict_that_takes_a_version_back_stands_in_git_and_holds_until_a_person_lifts_it(
    world: DeliveryWorld,
) -> None:
    serving(world, "1")
    world.merge("2")
    settled(world)
    world.decide(Abort)
    assert world.champion == "1"
    settled(world)
    file = world.git.file
    assert file is not None
    assert file.model.version == "1"
    assert file.hold is not None
    assert (file.hold.by, file.hold.why) == ("verdict", "the guards say so")
    assert "is held" in world.releases.messages[-1]
    assert "version 1 serves" in world.releases.companions["production", "parking"]["comparison.md"]
    world.merge("3")
    held = reconcile(world.process())
    assert [one.mend for one in held.mended] == [Mend.RESTORE_HELD]
    assert world.git.file == file
    with pytest.raises(PromotionHeld, match="gitops lift parking"):
        world.process().promote(world.file("3"), "abc")
    lift_hold(world.ledger, world.name, by="head of risk", why="a fault of the guard")
    settled(world)
    assert world.git.file is not None
    assert world.git.file.hold is None
    world.merge("3")
    settled(world)
    assert world.champion == "3"


def test_a_rollback_by_a_person_stands_in_git_and_holds(world: DeliveryWorld) -> None:
    serving(world, "1", "2")
    world.roll_back()
    while world.target.state is not None:
        world.decide(Advance)
    settled(world)
    assert (world.champion, world.target.serves) == ("1", FIRST)
    file = world.git.file
    assert file is not None
    assert file.hold is not None
    assert (file.model.version, file.hold.by, file.hold.why) == ("1", "on call", "declines doubled")


@pytest.mark.parametrize("keeps_the_hold", [True, False])
def test_an_hour_of_an_image_updater_after_a_rollback_promotes_nothing(
    world: DeliveryWorld, *, keeps_the_hold: bool
) -> None:
    serving(world, "1", "2")
    world.roll_back()
    settled(world)
    before = [one for one in world.actions() if one[0] == "promoted"]
    for minute in range(
        60
    ):  # simulated: each minute it writes the newest version into the file, and all else as a proposal has it
        found = world.git.file
        assert found is not None
        newest = world.file(("2", "3")[minute % 2], ledger_entry=found.ledger_entry)
        text = write_release_file(newest.model_copy(update={"hold": found.hold if keeps_the_hold else None}))
        world.releases.files["production", "parking"] = text
        done = reconcile(world.process())
        assert done.agrees
    assert [one for one in world.actions() if one[0] == "promoted"] == before
    assert (world.champion, world.target.serves) == ("1", FIRST)
    assert world.git.file is not None
    assert world.git.file.hold is not None


def test_a_promotion_that_was_overtaken_is_taken_back_and_says_by_what(world: DeliveryWorld) -> None:
    serving(world, "1")
    late = world.file("2")
    serving(world, "3")
    world.releases.files["production", "parking"] = write_release_file(late)
    [restored] = reconcile(world.process()).mended
    assert restored.mend is Mend.RESTORE_OVERTAKEN
    assert "head of risk decided it" in restored.sentence
    assert world.champion == "3"
    assert world.git.file is not None
    assert world.git.file.model.version == "3"


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"model": {"digest": "another"}}, "model.digest"),
        ({"model": {"feature_contract": "of last year"}}, "model.feature_contract"),
        ({"evidence": {"digest": digest("9")}}, "evidence.digest"),
        ({"evidence": {"passed": False}}, "evidence.passed"),
        ({"service": {"digest": digest("9")}}, "service.digest"),
        ({"service": None}, "service: is absent"),
        ({"model": {"version": "9"}}, "model.version"),
    ],
)
def test_what_is_not_so_is_not_promoted_and_git_gets_the_release_that_serves_back(
    world: DeliveryWorld, fields: dict[str, dict[str, object] | None], names: str
) -> None:
    serving(world, "1")
    file = world.file("2")
    for part, values in fields.items():
        old = getattr(file, part)
        file = file.model_copy(update={part: None if values is None else old.model_copy(update=values)})
    world.releases.files["production", "parking"] = write_release_file(file)
    done = reconcile(world.process())
    assert not done.agrees
    assert names in " ".join(done.problems)
    assert world.champion == "1"
    assert world.git.file is not None
    assert world.git.file.model.version == "1"
    settled(world)
    assert ("refused" in dict(world.actions())) == (names != "model.version")


def test_a_service_that_fails_its_self_test_is_not_promoted(world: DeliveryWorld) -> None:
    serving(world, "1")
    world.broken.add("2")
    world.merge("2")
    done = reconcile(world.process())
    assert "answers known rows otherwise" in " ".join(done.problems)
    assert world.champion == "1"


def test_a_service_that_does_not_start_is_left_to_a_person_and_not_tried_again_and_again(world: DeliveryWorld) -> None:
    serving(world, "1")
    world.target.refuses = "v2"
    world.merge("2")
    for _ in range(3):
        done = reconcile(world.process())
        assert not done.agrees
        assert done.left[-1].mend is Mend.PERSON
        assert "it ended with 3" in done.left[-1].sentence
    assert world.actions().count(("deployment_failed", "2")) == 1
    assert world.target.serves == FIRST


def test_an_alias_that_somebody_moved_goes_back(world: DeliveryWorld) -> None:
    serving(world, "1")
    world.registry.set_alias("parking", CHAMPION, "4")
    assert [one.mend for one in settled(world).mended] == [Mend.RETURN_ALIAS]
    assert world.champion == "1"


def test_a_hold_that_a_person_wrote_into_git_is_taken_over_and_lifted_as_any_other(world: DeliveryWorld) -> None:
    serving(world, "1")
    found = world.git.file
    assert found is not None
    by_hand = WrittenHold(by="audit", why="year's end", since=datetime(2026, 3, 2, tzinfo=UTC))
    world.releases.files["production", "parking"] = write_release_file(found.model_copy(update={"hold": by_hand}))
    assert [one.mend for one in settled(world).mended] == [Mend.ADOPT_HOLD, Mend.RECORD_IN_GIT]
    assert hold_in_force(world.ledger, "parking") is not None
    old = world.releases.files["production", "parking"]
    lift_hold(world.ledger, "parking", by="audit", why="over")
    settled(world)
    assert hold_in_force(world.ledger, "parking") is None
    world.releases.files["production", "parking"] = old
    settled(world)
    assert hold_in_force(world.ledger, "parking") is None, "an older file does not bring it back"


def test_a_hold_with_an_end_is_over_then(world: DeliveryWorld) -> None:
    serving(world, "1")
    now = datetime.now(UTC)
    place_hold(world.ledger, "parking", by="a", why="b", champion="1", until=now + timedelta(hours=1))
    assert hold_in_force(world.ledger, "parking", now) is not None
    assert hold_in_force(world.ledger, "parking", now + timedelta(hours=2)) is None


def test_a_file_that_cannot_be_read_is_left_alone_and_named(world: DeliveryWorld) -> None:
    serving(world, "1")
    world.releases.files["production", "parking"] = "kind: Release\n"
    done = reconcile(world.process())
    assert not done.agrees
    assert "model: Field required" in done.left[0].sentence
    assert world.releases.files["production", "parking"] == "kind: Release\n"


def test_a_repository_that_does_not_answer_stops_everything(world: DeliveryWorld) -> None:
    serving(world, "1")
    world.releases.is_reachable = False
    with pytest.raises(GitFailed):
        reconcile(world.process())


def test_without_a_gitops_repository_nothing_is_held(world: DeliveryWorld) -> None:
    serving(world, "1", "2")
    world.roll_back()
    free = world.ledger.__class__(world.table, "production")
    assert hold_in_force(free, "parking") is None


def test_the_page_of_rules_has_every_rule() -> None:
    page = (Path(__file__).parents[3] / "docs" / "operations" / "gitops.md").read_text()
    for mend in Mend:
        assert f"| {mend} |" in page


ACTS: dict[str, Callable[[DeliveryWorld], None]] = {
    "merge 1": lambda world: world.merge("1"),
    "merge 2": lambda world: world.merge("2"),
    "merge 3": lambda world: world.merge("3"),
    "merge 4": lambda world: world.merge("4"),
    "reconcile": lambda world: None,
    "alias by hand": lambda world: world.registry.set_alias("parking", CHAMPION, "4"),
    "stop": lambda world: world.decide(Abort) if world.target.state is not None else None,
    "take on": lambda world: world.decide(Advance) if world.target.state is not None else None,
    "roll back": lambda world: (
        world.roll_back() if len(set(world.ledger.moves("parking")["model_version"])) > 1 else None
    ),
    "lift": lambda world: (
        lift_hold(world.ledger, "parking", by="a", why="b") and None if hold_in_force(world.ledger, "parking") else None
    ),
}


def live_through(world: DeliveryWorld, chance: random.Random, acts: int) -> None:
    """Things happen, the reconciler looks after each, and processes end anywhere in either."""
    serving(world, "1")
    for name in chance.choices(list(ACTS), weights=[1, 3, 3, 3, 1, 1, 4, 4, 4, 3], k=acts):
        for act in (ACTS[name], lambda world: reconcile(world.process()) and None):
            world.fuse.left = chance.randrange(10) if chance.random() < 0.8 else None
            try:
                act(world)
            except (Killed, RuntimeError, DeploymentError):
                pass  # ended here; or refused: nothing to go back to, a rollout under way
            finally:
                world.fuse.left = None


def promoted_while_held(world: DeliveryWorld) -> list[str]:
    """Promotions between the beginning of a hold and a person's word."""
    held, found = False, []
    for action, version in world.actions():
        if action in BEGINS:
            held = True
        elif action == "hold_lifted":
            held = False
        elif action == "promoted" and held:
            found.append(version)
    return found


def settles(world: DeliveryWorld, seed: int) -> None:
    """What all four say once nothing kills anybody any more."""
    done = reconcile(world.process())
    for _ in range(8):
        while world.target.state is not None:
            world.decide(Advance)
        done = reconcile(world.process())
    assert (disagreements(done.state), done.mended) == ((), ()), f"seed {seed}: {[str(one) for one in done.left]}"
    assert promoted_while_held(world) == [], f"seed {seed}"
    champion = world.ledger.moves("parking")["model_version"][-1]
    file, serves = world.git.file, str(world.target.serves)
    assert file is not None
    assert (world.champion, file.model.version, serves.partition("-")[0]) == (champion, champion, f"v{champion}"), (
        f"seed {seed}"
    )


def test_killed_100_times_between_verdict_ledger_alias_git_and_target_all_agree_after_settling(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kills = seed = 0
    while kills < 100:
        world = DeliveryWorld(tmp_path / str(seed), monkeypatch)
        live_through(world, random.Random(seed), acts=20)
        settles(world, seed)
        kills, seed = kills + world.fuse.kills, seed + 1
