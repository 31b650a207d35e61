"""The plan of a rollout: its stages in order, each a way in which a new version stands beside the old one.

Belongs here: stages as values, which plans make sense, and how long a stage has lasted. Does not belong here: what a strategy is declared
as (`registry.py`), going from stage to stage (`machine.py`), or judging a version (`experiments/`).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

FULL_WEIGHT = 100
BUCKETS = 10_000
"""Into so many buckets the entities of an experiment are hashed."""


class StageKind(StrEnum):
    """What a new version gets in a stage."""

    MIRROR = "mirror"  # copies of requests; nobody gets its answers
    WEIGHT = "weight"  # a share of the requests, each by chance
    SPLIT = "split"  # the requests of a share of the entities, always the same ones


@dataclass(frozen=True)
class Assignment:
    """Which entities of an experiment get the new version.

    Attributes:
        experiment: its name, the salt of both hashes.
        entity: the request column whose values are assigned as a whole.
        traffic_buckets: of 10,000 buckets, so many take part.
        treatment_buckets: of 10,000 buckets, so many of those that take part get the new version.
    """

    experiment: str
    entity: str
    traffic_buckets: int
    treatment_buckets: int

    def __post_init__(self) -> None:
        if not 0 < self.traffic_buckets <= BUCKETS or not 0 < self.treatment_buckets < BUCKETS:
            raise ValueError(f"an experiment takes 1..{BUCKETS} buckets and treats 1..{BUCKETS - 1} of them: {self}")


@dataclass(frozen=True)
class Stage:
    """One stage of a rollout.

    Attributes:
        kind: what the new version gets.
        percent: of the requests: copied to it (MIRROR) or answered by it (WEIGHT, SPLIT).
        observe: whether the rollout waits in this stage until somebody advances it.
        minutes: it waits at least so long; of the last stage: so long the old version is kept without traffic.
        at_most_minutes: after so long without a verdict `undecided` says what happens; None for never.
        undecided: `hold`, `promote` or `abort`.
        assignment: of a SPLIT.
    """

    kind: StageKind
    percent: int
    observe: bool
    minutes: float = 0.0
    at_most_minutes: float | None = None
    undecided: str = "hold"
    assignment: Assignment | None = None


Plan = tuple[Stage, ...]
"""The stages of a rollout in order; the last one gives all requests to the new version and is not observed."""

AT_ONCE: Plan = (Stage(StageKind.WEIGHT, FULL_WEIGHT, observe=False),)
"""All requests at once, and the old version goes as soon as its last request is answered."""


def planned(stages: Iterable[Stage], undecided: str = "hold") -> Plan:
    """A plan of these stages, the last one added where it lacks.

    Args:
        stages: of one strategy or of several after each other.
        undecided: what happens to a stage whose time is over without a verdict.

    Raises:
        ValueError: they make no sense in this order.
    """
    plan = tuple(replace(stage, undecided=undecided) if stage.observe else stage for stage in stages)
    if not plan or not _is_last(plan[-1]):
        plan += AT_ONCE
    check_plan(plan)
    return plan


def raised(plan: Plan, step: int, percent: int) -> Plan:
    """The plan with a larger share in one of its stages.

    Args:
        plan: the stages.
        step: of the stage.
        percent: of the requests, copied or answered; of a SPLIT: of the entities, who takes part.

    Raises:
        ValueError: the share falls or stays, or is too large for the stage or for the one after it.
    """
    stage = plan[step]
    taking_part = stage.assignment
    now = stage.percent if taking_part is None else taking_part.traffic_buckets * FULL_WEIGHT / BUCKETS
    later = [one.percent for one in plan[step + 1 :] if one.kind is StageKind.WEIGHT]
    most = later[0] - 1 if stage.kind is StageKind.WEIGHT and later else FULL_WEIGHT
    if not now < percent <= most:
        raise ValueError(
            f"the share of this stage is {now:g} % and can be raised to {most} % at most, got {percent} %: it never falls, and the next "
            "stage's share comes by `rollout promote`"
        )
    larger = replace(stage, percent=percent)
    if taking_part is not None:
        traffic = percent * BUCKETS // FULL_WEIGHT
        share = split_percent(traffic / BUCKETS, taking_part.treatment_buckets / BUCKETS)
        larger = replace(stage, percent=share, assignment=replace(taking_part, traffic_buckets=traffic))
    changed = (*plan[:step], larger, *plan[step + 1 :])
    check_plan(changed)
    return changed


def split_percent(traffic_ratio: float, treatment_ratio: float) -> int:
    """What a SPLIT gives the new version of all requests, in whole percent that are neither none nor all."""
    return min(max(1, round(FULL_WEIGHT * traffic_ratio * treatment_ratio)), FULL_WEIGHT - 1)


def check_plan(plan: Plan) -> None:
    """Refuse stages that no rollout can take.

    Raises:
        ValueError: weights that do not rise or leave 1..99 before the last stage, a mirror after the new version had requests, a split
            without assignment, or another last stage than all requests.
    """
    if not plan or not _is_last(plan[-1]):
        raise ValueError(f"the last stage of a rollout gives all requests to the new version, unobserved: {plan}")
    before = plan[:-1]
    weights = [stage.percent for stage in before if stage.kind is StageKind.WEIGHT]
    if any(earlier >= later for earlier, later in itertools.pairwise(weights)):
        raise ValueError(f"the weights of a rollout must rise within 1..99, got {weights}")
    answered = False
    for stage in before:
        most = FULL_WEIGHT if stage.kind is StageKind.MIRROR else FULL_WEIGHT - 1
        if not 1 <= stage.percent <= most:
            raise ValueError(
                f"a {stage.kind} stage takes 1..{most} percent, got {stage.percent}; weights rise within 1..99"
            )
        if stage.kind is StageKind.MIRROR and answered:
            raise ValueError("a version that answered requests gets no copies any more: shadow comes first")
        if (stage.kind is StageKind.SPLIT) != (stage.assignment is not None):
            raise ValueError(f"a split, and nothing else, needs an assignment of entities: {stage}")
        answered = answered or stage.kind is not StageKind.MIRROR


def _is_last(stage: Stage) -> bool:
    return stage.kind is StageKind.WEIGHT and stage.percent == FULL_WEIGHT and not stage.observe


class Due(StrEnum):
    """What a clock says of a stage that waits."""

    NOT_YET = "not yet"  # its minutes are not over
    OVER = "over"  # a verdict may end it
    AT_MOST_OVER = "at most over"  # it has waited as long as it may
    CLOCK_BEHIND = "clock behind"  # it began in the future: a clock was set back, and no time is counted


def due(stage: Stage, since: str, at: datetime) -> Due:
    """What a clock says of a stage.

    Args:
        stage: the stage.
        since: when it began, ISO 8601 with its offset.
        at: the time now, with its offset.
    """
    minutes = (at - datetime.fromisoformat(since)).total_seconds() / 60
    if minutes < 0:
        return Due.CLOCK_BEHIND
    if stage.at_most_minutes is not None and minutes >= max(stage.at_most_minutes, stage.minutes):
        return Due.AT_MOST_OVER
    return Due.OVER if minutes >= stage.minutes else Due.NOT_YET
