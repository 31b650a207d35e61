"""What a look at a rollout comes to: by verdict, by the clock, by a person, and where something stands against it."""

import json
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from platform_assets.deployment.errors import NoRollout
from platform_assets.deployment.rollout.events import Abort, Advance, HoldRollout, RaiseShare
from platform_assets.deployment.rollout.stages import AT_ONCE, Assignment, Due, Stage, StageKind
from platform_assets.deployment.rollout.state import Phase, Rollout
from platform_assets.deployment.rollout.view import ArmView, RolloutView
from platform_assets.experiments.sequential.evidence import Outcome
from platform_assets.monitoring.rollout_page import rollout_page
from platform_assets.pipelines.advance_rollout import (
    RolloutLook,
    StepOutcome,
    advance_rollout,
    decide,
    intended,
    look_at,
)
from platform_assets.pipelines.rollout_history import read_history
from platform_assets.pipelines.rollout_record import RolloutBooks
from platform_assets.registry.base import CHAMPION
from platform_assets_tests.unit.pipelines.rollout_world import BEGAN, CANARY_AND_KEEP, NEW, OLD, SHADOW, RolloutWorld

LENIENT = {"error_ratio": 0.05, "latency_p99_ratio": 0.8, "score_shift": 0.2, "decision_shift": 0.2}


def step(world: RolloutWorld, at: Any) -> Any:
    return advance_rollout(world.case, world.models, world.serving, "run-1", at)


def champion(world: RolloutWorld) -> str:
    version = world.registry.by_alias(world.name, CHAMPION)
    assert version is not None
    return str(version.version)


def test_a_version_that_is_no_worse_goes_on_once_its_minutes_are_over_and_then_takes_over(tmp_path: Path) -> None:
    world = RolloutWorld(tmp_path, stages=CANARY_AND_KEEP, guards=LENIENT)
    at = world.answered(6)
    early = step(world, BEGAN + timedelta(minutes=4))
    assert early.outcome is StepOutcome.WAITING
    assert step(world, at).outcome is StepOutcome.PROMOTED
    assert world.target.state is not None
    assert world.target.state.phase is Phase.KEEPING
    assert step(world, at + timedelta(minutes=5)).outcome is StepOutcome.WAITING
    assert step(world, at + timedelta(minutes=11)).outcome is StepOutcome.FINISHED
    assert world.target.state is None
    assert world.actions() == ["rollout_promoted", "deployed", "rollout_finished"]
    assert (champion(world), world.target.serves) == ("2", NEW)
    entry = world.models.ledger(world.name).entries(world.name).row(0, named=True)
    evidence = json.loads(entry["evidence"])
    assert evidence["verdict"] == Outcome.BETTER_OR_EQUAL
    assert {found["guard"] for found in evidence["findings"]} == {
        "error_ratio",
        "latency_p99",
        "score",
        "decision stop",
    }
    assert evidence["weights"] == {"new": 100}
    assert step(world, at + timedelta(minutes=12)).outcome is StepOutcome.NOTHING, (
        "a look after the end changes nothing"
    )
    assert len(world.actions()) == 3


@pytest.mark.parametrize(
    ("fault", "guard"),
    [
        ({"errors": 0.3}, "error_ratio"),
        ({"shift": 0.3}, "score"),
        ({"slower": 4.0}, "latency_p99"),
        ({"wrong_each": 3}, "feature lot_speed_7d"),
    ],
)
def test_a_worse_version_goes_and_the_champions_alias_goes_back(
    tmp_path: Path, fault: dict[str, float], guard: str
) -> None:
    world = RolloutWorld(tmp_path)
    at = world.answered(4, per_second=20, **fault)
    result = step(world, at)
    assert result.outcome is StepOutcome.ABORTED, result.sentence
    assert f"{guard}: worse" in result.sentence
    assert (world.target.serves, world.target.state, champion(world)) == (OLD, None, "1")
    assert sorted(world.actions()) == ["rolled_back", "rollout_aborted"]
    last = read_history(world.serving.rollout_history(world.name))[-1]
    assert (last.over, last.weight, last.by) == (True, 0, "verdict")


def test_without_enough_traffic_it_waits_and_says_what_it_needs(tmp_path: Path) -> None:
    world = RolloutWorld(tmp_path)
    at = world.answered(6, per_second=1)
    result = step(world, at)
    assert result.outcome is StepOutcome.WAITING
    assert "cannot tell yet" in result.sentence
    assert world.actions() == []


def test_without_a_log_it_waits(tmp_path: Path) -> None:
    world = RolloutWorld(tmp_path)
    result = step(world, BEGAN + timedelta(minutes=30))
    assert (result.outcome, world.target.serves) == (StepOutcome.WAITING, OLD)
    world.log.rmdir()
    assert step(world, BEGAN + timedelta(minutes=31)).outcome is StepOutcome.WAITING


@pytest.mark.parametrize(
    ("declared", "outcome"),
    [("hold", StepOutcome.HELD), ("promote", StepOutcome.ADVANCED), ("abort", StepOutcome.ABORTED)],
)
def test_what_is_declared_happens_to_an_undecided_stage(tmp_path: Path, declared: str, outcome: StepOutcome) -> None:
    world = RolloutWorld(tmp_path, guards={"undecided": declared})
    result = step(world, BEGAN + timedelta(minutes=61))
    assert result.outcome is outcome
    assert f"`undecided: {declared}`" in result.sentence


def test_a_held_rollout_stays_until_a_person_promotes_it(tmp_path: Path) -> None:
    world = RolloutWorld(tmp_path, stages=CANARY_AND_KEEP, guards=LENIENT)
    at = world.answered(6)
    held = decide(world.case, world.models, world.serving, "r", HoldRollout("the market is odd today", "ops", "t"))
    assert held.outcome is StepOutcome.HELD
    waits = step(world, at)
    assert waits.outcome is StepOutcome.HELD
    assert "the market is odd today" in waits.sentence
    promoted = decide(world.case, world.models, world.serving, "r", Advance("I looked", "ops", "t", by_hand=True))
    assert promoted.outcome is StepOutcome.PROMOTED
    assert world.actions()[:2] == ["rollout_held", "rollout_promoted"]


def test_a_damaged_number_in_the_log_takes_no_verdict_away(tmp_path: Path) -> None:
    world = RolloutWorld(tmp_path)
    at = world.answered(4, per_second=20, errors=0.3)
    segment = next(world.log.glob("*.jsonl"))
    lines = [json.loads(line) for line in segment.read_text().splitlines()]
    lines[0]["score"], lines[1]["latency_ms"] = "torn", None
    segment.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with segment.open("a") as file:
        file.write("{torn\n")
    result = step(world, at)
    assert result.outcome is StepOutcome.ABORTED, result.sentence
    looks = read_history(world.serving.rollout_history(world.name))
    assert looks[-1].notes == ("3 lines of the prediction log left out: they cannot be read",)
    assert "3 lines of the prediction log left out" in rollout_page(world.name, [asdict(look) for look in looks])


def test_a_hold_keeps_no_worse_version_in_service(tmp_path: Path) -> None:
    world = RolloutWorld(tmp_path)
    decide(world.case, world.models, world.serving, "r", HoldRollout("the market is odd today", "ops", "t"))
    result = step(world, world.answered(4, per_second=20, errors=0.3))
    assert result.outcome is StepOutcome.ABORTED, result.sentence
    assert world.target.serves == OLD


def test_a_person_aborts_and_the_reason_stands_in_the_ledger(tmp_path: Path) -> None:
    world = RolloutWorld(tmp_path)
    result = decide(world.case, world.models, world.serving, "r", Abort("wrong model", "ops", "t"))
    assert result.outcome is StepOutcome.ABORTED
    entries = world.models.ledger(world.name).entries(world.name)
    kept = {row["action"]: json.loads(row["evidence"]) for row in entries.iter_rows(named=True)}
    assert kept["rollout_aborted"]["who"] == kept["rolled_back"]["who"] == "ops"
    assert kept["rolled_back"]["why"] == "wrong model"
    with pytest.raises(NoRollout, match="status"):
        decide(world.case, world.models, world.serving, "r", Abort("again", "ops", "t"))


class Killed(BaseException):
    """What ends a process that decides."""


@pytest.mark.parametrize("dies_at", ["the ledger", "the history"])
@pytest.mark.parametrize(
    ("stages", "decision", "actions"),
    [
        (CANARY_AND_KEEP, Abort("wrong model", "ops", "t"), ["rollout_aborted", "rolled_back"]),
        (CANARY_AND_KEEP, Advance("fine", "ops", "t", by_hand=True), ["rollout_promoted", "deployed"]),
        (CANARY_AND_KEEP, HoldRollout("wait", "ops", "t"), ["rollout_held"]),
        (CANARY_AND_KEEP, RaiseShare("quiet", "ops", "t", percent=70), ["rollout_raised"]),
        (
            CANARY_AND_KEEP[:1],
            Advance("fine", "ops", "t", by_hand=True),
            ["rollout_promoted", "deployed", "rollout_finished"],
        ),
    ],
    ids=["aborted", "promoted", "held", "raised", "finished"],
)
def test_a_decision_whose_process_was_killed_stands_in_the_ledger_once(
    stages: Any, decision: Any, actions: list[str], dies_at: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = RolloutWorld(tmp_path, stages=stages)

    def killed(*_: Any, **__: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        if dies_at == "the ledger":
            patch.setattr(RolloutBooks, "decided", killed)
        else:
            remembered = RolloutBooks.looked

            def die_at_the_second_line(books: Any, *values: Any, meant: str = "", **named: Any) -> None:
                if not meant:
                    raise Killed
                remembered(books, *values, meant=meant, **named)

            patch.setattr(RolloutBooks, "looked", die_at_the_second_line)
        with pytest.raises(Killed):
            decide(world.case, world.models, world.serving, "r", decision)
    for _ in range(3):
        step(world, BEGAN)
    written = [action for action in world.actions() if action in actions]
    assert sorted(written) == sorted(actions), world.actions()


def test_a_decision_that_the_target_never_took_stands_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = RolloutWorld(tmp_path, stages=CANARY_AND_KEEP)

    def killed(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(world.target, "advance", killed)
        with pytest.raises(Killed):
            decide(world.case, world.models, world.serving, "r", Abort("wrong model", "ops", "t"))
    assert step(world, BEGAN).outcome is StepOutcome.WAITING
    assert world.actions() == []


def test_a_rollout_that_changed_between_look_and_decision_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = RolloutWorld(tmp_path, stages=CANARY_AND_KEEP, guards=LENIENT)
    at = world.answered(6)
    advance = world.target.advance

    def somebody_was_faster(name: str, revision: int, decision: Any) -> Any:
        advance(name, revision, HoldRollout("faster", "ops", "t"))
        return advance(name, revision, decision)

    monkeypatch.setattr(world.target, "advance", somebody_was_faster)
    assert step(world, at).outcome is StepOutcome.CHANGED
    assert world.actions() == []
    assert world.target.state is not None
    assert world.target.state.held


def test_an_alias_that_somebody_moved_holds_the_rollout_and_an_abort_leaves_it(tmp_path: Path) -> None:
    world = RolloutWorld(tmp_path, stages=CANARY_AND_KEEP, guards=LENIENT)
    at = world.answered(6)
    world.registry.register(world.name, "run-3", {"as_of": "2026-02-02"})
    world.registry.set_alias(world.name, CHAMPION, "3")
    result = step(world, at)
    assert result.outcome is StepOutcome.ALIAS_MOVED
    assert "points at version 3, while version 2 is rolled out" in result.sentence
    assert step(world, at).outcome is StepOutcome.HELD
    aborted = decide(world.case, world.models, world.serving, "r", Abort("enough", "ops", "t"))
    assert "points at version 3 and was left as it is" in aborted.sentence
    assert champion(world) == "3"


def test_a_clock_that_was_set_back_counts_no_time(tmp_path: Path) -> None:
    world = RolloutWorld(tmp_path, guards={"undecided": "promote"})
    result = step(world, BEGAN - timedelta(hours=2))
    assert result.outcome is StepOutcome.CLOCK_BEHIND
    assert world.target.state is not None
    assert world.target.state.step == 0


def test_a_registry_that_is_down_stops_no_abort_and_lets_nothing_go_on(
    tmp_path: Path,
) -> None:
    world = RolloutWorld(tmp_path, stages=CANARY_AND_KEEP, guards=LENIENT)
    at = world.answered(6)
    world.registry.store.is_reachable = False
    assert "nothing goes on" in step(world, at).sentence
    aborted = decide(world.case, world.models, world.serving, "r", Abort("bad", "ops", "t"))
    assert world.target.serves == OLD
    assert "models rollback parking --to 1" in aborted.sentence


def test_a_version_that_died_between_two_looks_is_written_down_and_its_alias_returned(tmp_path: Path) -> None:
    world = RolloutWorld(tmp_path)
    step(world, BEGAN + timedelta(minutes=1))
    assert world.target.state is not None
    world.target.advance(world.name, world.target.state.revision, Abort("no healthy endpoint", "watcher", "t"))
    result = step(world, BEGAN + timedelta(minutes=2))
    assert result.outcome is StepOutcome.NOTHING
    assert "taken out between two looks" in result.sentence
    assert (champion(world), sorted(world.actions())) == ("1", ["rolled_back", "rollout_aborted"])
    assert step(world, BEGAN + timedelta(minutes=3)).sentence == "nothing is rolled out"


def test_a_shadow_is_judged_by_pairs_and_names_the_wrong_feature(tmp_path: Path) -> None:
    world = RolloutWorld(tmp_path, stages=SHADOW)
    at = world.answered(5, wrong_each=10)
    look = look_at(world.case, world.models, world.serving, at)
    assert look.evidence is not None
    worse = [found.guard for found in look.evidence.verdict.findings if found.outcome is Outcome.WORSE]
    assert len(worse) == 1
    assert "lot_speed" in worse[0]
    assert step(world, at).outcome is StepOutcome.ABORTED


def test_pairs_whose_entity_had_another_event_in_between_are_counted_apart(tmp_path: Path) -> None:
    world = RolloutWorld(tmp_path, stages=SHADOW, guards=LENIENT)
    at = world.answered(6)
    look = look_at(world.case, world.models, world.serving, at)
    assert look.evidence is not None
    assert look.evidence.notes == ()
    assert look.evidence.verdict.outcome is Outcome.BETTER_OR_EQUAL, look.evidence.verdict.sentence
    crowded = RolloutWorld(tmp_path / "crowded", stages=SHADOW)
    at = crowded.answered(1, lots=2)
    seen = look_at(crowded.case, crowded.models, crowded.serving, at).evidence
    assert seen is not None
    assert "their entity had another event in between" in " ".join(seen.notes)


@pytest.mark.parametrize(
    ("shown", "outcome"),
    [
        ("wins", StepOutcome.ADVANCED),
        ("loses", StepOutcome.ABORTED),
        ("is_void", StepOutcome.HELD),
        ("is open", StepOutcome.WAITING),
    ],
)
def test_an_experiment_is_decided_by_its_own_measure(shown: str, outcome: StepOutcome) -> None:
    split = Stage(StageKind.SPLIT, 50, observe=True, assignment=Assignment("parking", "lot", 10_000, 5_000))
    rollout = Rollout(Phase.SPLIT, "new", "old", (split, *AT_ONCE), since=BEGAN.isoformat())
    arms = (ArmView("old", OLD, "a", 50), ArmView("new", NEW, "b", 50))
    says = {name: name == shown for name in ("wins", "loses", "is_void")}
    experiment: Any = SimpleNamespace(**says, sentence="less goes unpaid")
    fine: Any = SimpleNamespace(verdict=SimpleNamespace(outcome=Outcome.BETTER_OR_EQUAL, sentence="fine"))
    look = RolloutLook(RolloutView("parking", rollout, arms), fine, Due.OVER, "2", experiment=experiment)
    intent = intended(look, BEGAN + timedelta(days=7))
    assert intent.outcome is outcome
    assert intent.decision is None or intent.decision.by == "experiment"
